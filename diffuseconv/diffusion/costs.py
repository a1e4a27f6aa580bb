"""The models of cost by which ``"auto"`` chooses, in seconds as once measured: the same choice on every machine."""

from __future__ import annotations

import math

from diffuseconv.diffusion import shifted
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["coupled", "entries", "evaluation", "factorisation", "iterations", "longest_run", "modes", "substitution"]

SPARSE = 20  # plain factorisations that those with pivots take in all, of the systems of a sparse Jacobian


def evaluation(problem: Lattice) -> float:
    """Return the cost of the right-hand side where it depends on time or on the field."""
    walls, size = len(problem.moving_walls), math.prod(problem.shape)
    rebuilt = 0.0 if problem.moving is None else 1.9e-4 * len(problem.shape) + 7e-5 * walls + size * 2e-8
    called = 0.0 if problem.reaction is None else 5e-5
    return rebuilt + called + 3e-5 + 2e-5 * walls + size * 5e-9


def longest_run(problem: Lattice) -> float:
    """Return what a run of steps of controlled error may cost: 8 seconds, more for fields of more than 4096 cells."""
    return 8.0 + max(0, math.prod(problem.shape) - 4096) * 1.7e-3


def factorisation(problem: Lattice) -> float:
    """Return the cost of factorising a real shifted system and solving it once."""
    size, ndim = math.prod(problem.shape), len(problem.shape)
    return 1e-4 + size * (4e-7 if ndim == 1 else 3e-7 * size**0.25 if ndim == 2 else 1e-7 * size**0.67)


def coupled(problem: Lattice, groups: int = 0) -> float:
    """Return the cost of all systems of a step where a reaction couples cells, and of its whole Jacobian.

    It is sparse where it is found by moving some groups of cells.
    """
    size = math.prod(problem.shape)
    if groups:
        return (groups + 2) * evaluation(problem) + 2e-3 + SPARSE * factorisation(problem) + size * 1e-5
    return size * evaluation(problem) + 2e-3 + size**3 * 5e-10


def entries(problem: Lattice) -> float:
    """Return how many entries a cell the factors of a shifted system have, as measured up to 192² and 27³."""
    size, ndim = math.prod(problem.shape), len(problem.shape)
    if not shifted.factorises(problem) and problem.plain:
        return 0.0
    return 6.0 if ndim == 1 else 3.2 * math.log2(size) if ndim == 2 else 1.5 * size**0.55


def iterations(problem: Lattice) -> float:
    """Return the cost of solving the systems of all implicit stages once, by iterations in the plane."""
    return 1e-3 + math.prod(problem.shape) * 4e-6


def modes(problem: Lattice, thin: bool, prepared: bool) -> float:
    """Return the cost of an exponential step's transforms, or thin products, and of its weights where `prepared`."""
    size = math.prod(problem.shape)
    transforms = size * 5e-8 if thin else 1e-4 + size * 9e-8
    return transforms + prepared * (5e-5 + size * 7e-8)


def substitution(problem: Lattice, whole: bool = False, groups: int = 0) -> float:
    """Return the cost of solving a factorised real system, or a share of those of all stages by `whole` matrices."""
    if groups:
        return 3e-5 + math.prod(problem.shape) * 1e-7
    return 1e-5 + (math.prod(problem.shape) ** 2 * 1e-9 if whole else factorisation(problem) / 30)
