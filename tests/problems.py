"""Diffusion problems drawn by `strategies.problems`, as an equation and as matrices."""

import naive
import numpy as np

import diffuseconv as dc


def wall(a, b, c):
    """Return (a, b, c) as a wall."""
    return dc.Dirichlet(c / a) if b == 0 else dc.Neumann(c / b) if a == 0 else dc.Robin(a, b, c)


def equation(problem):
    """Return a drawn problem as an equation."""
    barriers = problem["barriers"]
    return dc.DiffusionEquation(
        (problem["diffusivity"],) * len(problem["shape"]),
        problem["spacing"],
        tuple(pair if pair == "periodic" else tuple(wall(*side) for side in pair) for pair in problem["walls"]),
        None if barriers is None else [dc.Barrier(shut, problem["permeability"]) for shut in barriers],
        problem["source"],
        problem["mask"],
    )


def matrices(problem):
    """Return (L, b) on raveled fields, written down cell by cell."""
    return naive.diffusion(**problem)


def exact(problem, u, duration):
    """Evolve a field mode by mode: eigenvectors of the symmetric matrix (`expm` is ten times less exact)."""
    left, right = matrices(problem)
    rates, modes = np.linalg.eigh(left)
    gained = np.where(rates < 0, np.expm1(rates * duration) / np.where(rates < 0, rates, 1), duration)
    amplitudes = np.exp(rates * duration) * (modes.T @ u.ravel()) + gained * (modes.T @ right)
    return (modes @ amplitudes).reshape(problem["shape"])
