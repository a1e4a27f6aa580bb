"""Fields of any size: each run is that of the field times a power of two, to the last bit."""

import math

import numpy as np
import pytest

import diffuseconv as dc

SOURCES = {
    "decay": lambda unit: lambda t, u: -3 * u,
    "logistic": lambda unit: lambda t, u: 5 * u * (1 - u / unit),
    "time": lambda unit: lambda t: unit * math.sin(3 * t),
    "mean": lambda unit: lambda t, u: 50 * (u.mean() - u),
    "wall": lambda unit: None,
}


@pytest.mark.parametrize("method", ["auto", "implicit", "rkl2"])
@pytest.mark.parametrize("name", SOURCES)
def test_steps_of_controlled_error_know_no_smallest_value(name, method):
    u = np.random.default_rng(0).random(24)

    def run(power, dtype=np.float64):
        unit = 2.0**power
        wall = dc.Dirichlet(lambda t: unit * math.cos(t))
        ends = ((wall, "reflecting"),) if name == "wall" else "reflecting"
        eq = dc.DiffusionEquation(30.0, boundary=ends, source=SOURCES[name](unit))
        return np.asarray(eq.evolve((u * unit).astype(dtype), 0.3, method), dtype=np.float64) / unit

    expected = run(0)
    for power in (-990, -800, -500, 1000):
        np.testing.assert_array_equal(run(power), expected, err_msg=str(power))
    np.testing.assert_array_equal(run(-120, np.float32), run(0, np.float32))


@pytest.mark.parametrize("method", ["auto", "spectral", "chebyshev", "rational", "explicit"])
@pytest.mark.parametrize("diffusivity", [2.0**-100, 2.0**100])
def test_linear_problems_know_no_unit(method, diffusivity):
    u = np.random.default_rng(0).random((3, 4))

    def run(power, dtype=np.float64):
        unit = 2.0**power
        ends = "reflecting", (dc.Dirichlet(unit), "reflecting")
        eq = dc.DiffusionEquation(diffusivity, boundary=ends, source=unit * diffusivity)
        return np.asarray(eq.evolve((u * unit).astype(dtype), 0.7 / diffusivity, method), dtype=np.float64) / unit

    expected = run(0)
    for power in (-920, 900):
        np.testing.assert_array_equal(run(power), expected, err_msg=str(power))
    np.testing.assert_array_equal(run(-120, np.float32), run(0, np.float32))


def test_a_reaction_may_lead_from_the_smallest_values_to_ordinary_ones():
    eq = dc.DiffusionEquation(source=lambda t, u: 10 * u * (1 - u))
    got = eq.evolve(np.full(8, 1e-280), 100.0, tolerance=1e-6)
    np.testing.assert_allclose(got, 1.0, atol=1e-5)


def test_a_short_time_is_as_exact_as_a_long_one():
    """What flows in is not judged by where it would lead in the end."""
    tensor = np.array([[0.25, 0.18], [0.18, 0.14]])
    eq = dc.DiffusionEquation(tensor, 4.4, ((dc.Dirichlet(1.4), "reflecting"), "periodic"), source=1e17)
    np.testing.assert_allclose(eq.evolve(np.zeros((4, 3)), 1e-6), 1e11, rtol=1e-6 * 0.1 + 1e-10)


def test_a_tensor_that_is_slow_along_one_axis_is_positive_all_the_same():
    tensor = np.array([[1.0, 1e-9], [1e-9, 4e-18]])
    u = np.zeros((3, 5))
    np.testing.assert_allclose(dc.DiffusionEquation(tensor, (1.0, 2e-9)).evolve(u + 1.0, 1.0), 1.0)
    with pytest.raises(ValueError, match=r"^diffusivity must be positive definite"):
        dc.DiffusionEquation(np.array([[1.0, 3e-9], [3e-9, 4e-18]])).evolve(u, 1.0)
