"""A step of controlled error: a trial from a field, with an estimate of what it is off by."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["Integrator", "Overflow", "Trial", "evaluate", "finite"]


class Overflow(ArithmeticError):  # noqa: N818
    """A trial step left the range of numbers, or did not converge: a shorter one may not."""


class Trial(NamedTuple):
    """What a trial step found."""

    field: Array
    slope: Array  # the right-hand side there
    error: float  # estimated, largest cell


class Integrator(Protocol):
    """A method that takes a step."""

    @property
    def order(self) -> int:
        """The order of the estimate: it falls with the power ``order + 1`` of the step."""
        ...

    @property
    def longest(self) -> float:
        """The longest step that the method allows."""
        ...

    @property
    def least_growth(self) -> float:
        """The least factor by which a longer step is worth the work of preparing it."""
        ...

    @property
    def damping(self) -> float:
        """A rate at which errors are sure to die out, 0 for none."""
        ...

    def cost(self, step: float) -> float:
        """Return what a step costs, by a fixed model, in seconds."""
        ...

    def least_cost(self, duration: float) -> float:
        """Return what a duration is sure to cost as things are, be the errors as small as they like."""
        ...

    def attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Compute a trial step from the field `u` and its rate of change; may raise `Overflow`."""
        ...

    def accept(self, clock: Clock, elapsed: float, u: Array) -> None:
        """Note where an accepted step has led."""
        ...


def evaluate(problem: Lattice, time: float, u: Array, out: Array | None = None) -> Array:
    """Return the right-hand side; functions given by users see finite fields only."""
    return finite(problem.rhs(time, finite(u), out))


def finite(u: Array) -> Array:
    """Return a field as it is; raise `Overflow` where it is not finite."""
    if not _checks.is_finite(u):
        raise Overflow
    return u
