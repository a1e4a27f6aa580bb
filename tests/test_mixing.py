"""Steps to mix, from singular values of the whole matrix."""

import math

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv.propagator import Propagator


def contraction(p, shape, names):
    """The least that one step shrinks the distance from what stays, by singular values of the matrix."""
    cells = math.prod(shape)
    matrix = np.empty((cells, cells))
    for i in range(cells):
        unit = np.zeros(cells)
        unit[i] = 1.0
        matrix[:, i] = naive.convolve(unit.reshape(shape), p.density, names).ravel()
    if not set(names) & {"absorbing", "zero"}:
        matrix -= 1 / cells  # the mean stays
    return np.linalg.norm(matrix, 2)


@given(st.data(), strategies.shapes((1, 2), most=6), st.floats(-9, -0.1))
def test_steps_to_mix_follow_from_the_matrix(data, shape, digits):
    names = data.draw(strategies.boundaries(len(shape)))
    density = data.draw(strategies.mirrored_densities(len(shape), 3 if "zero" in names else 5))
    p, tolerance = Propagator(density), 10.0**digits
    steps = p.steps_to_mix(shape, names, tolerance)
    largest = contraction(p, shape, names)
    if largest > 1 - 1e-13:
        assert steps == math.inf
    elif math.prod(shape) == 1 and not set(names) & {"absorbing", "zero"}:
        assert steps == 0
    else:  # rounding of the matrix may move the count by one only where the bound is met to 1e-9
        assert largest**steps <= tolerance * (1 + 1e-9)
        assert steps == 1 or largest ** (steps - 1) > tolerance * (1 - 1e-9)


@given(st.data(), strategies.shapes((1, 2), most=6))
def test_any_kernel_mixes_on_a_ring(data, shape):
    p = Propagator(data.draw(strategies.densities(strategies.shapes(len(shape), most=5))))
    steps = p.steps_to_mix(shape, "periodic", 0.01)
    largest = contraction(p, shape, ("periodic",) * len(shape))
    if largest > 1 - 1e-13:
        assert steps == math.inf
    elif math.prod(shape) > 1:
        assert largest**steps <= 0.01 * (1 + 1e-9)
        assert steps == 1 or largest ** (steps - 1) > 0.01 * (1 - 1e-9)


def test_what_never_mixes():
    hop = Propagator([0.5, 0.0, 0.5])
    assert hop.steps_to_mix(10, "periodic") == math.inf
    assert hop.steps_to_mix(11, "periodic") < math.inf
    assert Propagator([0.0, 0.0, 1.0]).steps_to_mix(7, "periodic") == math.inf
    assert Propagator([[1.0]]).steps_to_mix((3, 4)) == math.inf
    assert Propagator.heat([1.0, 0.0], 1.0).steps_to_mix((3, 4)) == math.inf
    assert Propagator.heat([1.0, 0.0], 1.0).steps_to_mix((3, 1)) < math.inf
    assert Propagator([1.0]).steps_to_mix(1) == 0
    assert Propagator(np.ones(5) / 5).steps_to_mix(5, "periodic") == 1


def test_slow_gaps_keep_their_digits():
    """A gap of 1e-12 is lost if it is worked out as 1 - λ."""
    r = 1e-9
    steps = Propagator.heat(r, 1.0).steps_to_mix((100, 70), tolerance=1e-3)
    exact = math.log(1e3) / (r * 4 * math.sin(math.pi / 200) ** 2)
    assert steps == pytest.approx(exact, rel=1e-9)
    still = Propagator([1e-9, 1 - 2e-9, 1e-9]).steps_to_mix(100)
    assert still == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("names", [("absorbing", "absorbing"), ("absorbing", "periodic"), ("reflecting", "absorbing")])
def test_heat_leaves_through_every_absorbing_wall(names):
    r, shape = (0.3, 1.7), (9, 14)
    slowest = sum(
        rate * 4 * math.sin(math.pi / (2 * n)) ** 2
        for rate, n, name in zip(r, shape, names, strict=True)
        if name == "absorbing"
    )
    steps = Propagator.heat(r, 1.0).steps_to_mix(shape, names, 1e-6)
    assert steps == math.ceil(math.log(1e6) / slowest)


def test_steps_really_mix():
    p = Propagator.softmax([[0.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 0.0]])
    steps = p.steps_to_mix((12, 9), tolerance=0.05)
    u = np.cos(np.pi * (np.arange(12)[:, None] + 0.5) / 12) * np.ones(9)  # the slowest mode
    at = [u]
    for _ in range(steps):
        at.append(dc.convolve(at[-1], p))
    assert np.std(at[-1]) <= 0.05 * np.std(u)
    assert np.std(at[-2]) > 0.05 * np.std(u)
