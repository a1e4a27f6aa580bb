"""The lattice heat kernel against exponentials of matrices and constants worked out to 50 digits."""

import itertools
import math
import pickle

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import strategies
from hypothesis import given
from hypothesis import strategies as st

from diffuseconv.propagator import Propagator

EPS = np.finfo(float).eps


# exp(-2r) I_d(2r) to 20 digits, from its series and, for r = 1e8, from its integral, both worked out to 60 digits.
CONSTANTS = [
    (0.001, 0, 0.99800299666958123457),
    (0.001, 2, 4.990011656673537904e-7),
    (0.5, 0, 0.4657596075936404365),
    (0.5, 5, 0.000099865714112086907179),
    (10.0, 7, 0.02589401260650557372),
    (400.0, 0, 0.014106945005869183979),
    (400.0, 60, 0.0014863388346360527224),
    (600.0, 0, 0.01151767184432443098),
    (600.0, 100, 0.00017868879940604120977),
    (1e8, 0, 0.000028209479195018738883),
    (1e8, 10000, 0.000021969564474530367978),
    (1e8, 60000, 3.4813264575042091087e-9),
]


@pytest.mark.parametrize(("r", "move", "value"), CONSTANTS)
def test_heat_has_the_right_digits(r, move, value):
    (factor,) = Propagator.heat(r, 1.0, ndim=1).factors
    np.testing.assert_allclose([factor[factor.size // 2 + move], factor[factor.size // 2 - move]], value, rtol=1e-13)


@pytest.mark.parametrize("r", [1e-3, 0.1, 0.7, 5.0, 40.0])
def test_heat_is_the_exponential_of_the_laplacian(r):
    n = 161  # a ring so wide that nothing has come round: at r = 40 the far side holds 1e-16 of the salt
    laplacian = scipy.linalg.circulant([-2, 1, *[0] * (n - 3), 1])
    expected = np.roll(scipy.linalg.expm(r * laplacian)[:, 0], n // 2)
    (factor,) = Propagator.heat(r, 1.0, ndim=1).factors
    pad = (n - factor.size) // 2
    ours = factor[-pad : factor.size + pad] if pad < 0 else np.pad(factor, pad)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=3e-15)


@given(st.floats(-3, 5))
def test_heat_obeys_the_recurrence_of_bessel_functions(exponent):
    """I_(d-1) - I_(d+1) = (2d/z) I_d with z = 2r, at every d: it couples all values and fixes them up to a factor."""
    r = 10.0**exponent
    (p,) = Propagator.heat(r, 1.0, ndim=1).factors
    d = np.arange(p.size) - p.size // 2
    left, right = p[:-2] - p[2:], (d / r * p)[1:-1]
    inner = np.abs(d[1:-1]) < p.size // 2 - 1
    np.testing.assert_allclose(left[inner], right[inner], rtol=0, atol=1e-13 * p.max())


@given(st.floats(-300, 8), st.floats(-15, -2))
def test_heat_at_any_time(exponent, digits):
    duration, tolerance = 10.0**exponent, 10.0**digits
    p = Propagator.heat(1.0, duration, ndim=1, tolerance=tolerance)
    (factor,) = p.factors
    assert factor.size % 2 == 1
    assert factor.min() > 0
    assert np.array_equal(factor, factor[::-1])
    assert abs(math.fsum(factor) - 1) <= 1e-14
    assert p.mean[0] == 0
    np.testing.assert_allclose(p.diffusivity(duration), [[1.0]], rtol=2 * tolerance + 1e-13)


@given(st.floats(-2, 4), st.sampled_from([1e-15, 1e-9, 1e-3, 0.5, 0.9]))
def test_heat_is_cut_where_the_rest_is_below_the_tolerance(exponent, tolerance):
    r = 10.0**exponent
    wide, cut = (Propagator.heat(r, 1.0, ndim=1, tolerance=e).factors[0] for e in (tolerance / 1e9, tolerance))
    beyond = wide[: (wide.size - cut.size) // 2].sum() * 2
    assert beyond <= tolerance
    further = wide[: (wide.size - cut.size) // 2 + 2]  # with one cell less on each side some of the rule would break
    moves = np.arange(wide.size // 2, wide.size // 2 - further.size, -1.0)
    assert 2 * (further * moves**2).sum() > tolerance * 2 * r or 2 * further.sum() > tolerance


def test_the_tolerance_is_for_all_axes_together():
    solid, line = Propagator.heat(2.0, 1.0, ndim=3, tolerance=3e-8), Propagator.heat(2.0, 1.0, ndim=1, tolerance=1e-8)
    assert all(np.array_equal(factor, line.density) for factor in solid.factors)
    assert line.shape != Propagator.heat(2.0, 1.0, ndim=1, tolerance=3e-8).shape
    assert line.compose(Propagator.heat(1.0, 1.0, ndim=1)) == Propagator.heat(3.0, 1.0, ndim=1), "the finer one rules"
    assert Propagator.heat(1.0, 1.0, ndim=1).compose(line) == Propagator.heat(3.0, 1.0, ndim=1)
    assert line.compose(line) == Propagator.heat(4.0, 1.0, ndim=1, tolerance=1e-8)


@pytest.mark.parametrize("z", [999.0, 1000.0, 1001.0, 3000.0, 30_000.0])
def test_heat_keeps_its_digits_out_to_the_far_tail(z):
    """Against ratios I_(d+1) / I_d, summed up as a continued fraction from far out: every term is positive."""
    density = Propagator.heat(z / 2, 1.0, ndim=1).density
    half = density[density.size // 2 :]
    ratios, ratio = [], 0.0
    for move in range(half.size + 400, 0, -1):
        ratio = 1 / (2 * move / z + ratio)
        ratios.append(ratio)
    line = np.cumprod([1.0, *ratios[::-1]])[: half.size]
    line /= line[0] + 2 * line[1:].sum()
    # three roundings for each ratio in a product, and the 1e-13 of the docstring
    np.testing.assert_allclose(half, line, rtol=1e-13 + 3 * 2**-53 * half.size, atol=0)


def test_heat_has_units():
    per_axis = Propagator.heat([1e-9, 4e-9], 100.0, spacing=[1e-3, 2e-3])
    np.testing.assert_allclose(per_axis.fourier_numbers, [0.1, 0.1], rtol=4 * EPS)
    np.testing.assert_allclose(per_axis.diffusivity(100.0, [1e-3, 2e-3]), np.diag([1e-9, 4e-9]), rtol=1e-12, atol=1e-24)
    still = Propagator.heat([0.0, 1.0], 2.0)
    assert still.shape[0] == 1
    assert still.shape[1] > 1
    assert Propagator.heat(1.0, 0.0, ndim=3) == Propagator(np.ones((1, 1, 1)))


def test_heat_in_three_dimensions_stays_small():
    p = Propagator.heat(1.0, 1e6, ndim=3)
    np.testing.assert_allclose(p.covariance, np.diag([2e6] * 3), rtol=1e-12)
    np.testing.assert_allclose(p.entropy, 1.5 * math.log(2 * math.pi * math.e * 2e6), rtol=1e-6)  # a Gaussian's
    assert p.mean.tolist() == [0.0, 0.0, 0.0]
    assert np.prod([float(n) for n in p.shape]) > 1e12  # cells that `density` would have
    assert "density" not in vars(p)


@given(strategies.shapes((2, 3)))
def test_factors_multiply_to_the_density(shape):
    p = Propagator.heat(list(range(1, len(shape) + 1)), 0.1, ndim=len(shape))
    for index in itertools.islice(np.ndindex(p.shape), 0, None, 97):
        assert p.density[index] == pytest.approx(
            math.prod(f[i] for f, i in zip(p.factors, index, strict=True)), rel=1e-15
        )


# --- with a drift ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("d", "v", "t"), [(1.0, 0.5, 3.0), (1.0, -1.9, 40.0), (0.1, 3.0, 5.0), (0.0, 2.0, 3.0), (1.0, -0.01, 2000.0)]
)
def test_the_skellam_kernel(d, v, t):
    """Against SciPy's, its moments, the semigroup law and fractional powers."""
    onward, back = max(d + v / 2, v, 0) * t, max(d - v / 2, -v, 0) * t
    p = Propagator.heat(d, t, 1.0, 1, velocity=v)
    moves = np.arange(p.shape[0]) - p.shape[0] // 2
    chances = scipy.stats.skellam.pmf(moves, onward, back) if onward * back else scipy.stats.poisson.pmf(moves, onward)
    if v > 0 or back == 0 or onward * back:
        np.testing.assert_allclose(p.density, chances, rtol=0, atol=1e-13 * chances.max())
    assert abs(p.mean[0] - v * t) <= 1e-13 * (1 + abs(v * t))
    assert abs(p.covariance[0, 0] - (onward + back)) <= 1e-12 * (1 + onward + back)
    parts = [Propagator.heat(d, share * t, 1.0, 1, velocity=v) for share in (0.4, 0.6)]
    np.testing.assert_allclose(parts[0].compose(parts[1]).density, p.density, rtol=0, atol=1e-13)
    plain = np.convolve(parts[0].density, parts[1].density)
    size = min(plain.size, p.shape[0])
    middle = slice((plain.size - size) // 2, (plain.size + size) // 2)
    inner = slice((p.shape[0] - size) // 2, (p.shape[0] + size) // 2)
    np.testing.assert_allclose(plain[middle], p.density[inner], rtol=0, atol=1e-13)
    np.testing.assert_allclose(p.power(0.5).mean * 2, p.mean, rtol=1e-13)
    assert pickle.loads(pickle.dumps(p)).power(0.5) == p.power(0.5)


def hops(factor, onward, back):
    """Return the chances of the moves of a factor, by SciPy."""
    moves = np.arange(factor.size) - factor.size // 2
    if onward * back == 0:
        return scipy.stats.poisson.pmf(moves if onward else -moves, onward + back)
    return scipy.stats.skellam.pmf(moves, onward, back)


def test_a_drift_has_units_and_its_own_hops_along_each_axis():
    """D t / dx**2 hops either way, of which v t / dx more one way: so many that some would be negative are none."""
    widths, velocity = [1e-3, 2e-4, 1e-3], [-1.5e-5, 1e-6, 4e-5]
    p = Propagator.heat([2e-9, 1e-9, 3e-9], 100.0, widths, 3, velocity=velocity)
    for factor, (onward, back) in zip(p.factors, [(0.0, 1.5), (2.75, 2.25), (4.0, 0.0)], strict=True):
        np.testing.assert_allclose(factor, hops(factor, onward, back), rtol=0, atol=2e-13)
    np.testing.assert_allclose(p.drift(100.0, widths), velocity, rtol=1e-12)
    assert p.fourier_numbers is None
    still = Propagator.heat(1.0, 2.0, velocity=[0.0, 0.5])
    np.testing.assert_array_equal(still.factors[0], Propagator.heat(1.0, 2.0, ndim=1, tolerance=5e-16).density)


def test_drifts_add_and_may_cancel():
    there, back = (Propagator.heat(1.0, 1.0, velocity=v) for v in (0.5, -0.5))
    assert there.compose(back) == Propagator.heat(1.0, 2.0)
    assert there.compose(back).fourier_numbers == (2.0, 2.0)
    assert Propagator.heat(1.0, 1.0).compose(there) == there.compose(Propagator.heat(1.0, 1.0))
    assert Propagator.heat(1.0, 1.0).compose(there) == Propagator.heat(1.0, 2.0, velocity=0.25)
    assert Propagator.heat(1.0, 0.0, velocity=2.0) == there.power(0) == Propagator(np.ones((1, 1)))
    with pytest.raises(ValueError, match=r"velocity \* duration / spacing must be at most 1e\+06 .* got 2e\+06 hops"):
        Propagator.heat(1.0, 2.0, ndim=1, velocity=-1e6)


def test_the_tolerance_is_for_all_axes_together_with_a_drift_too():
    moved = {"velocity": 0.7, "duration": 1.0, "diffusivity": 2.0}
    solid, line = Propagator.heat(**moved, ndim=3, tolerance=3e-8), Propagator.heat(**moved, ndim=1, tolerance=1e-8)
    assert all(np.array_equal(factor, line.density) for factor in solid.factors)
    assert line.shape != Propagator.heat(**moved, ndim=1, tolerance=3e-8).shape
    fine = Propagator.heat(1.0, 1.0, ndim=1)
    for both in (line.compose(fine), fine.compose(line)):
        assert both == Propagator.heat(3.0, 1.0, ndim=1, velocity=0.7), "the finer one rules"
    assert line.power(2) == Propagator.heat(2.0, 2.0, ndim=1, tolerance=1e-8, velocity=0.7)
