"""Arrays that follow the array API standard, on whatever device: the same values as NumPy's, and nothing loaded."""

import numpy as np
import pytest

import diffuseconv as dc

strict = pytest.importorskip("array_api_strict")
torch = pytest.importorskip("torch")
array_api = pytest.importorskip("diffuseconv.interop.array_api")
pytest.importorskip("array_api_compat")
pytestmark = pytest.mark.engine

HEATED = (dc.Dirichlet(1.0), "reflecting")
WALLS = ["reflecting", "periodic", "absorbing", "zero", ("zero", "reflecting")]
PICTURES = ["mirror", "nearest", dc.Constant(2.0)]
EPSILON = {np.float32: 2.0**-24, np.float64: 2.0**-53}


@pytest.fixture(params=[strict.asarray, torch.from_numpy], ids=["strict", "torch"])
def wrap(request):
    return request.param


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def assert_same(result, expected, wrapped, tolerance=1e-12):
    """Compare with NumPy's result: kind, precision, shape, and values to a share of the largest."""
    assert type(result) is type(wrapped)
    values = np.asarray(result)
    assert values.dtype == expected.dtype
    assert values.shape == expected.shape
    np.testing.assert_allclose(values, expected, rtol=0, atol=tolerance * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("boundary", [*WALLS, *PICTURES], ids=str)
def test_convolution(wrap, rng, boundary, dtype):
    u, k = rng.normal(size=(9, 7)).astype(dtype), rng.normal(size=(3, 12))
    tolerance = 1e-12 if dtype is np.float64 else EPSILON[dtype] * (k.size + 100) * np.abs(k).sum()
    for mode in ["same", "full"] if boundary == "zero" else ["same"]:
        for verb in ("convolve", "correlate"):
            expected = getattr(dc, verb)(u, k, boundary=boundary, mode=mode)
            result = getattr(array_api, verb)(wrap(u), k, boundary=boundary, mode=mode)
            assert_same(result, expected, wrap(u), tolerance)


def test_axes_and_kernels_of_the_same_library(wrap, rng):
    u, k = rng.normal(size=(5, 3, 6)), rng.normal(size=(2, 3))
    result = array_api.convolve(wrap(u), wrap(k), axes=(2, 0), mode="valid")
    assert_same(result, dc.convolve(u, k, axes=(2, 0), mode="valid"), wrap(u))
    p = dc.Propagator.heat(1.0, 2.0)
    assert_same(array_api.convolve(wrap(u), p, axes=(0, 2)), dc.convolve(u, p, axes=(0, 2)), wrap(u))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("share", [-0.99, -0.6, 0.6, 0.95])
def test_values_near_the_ends_of_the_numbers(wrap, rng, dtype, share):
    """Products overflow or vanish on the way to a result that does not; results that overflow are refused."""
    size = dtype(2.0) ** int(share * np.finfo(dtype).maxexp)
    u, k = rng.random((8, 8), dtype) * size / 64, (rng.random((3, 3), dtype) / size).astype(dtype)
    assert_same(array_api.convolve(wrap(u), k), dc.convolve(u, k), wrap(u), 1e-12 if dtype is np.float64 else 1e-5)
    if share == 0.6:
        for kernel in (k * size * size, wrap(k * size * size)):
            with pytest.raises(ValueError, match="field and kernel must give results up to"):
                array_api.convolve(wrap(u), kernel)


def test_kernels_that_single_precision_cannot_hold(wrap):
    """They are refused, and not made infinite."""
    for kernel in (np.full((3, 3), 1e200), wrap(np.full((3, 3), 1e200))):
        with pytest.raises(ValueError, match="kernel must not exceed 3"):
            array_api.convolve(wrap(np.ones((8, 8), np.float32)), kernel)


EQUATIONS = [
    *(dc.DiffusionEquation(0.7, boundary=boundary, source=0.3) for boundary in WALLS),
    dc.DiffusionEquation((0.7, 0.2), boundary=dc.Dirichlet(1.0), decay=0.1),
    dc.DiffusionEquation(0.7, spacing=(0.5, 2.0), boundary=(HEATED, "periodic")),
    dc.DiffusionEquation(0.7, boundary=(HEATED, dc.Robin(1.0, 1.0, 0.5)), source=np.arange(56.0).reshape(8, 7)),
]


@pytest.mark.parametrize("eq", EQUATIONS)
def test_evolution(wrap, rng, eq):
    u = rng.normal(size=(8, 7))
    for duration in (0.0, 0.1, 3.0, 1e4):
        assert_same(array_api.evolve(eq, wrap(u), duration), eq.evolve(u, duration, "spectral"), wrap(u))
    for step in (None, 0.9 * eq.stable_time_step((8, 7))):
        for steps in (0, 1, 7, 1000):
            expected = eq.explicit_steps(u, steps, step)
            assert_same(array_api.explicit_steps(eq, wrap(u), steps, step), expected, wrap(u), 1e-11)


def test_evolution_with_drift_and_stacks(wrap, rng):
    eq = dc.DiffusionEquation((0.5, 0.2), boundary="periodic", velocity=(0.3, -0.4), source=0.1)
    u = rng.normal(size=(8, 3, 6)).astype(np.float32)
    expected = eq.evolve(u, 2.0, axes=(0, 2))
    assert_same(array_api.evolve(eq, wrap(u), 2.0, axes=(0, 2)), expected, wrap(u), 100 * EPSILON[np.float32])


@pytest.mark.parametrize("boundary", WALLS, ids=str)
def test_frequency_filters(wrap, rng, boundary):
    u = rng.normal(size=(9, 8))
    for edge in (0.0, 1.0):
        options = {"edge": edge, "boundary": boundary}
        for name, radius in (("low_pass", 2.0), ("high_pass", 2.0), ("band_pass", (1.0, 3.0))):
            assert_same(
                getattr(array_api, name)(wrap(u), radius, **options),
                getattr(dc.spectrum, name)(u, radius, **options),
                wrap(u),
            )
    assert_same(array_api.log_spectrum(wrap(u)), dc.spectrum.log_spectrum(u), wrap(u))


def test_the_verbs_come_here_by_themselves(rng):
    u = rng.normal(size=(6, 5))
    for wrapped in (strict.asarray(u), torch.from_numpy(u)):
        assert_same(
            dc.DiffusionEquation().explicit_steps(wrapped, 3), dc.DiffusionEquation().explicit_steps(u, 3), wrapped
        )
        assert_same(dc.spectrum.low_pass(wrapped, 2.0), dc.spectrum.low_pass(u, 2.0), wrapped)
    wrapped = strict.asarray(u)
    assert_same(dc.convolve(wrapped, np.ones((3, 3))), dc.convolve(u, np.ones((3, 3))), wrapped)
    assert_same(dc.DiffusionEquation().evolve(wrapped, 3.0), dc.DiffusionEquation().evolve(u, 3.0), wrapped)


def test_gradients_flow_through_tensors(rng):
    u = torch.from_numpy(rng.normal(size=(4, 5))).requires_grad_()
    eq = dc.DiffusionEquation(0.7, boundary=("zero", HEATED))
    assert torch.autograd.gradcheck(lambda u: array_api.evolve(eq, u, 1.3), (u,))
    assert torch.autograd.gradcheck(lambda u: dc.spectrum.low_pass(u, 1.5, edge=1.0), (u,))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda u: dc.measure(u, [[1.0]]), TypeError, "measure takes no array_api_strict arrays"),
        (lambda u: dc.convolve(u, [[1.0]], method="direct"), ValueError, "method must be 'fft'"),
        (lambda u: dc.convolve(u, [[1.0]], mask=np.ones((4, 4))), TypeError, "mask must be left out"),
        (lambda u: dc.DiffusionEquation().evolve(u, 1.0, "explicit"), ValueError, "method must be 'spectral'"),
        (lambda u: dc.DiffusionEquation().evolve(u, 1.0, time_step=0.1), ValueError, "time_step must be None"),
        (
            lambda u: dc.DiffusionEquation(np.ones((4, 4)) + np.eye(4)).evolve(u, 1.0),
            ValueError,
            "constant diffusivity",
        ),
        (lambda u: dc.DiffusionEquation().evolve(u, -1.0), ValueError, "duration must be at least 0"),
        (lambda u: dc.convolve(strict.asarray([[np.nan]]), [[1.0]]), ValueError, "field must be finite"),
        (lambda u: dc.convolve(strict.asarray([[1j]]), [[1.0]]), TypeError, "field must hold float32"),
        (lambda u: dc.spectrum.low_pass(u, 1.0, edge=3.0), ValueError, "edge must be at most twice radius"),
        (lambda u: dc.spectrum.band_pass(u, (2.0, 1.0)), ValueError, "radius must be a pair"),
        (lambda u: dc.spectrum.band_pass(u, ("a", 1.0)), TypeError, "must be a real number"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(strict.ones((4, 4)))


def test_nothing_leaves_its_device():
    device = strict.Device("device1")
    u = strict.ones((4, 4), device=device)
    for result in (
        dc.convolve(u, np.ones((3, 3))),
        dc.DiffusionEquation(source=1.0).evolve(u, 1.0),
        dc.DiffusionEquation().explicit_steps(u, 2),
        dc.spectrum.high_pass(u, 1.0),
        dc.spectrum.log_spectrum(u),
    ):
        assert result.device == device
