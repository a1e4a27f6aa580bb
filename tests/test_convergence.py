"""Closed forms of the heat equation, and the order with which the schemes approach them."""

import math

import numpy as np
import pytest
import scipy.special

import diffuseconv as dc


def centres(n, width=1.0):
    return (np.arange(n) + 0.5) * width / n


def order(errors, widths):
    """Return the observed order between successive grids."""
    return [
        math.log(a / b) / math.log(x / y) for a, b, x, y in zip(errors, errors[1:], widths, widths[1:], strict=False)
    ]


@pytest.mark.parametrize("duration", [0.1, 3.0, 40.0])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_point_spreads_as_the_lattice_heat_kernel(duration, ndim):
    """e^(-2r) I_d(2r) on each axis, with the images of a periodic box."""
    n = 64 if ndim < 3 else 16
    u = np.zeros((n,) * ndim)
    u[(n // 2,) * ndim] = 1
    images = np.arange(n) - n // 2 + n * np.arange(-20, 21)[:, None]
    line = scipy.special.ive(np.abs(images), 2 * duration).sum(axis=0)
    kernel = line
    for _ in range(ndim - 1):
        kernel = np.multiply.outer(kernel, line)
    spread = dc.DiffusionEquation(boundary="periodic").evolve(u, duration, "spectral")
    np.testing.assert_allclose(spread, kernel, rtol=0, atol=1e-13)


MODES = {
    "reflecting": lambda x: [(np.cos(k * np.pi * x), k * np.pi) for k in (0, 1, 2)],
    "periodic": lambda x: [(np.sin(k * np.pi * x), k * np.pi) for k in (2, 4)],
    "absorbing": lambda x: [(np.sin(k * np.pi * x), k * np.pi) for k in (1, 2)],
    "zero": lambda x: [(np.sin(k * np.pi * x), k * np.pi) for k in (1, 2)],
}


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("method", ["spectral", "explicit"])
def test_second_order_in_space(name, method):
    """Waves on the unit square that decay by exp(-k² t) on each axis; "zero" lies a whole cell beyond the last one."""
    t, errors, widths = 0.002, [], []
    sizes = (32, 64, 128, 256) if method == "spectral" else (32, 64, 128)
    for n in sizes:
        h = 1 / (n + 1) if name == "zero" else 1 / n
        x = h * (np.arange(n) + 1) if name == "zero" else centres(n)
        start = sum(wave for wave, _ in MODES[name](x))
        end = sum(wave * math.exp(-k * k * t) for wave, k in MODES[name](x))
        eq = dc.DiffusionEquation(spacing=h, boundary=name)
        # explicit: steps of h²/6 cancel the leading error in time against that in space on one axis; h²/16 does not
        after = eq.evolve(np.outer(start, start), t, method, h * h / 16 if method == "explicit" else None)
        errors.append(np.abs(after - np.outer(end, end)).max())
        widths.append(h)
    for observed in order(errors, widths):
        assert observed == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "absorbing", "zero", dc.Robin(1.0, 0.5, 1.0)])
def test_explicit_is_first_order_in_time(boundary):
    """Against the spectral solution of the same lattice."""
    rng = np.random.default_rng(0)
    eq = dc.DiffusionEquation(boundary=boundary, spacing=0.1)
    smooth = dc.DiffusionEquation(spacing=0.1).evolve(rng.random((24, 20)), 0.05)
    t = 0.1
    exact = eq.evolve(smooth, t, "spectral")
    steps = [t / n for n in (400, 800, 1600, 3200)]
    errors = [np.abs(eq.evolve(smooth, t, "explicit", step) - exact).max() for step in steps]
    for observed in order(errors, steps):
        assert observed == pytest.approx(1, abs=0.05)


def worst_error(t0, t1, h, ndim):
    """Bound the error of the exact lattice solution for data between -1 and 1 that have spread since time 0.

    The error grows by at most the truncation h²/12 Σ |∂⁴u| per time (maximum principle), and convolution with a
    Gaussian of variance 2t gives |∂⁴u| <= E|He4(Z)| / (2t)² <= √24 / (4t²); integrated from t0 to t1.
    """
    return ndim * h * h / 12 * math.sqrt(24) / 4 * (1 / t0 - 1 / t1)


def test_a_step_follows_erf():
    t0, t1 = 0.01, 0.02
    for n in (200, 400):
        x = centres(n, 4.0) - 2
        after = dc.DiffusionEquation(spacing=4 / n).evolve(scipy.special.erf(x / (2 * math.sqrt(t0))), t1 - t0)
        error = np.abs(after - scipy.special.erf(x / (2 * math.sqrt(t1)))).max()
        assert error <= worst_error(t0, t1, 4 / n, 1)


def disc(r, t, radius):
    """Radial heat solution of a disc: the Hankel transform of J1(ka)/k, by Gauss-Legendre quadrature."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    top = math.sqrt(40 / t)
    k, w = (nodes + 1) * top / 2, weights * top / 2
    values = np.empty(r.size)
    for part in np.array_split(np.arange(r.size), 8):
        waves = scipy.special.j0(np.multiply.outer(r.ravel()[part], k))
        values[part] = waves @ (w * radius * scipy.special.j1(k * radius) * np.exp(-k * k * t))
    return values.reshape(r.shape)


def ball(r, t, radius):
    """Radial heat solution of a ball (Carslaw and Jaeger, Conduction of Heat in Solids, section 10.3, eq. 8)."""
    root = 2 * math.sqrt(t)
    inner, outer = (radius - r) / root, (radius + r) / root
    tails = np.exp(-(inner**2)) - np.exp(-(outer**2))
    return (scipy.special.erf(inner) + scipy.special.erf(outer)) / 2 - math.sqrt(t / math.pi) / r * tails


@pytest.mark.parametrize(("solution", "ndim", "n"), [(disc, 2, 64), (ball, 3, 32)])
def test_a_round_drop_follows_the_radial_solution(solution, ndim, n):
    t0, t1, width = 0.02, 0.04, 4.0
    axes = [centres(n, width) - width / 2] * ndim
    r = np.sqrt(sum(x**2 for x in np.meshgrid(*axes, indexing="ij")))
    after = dc.DiffusionEquation(spacing=width / n).evolve(solution(r, t0, 0.5), t1 - t0)
    np.testing.assert_allclose(after, solution(r, t1, 0.5), rtol=0, atol=worst_error(t0, t1, width / n, ndim))


def test_the_discs_quadrature_is_exact_at_its_centre():
    """At r = 0 the disc's solution is 1 - exp(-a²/4t)."""
    assert disc(np.array([0.0]), 0.02, 0.5)[0] == pytest.approx(1 - math.exp(-0.25 / 0.08), abs=1e-12)


@pytest.mark.parametrize("method", ["spectral", "explicit"])
def test_two_sines_decay_each_at_its_own_pace(method):
    """e^(-36π²t) sin 6πx + 3 e^(-4π²t) sin 2πx on the unit interval."""
    t, errors, sizes = 0.002, [], (64, 128, 256)
    for n in sizes:
        x = centres(n)
        start = np.sin(6 * np.pi * x) + 3 * np.sin(2 * np.pi * x)
        end = math.exp(-36 * np.pi**2 * t) * np.sin(6 * np.pi * x) + 3 * math.exp(-4 * np.pi**2 * t) * np.sin(
            2 * np.pi * x
        )
        eq = dc.DiffusionEquation(spacing=1 / n, boundary="absorbing")
        errors.append(np.abs(eq.evolve(start, t, method, n**-2 / 24 if method == "explicit" else None) - end).max())
    for observed in order(errors, [1 / n for n in sizes]):
        assert observed == pytest.approx(2, abs=0.05)
