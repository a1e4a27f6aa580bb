"""Measure: many draws are the convolution, one draw reads one place; the exact variance; arguments refused."""

import inspect
import math
import tracemalloc

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv import _checks
from diffuseconv.measurement import _streams, _taps

ALARM = 1e-12  # false-alarm probability of each random assertion; see test_convergence_measurement.py


def hoeffding(span, draws, elements):
    """How far a mean of draws may stray, at all elements but for ALARM."""
    return span * math.sqrt(math.log(2 * elements / ALARM) / (2 * draws))


# --- measure ---------------------------------------------------------------------------------------------------------


@given(data=st.data())
def test_many_draws_are_the_convolution(data):
    """10¹² draws leave 5e-6 of the range: enough to see any tap, wall or sign out of place."""
    field = data.draw(strategies.fields(strategies.shapes(most=6)))
    kernel = data.draw(strategies.kernels(strategies.shapes(field.ndim, most=5)))
    names = data.draw(strategies.boundaries(field.ndim))
    seed = data.draw(strategies.SEEDS)
    mean = dc.measure(field, kernel, 10**12, rng=seed, boundary=names)
    expected = naive.convolve(field, kernel, names)
    span = 2 * np.abs(kernel).sum() * np.abs(field).max()
    assert np.abs(mean - expected).max() <= hoeffding(span, 10**12, field.size) + 1e-14 * span


@given(data=st.data())
def test_one_draw_reads_one_place(data):
    field = data.draw(strategies.fields(strategies.shapes(most=6)))
    density = data.draw(strategies.densities(strategies.shapes(field.ndim, most=4)))
    names = data.draw(strategies.boundaries(field.ndim))
    drawn = dc.measure(field, dc.Propagator(density), rng=data.draw(strategies.SEEDS), boundary=names)
    for i in np.ndindex(field.shape):
        allowed = {
            naive.value(field, [a - (b - n // 2) for a, b, n in zip(i, j, density.shape, strict=True)], names)
            for j in np.ndindex(density.shape)
            if density[j] > 0
        }
        assert drawn[i] in allowed


@pytest.mark.parametrize("taps", [(1, 4), (2, 3), (5, 2)])
@pytest.mark.parametrize("walls", [(dc.Constant(-2.5), "reflecting"), ("periodic", dc.Constant(7.0))])
def test_a_constant_is_read_wherever_the_kernel_reaches(taps, walls):
    """A kernel of one tap draws with certainty."""
    u = np.arange(12.0).reshape(3, 4)
    for tap in range(math.prod(taps)):
        k = np.zeros(taps)
        k.flat[tap] = 1.0
        np.testing.assert_array_equal(dc.measure(u, k, boundary=walls, rng=0), naive.convolve(u, k, walls))


def test_colours_move_together():
    rows, columns = 40, 30
    where = np.stack(np.indices((rows, columns)), axis=-1).astype(float)
    for draws in (1, 10**6):
        both = dc.measure(where, np.ones((3, 5)) / 15, draws, rng=2, axes=(0, 1))
        for colour in range(2):
            alone = dc.measure(where[..., colour], np.ones((3, 5)) / 15, draws, rng=2)
            assert np.array_equal(both[..., colour], alone)
        front = dc.measure(np.moveaxis(where, -1, 0), np.ones((3, 5)) / 15, draws, rng=2, axes=(-2, -1))
        assert np.array_equal(np.moveaxis(front, 0, -1), both)
        turned = dc.measure(np.swapaxes(where, 0, 1), np.ones((3, 5)) / 15, draws, rng=2, axes=(1, 0))
        assert np.array_equal(np.swapaxes(turned, 0, 1), both)


def test_dtypes_strides_and_kinds_of_kernel():
    field = np.arange(60.0).reshape(6, 10)
    kernel = np.ones((3, 3)) / 9
    assert dc.measure(field.astype(np.float32), kernel, rng=0).dtype == np.float32
    assert dc.measurement_variance(field.astype(np.float32), kernel).dtype == np.float32
    for same in (field.astype(int), field.astype(np.uint8), np.asfortranarray(field), np.repeat(field, 2, 1)[:, ::2]):
        assert np.array_equal(dc.measure(same, kernel, 3, rng=0), dc.measure(field, kernel, 3, rng=0))
    before = field.copy()
    dc.measure(field, kernel, rng=0)
    assert np.array_equal(field, before)
    assert np.array_equal(
        dc.measure(field, dc.Propagator(kernel), rng=0),
        field.ravel()[dc.measure(field, dc.Propagator(kernel), rng=0).astype(int)],
    )
    assert not dc.measure(field, np.zeros((3, 3)), 5, rng=0).any()
    assert np.array_equal(dc.measure(field, np.zeros((3, 3)), 10**5, rng=0), np.zeros(field.shape))


def test_constant_field_stays_constant():
    for draws in (1, 7, 10**9):
        mean = dc.measure(np.full((5, 5), 0.1), dc.Propagator(np.ones((3, 3)) / 9), draws, rng=1)
        assert np.abs(mean - 0.1).max() <= 1e-15


def test_seven_fold_reach():
    """A kernel far wider than the field folds as often as needed."""
    kernel = np.zeros(51)
    kernel[[0, 50]] = 0.5
    drawn = dc.measure(np.arange(3.0), kernel, 10**12, rng=0)
    assert np.abs(drawn - naive.convolve(np.arange(3.0), kernel, ["reflecting"])).max() <= hoeffding(2, 10**12, 3)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"draws": 0}, ValueError, "draws must be at least 1, got 0"),
        ({"draws": 1.0}, TypeError, "draws must be a whole number"),
        ({"draws": 10**18 + 1}, ValueError, "draws must be at most"),
        ({"rng": -1}, ValueError, "rng must not be negative"),
        ({"rng": 1.5}, TypeError, "rng must be"),
        ({"rng": np.random.RandomState(1)}, TypeError, "rng must be"),
        ({"boundary": "wrap"}, ValueError, "boundary must be one of"),
        ({"boundary": ("zero",)}, ValueError, "boundary must be one value"),
        ({"axes": 0}, ValueError, "kernel must have 1 dimension"),
        ({"axes": (0, 0)}, ValueError, "axes must not repeat"),
        ({"field": [[np.nan]]}, ValueError, "field must be finite"),
        ({"kernel": [[np.inf]]}, ValueError, "kernel must be finite"),
        ({"kernel": [[1e308, 1e308]]}, ValueError, "kernel must have a finite sum"),
        ({"kernel": [1.0]}, ValueError, "kernel must have 2 dimensions"),
        ({"field": [[1j]]}, TypeError, "field must hold"),
        ({"field": np.ones((2, 2, 2, 2))}, ValueError, "axes must name"),
    ],
)
def test_measure_refuses(change, error, words):
    arguments = {"field": np.ones((4, 4)), "kernel": np.ones((3, 3)), **change}
    with pytest.raises(error, match=words) as caught:
        dc.measure(**arguments)
    assert "\n" not in str(caught.value)


# --- variance --------------------------------------------------------------------------------------------------------


def variance_by_definition(field, kernel, names):
    """Sum P (w u - mean)² over all taps of all pixels."""
    norm = np.abs(kernel).sum()
    out = np.zeros(field.shape)
    for i in np.ndindex(field.shape):
        values, chances = [], []
        for j in np.ndindex(kernel.shape):
            source = [a - (b - n // 2) for a, b, n in zip(i, j, kernel.shape, strict=True)]
            values.append(np.sign(kernel[j]) * norm * naive.value(field, source, names))
            chances.append(abs(kernel[j]) / norm)
        mean = math.fsum(c * v for c, v in zip(chances, values, strict=True))
        out[i] = math.fsum(c * (v - mean) ** 2 for c, v in zip(chances, values, strict=True))
    return out


@given(data=st.data())
def test_variance_is_exact(data):
    field = data.draw(strategies.fields(strategies.shapes(most=5)))
    kernel = data.draw(strategies.kernels(strategies.shapes(field.ndim, most=4)))
    names = data.draw(strategies.boundaries(field.ndim))
    kernel.flat[0] += kernel.flat[0] == 0
    variance = dc.measurement_variance(field, kernel, 3, boundary=names)
    expected = variance_by_definition(field, kernel, names) / 3
    assert (variance >= 0).all()
    assert np.abs(variance - expected).max() <= 1e-13 * (np.abs(kernel).sum() * np.abs(field).max()) ** 2 + 1e-300


@given(data=st.data())
def test_variance_is_unmoved_by_a_constant(data):
    field = data.draw(strategies.fields(strategies.shapes(most=6), size=1e3)).round()
    density = data.draw(strategies.densities(strategies.shapes(field.ndim, most=4)))
    names = data.draw(st.tuples(*[st.sampled_from(["reflecting", "periodic"])] * field.ndim))
    small = dc.measurement_variance(field, dc.Propagator(density), boundary=names)
    far = dc.measurement_variance(field + 1e12, dc.Propagator(density), boundary=names)
    assert np.array_equal(small, far)


@given(data=st.data())
def test_variance_law(data):
    """Law 1: (p∗u² − (p∗u)²)/n; behind absorbing walls u² continues evenly."""
    field = data.draw(strategies.fields(strategies.shapes(most=6), size=10.0))
    density = data.draw(strategies.densities(strategies.shapes(field.ndim, most=4)))
    names = data.draw(strategies.boundaries(field.ndim))
    even = tuple("reflecting" if name == "absorbing" else name for name in names)
    law = dc.convolve(field**2, density, boundary=even) - dc.convolve(field, density, boundary=names) ** 2
    assert np.abs(dc.measurement_variance(field, density, 7, boundary=names) - law / 7).max() <= 1e-11


def test_draws_needed_keeps_its_promise():
    field, density = np.arange(25.0).reshape(5, 5), np.ones((3, 3)) / 9
    exact = naive.convolve(field, density, ("reflecting",) * 2)
    for tolerance in (30.0, 1.0, 0.01):
        draws = dc.draws_needed(field, density, tolerance, confidence=1 - ALARM)
        assert np.abs(dc.measure(field, density, draws, rng=4) - exact).max() <= tolerance
        assert draws == 1 or dc.draws_needed(field, density, tolerance / 2, confidence=1 - ALARM) > 1.9 * draws
    assert dc.draws_needed(np.ones(5), np.ones(3) / 3, 1e-9) == 1
    level = math.log(2 * 4 / 0.05)
    assert dc.draws_needed([0, 0, 4, 0], [0.25, 0.5, 0.25], 0.1) == math.ceil(level * 16 / (2 * 0.1**2))
    colours = np.array([[0, 0, 4, 0]] * 3).T  # twelve values at once
    level = math.log(2 * 12 / 0.05)
    assert dc.draws_needed(colours, [0.25, 0.5, 0.25], 0.1, axes=0) == math.ceil(level * 16 / (2 * 0.1**2))
    flat = np.zeros(1000)
    flat[500] = 100.0
    rare = dc.draws_needed(flat, [0.01, 0.98, 0.01], 1.0)
    bernstein = 2 * 100**2 * 0.98 * 0.02 + 2 * 100 / 3
    assert rare == math.ceil(math.log(2 * 1000 / 0.05) * bernstein)
    for wrong in (0, 1, -1, 2):
        with pytest.raises(ValueError, match="confidence must be"):
            dc.draws_needed(field, density, 1.0, confidence=wrong)
    with pytest.raises(ValueError, match="tolerance must be greater than 0"):
        dc.draws_needed(field, density, 0.0)


def test_draws_needed_refuses_what_no_number_of_draws_reaches():
    with pytest.raises(ValueError, match="tolerance must be at least"):
        dc.draws_needed([0.0, 1.0], [0.5, 0.5], 1e-200)
    with pytest.raises(ValueError, match=r"tolerance must be at least 1.11e-16 for this field, got 1e-16"):
        dc.draws_needed([0.0, 1.0], [0.5, 0.5], 1e-16)
    assert dc.draws_needed([0.0, 1.0], [0.5, 0.5], 1.2e-16) > 1e30


@pytest.mark.parametrize("draws", [1, 10**7])
def test_measuring_needs_little_memory(draws):
    """Beside the field itself, its continuation and the result; weights of both signs read the negative field too."""
    u, p = np.random.default_rng(1).random((300, 320)), np.full((3, 3), 1 / 9)
    signed = np.array([0.6, -0.2, 0.6])[:, None]

    def peak(call):
        call()  # compiled
        tracemalloc.start()
        call()
        most = tracemalloc.get_traced_memory()[1] / u.nbytes
        tracemalloc.stop()
        return most

    assert peak(lambda: dc.measure(u, p, draws, rng=1)) < 2.2
    assert peak(lambda: dc.measure(u, signed, draws, rng=1)) < 3.2
    assert peak(lambda: dc.measurement_variance(u, p, draws)) < 2.2


@pytest.mark.parametrize(
    ("cells", "dtype"), [(9, np.int32), (2**30 - 1, np.int32), (2**30, np.int64), (2**31, np.int64)]
)
def test_places_fit_their_integers(cells, dtype):
    """The negative field follows the field: small integers serve while twice its cells are below 2**31."""
    offset = _taps.offsets([np.array([0, cells - 1])], [cells], np.array([0, 1]))
    assert offset.dtype == dtype
    assert offset.tolist() == [0, 2 * cells - 1]


@pytest.mark.parametrize("name", ["measure", "measure_until", "measurement_variance", "draws_needed", "ensemble"])
def test_arguments_may_be_named_and_options_must_be(name):
    parameters = inspect.signature(getattr(dc, name)).parameters
    assert {parameters[each].kind for each in ("field", "kernel")} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    assert {parameters[each].kind for each in ("boundary", "axes")} == {inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("walls", ["reflecting", "zero", "absorbing"])
@pytest.mark.parametrize("kernel", [np.full((3, 4), 0.3), dc.Propagator.normalized(np.arange(1.0, 7).reshape(2, 3))])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_call_like_one_before_has_the_bits_of_a_first(walls, kernel, dtype, monkeypatch):
    """Only values are checked again; what was changed in place is seen, in the field and in the kernel."""
    rng = np.random.default_rng(3)
    fields = [rng.random((9, 11)).astype(dtype) for _ in range(2)]
    firsts = []
    for u in fields:
        monkeypatch.setattr(_taps, "_known", {})
        firsts.append([dc.measure(u, kernel, n, rng=4, boundary=walls) for n in (1, 7, 10**6)])
        assert len(_taps._known) == 1
    u = fields[1].copy()
    with monkeypatch.context() as patched:
        patched.setattr(_taps, "_cached_plan", None)
        for given, expected in zip(fields, firsts, strict=True):
            u[:] = given
            for n, first in zip((1, 7, 10**6), expected, strict=True):
                again = dc.measure(u, kernel, n, rng=4, boundary=walls)
                assert again.dtype == dtype
                assert again.tobytes() == first.tobytes()
    other = np.asarray(kernel) * [[2.0], *[[1.0]] * (len(np.asarray(kernel)) - 1)]
    changed = np.array(kernel)
    dc.measure(u, changed, rng=4, boundary=walls)
    changed[:] = other
    expected = dc.measure(u, other, rng=4, boundary=walls)
    assert dc.measure(u, changed, rng=4, boundary=walls).tobytes() == expected.tobytes()


def test_values_are_checked_in_calls_like_ones_before(monkeypatch):
    u, k = np.random.default_rng(3).random((9, 11)), np.full((3, 3), 0.5)
    first = dc.measure(u, k, rng=4)
    chance = np.random.default_rng(8)
    before = chance.bit_generator.state
    for value, words in ((np.nan, "finite"), (-np.inf, "finite"), (1e308, "exceed")):
        wrong = u.copy()
        wrong[2, 3] = value
        with pytest.raises(ValueError, match=rf"^field must (be|not) {words}"):
            dc.measure(wrong, k, rng=chance)
    assert chance.bit_generator.state == before
    wide = np.full((3, 3), 1e308)
    for _ in range(2):
        with pytest.raises(ValueError, match=r"^kernel must have a finite sum"):
            dc.measure(u, wide, rng=4)
    for wrong in ({"draws": True}, {"rng": True}, {"rng": -1}, {"boundary": "none"}, {"axes": 2}):
        with pytest.raises((TypeError, ValueError), match=f"^{next(iter(wrong))} must"):
            dc.measure(u, k, **wrong)
    with pytest.raises(TypeError, match="masked"):
        dc.measure(np.ma.masked_less(u, 0.5), k)
    spread = np.zeros((9, 22))
    spread[:, ::2] = u
    for same in (spread[:, ::2], u.astype(">f8"), u.tolist()):
        np.testing.assert_array_equal(dc.measure(same, k, rng=4), first)
    monkeypatch.setattr(_checks, "SMALL", 0)
    monkeypatch.setattr(_checks, "free_memory", lambda: 100)
    with pytest.raises(ValueError, match=r"^field must need no more memory"):
        dc.measure(u, k, rng=4)


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "Philox", "SFC64", "MT19937"])
def test_a_generator_gives_its_next_four_words(kind):
    """The contract of the streams: what `integers` over the whole range gives, and the generator stands after it."""
    one, other = (np.random.Generator(getattr(np.random, kind)(5)) for _ in range(2))
    for generator in (one, other):
        generator.integers(0, 10, dtype=np.int32)  # half a word may be left over
    np.testing.assert_array_equal(_streams.key(one), other.integers(0, 2**64, size=4, dtype=np.uint64))
    assert one.integers(0, 10**6, 9, dtype=np.int32).tolist() == other.integers(0, 10**6, 9, dtype=np.int32).tolist()
    assert one.random() == other.random()


def test_a_generator_is_asked_by_its_own_method():
    class Fixed(np.random.Generator):
        def integers(self, *_, **options):
            return np.arange(options["size"], dtype=options["dtype"])

    assert _streams.key(Fixed(np.random.PCG64(1))).tolist() == [0, 1, 2, 3]


def test_seeds_give_what_their_sequence_generates():
    for seed in (0, 7, 2**40, 2**64 - 1, 2**64, 2**200, np.int64(7)):
        expected = np.random.SeedSequence(int(seed)).generate_state(4, np.uint64)
        for _ in range(2):
            found = _streams.key(seed)
            np.testing.assert_array_equal(found, expected)
            found[:] = 0  # a copy
