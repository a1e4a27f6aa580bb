"""What happens at walls, what sources add, and when barriers lift."""

import math

import naive
import numpy as np
import pytest
import scipy.linalg

import diffuseconv as dc


def test_walls_that_depend_on_time_and_place():
    """A wall that rises as t, along one half of a face: explicit Euler by hand."""
    u = np.zeros((3, 4))
    half = np.array([1.0, 1.0, 0.0, 0.0])
    eq = dc.DiffusionEquation(boundary=((dc.Dirichlet(lambda t: t * half), "reflecting"), "periodic"))
    expected = u
    for n in range(4):
        t = 0.1 * n
        change = np.zeros(u.shape)
        for column in range(4):
            left, right = naive.diffusion((3,), np.ones(3), (1.0,), (((1.0, 0.0, t * half[column]), (0.0, 1.0, 0.0)),))
            change[:, column] += left @ expected[:, column] + right
        for row in range(3):
            change[row] += naive.diffusion((4,), np.ones(4), (1.0,), ("periodic",))[0] @ expected[row]
        expected = expected + 0.1 * change
    np.testing.assert_allclose(eq.evolve(u, 0.4, "auto", 0.1), expected, rtol=0, atol=1e-15)
    later = dc.DiffusionEquation(boundary=((dc.Neumann(lambda t: t), "reflecting"),))
    np.testing.assert_allclose(later.evolve(np.zeros(2), 0.1, "explicit", 0.1, start=5.0), [0.5, 0.0], atol=1e-15)


def test_sources_of_time_and_field():
    u = np.array([1.0, 2.0])
    for source, change in (
        (lambda t: t, 3.0),
        (lambda t, u: -u * t, -3.0 * u),
        (2.0, 2.0),
        (np.array([1.0, -1.0]), [1, -1]),
    ):
        eq = dc.DiffusionEquation(0.0, source=source)
        np.testing.assert_allclose(eq.evolve(u, 0.5, "explicit", 0.5, start=3.0), u + 0.5 * np.array(change))


def test_barriers_are_lifted_exactly_when_asked():
    """In the middle of a step, at a frame, and never; the two halves are solved one after the other."""
    u = np.array([1.0, 1.0, 0.0, 0.0])
    shut = np.array([False, True, False])
    free, closed = dc.DiffusionEquation(), dc.DiffusionEquation(barriers=[shut])
    eq = dc.DiffusionEquation(barriers=[dc.Barrier(shut, lifted_at=1.3)])
    frames = dict(eq.frames(u, [0.0, 1.3, 1.3, 2.0, 4.0]))
    np.testing.assert_array_equal(frames[0.0], u)
    later = free.evolve(u, 2.7)
    np.testing.assert_allclose(frames[1.3], u, rtol=0, atol=1e-9)
    np.testing.assert_allclose(frames[4.0], later, rtol=0, atol=1e-9)
    np.testing.assert_allclose(eq.evolve(u, 3.0, start=1.0), later, rtol=0, atol=1e-9)
    for method in ("explicit", "chebyshev"):
        np.testing.assert_allclose(eq.evolve(u, 0.3, method, start=1.0), closed.evolve(u, 5.0), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(eq.operator((4,)).rhs(2.0, u), free.operator((4,)).rhs(0.0, u))
    early = dc.DiffusionEquation(barriers=[dc.Barrier(shut, lifted_at=-1.5)])
    np.testing.assert_allclose(early.evolve(u, 3.2, start=-2.0), later, rtol=0, atol=1e-9)
    np.testing.assert_allclose(early.evolve(u, 2.7), later, rtol=0, atol=1e-9)
    one_each = dc.Barrier(np.ones(3, dtype=bool), lifted_at=[1.0, 9.0, 2.0])
    seen = dc.DiffusionEquation(barriers=[one_each]).evolve(np.array([1.0, 0.0, 4.0, 0.0]), 8.0)
    first, last = 0.5 * math.exp(-2 * 7), 2 * math.exp(-2 * 6)  # differences between two cells fall by exp(-2t)
    np.testing.assert_allclose(seen, [0.5 + first, 0.5 - first, 2 + last, 2 - last], rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", [(6,), (1, 6), (6, 1), (2,)])
@pytest.mark.parametrize("leaky", [False, True])
def test_the_seam_of_a_ring_has_its_own_rate(shape, leaky):
    """Leaky walls between all cells but the last and the first, or a diffusivity of 1, 2, 2, ..., 1."""
    diffusivity = np.ones(shape)
    if not leaky:
        diffusivity.reshape(-1)[1:-1] = 2
    shut = [np.full(tuple(n - (a == axis) for a, n in enumerate(shape)), True) for axis in range(len(shape))]
    left, _ = naive.diffusion(
        shape, diffusivity, (1.0,) * len(shape), ("periodic",) * len(shape), shut if leaky else None, 0.1
    )
    u = np.arange(1.0, math.prod(shape) + 1).reshape(shape) ** 2
    expected = (scipy.linalg.expm(left) @ u.ravel()).reshape(shape)
    eq = dc.DiffusionEquation(
        1.0 if leaky else (diffusivity,) * len(shape) if len(shape) == 1 else diffusivity,
        boundary="periodic",
        barriers=[dc.Barrier(each, 0.1) for each in shut] if leaky else None,
    )
    for method in ("auto", "chebyshev"):
        np.testing.assert_allclose(eq.evolve(u, 1.0, method), expected, rtol=0, atol=1e-8)
    steps = (np.linalg.matrix_power(np.eye(u.size) + left / 64, 64) @ u.ravel()).reshape(shape)
    np.testing.assert_allclose(eq.evolve(u, 1.0, "explicit", 1 / 64), steps, rtol=0, atol=1e-11)


def test_what_is_not_finite_stays_on_its_side_of_a_wall():
    for shape in ((6, 5), (6, 5, 4), (6,)):
        u = np.zeros(shape)
        u[-1] = np.inf
        change = (
            dc.DiffusionEquation(0.5 + np.zeros(shape) if len(shape) > 1 else 0.5).operator(shape).rhs(0.0, u.ravel())
        )
        assert (change.reshape(shape)[:4] == 0).all()


class Membrane:
    """A wall of another's making: a skin of permeability 2 before a sea of 3."""

    a, b, c, distance = 2.0, 1.0, 6.0, 0.5


def test_a_new_wall_is_a_class_and_nothing_else():
    u = np.arange(5.0)
    for other in ("reflecting", dc.Dirichlet(1.0)):
        one, same = (
            dc.DiffusionEquation(0.7, 0.5, boundary=((wall, other),)) for wall in (Membrane(), dc.Robin(2.0, 1.0, 6.0))
        )
        for method in ("spectral", "chebyshev", "explicit"):
            np.testing.assert_array_equal(one.evolve(u, 1.0, method), same.evolve(u, 1.0, method))
        np.testing.assert_array_equal(one.steady_state(u), same.steady_state(u))


def test_functions_of_users_cannot_write_and_may_take_any_number_of_arguments():
    u = np.array([1.0, 2.0])

    def greedy(time, field):
        field[:] = 0
        return 0.0

    with pytest.raises(ValueError, match="read-only"):
        dc.DiffusionEquation(source=greedy).evolve(u, 1.0, "explicit")
    np.testing.assert_array_equal(u, [1.0, 2.0])
    variadic = dc.DiffusionEquation(0.0, source=lambda *given: -given[1])
    np.testing.assert_allclose(variadic.evolve(u, 0.5, "explicit", 0.5), 0.5 * u)


@pytest.mark.parametrize(("a", "b"), [(10**30, 1e300), (1e300, 1e-300), (1e-300, 1e300), (3e-308, 2e-308)])
def test_robin_walls_take_weights_of_any_size(a, b):
    """Their ratio and that of `c` matter alone."""
    wall, scale = dc.Robin(a, b, a / 2), max(a, b)
    small = dc.Robin(a / scale, b / scale, a / scale / 2)
    after, same = (dc.DiffusionEquation(boundary=w).evolve(np.arange(4.0), 1.0) for w in (wall, small))
    np.testing.assert_allclose(after, same, rtol=0, atol=1e-14)
