"""How a reaction changes: with the value of its own cell, and with that of a cell which others follow."""

from __future__ import annotations

import math

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion.in_pieces import largest, pieces
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["column", "reaction_slope", "sensor"]

EPS = float(np.finfo(np.float64).eps)
STEEPEST = 1e100  # a difference quotient beyond it is that of a jump


def reaction_slope(problem: Lattice, time: float, u: Array) -> Array:
    """Return the derivative of the reaction along each cell's own value: as given, else by a difference."""
    reaction = problem.reaction
    if reaction is None:
        return np.zeros((1,) * u.ndim)
    if problem.reaction_slope is not None:
        given = problem.reaction_slope(time, u)
        return np.where(np.isfinite(given), given, 0.0)
    shift = _shift(u)
    here = np.add(u, shift, dtype=np.float64)
    slope = np.array(np.broadcast_to(reaction(time, here), u.shape), dtype=np.float64)
    here[...] = u
    plain = np.broadcast_to(reaction(time, here), u.shape)
    for low, high in pieces(u.shape):
        part, own = slope[low:high], here[low:high]
        part -= plain[low:high]
        part /= (own + shift) - own
        part[~(abs(part) < STEEPEST)] = 0.0  # NaN too
    return slope


def sensor(problem: Lattice, time: float, u: Array, bit: int) -> int | None:
    """Return a cell that the reaction of others follows, None if none is seen: half of all are moved, then the other.

    The halves are those of a bit of the cell's index. A sensor is seen by what follows it in the other half, if that
    follows no others as well.
    """
    reaction = problem.reaction
    assert reaction is not None
    shift, plain = _shift(u), np.array(reaction(time, u))
    half = ((np.arange(u.size) >> bit) % 2 == 1).reshape(u.shape)
    seen = [np.abs(reaction(time, u + shift * side) - plain) * ~side for side in (half, ~half)]
    largest = [float(changes.max()) for changes in seen]
    most = int(largest[1] > largest[0])
    if not largest[most] > 0:
        return None
    follower = int(seen[most].argmax())
    candidates = np.flatnonzero((half, ~half)[most])

    def follows(cells: Array) -> bool:
        """Return whether the follower changes with some cells as much as with all."""
        moved = u.copy()
        moved.flat[cells] += shift
        return bool(np.abs(reaction(time, moved) - plain).flat[follower] > largest[most] / 2)

    while len(candidates) > 1:
        some, others = np.array_split(candidates, 2)
        candidates = some if follows(some) else others
    return int(candidates[0]) if follows(candidates) else None


def column(problem: Lattice, time: float, u: Array, cell: int) -> Array:
    """Return how the reaction of all others changes with the value of one cell."""
    assert problem.reaction is not None
    moved = u.copy()
    moved.flat[cell] += _shift(u)
    change = np.array(problem.reaction(time, moved)) - problem.reaction(time, u)
    slope = np.array(np.broadcast_to(change / (moved.flat[cell] - u.flat[cell]), u.shape))
    slope.flat[cell] = 0.0
    return np.where(np.isfinite(slope), slope, 0.0)


def _shift(u: Array) -> float:
    """Return by how much values are moved for a difference quotient."""
    return math.sqrt(EPS) * max(largest(u), float(u.max()) - float(u.min()), 1e-150)
