"""The four walls: folding against plain loops and numpy, transforms as eigenvectors of the Laplacian."""

import ast
from functools import partial
from pathlib import Path

import naive
import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv import boundary

PAD_MODES = {"reflecting": "symmetric", "periodic": "wrap", "zero": "constant"}


@given(strategies.fields(strategies.shapes(1)), strategies.BOUNDARIES, st.integers(-60, 60))
def test_fold_agrees_with_stepwise_reflection(u, name, index):
    source, sign = boundary.fold(index, u.size, name)
    assert sign * u[source] == naive.value(u, (index,), (name,))


@given(st.data(), strategies.shapes((1, 3), most=5))
def test_extend_agrees_with_lookup_of_every_cell(data, shape):
    u = data.draw(strategies.fields(shape))
    names = data.draw(strategies.boundaries(u.ndim))
    widths = data.draw(st.tuples(*[st.tuples(st.integers(0, 8), st.integers(0, 8))] * u.ndim))
    extended = boundary.extend(u, widths, names)
    assert extended is not u
    for index in np.ndindex(extended.shape):
        inner = tuple(i - before for i, (before, _) in zip(index, widths, strict=True))
        assert extended[index] == naive.value(u, inner, names)


@pytest.mark.parametrize("name", PAD_MODES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extend_is_numpy_pad(name, dtype):
    u = np.arange(12, dtype=dtype).reshape(3, 4)
    ours = boundary.extend(u, [(7, 5), (2, 9)], [name, name])
    np.testing.assert_array_equal(ours, np.pad(u, [(7, 5), (2, 9)], PAD_MODES[name]))
    assert ours.dtype == dtype


PAIRS = sorted(boundary.PAIRS)


@pytest.mark.parametrize("walls", PAIRS)
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_a_pair_of_walls_has_its_modes_and_transform(walls, size):
    """Against the matrix with the ghost cells of either side, and its eigenvalues."""
    low, high = (boundary.RECORDS[name].ghost for name in walls)
    matrix = np.diag(np.full(size, -2.0)) + np.eye(size, k=1) + np.eye(size, k=-1)
    matrix[0, 0] += low
    matrix[-1, -1] += high
    rates = boundary.eigenvalues(size, walls)
    np.testing.assert_allclose(rates, -np.linalg.eigvalsh(matrix)[::-1], rtol=0, atol=2e-14)
    rows, order = boundary.basis(size, walls, size)
    np.testing.assert_allclose(rows @ rows.T, np.eye(size), rtol=0, atol=1e-14)
    np.testing.assert_allclose(rows @ matrix, -rates[order][:, None] * rows, rtol=0, atol=3e-14)
    u = np.random.default_rng(0).normal(size=(size, 5))
    names = (walls, "periodic")
    modes = boundary.transform(u, names)
    np.testing.assert_allclose(boundary.inverse_transform(modes, u.shape, names), u, rtol=0, atol=1e-14)
    acted = boundary.inverse_transform(-rates[:, None] * modes, u.shape, names)
    np.testing.assert_allclose(acted, matrix @ u, rtol=0, atol=5e-14)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"workers": -1}, ValueError, "workers must be at least 1"),
        ({"workers": "x"}, TypeError, "workers must be a whole number"),
        ({"norm": "backward"}, ValueError, "norm .if not None. must be one of 'ortho'"),
        ({"norm": 1}, ValueError, "norm .if not None. must be one of 'ortho'"),
        ({"boundary": [("absorbing", []), "zero"]}, ValueError, "boundary.0. must be one of"),
        ({"boundary": ["zero"] * 3}, ValueError, "boundary must be a sequence"),
        ({"field": np.array(["a"]), "boundary": ["zero"]}, TypeError, "field must hold numbers"),
    ],
)
def test_bad_options_of_transforms_are_refused_in_one_line(options, error, words):
    with pytest.raises(error, match=words) as refusal:
        boundary.transform(**{"field": np.ones((3, 4)), "boundary": ["reflecting"] * 2, **options})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("shape", "name"), [((3, 5), "reflecting"), ((3, 5), "periodic"), ((3,), "zero"), (None, "zero"), ("x", "zero")]
)
def test_the_shape_of_an_inverse_transform_belongs_to_its_modes(shape, name):
    with pytest.raises((ValueError, TypeError), match="shape must be") as refusal:
        boundary.inverse_transform(np.ones((3, 4)), shape, [name] * 2)
    assert "\n" not in str(refusal.value)


@given(strategies.BOUNDARIES, st.integers(1, 9), st.integers(0, 8))
def test_modes_are_eigenvectors_of_the_lattice_laplacian(name, size, which):
    k = which % size
    amplitudes = np.zeros(size // 2 + 1 if name == "periodic" else size, dtype=complex if name == "periodic" else float)
    k = k % amplitudes.size
    amplitudes[k] = 1
    mode = boundary.inverse_transform(amplitudes, (size,), (name,))
    scale = np.abs(mode).max()
    decay = boundary.eigenvalues(size, name)[k]
    # five roundings of values up to 4 * scale
    np.testing.assert_allclose(naive.laplacian(mode, (1.0,), (name,)), -decay * mode, rtol=0, atol=5e-15 * 4 * scale)


@pytest.mark.parametrize("name", boundary.NAMES)
@pytest.mark.parametrize("size", [1, 2, 7, 8])
def test_frequencies_are_the_turns_of_waves_with_these_eigenvalues(name, size):
    """Minus the Laplacian of a wave that turns by an angle from cell to cell is ``4 sin(angle / 2)**2`` times it."""
    matrix = naive.matrix(lambda u: naive.laplacian(u, (1.0,), (name,)), (size,))
    angles = 2 * np.arcsin(np.sqrt(np.clip(-np.linalg.eigvalsh(matrix), 0, 4)) / 2)
    ours = np.sort(boundary.frequencies(size, name))
    # an eigenvalue is off by some EPS, an angle near 0 or half a turn by the root of that
    np.testing.assert_allclose(ours, np.sort(angles) * size / (2 * np.pi), rtol=0, atol=1e-6)


@pytest.mark.parametrize("walls", PAIRS)
def test_between_different_walls_waves_have_odd_numbers_of_quarters(walls):
    assert boundary.frequencies(5, walls).tolist() == [0.25, 0.75, 1.25, 1.75, 2.25]


@given(st.data(), strategies.shapes((1, 3), most=6), strategies.DTYPES)
def test_transform_inverts_and_keeps_precision(data, shape, dtype):
    u = data.draw(strategies.fields(shape, dtype))
    names = data.draw(strategies.boundaries(u.ndim))
    back = boundary.inverse_transform(boundary.transform(u, names), u.shape, names)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, u, rtol=0, atol=50 * np.finfo(dtype).eps * max(1, np.abs(u).max()))


@pytest.mark.parametrize(
    ("value", "message"),
    [("mirror", "must be one of"), (("periodic",), "one for each of the 2 axes"), (3, "must be one of")],
)
def test_bad_names_are_refused_in_one_line(value, message):
    with pytest.raises(ValueError, match=message) as refusal:
        boundary.per_axis(value, 2)
    assert "\n" not in str(refusal.value)


@given(st.data(), strategies.shapes((1, 3), most=6), st.sampled_from([np.complex64, np.complex128]))
def test_a_complex_field_is_transformed_in_both_parts(data, shape, dtype):
    u = data.draw(strategies.waves(shape, dtype))
    names = data.draw(strategies.boundaries(u.ndim))
    modes = boundary.transform(u, names)
    assert modes.shape == u.shape
    assert modes.dtype == dtype
    back = boundary.inverse_transform(modes, u.shape, names, real=False)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, u, rtol=0, atol=50 * np.finfo(dtype).eps * np.abs(u).max())
    halves = [boundary.transform(np.ascontiguousarray(part), names) for part in (u.real, u.imag)]
    kept = tuple(slice(n) for n in halves[0].shape)
    scale = np.abs(u).sum() * 2**u.ndim
    np.testing.assert_allclose(modes[kept], halves[0] + 1j * halves[1], rtol=0, atol=50 * np.finfo(dtype).eps * scale)


@given(st.data(), strategies.shapes((1, 3), most=6))
def test_slow_modes_are_orthonormal_rows_in_the_order_of_their_decay(data, shape):
    for size, name in zip(shape, data.draw(strategies.boundaries(len(shape))), strict=True):
        rows, order = boundary.basis(size, name, size)
        np.testing.assert_allclose(rows @ rows.T, np.eye(size), rtol=0, atol=1e-14)
        decay = boundary.eigenvalues(size, name)[order]
        assert (np.diff(decay) >= 0).all()
        for row, rate in zip(rows, decay, strict=True):
            np.testing.assert_allclose(naive.laplacian(row, (1.0,), (name,)), -rate * row, rtol=0, atol=3e-14)


ANTIPERIODIC = boundary.Boundary(
    "antiperiodic",
    image=partial(boundary.copies, mirrored=False, sign=-1),
    period=lambda n: 2 * n,
    ghost=-1.0,
    modes=boundary.Modes(lambda n: 2 * n, lambda n: np.arange(n) // 2 * 2 + 1),
    joined=True,
)


@pytest.fixture
def antiperiodic(monkeypatch):
    """A boundary added to the package as one record: what leaves on one side enters on the other, negated."""
    monkeypatch.setitem(boundary.RECORDS, "antiperiodic", ANTIPERIODIC)
    return "antiperiodic"


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_an_added_boundary_has_its_modes_and_transform(antiperiodic, size):
    u = np.random.default_rng(0).normal(size=(size, 6))
    for names in ((antiperiodic, "periodic"), (antiperiodic, "absorbing")):
        modes = boundary.transform(u, names)
        back = boundary.inverse_transform(modes, u.shape, names)
        np.testing.assert_allclose(back, u, rtol=0, atol=1e-14)
        rates = np.add.outer(*[boundary.eigenvalues(*axis) for axis in zip(u.shape, names, strict=True)])
        decayed = boundary.inverse_transform(-modes * rates[:, : modes.shape[1]], u.shape, names)
        np.testing.assert_allclose(decayed, naive.laplacian(u, (1.0, 1.0), names), rtol=0, atol=1e-13)


@pytest.mark.parametrize("size", [5, 8])
def test_an_added_boundary_convolves(antiperiodic, size):
    u = np.random.default_rng(1).normal(size=(size, 7))
    names = (antiperiodic, "reflecting")
    heat = dc.Propagator.heat(2.0, 1.0)  # wider than the field, so that few modes outlive it
    for k in (np.outer([1.0, 2.0, -1.0], [3.0, 1.0]), heat.density):
        reference = naive.convolve(u, k, names)
        for method in ("direct", "fft", "separable"):
            ours = dc.convolve(u, k, boundary=names, method=method)
            np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-12 * np.abs(k).sum() * np.abs(u).max())


def test_an_added_boundary_has_a_spectral_gap(antiperiodic):
    """A wave of half a period is the slowest: nothing stays in the end."""
    n = 50
    left = 1 - 0.5 * (1 - np.cos(np.pi / n))  # of it after one step
    steps = dc.Propagator([0.25, 0.5, 0.25]).steps_to_mix(n, antiperiodic, tolerance=0.01)
    assert left**steps <= 0.01 < left ** (steps - 1)


@pytest.mark.parametrize("method", ["auto", "chebyshev", "explicit"])
@pytest.mark.parametrize("size", [1, 2, 7])
def test_an_added_boundary_evolves(antiperiodic, size, method):
    u = np.random.default_rng(2).normal(size=(size, 5))
    names, widths = (antiperiodic, "absorbing"), (0.5, 1.0)
    eq = dc.DiffusionEquation(0.7, widths, names)
    left = naive.matrix(lambda v: 0.7 * naive.laplacian(v, widths, names), u.shape)
    np.testing.assert_allclose(eq.operator(u.shape) @ u.ravel(), left @ u.ravel(), rtol=0, atol=1e-13)
    expected = (scipy.linalg.expm(0.3 * left) @ u.ravel()).reshape(u.shape)
    ours = eq.evolve(u, 0.3, method, 1e-4 if method == "explicit" else None)
    # explicit steps: t dt rate**2 / 2 <= 0.3 * 1e-4 * 14**2 / 2 of the range; else the tolerance of 1e-10 of it
    np.testing.assert_allclose(ours, expected, rtol=0, atol=(3e-3 if method == "explicit" else 1e-10) * np.ptp(u))


@given(st.data(), strategies.shapes((1, 3), most=5))
def test_measurements_read_what_continues_the_field(data, shape):
    """A kernel of one tap draws with certainty: the measurement is the convolution, whatever lies beyond."""
    u = data.draw(strategies.fields(shape))
    names = data.draw(strategies.images(u.ndim))
    taps = data.draw(strategies.shapes(u.ndim, most=6))
    k = np.zeros(taps)
    k[tuple(data.draw(st.integers(0, n - 1)) for n in taps)] = data.draw(st.sampled_from([1.0, -1.0]))
    np.testing.assert_array_equal(dc.measure(u, k, boundary=names, rng=0), dc.convolve(u, k, boundary=names))
    assert (dc.measurement_variance(u, k, boundary=names) == 0).all()


@pytest.mark.parametrize(
    "refused",
    [
        lambda name: dc.scatter(np.ones((4, 4), int), dc.Propagator.heat(0.1, 1.0), boundary=name),
        lambda name: dc.DiffusionEquation(boundary=name).evolve(np.ones((4, 4)), 1.0),
        lambda name: dc.Propagator.heat(0.1, 1.0).steps_to_mix((4, 4), name),
        lambda name: dc.spectrum.low_pass(np.ones((4, 4)), 1, boundary=name),
        lambda name: dc.quantum.evolve([1.0, 0.0], 1.0, boundary=name),
    ],
)
@pytest.mark.parametrize("name", ["mirror", "nearest", dc.Constant(1.0)])
def test_what_is_no_wall_of_a_tank_is_refused_by_name(refused, name):
    with pytest.raises(ValueError, match="boundary must be one of") as refusal:
        refused(name)
    assert str(getattr(name, "value", name)) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_a_mirror_has_the_first_cosine_transform(size, dtype):
    u = (np.random.default_rng(3).normal(size=(size, 5)) * (1 + 1j if dtype is np.complex128 else 1)).astype(dtype)
    names = ("mirror", "reflecting")
    modes = boundary.transform(u, names)
    first = scipy.fft.dct(u, 1, axis=0) if size > 1 else u
    np.testing.assert_array_equal(modes, scipy.fft.dct(first, 2, axis=1))
    back = boundary.inverse_transform(modes, u.shape, names)
    assert back.dtype == dtype
    np.testing.assert_allclose(back, u, rtol=0, atol=50 * np.finfo(dtype).eps * np.abs(u).max())
    k = np.array([0.25, 0.5, 0.25])  # a symmetric kernel multiplies each mode by its transform
    expected = modes * (1 - boundary.eigenvalues(size, "mirror") / 4)[:, None]
    ours = boundary.transform(dc.convolve(u, k[:, None], boundary=names), names)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=50 * np.finfo(dtype).eps * np.abs(u).sum())


def test_a_constant_must_be_a_finite_number():
    for value, error in ((np.nan, ValueError), ("3", TypeError), (1j, TypeError)):
        with pytest.raises(error, match="Constant value must be"):
            dc.Constant(value)
    with pytest.raises(ValueError, match="Constant value must not exceed"):
        dc.convolve(np.ones(3, np.float32), [1.0, 1.0, 1.0], boundary=dc.Constant(1e39))


def compared_words(path):
    """Return every word that a file compares with something."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Compare):
            for part in ast.walk(node):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_nothing_but_records_knows_names():
    """No file of the package compares the name of a boundary (kinds of kernels, one of them "zero", aside)."""
    package = Path(boundary.__file__).parents[1]
    for path in package.rglob("*.py"):
        names = set(boundary.RECORDS) - ({"zero"} if path.parent.name == "interpretation" else set())
        assert not names & set(compared_words(path)), path


def test_only_names_that_continue_images_are_said_to_do_so():
    for name in ("mirror", boundary.Constant(1.0)):
        with pytest.raises(ValueError, match="only continues images"):
            boundary.per_axis(name, 1)
    for name in ("bogus", 3):
        with pytest.raises(ValueError, match="must be one of") as refusal:
            boundary.per_axis(name, 1)
        assert "images" not in str(refusal.value)


WALLS = ["periodic", "reflecting", "absorbing", "zero", "mirror", ("absorbing", "reflecting")]


@pytest.mark.parametrize("walls", WALLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_transforms_of_the_largest_numbers_are_finite_or_refused(walls, dtype):
    """Scaled by powers of two, which round nothing; what the modes themselves exceed is refused in one line."""
    most, names = np.finfo(dtype).max, [walls] * 2
    u = (np.where(np.indices((5, 6)).sum(axis=0) % 2, -1, 1) * np.linspace(0.5, 1, 6)).astype(dtype)
    with pytest.raises(ValueError, match=r"^field must leave its modes below .* \(use other units\), got some beyond$"):
        boundary.transform(u * most, names)
    modes = boundary.transform(u, names)
    modes *= dtype(0.9) * most / np.abs([modes.real, modes.imag]).max()  # sums of these overflow, their mean does not
    back = boundary.inverse_transform(modes, u.shape, names)
    assert np.isfinite(back).all()
    expected = boundary.inverse_transform(modes / most, u.shape, names)
    np.testing.assert_allclose(back / most, expected, rtol=0, atol=100 * np.finfo(dtype).eps * np.abs(expected).max())


def test_extend_keeps_what_a_dtype_can_hold_and_refuses_the_rest():
    """Minus an unsigned number wraps around, a fraction in whole numbers is cut off: neither without a word."""
    for dtype in (np.int16, np.float16, np.float32, np.longdouble, np.complex64):
        u = np.array([1, 2, 0], dtype)
        extended = boundary.extend(u, [(2, 1)], ["absorbing"])
        assert extended.dtype == dtype
        np.testing.assert_array_equal(extended, [-2, -1, 1, 2, 0, 0])
        np.testing.assert_array_equal(boundary.extend(u, [(1, 1)], [dc.Constant(-3)]), [-3, 1, 2, 0, -3])
    counts = np.array([0, 2, 0], np.uint8)
    np.testing.assert_array_equal(boundary.extend(counts, [(1, 1)], ["absorbing"]), [0, 0, 2, 0, 0])
    np.testing.assert_array_equal(boundary.extend([True, False], [(2, 1)], ["absorbing"]), [0, 1, 1, 0, 0])
    for field, name, message in (
        (counts, "reflecting", None),
        (counts[1:], "absorbing", "minus its values beyond 'absorbing'.*, got uint8"),
        (np.array([-128], np.int8), "absorbing", "minus its values"),
        (counts, dc.Constant(-1), "boundary must be a constant that the field's dtype uint8 holds, got -1"),
        (counts, dc.Constant(0.5), "boundary must be a constant"),
        (np.ones(3, np.float32), dc.Constant(1e300), "boundary must be a constant"),
        (np.array(["2020"], "datetime64[D]"), "zero", "numbers or booleans, got dtype datetime64"),
        (np.ma.masked_equal([1.0, 2.0], 2.0), "zero", "masked array"),
    ):
        if message is None:
            boundary.extend(field, [(1, 1)], [name])
            continue
        with pytest.raises((TypeError, ValueError), match=message):
            boundary.extend(field, [(1, 1)], [name])


def test_indices_beyond_int64_are_refused_and_those_within_exact():
    for name, wall in boundary.RECORDS.items():
        index = np.array([-(2**63), -(2**62) - 1, 2**62 + 3, 2**63 - 1])
        source, sign = boundary.fold(index, 7, name)
        near, its_sign = boundary.fold(
            [int(i) % wall.period(7) for i in index] if wall.period else np.sign(index) * 9, 7, name
        )
        np.testing.assert_array_equal(source, near)
        np.testing.assert_array_equal(sign, its_sign)
    with pytest.raises(ValueError, match=r"^index must be less than 2\*\*63, got 9223372036854775808$"):
        boundary.fold(np.array([2**63], np.uint64), 7, "periodic")
    with pytest.raises(TypeError, match="masked array"):
        boundary.fold(np.ma.masked_equal([1, 2], 2), 7, "periodic")


def test_what_helpers_of_boundaries_refuse():
    assert not boundary.record(boundary.Constant(2.0)).physical  # a value beyond pictures is no wall of a tank
    for sign in (-2, 2):
        with pytest.raises(ValueError, match="sign must be at"):
            boundary.copies(np.arange(3), 2, mirrored=True, sign=sign)
    assert boundary.images_per_axis("mirror", 64) == ("mirror",) * 64
    with pytest.raises(ValueError, match="ndim must be at most 64, got 65"):
        boundary.images_per_axis("mirror", 65)
