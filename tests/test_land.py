"""What stands on land, where the mask is False, is of no account in water, and stays as it is to the last bit."""

import numpy as np
import pytest

import diffuseconv as dc

WATER = np.ones((5, 6), bool)
WATER[2] = False  # two pools, of rows 0, 1 and 3, 4
FILLS = (-999.0, 9.97e36, np.nan)


def pools(u, evolved):
    """Return the field of which each pool is evolved alone."""
    whole = u.copy()
    whole[:2], whole[3:] = evolved(u[:2]), evolved(u[3:])
    return whole


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize(
    ("method", "options", "tolerance"),
    [
        ("rational", {}, 1e-10),
        ("chebyshev", {}, 1e-10),
        ("uniformization", {}, 1e-12),
        ("implicit", {"source": lambda t, u: u * (1 - u)}, 1e-4),
        ("rkl2", {"source": lambda t, u: u * (1 - u)}, 1e-4),
        ("auto", {"source": lambda t, u: u * (1 - u)}, 1e-4),
    ],
)
def test_fill_values_do_not_reach_water(fill, method, options, tolerance):
    u = np.where(WATER, np.random.default_rng(12).random(WATER.shape), fill)
    land = u.copy()
    found = dc.DiffusionEquation(mask=WATER, **options).evolve(u, 1.0, method)
    np.testing.assert_array_equal(u, land)
    np.testing.assert_array_equal(found[~WATER], u[~WATER])
    tight = {"tolerance": 1e-9} if options else {}
    expected = pools(u, lambda pool: dc.DiffusionEquation(**options).evolve(pool, 1.0, **tight))
    np.testing.assert_allclose(found[WATER], expected[WATER], rtol=0, atol=10 * tolerance * np.ptp(u[WATER]))


@pytest.mark.parametrize("method", ["implicit", "rkl2", "auto"])
def test_tolerances_are_relative_to_the_range_of_the_water(method):
    """A mode of a pool of 12 cells, relaxing to 300: it decays at its own rate and that of the reaction."""
    n, k, t = 12, 2.0, 0.7
    mode = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    rate = k + 4 * np.sin(np.pi / 2 / n) ** 2
    water = np.arange(n + 3) < n
    u = np.where(water, np.append(300 + 1e-3 * mode, [0, 0, 0]), np.nan)
    eq = dc.DiffusionEquation(mask=water, source=lambda t, v: k * (300 - v))
    found = list(eq.frames(u, [t / 2, t], method))[-1][1]
    np.testing.assert_allclose(found[water], 300 + 1e-3 * mode * np.exp(-rate * t), rtol=0, atol=2e-3 * 1e-4 * 10)
    assert np.isnan(found[~water]).all()


@pytest.mark.parametrize("drift", [None, lambda t: 0.0 * t])
def test_sources_see_land_as_it_is(drift):
    """Water filled at the rate that stands on land, in a stack of fields whose rates differ."""
    water = np.array([True, True, False])
    stack = np.array([[0.0, 0.0, 3.0], [1.0, 1.0, -2.0], [2.0, 2.0, np.nan]])
    eq = dc.DiffusionEquation(mask=water, source=lambda t, v: v[2], velocity=drift)
    np.testing.assert_allclose(
        eq.evolve(stack, 2.0, axes=1), [[6.0, 6.0, 3.0], [-3.0, -3.0, -2.0], [2.0, 2.0, np.nan]], rtol=1e-12
    )


def test_frames_may_be_written_to_and_kept():
    u = np.where(WATER, np.random.default_rng(12).random(WATER.shape), -999.0)
    eq, times = dc.DiffusionEquation(mask=WATER), [0.0, 1.0, 1.0, 2.0]
    for time, frame in eq.frames(u, times):
        np.testing.assert_allclose(frame, eq.evolve(u, time), rtol=0, atol=1e-9)
        np.testing.assert_array_equal(frame[~WATER], -999.0)
        frame[...] = np.nan


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_data_values_as_large_as_numbers_are_land(dtype):
    water = np.arange(6) < 4
    u = np.where(water, [1, 0, 0, 0, 0, 0], [np.finfo(dtype).min, *[np.finfo(dtype).max] * 5]).astype(dtype)
    eq, pool = dc.DiffusionEquation(mask=water), u[:4]
    for found, alone in ((eq.evolve(u, 1.0), dc.DiffusionEquation().evolve(pool, 1.0)), (eq.steady_state(u), 0.25)):
        np.testing.assert_allclose(found[:4], alone, rtol=0, atol=1e-6)
        np.testing.assert_array_equal(found[4:], u[4:])
    assert eq.total_mass(u) == 1.0
