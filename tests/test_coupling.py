"""Reactions that couple few cells with each: sparse Jacobians by groups of cells, and rings that are long."""

import time

import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv.diffusion import coupling, reaction


def products(u):
    return np.roll(u, 1) * u - 0.3 * np.roll(u, -2) ** 2


@pytest.mark.parametrize("shape", [(7,), (30,), (5, 6)])
def test_a_jacobian_by_groups_is_the_one_cell_by_cell(shape):
    rng = np.random.default_rng(0)
    u = rng.random(shape) + 0.5
    problem = dc.DiffusionEquation(source=lambda t, u: products(u.ravel()).reshape(u.shape)).lattice(shape)
    pattern = coupling.pattern_of(problem, 0.0, u)
    matrix, complete = coupling.evaluated(problem, 0.0, u, pattern)
    assert complete
    assert pattern.groups <= 9  # each cell is followed by three, each of which follows two more
    expected = reaction.jacobian(problem, 0.0, u)
    np.testing.assert_allclose(matrix.toarray(), expected, rtol=0, atol=1e-6)
    together = [np.bincount(pattern.rows[pattern.group[pattern.columns] == n]) for n in range(pattern.groups)]
    assert max(counts.max() for counts in together) == 1


def test_a_pattern_that_misses_what_cells_follow_now_is_seen():
    """At zero products follow nothing; where all cells follow all there is no sparse one."""
    problem = dc.DiffusionEquation(source=lambda t, u: products(u) - u).lattice((30,))
    zero, u = np.zeros(30), np.random.default_rng(0).random(30)
    pattern = coupling.pattern_of(problem, 0.0, zero)
    assert pattern.rows.size < 90
    assert not coupling.evaluated(problem, 0.0, u, pattern)[1]
    whole = coupling.pattern_of(problem, 0.0, u, pattern)
    assert coupling.evaluated(problem, 0.0, u, whole)[1]
    mean = dc.DiffusionEquation(source=lambda t, u: u.mean() - u).lattice((30,))
    assert coupling.pattern_of(mean, 0.0, u) is None


@pytest.mark.parametrize(("cells", "rate", "method"), [(500, 1e6, "auto"), (1500, 1e5, "implicit")])
def test_a_long_ring_is_answered(cells, rate, method):
    """Each cell follows the one before: waves run around and die out, as Fourier modes say."""
    u = np.random.default_rng(1).random(cells)
    eq = dc.DiffusionEquation(boundary="periodic", source=lambda t, u: rate * (np.roll(u, 1) - u))
    begin = time.process_time()
    got = eq.evolve(u, 1.0, method, tolerance=1e-3)
    assert time.process_time() - begin < 60  # was refused after 20, or took as long
    angle = 2 * np.pi * np.fft.fftfreq(cells)
    left = np.exp(2 * np.cos(angle) - 2 + rate * (np.exp(-1j * angle) - 1))
    np.testing.assert_allclose(got, np.fft.ifft(np.fft.fft(u) * left).real, rtol=0, atol=1e-3)
