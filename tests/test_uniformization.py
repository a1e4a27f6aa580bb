"""Poisson-weighted powers of a density: diagonal neighbours, rounding, and when to stop."""

import numpy as np
import pytest
import transport

import diffuseconv as dc


@pytest.mark.parametrize("boundary", ["periodic", "reflecting"])
@pytest.mark.parametrize("method", ["auto", "uniformization"])
@pytest.mark.parametrize("capacity", [None, 2.0, "varying"])
def test_tensors_with_a_drift_give_to_diagonal_neighbours_too(boundary, method, capacity):
    """The rate of uniformization counts all eight neighbours: without the diagonal ones its terms blow up."""
    u = np.random.default_rng(0).random((6, 7))
    capacity = 1 + u if capacity == "varying" else capacity
    eq = dc.DiffusionEquation(
        np.array([[1.0, 0.9], [0.9, 1.0]]), boundary=boundary, velocity=(0.01, 0.0), capacity=capacity
    )
    left = eq.operator(u.shape).matrix.toarray()
    for duration in (1.0, 30.0):
        after = eq.evolve(u, duration, method)
        np.testing.assert_allclose(after, transport.exact(left, np.zeros(u.size), u, duration), rtol=0, atol=1e-11)
        assert abs(eq.total_mass(after) - eq.total_mass(u)) <= 1e-13 * (1 + duration) * eq.total_mass(u)


@pytest.mark.parametrize("boundary", ["periodic", "reflecting"])
@pytest.mark.parametrize("capacity", [None, 2.0])
def test_tensors_of_negative_exchanges_with_a_drift_are_solved_implicitly(boundary, capacity):
    """No scheme is exact for them: steps of controlled error, never plain explicit ones."""
    u = np.random.default_rng(0).random((6, 7))
    tensor = np.array([[2.0, 1.2], [1.2, 1.0]])
    eq = dc.DiffusionEquation(tensor, boundary=boundary, velocity=(0.3, -0.2), capacity=capacity, source=0.1)
    op = eq.operator(u.shape)
    for duration in (0.1, 30.0):
        expected = transport.exact(op.matrix.toarray(), op.b(), u, duration)
        for tolerance in (None, 1e-8):  # by default 1e-4 of the range
            after = eq.evolve(u, duration, tolerance=tolerance)
            assert np.abs(after - expected).max() <= (tolerance or 1e-4) * np.ptp(u)
    with pytest.raises(ValueError, match="needs rates that are not negative"):
        eq.evolve(u, 1.0, "uniformization")


@pytest.mark.parametrize("duration", [1e-307, 1e-14, 1e-10, 1e-6, 1.0])
def test_sources_add_their_all_however_few_steps_are_taken(duration):
    eq = dc.DiffusionEquation(source=1 / duration, velocity=0.3)
    assert eq.evolve(np.zeros(5), duration, "uniformization").mean() == pytest.approx(1.0, rel=1e-11)


def test_uniformization_does_not_stop_where_salt_goes_round():
    """After whole turns a shift looks as if it stood still, and other steps alternate between even and odd cells."""
    n = 32
    u = np.zeros(n)
    u[3] = 1.0
    for d, v, t in ((0.0, 0.5, 2 * n * 1000.0), (1.0, 0.3, 1e5)):
        eq = dc.DiffusionEquation(d, boundary="periodic", velocity=v)
        np.testing.assert_allclose(eq.evolve(u, t, "uniformization"), eq.evolve(u, t, "spectral"), rtol=0, atol=1e-12)


def test_many_short_frames_share_the_tolerance():
    """Grains rarely step within one frame: were each allowed the whole tolerance none ever would."""
    eq, u = dc.DiffusionEquation(velocity=0.3), np.arange(8.0)
    *_, (_, last) = eq.frames(u, np.linspace(0.002, 0.4, 200), "uniformization", tolerance=0.01)
    expected = transport.exact(eq.operator(u.shape).matrix.toarray(), np.zeros(8), u, 0.4)
    assert np.abs(last - expected).max() <= 0.01 * np.ptp(u)


def test_the_shortest_duration_changes_nothing():
    eq = dc.DiffusionEquation(velocity=0.3, source=1.0)
    np.testing.assert_array_equal(eq.evolve(np.ones(5), 5e-324, "uniformization"), np.ones(5))


def test_a_duration_without_end_is_refused():
    eq = dc.DiffusionEquation(velocity=(np.linspace(0, 0.1, 6) * np.linspace(1, 0, 6),))
    with pytest.raises(ValueError, match=r"^duration must take at most 1e\+14 cell updates"):
        eq.evolve(np.ones(5), 1e13, "uniformization")
