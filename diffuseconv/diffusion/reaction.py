"""How a reaction changes: with the value of its own cell, and with those of others that it follows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion.in_pieces import add, largest, pieces
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.shifted import norm

__all__ = [
    "STEEPEST",
    "check_slope",
    "couples",
    "difference_shift",
    "directional",
    "fastest_decay",
    "jacobian",
    "reaction_slope",
]

EPS = float(np.finfo(np.float64).eps)
STEEPEST = 1e100  # a difference quotient beyond it is that of a jump
COUPLED = 1.001  # times the steepest slope of a cell along its own value: what changes faster follows others
FALSE = 10.0  # times the slope of a difference, from which on a given one spoils the control of errors
SAFETY = 1.2  # the power method comes from below


def reaction_slope(problem: Lattice, time: float, u: Array) -> Array:
    """Return the derivative of the reaction along each cell's own value: as given, else by a difference."""
    reaction = problem.reaction
    if reaction is None:
        return np.zeros((1,) * u.ndim)
    if problem.reaction_slope is not None:
        given = problem.reaction_slope(time, u)
        return np.where(np.isfinite(given), given, 0.0)
    shift = difference_shift(u)
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


def check_slope(problem: Lattice, time: float, u: Array, duration: float) -> None:
    """Refuse slopes that are given where differences are others by far, fast enough to matter in a run."""
    reaction = problem.reaction
    if reaction is None or problem.reaction_slope is None:
        return
    shift, plain = difference_shift(u), np.array(reaction(time, u))
    up, down = (sign * (reaction(time, u + sign * shift) - plain) / shift for sign in (1, -1))
    given = problem.reaction_slope(time, u)
    unsure = np.abs(up - down) + EPS * np.abs(plain) / shift  # of kinks and rounding
    false = (given * up <= 0) | (np.abs(given) > FALSE * np.abs(up)) | (np.abs(up) > FALSE * np.abs(given))
    false &= (np.maximum(np.abs(given), np.abs(up)) * duration > 1) & (np.abs(given - up) > FALSE * unsure)
    for bit in range((u.size - 1).bit_length() if false.any() else 0):
        false &= np.maximum(*(changes for _, changes in _moved_by_others(problem, time, u, bit))) == 0
    if false.any():
        cell = np.unravel_index(int(false.argmax()), u.shape)
        raise ValueError(
            f"source_slope must be the derivative of source by each cell's own value, within a factor of ten, got "
            f"{np.broadcast_to(given, u.shape)[cell]:.3g} where differences are {up[cell]:.3g} at time {time:g}: leave "
            f"it out to have it measured"
        )


def fastest_decay(problem: Lattice, time: float, u: Array, direction: Array | None) -> tuple[float, Array | None]:
    """Return the fastest rate at which the reaction damps anything, and the direction that the next look goes on from.

    That is the steepest slope of a cell; where cells follow others, the spectral radius, by one step of the power
    method: the mean of all cells less each of them damps all fields but those by which slopes are measured.
    """
    slope, reaction = reaction_slope(problem, time, u), problem.reaction
    own, growth = max(0.0, -float(slope.min())), float(slope.max())
    del slope
    if reaction is None or u.size == 1:
        return own, None
    shift, here = difference_shift(u), u.astype(np.float64)
    change = np.array(np.broadcast_to(reaction(time, here), u.shape), dtype=np.float64)
    if direction is None:
        direction = np.random.default_rng(0).integers(0, 2, u.shape, np.int8)
        direction *= 2
        direction -= 1
    add(here, shift, direction)
    change -= reaction(time, here)
    size, rate = largest(change), norm(change) / (shift * norm(direction))
    if not COUPLED * max(own, growth) < rate < STEEPEST:
        return own, None
    change /= size
    return max(own, SAFETY * rate), change


def couples(problem: Lattice, time: float, u: Array, bit: int) -> bool:
    """Return whether the reaction of cells follows others whose index has another bit."""
    return any(largest(changes) > 0 for _, changes in _moved_by_others(problem, time, u, bit))


def jacobian(problem: Lattice, time: float, u: Array) -> Array:
    """Return how the reaction of each cell (row) changes with the value of each (column), raveled."""
    assert problem.reaction is not None
    shift, moved = difference_shift(u), u.copy()
    plain = np.array(np.broadcast_to(problem.reaction(time, u), u.shape)).reshape(-1)
    slopes = np.empty((u.size, u.size))
    for cell, value in enumerate(u.flat):
        moved.flat[cell] = value + shift
        change = np.broadcast_to(problem.reaction(time, moved), u.shape).reshape(-1) - plain
        slopes[:, cell] = change / (moved.flat[cell] - value)
        moved.flat[cell] = value
    slopes[~(np.abs(slopes) < STEEPEST)] = 0.0  # NaN too
    return slopes


def _moved_by_others(problem: Lattice, time: float, u: Array, bit: int) -> list[tuple[Array, Array]]:
    """Return both halves of the cells, by a bit of their index, and by how much each changes those of the other."""
    reaction = problem.reaction
    assert reaction is not None
    shift, plain = difference_shift(u), np.array(reaction(time, u))
    half = ((np.arange(u.size) >> bit) % 2 == 1).reshape(u.shape)
    return [(side, np.abs(reaction(time, u + shift * side) - plain) * ~side) for side in (half, ~half)]


def directional(problem: Lattice, time: float, u: Array, slope: Array | None) -> Callable[[Array], Array]:
    """Return the product of a field with the reaction's Jacobian, less a slope along each cell's own value."""
    reaction = problem.reaction
    assert reaction is not None
    shift, plain = difference_shift(u), np.array(reaction(time, u))

    def product(x: Array) -> Array:
        size = largest(x)
        if not 0 < size < math.inf:
            return np.zeros(x.shape)
        moved = u + (shift / size) * x
        change = np.array(np.broadcast_to(reaction(time, moved), u.shape), dtype=np.float64)
        change -= plain
        change *= size / shift
        if slope is not None:
            change -= slope * x
        return np.where(np.abs(change) < STEEPEST * size, change, 0.0)

    return product


def difference_shift(u: Array) -> float:
    """Return by how much values are moved for a difference quotient."""
    size = max(largest(u), float(u.max()) - float(u.min()))
    return max(math.sqrt(EPS) * (size if size > 0 else 1e-150), 1e-300)
