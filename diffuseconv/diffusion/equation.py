"""The diffusion equation: what the problem is, and the verbs that solve it."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, _frames, _scaling
from diffuseconv._cached import already_kept, cached_property, kept
from diffuseconv._dispatch import for_arrays_of_any_kind
from diffuseconv._typing import Array, Axes
from diffuseconv.diffusion import diagnostics, explicit, land, run, schedule, spectral, stacks, steady, walls
from diffuseconv.diffusion.arguments import (
    FASTEST,
    arguments_of,
    check_source_slope,
    checked_diffusivity,
    checked_mask,
    checked_values,
    checked_weight,
)
from diffuseconv.diffusion.barriers import checked_barriers
from diffuseconv.diffusion.discretise import discretise
from diffuseconv.diffusion.geometry import COORDINATES, LONGEST, checked_spacing, grid_of
from diffuseconv.diffusion.heat_kernel import heat_kernel
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.masks import mask_on, per_cell
from diffuseconv.diffusion.scheme import without_advice
from diffuseconv.diffusion.tensor import as_tensor, split
from diffuseconv.diffusion.velocity import checked_velocity, functions
from diffuseconv.propagator import Propagator

if TYPE_CHECKING:
    from diffuseconv.diffusion.operator import Operator

__all__ = ["DiffusionEquation"]

KEPT, MOST_LATTICES = 1 << 18, 64  # cells of the discretised problems kept for the next run, and how many of these
NUMBERS = (float, int, np.float64)


@dataclass(frozen=True, eq=False)
class DiffusionEquation:
    r"""The diffusion equation, with drift, on a box of cells.

    .. math:: C\, \partial_t u = \nabla \cdot (D \nabla u - v u) - \text{decay}\, u + \text{source}

    in one, two or three dimensions, discretised by finite volumes: `u` holds the mean concentration of each cell, and
    salt moves through the faces between cells, so none is lost. Second order in space.

    Parameters
    ----------
    diffusivity : number, sequence or array, default 1
        `D`, length²/time: a number; one (or one array) per axis; an array of the field's shape, at cell centres, of
        which faces take the harmonic mean (layered media are exact; 0 is a wall); for each axis an array over its
        faces (one entry more than cells along it, as `flux` gives; the ends are the walls'), used as it is; or a
        constant symmetric positive definite (ndim, ndim) tensor.
    spacing : number or one per axis, default 1
        Width of a cell; for each axis a number or an array of cell widths (a graded grid).
    boundary : str, wall, or sequence, default "reflecting"
        ``"reflecting"``, ``"periodic"``, ``"absorbing"`` (0 on the wall), ``"zero"`` (0 in the cell beyond), or a wall
        (`Dirichlet`, `Neumann`, `Robin`); for all axes, or a sequence with one entry per axis, each of which may be a
        pair (low side, high side).
    barriers : sequence, optional
        For each axis None, a boolean array (True where the face between cell `i` and `i + 1` is shut; the field's
        shape, minus 1 on that axis) or a `Barrier`.
    source : number, array or function, optional
        Salt per volume and time: constant, ``source(t)`` or ``source(t, u)``.
    source_slope : function, optional
        ``source_slope(t, u)``: the derivative of each cell's source by that cell's own value, for the steps of a stiff
        reaction; one that is false by more than a factor of ten spoils the control of errors, and is refused where that
        is seen in the first field. Without it a difference quotient is used.
    mask : array of bool, optional
        True where the tank holds water; elsewhere nothing moves and values stay as they are, NaN or a fill value such
        as 1e20 too. A ``source(t, u)`` sees them (0 for NaN, and for numbers near the largest).
    velocity : number or sequence, optional
        Drift `v`, length/time: a number, one per axis, or for each axis an array over its faces (one entry more than
        cells along it, as `flux` gives); or, for all axes or for one, a function of time such as a `Schedule`. While
        the cell Péclet number :math:`|v| \Delta x / D` is at most 2 (see `cell_peclet`) the scheme is central, second
        order; beyond it is upwind and spreads like a diffusivity of :math:`|v| \Delta x / 2`. ``"reflecting"`` walls,
        masks and shut barriers let nothing through, drift or not; other walls let pass what the drift carries.
    capacity : number or array, optional
        `C` > 0, such as heat capacity or porosity. The mass is the integral of `C u`.
    decay : number or array, optional
        Rate >= 0 at which salt vanishes, per time and per unit of `u`.
    coordinates : {"cartesian", "polar", "cylindrical", "spherical"}
        ``"polar"`` and ``"spherical"`` fields depend only on the radius, ``"cylindrical"`` ones on (r, z). Masses and
        volumes are the true integrals over the circle, ring or sphere.
    inner_radius : number, default 0
        Where the radius begins. At 0 the low side is the axis, through which nothing flows whatever `boundary` says.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what is described above; what depends on the field's shape is checked by the verbs.

    References
    ----------
    .. [1] R. J. LeVeque, "Finite Difference Methods for Ordinary and Partial Differential Equations", SIAM (2007),
       chapter 9.

    Examples
    --------
    >>> tank = dc.DiffusionEquation(diffusivity=1.6e-9, spacing=1e-3)
    >>> u = np.zeros((8, 8))
    >>> u[2, 2] = 64.0
    >>> tank.evolve(u, duration=24 * 3600.0).sum().round(9)
    np.float64(64.0)
    """

    diffusivity: Any = 1.0
    spacing: Any = 1.0
    boundary: Any = "reflecting"
    barriers: Sequence[Any] | None = None
    source: Any = None
    mask: ArrayLike | None = None
    velocity: Any = None
    capacity: Any = None
    decay: Any = None
    coordinates: str = "cartesian"
    inner_radius: float = 0.0
    source_slope: Any = None

    def __post_init__(self) -> None:
        def keep(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        mask = None
        if self.mask is not None:
            mask = checked_mask(self.mask)
            keep("mask", mask)
        keep("diffusivity", checked_diffusivity("diffusivity", self.diffusivity, mask))
        keep("spacing", checked_spacing(self.spacing))
        walls.sides(self.boundary)
        keep("boundary", _tuples(self.boundary))
        if self.barriers is not None:
            keep("barriers", checked_barriers(self.barriers))
        if callable(self.source):
            arguments_of(self.source)
        elif self.source is not None:
            keep("source", checked_values("source", self.source, mask))
        if self.source_slope is not None:
            check_source_slope(self.source_slope, self.source)
        if self.velocity is not None:
            keep("velocity", checked_velocity(self.velocity))
            for function in functions(self.velocity):
                if arguments_of(function, "velocity") != 1:
                    raise TypeError(f"velocity must be a function of time only, got {_checks.got(function)}")
        for name in ("capacity", "decay"):
            if getattr(self, name) is not None:
                keep(name, checked_weight(name, getattr(self, name), mask, above=name == "capacity"))
        _checks.choice("coordinates", self.coordinates, tuple(COORDINATES))
        keep("inner_radius", _checks.number("inner_radius", self.inner_radius, least=0, most=LONGEST))
        if self.inner_radius and self.coordinates == "cartesian":
            raise ValueError(f"inner_radius belongs to round coordinates, got {self.inner_radius:g} with 'cartesian'")

    def stable_time_step(self, ndim_or_shape: int | Sequence[int], time: float | None = None) -> float:
        r"""Return the largest stable explicit step: the limit itself, of which `evolve` takes half by default.

        .. math:: \Delta t \le 1 / \max_i \sum_{\text{faces of } i} D_f / \Delta x^2

        in which a Dirichlet wall counts once, with the cell's own diffusivity, and a wall without flux not at all. This
        bounds the spectral radius of every problem and is sharp for constant `D`: ``1 / (2 sum D / spacing²)``.

        Parameters
        ----------
        ndim_or_shape : int or sequence of int
            The field's shape; or the number of dimensions, which stands for the shape that an array among the
            arguments (`diffusivity`, `barriers`, `source`, `mask`, `capacity`, `decay`) tells, else for a large tank.
        time : number, optional
            The time of a velocity that depends on it. By default the limit holds for all entries of a `Schedule`, and
            after every lift of a barrier.

        Returns
        -------
        float
            A time; infinite where nothing moves.

        Examples
        --------
        >>> dc.DiffusionEquation(diffusivity=2.0, spacing=0.5).stable_time_step(2)
        0.03125
        """
        if isinstance(ndim_or_shape, (list, tuple)):
            shape = tuple(ndim_or_shape)
        else:
            ndim = _checks.count("ndim_or_shape", ndim_or_shape, least=1, most=3)
            known = self._known_shape() or ()
            shape = known if len(known) == ndim else (4,) * ndim
        return min(lattice.stable_time_step for lattice in self._moments(shape, time))

    def cell_peclet(self, shape: int | Sequence[int], time: float | None = None) -> float:
        r"""Return the largest cell Péclet number :math:`|v| \Delta x / D` on any face between two cells.

        Up to 2 the drift is solved with second order; beyond, the scheme is upwind there, first order, and spreads like
        a diffusivity of :math:`|v| \Delta x / 2`. Smaller cells lower it.

        Parameters
        ----------
        shape : int or sequence of int
            The field's shape.
        time : number, optional
            The time of a velocity that depends on it. By default the largest of all entries of a `Schedule`.

        Returns
        -------
        float
            0 without velocity, infinite where there is a drift and no diffusion, or too little for a number.

        Examples
        --------
        >>> dc.DiffusionEquation(diffusivity=0.5, spacing=0.1, velocity=3.0).cell_peclet(10)
        0.6000000000000001
        """
        shape = _checks.shape("shape", shape)
        if time is not None:
            _checks.number("time", time)
        if self.velocity is None:
            return 0.0
        exchange = replace(self, velocity=None).lattice(shape).rates
        largest = 0.0
        for drift in (lattice.drift or () for lattice in self._moments(shape, time)):
            for g, q in zip(exchange, drift, strict=False):
                g, q = np.broadcast_arrays(g, abs(q))
                with np.errstate(over="ignore"):
                    shares = np.divide(q, g, out=np.where(q > 0, np.inf, 0.0), where=g > 0)
                largest = max(largest, float(shares.max()))
        return largest

    @for_arrays_of_any_kind(1)
    def evolve(
        self,
        u: ArrayLike,
        duration: float,
        method: str = "auto",
        time_step: float | None = None,
        *,
        start: float = 0.0,
        tolerance: float | None = None,
        max_step: float | None = None,
        jumps: Iterable[float] = (),
        axes: Axes = None,
    ) -> Array:
        """Return the field after a duration.

        Parameters
        ----------
        u : array_like
            Concentration in each cell: 1, 2 or 3 dimensions, float32 or float64 (others become float64).
        duration : number
            Physical time, >= 0; met exactly.
        method : str, default "auto"
            ``"spectral"`` is exact in time (constant `D` per axis on a box); ``"chebyshev"`` is exact in time to a
            tolerance, for any `D`, walls, barriers and sources that do not depend on time or on the field, and so is
            ``"rational"``, at a cost that grows neither with time nor with contrasts of `D`;
            ``"uniformization"`` is so too with a drift, positive and conservative to rounding. Where walls, sources or
            velocities do depend on time or field, ``"rkl2"`` takes Runge-Kutta-Legendre steps of second order and
            ``"implicit"`` L-stable ones of ninth order for what is stiff, both with control of the error.
            ``"explicit"`` is forward Euler, first order in time, for any problem. ``"auto"`` takes the cheapest of
            these that can solve the problem (for a drift over a long time implicit steps, to 1e-10), with explicit
            Runge-Kutta steps of fifth order where nothing is stiff and exponential ones of fourth order where only
            diffusion is, and ``"explicit"``, whose error nothing controls, only when a `time_step` is given.
        time_step : number, optional
            Longest step of ``"explicit"``, shortened so that a whole number of steps meets the duration. By default
            half of `stable_time_step`: then no mode flips sign and no new extrema appear.
        start : number, default 0
            The time at which the field is `u`; matters where barriers, walls or the source depend on time.
        tolerance : number, optional
            Largest error in time of ``"chebyshev"`` and ``"rational"`` (by default 1e-10), ``"uniformization"`` (1e-12)
            and, as estimated, of ``"rkl2"`` and ``"implicit"`` (1e-4), relative to the range of the field.
        max_step : number, optional
            Longest step of ``"rkl2"`` and ``"implicit"``: pulses shorter than a step may otherwise pass unseen.
        jumps : iterable of number, optional
            Times at which functions of time jump: the run is cut there. Those of a `Schedule` are known.
        axes : int or sequence of int, optional
            The spatial axes of `u`; the others (colours, batches) are solved one by one. By default all are spatial.

        Returns
        -------
        ndarray
            A new array of `u`'s shape and dtype.

        Raises
        ------
        TypeError, ValueError
            If an argument does not fit, `time_step` is above the stability limit, or `method` cannot solve the problem.

        Examples
        --------
        >>> dc.DiffusionEquation().evolve(np.array([1.0, 0.0, 0.0]), 100.0).round(6)
        array([0.333333, 0.333333, 0.333333])
        """
        given = {"time_step": time_step, "tolerance": tolerance, "max_step": max_step}
        if axes is None and not any(value is not None for value in given.values()):
            evolved = self._repeated(u, duration, method, start, jumps)
            if evolved is not None:
                return evolved
        start = _checks.number("start", start)
        duration = _checks.number("duration", duration, least=0)
        *_, (_, evolved) = self._frames(u, [start + duration], [duration], method, start, jumps, axes, given)
        return evolved

    def _repeated(self, u: Any, duration: Any, method: Any, start: Any, jumps: Any) -> Array | None:
        """Return a field like one that was solved for late times before: all but its values was checked then.

        Types are looked at too, for among options that are equal some are refused, as True is for 1.
        """
        plain = type(u) is np.ndarray and type(duration) in NUMBERS and type(start) is float and type(method) is str
        if not plain or start != 0 or method not in ("spectral", "auto") or type(jumps) is not tuple or jumps:
            return None
        lattice = already_kept(self, (u.shape, 0)) if self._unchanging else None
        return None if lattice is None else spectral.repeated(lattice, u, duration)

    @cached_property
    def _unchanging(self) -> bool:
        """Whether the problem is the same at all times and in all cells of a field."""
        scheduled = schedule.tables((self.source, self.boundary, self.velocity))
        return self.mask is None and not self.lift_times and not scheduled

    @for_arrays_of_any_kind(1)
    def frames(
        self,
        u: ArrayLike,
        times: Iterable[float],
        method: str = "auto",
        time_step: float | None = None,
        progress: bool = False,
        *,
        start: float = 0.0,
        tolerance: float | None = None,
        max_step: float | None = None,
        jumps: Iterable[float] = (),
        axes: Axes = None,
    ) -> Iterator[tuple[float, Array]]:
        """Yield the field at each of the given times.

        Arguments are checked at the call; memory does not grow with the number of frames.

        Parameters
        ----------
        u : array_like
            The field at time `start`.
        times : iterable of number
            Physical times, not decreasing and not before `start`; met exactly. `start` itself is yielded if asked for.
            Late on a clock they hold few digits (3e-7 s at 1.7e9 s): count from 0 where that is not enough.
        method, time_step, start, tolerance, max_step, jumps, axes
            As for `evolve`; the tolerance holds for every frame.
        progress : bool, default False
            Show a progress bar.

        Yields
        ------
        time : float
            As given.
        field : ndarray
            A fresh array: keeping it is safe.

        Raises
        ------
        TypeError, ValueError
            As `evolve`, or if the times decrease.

        Examples
        --------
        >>> for time, u in dc.DiffusionEquation().frames(np.array([1.0, 0.0]), [0.0, 1.0]):
        ...     print(time, u.round(3))
        0.0 [1. 0.]
        1.0 [0.568 0.432]
        """
        start = _checks.number("start", start)
        wanted = _checks.times("times", times, start)
        progress = _checks.flag("progress", progress)
        given = {"time_step": time_step, "tolerance": tolerance, "max_step": max_step}
        solved = self._frames(u, wanted, None, method, start, jumps, axes, given)
        return _frames.with_progress(solved, progress, total=len(wanted))

    def _frames(
        self,
        u: ArrayLike,
        times: list[float],
        durations: list[float] | None,
        method: str,
        start: float,
        jumps: Iterable[float],
        axes: Axes,
        given: dict[str, Any],
    ) -> Iterator[tuple[float, Array]]:
        """Return the frames of a run, its options checked."""
        options = {
            name: None if value is None else _checks.number(name, value, above=0) for name, value in given.items()
        }
        _checks.choice("method", method, run.METHODS)
        known = _checks.times("jumps", jumps)
        if times:
            known += schedule.events((self.source, self.boundary, self.velocity), start, times[-1])
        originals, restore = stacks.split(u, axes)
        fields = [self._field(field, 4.0) for field in originals]  # what more a run needs depends on its scheme
        if durations is None:  # between frames a caller may do to `u` what it likes
            fields = [field.copy() for field in fields]
            originals = [None if self.mask is None else np.array(field) for field in originals]
        shape = fields[0].shape
        mask = mask_on(self.mask, shape)
        asked = callable(self.source) and arguments_of(self.source) == 2  # sources of the field see land too
        seen = [None if mask is None else land.flooded(field, mask) for field in fields]
        state_at = self._states((self.source, self.boundary, self.velocity))

        def lattice_at(time: float) -> Lattice:
            owner = self if math.prod(shape) <= KEPT else lattice_at  # a large lattice is forgotten with its run
            return self._kept_problem(owner, (shape, *state_at(time)), time)

        runs = [
            run.frames(
                land.seen_whole(lattice_at, whole) if whole is not None and asked else lattice_at,
                sorted({*self.lift_times, *known}),
                field,
                start,
                times,
                durations=durations,
                method=method,
                **options,
            )
            for field, whole in zip(fields, seen, strict=True)
        ]
        del fields, seen

        def restored() -> Iterator[tuple[float, Array]]:
            solved = [_in_range(one) for one in runs]
            for time in times:
                yield time, restore([self._with_land(next(one), u) for u, one in zip(originals, solved, strict=True)])

        return restored()

    def _problem(self, shape: tuple[int, ...], time: float) -> Lattice:
        """Return the discretised problem from a time to the next event: steps of schedules are constant there."""
        given = {name: getattr(self, name) for name in ("source", "boundary", "velocity")}
        if not schedule.tables(tuple(given.values())):
            return self._discretised(shape, time)
        now = {name: schedule.at_time(value, time) for name, value in given.items()}
        return replace(self, **now)._discretised(shape, time)

    def _kept_problem(self, owner: Any, state: tuple[Any, ...], time: float) -> Lattice:
        """Return the problem of a shape, which comes first in its state, made once while that stays the same."""
        shape = state[0]
        most = min(max(KEPT // max(1, math.prod(shape)), 2), MOST_LATTICES)
        return kept(owner, state, lambda: self._problem(shape, time), most)

    def _states(self, scheduled: Any) -> Callable[[float], tuple[int, ...]]:
        """Return a function of time: while what it returns is the same, barriers and schedules are as they are."""
        lifts = self.lift_times
        steps = [table for table in schedule.tables(scheduled) if table.kind == "step"]
        return lambda time: (bisect_right(lifts, time), *(table.place(time)[1] for table in steps))

    @for_arrays_of_any_kind(1)
    def explicit_steps(
        self,
        u: ArrayLike,
        steps: int,
        time_step: float | None = None,
        *,
        axes: Axes = None,
    ) -> Array:
        r"""Apply `steps` explicit steps at once: every mode of the lattice is multiplied by :math:`\lambda^n`.

        By the convolution theorem this is what ``method="explicit"`` gives, to rounding, at a cost that does not grow
        with the number of steps.

        Parameters
        ----------
        u : array_like
            Concentration in each cell.
        steps : int
            Number of explicit steps, >= 0.
        time_step : number, optional
            Length of a step, at most `stable_time_step`; by default half of it.
        axes : int or sequence of int, optional
            The spatial axes of `u`, as for `evolve`.

        Returns
        -------
        ndarray
            A new array of `u`'s shape and dtype.

        Raises
        ------
        TypeError, ValueError
            If the step is above the limit, or the problem is not one that ``method="spectral"`` solves.

        Examples
        --------
        >>> dc.DiffusionEquation(boundary="periodic").explicit_steps(np.array([0.0, 1.0, 0.0, 0.0]), 2, time_step=0.25)
        array([0.25 , 0.375, 0.25 , 0.125])
        """
        if axes is not None:
            fields, restore = stacks.split(u, axes)
            return restore([self.explicit_steps(field, steps, time_step) for field in fields])
        field = self._field(u)
        steps = _checks.count("steps", steps)
        if time_step is not None:
            time_step = _checks.number("time_step", time_step, above=0)
        lattice = self.lattice(field.shape)
        if lattice.drift is not None or lattice.moving is not None:
            raise ValueError(
                f'velocity must be None in explicit_steps (take evolve and its method "explicit"), '
                f"got {_checks.got(self.velocity)}"
            )
        reason = spectral.unsupported(lattice)
        if reason is not None:
            raise ValueError(f'explicit_steps {without_advice(reason)} (take evolve and its method "explicit")')
        step = explicit.checked_step(lattice, time_step)
        with np.errstate(over="ignore", invalid="ignore"):
            evolved = spectral.explicit_steps(lattice, field, steps, step if math.isfinite(step) else 1.0)
        return self._with_land(_finite(evolved), u)

    @for_arrays_of_any_kind(1)
    def steady_state(self, u: ArrayLike | None = None) -> Array:
        r"""Return the limit of long times: the field at which :math:`\nabla \cdot (D \nabla u) + \text{source} = 0`.

        It is found by one sparse linear solve (conjugate gradients for large tanks), not by waiting. Each part of the
        tank that walls, barriers, the mask or `D` = 0 cut off has its own limit: where some wall lets salt leave, it
        does not depend on the start; elsewhere the salt of that part stays, and source and fluxes must balance.

        Parameters
        ----------
        u : array_like, optional
            The field at time 0. May be left out if no part of the tank is closed and an array among the arguments of
            the equation (`diffusivity`, `barriers`, `source`, `mask`, `capacity`, `decay`) tells the shape; what the
            mask leaves out is then 0.

        Returns
        -------
        ndarray
            A new array of `u`'s shape and dtype (float64 without `u`).

        Raises
        ------
        TypeError, ValueError
            If walls or the source depend on time or on the field, if more salt flows into a closed part of the tank
            than out of it, or if `u` is needed.

        Examples
        --------
        >>> layers = np.repeat([1.0, 0.1, 1.0], 2)
        >>> rod = dc.DiffusionEquation((layers,), boundary=((dc.Dirichlet(0.0), dc.Dirichlet(12.0)),))
        >>> rod.steady_state().round(9)
        array([ 0.25,  0.75,  3.5 ,  8.5 , 11.25, 11.75])
        >>> dc.DiffusionEquation(boundary="periodic").steady_state([4.0, 0.0, 2.0])
        array([2., 2., 2.])
        """
        field = None if u is None else self._field(u)
        shape = self._known_shape() if field is None else field.shape
        if shape is None:
            raise ValueError(
                "u must be given for a steady state: no array among the equation's arguments has its shape, got None"
            )
        last = max(self.lift_times, default=0.0)
        lattice = self.lattice(shape, last)
        reason = steady.unsupported(lattice)
        if reason is not None:
            raise ValueError(f"steady_state {reason}")
        size = math.prod(lattice.shape)
        _checks.fits_memory("u", steady.memory(lattice) * size, "take larger cells, fewer, or evolve for a long time")
        if field is not None and last > 0:  # which salt each part holds is settled when the last barrier lifts
            field = self.evolve(field, last)
        dry = None if self.mask is None else ~np.asarray(self.mask)
        with np.errstate(over="ignore", invalid="ignore"):
            found = steady.limit(lattice, None if field is None else field.astype(np.float64), dry)
            found = _finite(found if field is None else found.astype(field.dtype))
        return found if field is None else self._with_land(found, u)

    def _known_shape(self) -> tuple[int, ...] | None:
        """Return the shape of the field if the arguments tell it."""
        items = self.diffusivity if isinstance(self.diffusivity, tuple) else (self.diffusivity,)
        arrays: list[Array] = [
            item
            for item in (self.mask, self.source, self.capacity, self.decay, *items)
            if isinstance(item, np.ndarray) and item.ndim
        ]
        if len(arrays) == 1 and arrays[0] is self.diffusivity and max(arrays[0].shape) <= 3:
            arrays = []  # rather a tensor, or one number per axis
        for axis, barrier in enumerate(self.barriers or ()):
            if barrier is not None:
                return tuple(n + (a == axis) for a, n in enumerate(barrier.shut.shape))
        # arrays over the faces of each axis have one entry more than the field along it
        return tuple(map(min, zip(*(array.shape for array in arrays), strict=False))) if arrays else None

    def propagator(self, duration: float, ndim: int | None = None) -> Propagator:
        r"""Return the propagator that takes `duration` at once: the heat kernel :math:`e^{tL}` of the lattice.

        ``dc.convolve(u, eq.propagator(t), boundary=eq.boundary)`` equals ``eq.evolve(u, t)`` for ``"reflecting"``,
        ``"periodic"`` and ``"absorbing"`` walls, however wide the kernel, and for ``"zero"`` where the wall is so far
        away that no salt reaches it. For a tensor, and with a velocity, it holds on periodic boxes.

        Parameters
        ----------
        duration : number
            Physical time, >= 0.
        ndim : int, optional
            Number of axes. By default what `diffusivity`, `spacing`, `boundary` or `velocity` tell, one entry per axis,
            else 2.

        Returns
        -------
        Propagator
            As from `Propagator.heat`.

        Raises
        ------
        ValueError
            If salt moves differently in different places, or comes from elsewhere: no one propagator does that; or if
            `diffusivity` is a tensor whose kernel would be negative.

        Examples
        --------
        >>> eq = dc.DiffusionEquation(diffusivity=0.5)
        >>> u = np.eye(6)
        >>> bool(np.allclose(dc.convolve(u, eq.propagator(3.0)), eq.evolve(u, 3.0), rtol=0, atol=1e-14))
        True
        """
        return heat_kernel(
            duration,
            ndim,
            diffusivity=self.diffusivity,
            spacing=self.spacing,
            boundary=self.boundary,
            velocity=self.velocity,
            capacity=self.capacity,
            coordinates=self.coordinates,
            barriers=self.barriers,
            source=self.source,
            mask=self.mask,
            decay=self.decay,
        )

    def operator(self, shape: int | Sequence[int], time: float = 0.0) -> Operator:
        """Return the right-hand side on fields of this shape, for your own integrator.

        Parameters
        ----------
        shape : int or sequence of int
            The field's shape.
        time : number, default 0
            The time at which barriers stand as they do.

        Returns
        -------
        Operator
            A `scipy.sparse.linalg.LinearOperator` of `L` on raveled fields, with ``.matrix`` (a `scipy.sparse` array),
            ``.b(t)`` and ``.rhs(t, u)`` (for `scipy.integrate.solve_ivp`).

        Examples
        --------
        >>> op = dc.DiffusionEquation(boundary="periodic").operator((3,))
        >>> op @ np.array([1.0, 0.0, 0.0])
        array([-2.,  1.,  1.])
        """
        from diffuseconv.diffusion.operator import Operator

        lattice_at = partial(self.lattice, _checks.shape("shape", shape))
        state_at = self._states(())
        return Operator(lattice_at, state_at, self.lift_times, _checks.number("time", time))

    def flux(self, u: ArrayLike, time: float = 0.0) -> tuple[Array, ...]:
        r"""Return the flux :math:`v u - D \nabla u` through every face.

        Parameters
        ----------
        u : array_like
            The field.
        time : number, default 0
            The time, where walls or barriers depend on it.

        Returns
        -------
        tuple of ndarray
            For each axis an array with one entry more than cells along it: salt per area and time through the face
            before each cell (and after the last), positive along the axis. The ends are the walls.

        Raises
        ------
        ValueError
            If `D` is a tensor with off-diagonal part, whose salt also moves through edges of cells.

        Examples
        --------
        >>> dc.DiffusionEquation().flux(np.array([3.0, 1.0, 0.0]))
        (array([0., 2., 1., 0.]),)
        """
        field, lattice, time = self._field_and_lattice(u, time)
        if lattice.diagonal is not None:
            raise ValueError("flux needs a diffusivity without off-diagonal part, got a tensor")
        with np.errstate(over="ignore", invalid="ignore"):
            fluxes = [flux.astype(field.dtype, copy=False) for flux in diagnostics.face_flux(lattice, field, time)]
        return tuple(_scaling.finite("u", flux, "its flux") for flux in fluxes)

    def total_mass(self, u: ArrayLike) -> float:
        """Return the salt in the tank: the sum of field times volume (times capacity) over cells.

        Parameters
        ----------
        u : array_like
            The field.

        Returns
        -------
        float
            In the unit of `u` times a volume (in the plane an area, on a line a length).

        Raises
        ------
        ValueError
            If `u` does not fit, or the sum leaves the range of numbers.

        Examples
        --------
        >>> dc.DiffusionEquation(spacing=0.5).total_mass(np.full((10, 10), 0.1))
        2.5
        """
        field, cell, mask = self._cells(u)
        return diagnostics.total_mass(field, cell, mask)

    def mass_balance(self, u: ArrayLike, time: float = 0.0) -> diagnostics.MassBalance:
        """Return the salt that comes and goes per time: change = inflow - outflow + source.

        Parameters
        ----------
        u : array_like
            The field.
        time : number, default 0
            The time, where walls, barriers, velocity or source depend on it.

        Returns
        -------
        MassBalance
            Rates in the unit of `total_mass` per time.

        Raises
        ------
        ValueError
            If `u` does not fit, or a sum leaves the range of numbers.

        Examples
        --------
        >>> dc.DiffusionEquation(boundary=dc.Neumann(2.0), source=1.0).mass_balance(np.zeros(5))
        MassBalance(change=9.0, inflow=4.0, outflow=0.0, source=5.0)
        """
        field, lattice, time = self._field_and_lattice(u, time)
        with np.errstate(over="ignore", invalid="ignore"):
            return diagnostics.mass_balance(lattice, field, time)

    def entropy(self, u: ArrayLike) -> float:
        """Return the entropy of the salt's distribution over cells, in nats; it grows in a tank without source or sink.

        Parameters
        ----------
        u : array_like
            The field, nowhere negative (but for rounding: a millionth of the salt) and not 0 everywhere.

        Returns
        -------
        float
            The logarithm of the number of cells at most, where all are of one volume and capacity.

        Raises
        ------
        ValueError
            If `u` does not fit.

        Examples
        --------
        >>> round(dc.DiffusionEquation().entropy(np.ones(4)), 12)  # ln 4
        1.38629436112
        """
        field, cell, mask = self._cells(u)
        return diagnostics.entropy(field, cell, mask)

    def energy(self, u: ArrayLike) -> float:
        """Return half the integral of the squared field (times capacity); without source and drift it falls.

        Parameters
        ----------
        u : array_like
            The field.

        Returns
        -------
        float
            In the squared unit of `u` times a volume (in the plane an area, on a line a length).

        Raises
        ------
        ValueError
            If `u` does not fit, or the sum leaves the range of numbers.

        Examples
        --------
        >>> dc.DiffusionEquation().energy(np.array([1.0, 2.0]))
        2.5
        """
        field, cell, mask = self._cells(u)
        return diagnostics.energy(field, cell, mask)

    def lattice(self, shape: int | Sequence[int], time: float = 0.0) -> Lattice:
        """Return the discretised problem on a field of this shape, valid from `time` to the next lift."""
        cells = _checks.shape("shape", shape)
        _checks.fits_memory("shape", 48.0 * math.prod(cells), "about six fields: take larger cells, or fewer")
        if math.prod(cells) > KEPT or functions(self.velocity) or schedule.tables((self.source, self.boundary)):
            return self._discretised(cells, time)
        return self._kept_problem(self, (cells, *self._states(())(time)), time)

    def _of_problem(self, cells: tuple[int, ...]) -> float:
        """Return the bytes a cell of rates on faces, cells' weights, a tensor's matrix, and room to make them in."""
        given = [part for v in (self.diffusivity, self.velocity) for part in (v if isinstance(v, tuple) else (v,))]
        graded = max(map(np.ndim, self.spacing if isinstance(self.spacing, tuple) else (self.spacing,))) > 0
        graded |= self.coordinates != "cartesian"
        varies = any(np.ndim(part) == len(cells) for part in given) or graded or self.mask is not None
        varies |= self.barriers is not None
        fields = (len(cells) * (1 + (self.velocity is not None)) + 2) * varies
        fields += 2 * graded + (self.capacity is not None and np.ndim(self.capacity) > 0)
        tensor = as_tensor(self.diffusivity, cells)
        if tensor is None:
            return 8.0 * fields
        grid = grid_of(cells, self.spacing, self.coordinates, self.inner_radius)
        return 8.0 * fields + 12.0 * (2 * len(split(tensor, grid.spacing)[1]) + 1) + 16.0

    def _discretised(self, cells: tuple[int, ...], time: float) -> Lattice:
        """Return the problem on fields of a checked shape; refuse one that does not fit into memory."""
        needed = self._of_problem(cells) * math.prod(cells)
        _checks.fits_memory("u", needed, "what cells exchange: take larger cells, or fewer")
        with np.errstate(over="ignore", invalid="ignore"):  # what that gives is refused below
            lattice = discretise(
                cells,
                diffusivity=self.diffusivity,
                spacing=self.spacing,
                boundary=self.boundary,
                barriers=self.barriers,
                source=self.source,
                mask=self.mask,
                velocity=self.velocity,
                capacity=self.capacity,
                decay=self.decay,
                coordinates=self.coordinates,
                inner_radius=self.inner_radius,
                source_slope=self.source_slope,
                time=time,
            )
            rate = lattice.largest_rate
        if not rate <= FASTEST:
            raise ValueError(
                f"diffusivity / spacing**2, velocity / spacing and decay must leave rates up to {FASTEST:g} per time "
                f"(use other units), got {rate:.3g}"
            )
        return lattice

    @property
    def lift_times(self) -> list[float]:
        """The times at which barriers lift, growing."""
        barriers = [barrier for barrier in self.barriers or () if barrier is not None]
        return sorted(set().union(*(barrier.lift_times for barrier in barriers)))

    def _moments(self, shape: int | Sequence[int], time: float | None) -> Iterator[Lattice]:
        """Yield the problem at a time; else, after every lift, with all entries of schedules.

        The largest rate is among them: rates are convex in a velocity, and schedules of different axes may meet at any
        of their entries.
        """
        if time is not None:
            yield self.lattice(shape, _checks.number("time", time))
            return
        moving = functions(self.velocity)
        if any(not isinstance(function, schedule.Schedule) for function in moving):
            raise ValueError(
                "time must be given for a velocity that is a function (its largest value is not known), got None"
            )
        given = self.velocity if isinstance(self.velocity, tuple) else (self.velocity,)
        entries = [[v(at) for at in np.asarray(v.times).tolist()] if callable(v) else [v] for v in given]
        for values in itertools.product(*entries):
            now = values if isinstance(self.velocity, tuple) else values[0]
            eq = replace(self, velocity=now) if moving else self
            yield from (eq.lattice(shape, moment) for moment in (0.0, *self.lift_times))

    def _cells(self, u: Any) -> tuple[Array, float | Array, Array | None]:
        """Return a field, checked, with the volume times capacity of its cells, and the mask."""
        field = self._field(u)
        mask = mask_on(self.mask, field.shape)
        grid = grid_of(field.shape, self.spacing, self.coordinates, self.inner_radius)
        weights: Any = grid.cell if grid.uniform else grid.volumes()
        if self.capacity is not None:
            weights = weights * per_cell("capacity", self.capacity, field.shape, mask, above=True)
        return field, weights, mask

    def _field(self, u: Any, needed: float = 48.0) -> Array:
        """Return a contiguous field, checked where the mask holds; NaN elsewhere becomes 0. `needed`: bytes a cell."""
        given = _checks.plain("u", u)
        if given.ndim > 3:
            raise ValueError(
                f"u must have 1, 2 or 3 dimensions, or axes= must name the spatial ones of a stack, got {given.ndim}"
            )
        _checks.fits_memory("u", needed * given.size, "take larger cells, or fewer")
        field = _checks.field("u", given, finite=False)
        mask = mask_on(self.mask, field.shape)
        way_out = ": leave land out with DiffusionEquation(mask=np.isfinite(u))" if self.mask is None else ""
        return _checks.summable("u", np.ascontiguousarray(land.filled(field, mask)), way_out)

    def _with_land(self, evolved: Array, u: Any) -> Array:
        """Return a result with the values that the mask leaves out, as they were in the field passed in."""
        return land.with_land(evolved, u, None if self.mask is None else np.asarray(self.mask))

    def _field_and_lattice(self, u: Any, time: Any) -> tuple[Array, Lattice, float]:
        """Return a field and a time, checked, with the lattice of that time."""
        field = self._field(u)
        time = _checks.number("time", time)
        return field, self.lattice(field.shape, time), time


def _tuples(boundary: Any) -> Any:
    """Return a boundary with tuples for lists, so that it stays as it is."""
    return tuple(map(_tuples, boundary)) if isinstance(boundary, (list, tuple)) else boundary


def _in_range(fields: Iterator[Array]) -> Iterator[Array]:
    """Yield the fields of a run; refuse one that has left the range of numbers."""
    while True:
        with np.errstate(over="ignore", invalid="ignore"):
            found = next(fields, None)
        if found is None:
            return
        yield _finite(found)


def _finite(field: Array) -> Array:
    """Return a field; refuse one that has left the range of numbers."""
    return _scaling.finite("u, walls, source and drift", field, "a field")
