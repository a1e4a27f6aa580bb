"""Measurement: known answers, same bits on any thread, exact variance, grains conserved, arguments refused."""

import hashlib
import itertools
import math
import os
import subprocess
import sys

import naive
import numba
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv._jit import measurement as loops
from diffuseconv.measurement import _streams, _taps

ALARM = 1e-12  # false-alarm probability of each random assertion; see test_convergence_measurement.py


def hoeffding(span, draws, elements):
    """How far a mean of draws may stray, at all elements but for ALARM."""
    return span * math.sqrt(math.log(2 * elements / ALARM) / (2 * draws))


@pytest.fixture
def threads():
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


# --- the generator ---------------------------------------------------------------------------------------------------


def test_xoshiro_known_answers():
    """The first outputs of the reference implementation from the state 1, 2, 3, 4."""
    state, seen = (1, 2, 3, 4), []
    for _ in range(10):
        bits, state = loops.word(tuple(map(np.uint64, state)))
        seen.append(bits)
    assert seen == [
        41943041,
        58720359,
        3588806011781223,
        3591011842654386,
        9228616714210784205,
        9973669472204895162,
        14011001112246962877,
        12406186145184390807,
        15849039046786891736,
        10450023813501588000,
    ]


def test_split_mix_known_answers():
    """The first outputs of the reference implementation begun at 1234567; block 0 and 1 take the first eight."""
    key = np.full(4, 1234567, np.uint64)
    golden = 0x9E3779B97F4A7C15
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert [loops.split_mix(np.uint64((1234567 + n * golden) % 2**64)) for n in range(1, 6)] == known
    assert list(loops.start(key, 0)) == known[:4]
    assert loops.start(key, 1)[0] == known[4]


KNOWN_FEW = [
    0.0,
    3.0,
    3.0,
    3.0,
    4.0,
    5.0,
    7.0,
    5.0,
    6.0,
    9.0,
]
KNOWN_MANY = [
    0.80000602,
    1.200036816,
    2.000017238,
    2.999955424,
    3.999962204,
    4.999948011,
    5.999922883,
    7.000085334,
    7.800026919,
    8.200005415,
]
KNOWN_SCATTER = [
    26,
    13,
    23,
    17,
    21,
    18,
    25,
    19,
    15,
    23,
]
KNOWN_GRAINS = [
    1000000019363728,
    1000000033999710,
    999999983310046,
    999999950047976,
    999999978534736,
    1000000017414322,
    999999984845503,
    1000000010747777,
    1000000062571876,
    999999959164326,
]


def test_known_measurement():
    """The stream layout is part of the contract: these bits may change only with a note to users."""
    field = np.arange(10.0)
    box = np.ones(5) / 5
    assert dc.measure(field, box, rng=7).tolist() == KNOWN_FEW
    assert dc.measure(field, box, 10**9, rng=7).tolist() == KNOWN_MANY
    assert dc.scatter(np.full(10, 20), box, rng=7).tolist() == KNOWN_SCATTER
    assert dc.scatter(np.full(10, 10**15), box, rng=7).tolist() == KNOWN_GRAINS


def test_uniform_is_centred_and_never_an_end():
    smallest, _ = loops.uniform(tuple(np.uint64([0, 0, 0, 0])))
    assert smallest == 2.0**-53
    # from a + d = 2^64 - 1 and a = 0 the next word has all bits set
    largest, _ = loops.uniform(tuple(np.uint64([0, 0, 0, 2**64 - 1])))
    assert largest == 1 - 2.0**-53


@given(chances=strategies.densities(strategies.shapes(1, most=40)))
def test_table_and_residual_have_the_exact_chances(chances):
    """Add up by whole fractions what table and alias table give each tap."""
    taps = _taps.taps_of(chances, 1)
    offset = taps.index[0].astype(np.int32)
    table = _taps.table(taps.chance, offset)
    held = np.bincount(table.entry[table.entry != loops.RESIDUAL], minlength=chances.size) / loops.TABLE
    rest = np.mean(table.entry == loops.RESIDUAL)
    given_rest = np.bincount(table.own, table.cut, chances.size) + np.bincount(table.other, 1 - table.cut, chances.size)
    held += rest * given_rest / table.cut.size
    assert np.abs(held - chances / chances.sum()).sum() / 2 <= chances.size * 2.0**-51


# --- same bits -------------------------------------------------------------------------------------------------------


def samples(rng):
    """One result of every random verb and of every internal path."""
    field, kernel = np.arange(70 * 90.0).reshape(70, 90), np.outer([1, 2, 3], [1, -2, 1.0])
    density = np.abs(kernel) / np.abs(kernel).sum()
    counts = (np.arange(70 * 90) % 50).reshape(70, 90)
    return [
        dc.measure(field, kernel, rng=rng),
        dc.measure(field, kernel, 10**6, rng=rng),
        dc.scatter(counts, density, rng=rng),
        dc.scatter(counts * 10**12, density, rng=rng),
    ]


def test_same_bits_with_any_number_of_threads(threads):
    threads(1)
    single = samples(3)
    for n in {2, numba.config.NUMBA_NUM_THREADS}:
        if n <= numba.config.NUMBA_NUM_THREADS:
            threads(n)
            assert all(map(np.array_equal, single, samples(3)))


@pytest.mark.parametrize("n", [1, 64])
def test_same_bits_in_any_process(n):
    code = (
        "import hashlib, sys; sys.path.insert(0, 'tests'); import numpy as np; from test_measurement import samples;"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in samples(3))).hexdigest())"
    )
    environment = {**os.environ, "NUMBA_NUM_THREADS": str(n)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == hashlib.sha256(b"".join(a.tobytes() for a in samples(3))).hexdigest()


def test_rng():
    def draw(rng):
        return dc.measure(np.arange(300.0), np.ones(5), rng=rng)

    assert np.array_equal(draw(5), draw(5))
    assert not np.array_equal(draw(5), draw(6))
    assert not np.array_equal(draw(None), draw(None))
    seed = np.random.SeedSequence(5)
    assert np.array_equal(draw(seed), draw(seed))
    assert np.array_equal(draw(seed), draw(5))
    assert np.array_equal(_streams.key(5), seed.generate_state(4, np.uint64))
    assert seed.n_children_spawned == 0
    generator = np.random.default_rng(5)
    first, second = draw(generator), draw(generator)
    assert not np.array_equal(first, second)
    other = np.random.default_rng(5)
    other.integers(0, 2**64, 8, dtype=np.uint64)
    assert generator.bit_generator.state == other.bit_generator.state, "a call takes four words"
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    draw(None)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


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


# --- scatter ---------------------------------------------------------------------------------------------------------


def pushed(counts, density, names):
    """Where grains are expected: each cell's grains spread over all taps, reflected at glass walls."""
    out = np.zeros(counts.shape)
    for i in zip(*np.nonzero(counts), strict=True):
        for j in np.ndindex(density.shape):
            target, inside = [], True
            for a, b, n, size, name in zip(i, j, density.shape, counts.shape, names, strict=True):
                at = a + b - n // 2
                while not 0 <= at < size:
                    if name == "zero":
                        inside = False
                        break
                    at = at % size if name == "periodic" else (-1 - at if at < 0 else 2 * size - 1 - at)
                target.append(at)
            if inside:
                out[tuple(target)] += counts[i] * density[j]
    return out


KEEPING = st.sampled_from(["reflecting", "periodic", "zero"])


@given(data=st.data())
def test_scatter_is_the_push_forward(data):
    """Totals to the grain; means within Bernstein's reach of 10¹² grains a cell."""
    shape = data.draw(strategies.shapes(most=5))
    scale = data.draw(st.sampled_from([1, 30, 10**12]))
    counts = scale * np.array(
        data.draw(st.lists(st.integers(0, 9), min_size=math.prod(shape), max_size=math.prod(shape)))
    )
    counts = counts.reshape(shape)
    density = data.draw(strategies.densities(strategies.shapes(len(shape), most=4)))
    names = data.draw(st.tuples(*[KEEPING] * len(shape)))
    after = dc.scatter(counts, density, rng=data.draw(strategies.SEEDS), boundary=names)
    assert after.dtype == np.int64
    assert (after >= 0).all()
    if "zero" not in names:
        assert after.sum() == counts.sum()
    assert after.sum() <= counts.sum()
    expected = pushed(counts, density, names)
    dc.testing.assert_sum(after, expected, variance=expected, span=1.0, false_alarm=ALARM, rounding=1e-9)


def test_scatter_holds_very_many_grains():
    half = dc.scatter([0, 2**62, 0], [0.5, 0.0, 0.5], rng=1)
    assert half.sum() == 2**62
    assert abs(int(half[0]) - 2**61) < 2**31 * 8
    assert half[0] % 2**10, "single grains are counted"
    with pytest.raises(ValueError, match="counts must sum to at most"):
        dc.scatter([2**62, 1], [1.0])
    with pytest.raises(ValueError, match="counts must sum to at most"):
        dc.scatter(np.full(9, 2**61), [1.0])
    with pytest.raises(ValueError, match="counts must sum to at most"):
        dc.scatter(np.array([2**63 + 5], np.uint64), [1.0])
    assert dc.scatter(np.array([2**62], np.uint64), [1.0]).tolist() == [2**62]


def test_leavers_through_zero_walls_can_be_counted():
    counts = np.array([1000, 0, 0])
    after = dc.scatter(counts, [0.5, 0.5, 0.0], boundary="zero", rng=1)
    dc.testing.assert_frequencies(counts.sum() - after.sum(), 0.5, draws=1000, false_alarm=ALARM)
    assert dc.scatter([5, 0], [1.0, 0.0, 0.0], boundary="zero").tolist() == [0, 0]


def test_glass_reflects_the_grain():
    """Gather and scatter differ at a wall for lopsided moves: scatter keeps the salt."""
    assert dc.scatter([7, 0, 0], [1.0, 0.0, 0.0]).tolist() == [7, 0, 0]
    assert dc.scatter([0, 0, 7], [0.0, 0.0, 1.0]).tolist() == [0, 0, 7]
    assert dc.scatter([0, 7, 0], [1.0, 0.0, 0.0]).tolist() == [7, 0, 0]
    assert (
        dc.scatter([0, 7], [1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).tolist()
        == pushed(np.array([0, 7]), np.eye(1, 11)[0], ["reflecting"]).tolist()
    )


def test_wide_heat_kernels_scatter_axis_by_axis():
    heat = dc.Propagator.heat(1.0, 2.0, ndim=3)
    assert heat.factors is not None
    counts = np.zeros((9, 8, 7), np.int64)
    counts[4, 4, 3] = 10**15
    after = dc.scatter(counts, heat, rng=0)
    assert "density" not in vars(heat), "the dense kernel was never built"
    expected = pushed(counts, dc.Propagator.heat(1.0, 2.0, ndim=3, tolerance=1e-6).density, ("reflecting",) * 3)
    assert after.sum() == 10**15
    assert np.abs(after - expected).max() < 1e-5 * 10**15


def test_walk():
    start = np.zeros((9, 9), np.int64)
    start[4, 4] = 1
    path = list(dc.random_walk(start, np.ones((3, 3)) / 9, 20, rng=1))
    assert len(path) == 20
    assert all(field.sum() == 1 for field in path)
    spots = [np.argwhere(field)[0] for field in [start, *path]]
    assert all(np.abs(b - a).max() <= 1 for a, b in itertools.pairwise(spots))
    assert len({field.tobytes() for field in path}) > 5
    path[0][:] = -1
    assert start.sum() == 1
    generator = np.random.default_rng(1)
    assert np.array_equal(list(dc.random_walk(start, np.ones((3, 3)) / 9, 20, rng=generator))[5], path[5])
    with pytest.raises(ValueError, match="steps must be at least 0"):
        dc.random_walk(start, [[1.0]], -1)
    with pytest.raises(TypeError, match="counts must hold whole numbers"):
        dc.random_walk([1.0], [1.0], 1)
    assert list(dc.random_walk([1], [1.0], 0)) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"boundary": "absorbing"}, "boundary must not be 'absorbing'"),
        ({"boundary": ("zero", "absorbing")}, "boundary must not be 'absorbing'"),
        ({"counts": [[-1]]}, "counts must not be negative, got -1"),
        ({"counts": np.zeros((0, 1), int)}, "counts must have 1, 2 or 3 dimensions and not be empty"),
        ({"propagator": [[0.5, 0.4]]}, "propagator must not be negative and must sum to 1"),
        ({"propagator": [[1.5, -0.5]]}, "propagator must not be negative and must sum to 1"),
        ({"propagator": [1.0]}, "propagator must have 2 dimensions"),
        ({"propagator": dc.Propagator.heat(1.0, 1.0, ndim=3)}, "propagator must have 2 dimensions"),
    ],
)
def test_scatter_refuses(arguments, words):
    with pytest.raises(ValueError, match=words):
        dc.scatter(**{"counts": [[1, 2], [3, 4]], "propagator": [[1.0]], **arguments})


@pytest.mark.parametrize("dtype", ["?", "b", "B", "h", "H", "i", "I", "q", "Q", ">i4"])
def test_scatter_takes_whole_numbers_of_any_size(dtype):
    counts = np.array([[1, 0, 1], [0, 1, 1]], dtype)
    after = dc.scatter(counts, np.full((3, 3), 1 / 9), rng=1)
    assert after.dtype == np.int64
    assert np.array_equal(after, dc.scatter(counts.astype(np.int64), np.full((3, 3), 1 / 9), rng=1))


def test_scatter_refuses_holes_and_ragged_rows():
    with pytest.raises(TypeError, match="counts must be a plain array"):
        dc.scatter(np.ma.array([1, 2], mask=[True, False]), [1.0])
    with pytest.raises(ValueError, match="counts must be a rectangular array"):
        dc.scatter([[1, 2], [3]], [[1.0]])


def test_draws_needed_refuses_what_no_number_of_draws_reaches():
    with pytest.raises(ValueError, match="tolerance must be at least"):
        dc.draws_needed([0.0, 1.0], [0.5, 0.5], 1e-200)


def test_random_blocks_differ():
    """Two blocks of one run, and the same block of two runs, share no word."""
    key, other = _streams.key(1), _streams.key(2)
    states = [loops.start(k, b) for k in (key, other) for b in range(100)]
    assert len({word for state in states for word in state}) == 800
    assert _streams.blocks(1) == 1
    assert _streams.blocks(loops.BLOCK) == 1
    assert _streams.blocks(loops.BLOCK + 1) == 2
