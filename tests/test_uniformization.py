"""Poisson-weighted powers of a density: diagonal neighbours, rounding, and when to stop."""

import numpy as np
import pytest
import scipy.linalg
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


def decayed(left, right, u, duration):
    """Evolve a field by the exponential of the matrix, scaled so that squaring, again and again, loses no mass."""
    share = scipy.linalg.expm(duration * left)
    if right is None:
        return (share / share.sum(axis=0) @ u.ravel()).reshape(u.shape)
    limit = np.linalg.solve(left, -right)
    return (limit + share @ (u.ravel() - limit)).reshape(u.shape)


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("closed", [True, False])
def test_a_drift_over_a_time_of_endless_terms_is_solved_all_the_same(ndim, closed):
    """Contrasts of 1e5, and 4e10 powers of a step, which uniformization refuses; within 1e-10, mass within 1e-11."""
    rng, shape = np.random.default_rng(ndim), ((40,), (7, 6))[ndim - 1]
    velocity = [0.01 * rng.normal(size=np.add(shape, np.arange(ndim) == axis)) for axis in range(ndim)]
    for axis, faces in enumerate(velocity):
        np.moveaxis(faces, axis, 0)[[0, -1]] = 0.0
    eq = dc.DiffusionEquation(
        10 ** rng.uniform(-2, 3, shape),
        boundary=(("reflecting",) * 2 if closed else (dc.Dirichlet(0.3), dc.Robin(1.0, 2.0, 0.5)),) * ndim,
        velocity=tuple(velocity),
        source=None if closed else rng.random(shape),
    )
    u, op = rng.random(shape), eq.operator(shape)
    late = 4e10 * eq.stable_time_step(shape)
    with pytest.raises(ValueError, match=r"^duration must take at most"):
        eq.evolve(u, late, "uniformization")
    scale = np.ptp(u)
    for duration, after in eq.frames(u, [0.5, 30.0, late / 1e3, late]):
        expected = decayed(op.matrix.toarray(), None if closed else op.b().ravel(), u, duration)
        scale = max(scale, np.abs(expected - u).max())
        np.testing.assert_allclose(after, expected, rtol=0, atol=1e-10 * scale)
        if closed:
            assert abs(eq.total_mass(after) - eq.total_mass(u)) <= 1e-11 * eq.total_mass(u)
    np.testing.assert_array_equal(eq.evolve(u, 0.5), eq.evolve(u, 0.5, "uniformization"))
    assert eq.evolve(u.astype(np.float32), late).dtype == np.float32


def test_a_drift_in_many_cells_is_not_waited_for():
    """40 x 40 cells: implicit steps cost half of what a run may, by the model, and uniformization takes days."""
    shape = 40, 40
    d = np.random.default_rng(0).uniform(0.1, 2, shape)
    eq = dc.DiffusionEquation(d, velocity=(0.1, 0.05), decay=1e-3, source=1e-3)
    with pytest.raises(ValueError, match=r"^duration must take at most"):
        eq.evolve(np.ones(shape), 2e10, "uniformization")
    settled = eq.steady_state(np.ones(shape))
    # a tolerance of 1e-10 of the field's scale, the largest change
    np.testing.assert_allclose(eq.evolve(np.ones(shape), 2e10), settled, rtol=0, atol=1e-9 * settled.max())


@pytest.mark.parametrize("tolerance", [1.0, 1.5, 3.0, 1e9])
@pytest.mark.parametrize("duration", [1e-3, 1.0, 30.0])
def test_a_tolerance_of_the_whole_range_leaves_some_term(tolerance, duration):
    """On a ring a constant stays, a grain stays a density within half of its range, and a source adds what it gives."""
    ring = dc.DiffusionEquation(velocity=0.5, boundary="periodic")
    grain = np.eye(1, 8)[0]
    exact = transport.exact(ring.operator((8,)).matrix.toarray(), np.zeros(8), grain, duration)
    after = ring.evolve(grain, duration, "uniformization", tolerance=tolerance)
    assert after.min() >= 0
    np.testing.assert_allclose(after.sum(), 1.0, rtol=1e-14)
    np.testing.assert_allclose(after, exact, rtol=0, atol=0.5)
    np.testing.assert_allclose(ring.evolve(np.ones(8), duration, "uniformization", tolerance=tolerance), 1, rtol=1e-14)
    filled = dc.DiffusionEquation(source=2.0).evolve(np.zeros(8), duration, "uniformization", tolerance=tolerance)
    np.testing.assert_allclose(filled, 2 * duration, rtol=0.5)
