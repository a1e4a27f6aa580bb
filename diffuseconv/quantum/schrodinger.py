r"""The Schrödinger equation: diffusion whose diffusivity is imaginary.

.. math:: i \hbar \frac{\partial \psi}{\partial t} = -\frac{\hbar^2}{2m} \nabla^2 \psi + V \psi
          \quad\Longleftrightarrow\quad
          \frac{\partial \psi}{\partial t} = D \nabla^2 \psi - \frac{i}{\hbar} V \psi, \qquad D = \frac{i \hbar}{2 m}

On the lattice it has the modes of the diffusion equation. There a mode *decays*, :math:`e^{-\lambda |D| t}`; here its
phase rotates, :math:`e^{-i \lambda |D| t}`, and its size stays: nothing is forgotten, and the evolution is reversible.

What the walls mean for a wave; all four keep the probability:

=============== =========================================================================================
``reflecting``  :math:`\partial\psi/\partial n = 0` on the face: a mirror that returns the wave as it is
``periodic``    a ring (torus): what leaves on one side enters on the other
``absorbing``   :math:`\psi = 0` on the face: the infinitely deep well. It absorbs salt, but no probability: the wave
                comes back with its sign changed
``zero``        :math:`\psi = 0` in the centre of the first cell outside: the same well, half a cell wider on each side
=============== =========================================================================================
"""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, _frames, _scaling, _threads, boundary
from diffuseconv._typing import Array
from diffuseconv.diffusion import scheme
from diffuseconv.quantum import _hamiltonian, _waves
from diffuseconv.quantum._hamiltonian import Hamiltonian

__all__ = ["energy", "evolve", "frames", "wave_packet"]

METHODS = ("auto", "spectral", "chebyshev", "split-step")
SPLIT_ERROR = 1e-3  # bound on the error that the default split step may make, relative to the wave's length
LONGEST = 1000.0  # half the phases' spread in one Chebyshev sum, up to which Bessel functions keep all digits
LARGE = 1 << 17  # cells from which a transform gains from more threads


def evolve(
    psi: ArrayLike,
    duration: float,
    mass: float = 1.0,
    hbar: float = 1.0,
    potential: ArrayLike | None = None,
    *,
    spacing: float | Sequence[float] = 1.0,
    boundary: str | Sequence[str] = "reflecting",
    method: str = "auto",
    time_step: float | None = None,
) -> Array:
    r"""Return the wave function after a time: :math:`\psi(t) = e^{-i H t / \hbar} \psi(0)`, a unitary map.

    - ``"spectral"`` (no potential): each mode of the lattice Laplacian is multiplied by its phase. Exact in time.
    - ``"chebyshev"`` (any potential): the exponential as a sum of Chebyshev polynomials of `H` weighted with Bessel
      functions :math:`J_k`, cut below the rounding. Exact in time, and unitary to rounding. Its cost grows as
      duration times the spread of the energies, so it is also the quickest method for many digits.
    - ``"split-step"``: Strang's :math:`e^{-iV\Delta t/2\hbar}\, e^{-iT\Delta t/\hbar}\, e^{-iV\Delta t/2\hbar}`.
      Unitary at any step; error of order :math:`\Delta t^2`. Its cost does not grow with a high potential.
    - ``"auto"``: spectral without potential; with one chebyshev, or split-step if `time_step` is given.

    Whatever the method, a phase :math:`E t / \hbar` is known to the relative precision of the numbers only.

    Parameters
    ----------
    psi : array_like of 1 to 3 dimensions
        The wave, complex64 or complex128; real numbers become complex. Need not be normalised.
    duration : number
        In time; negative runs backwards.
    mass, hbar : number, default 1
        :math:`D = i\hbar/(2m)`. SI: ``9.1093837e-31`` kg (electron) and ``1.054571817e-34`` J s.
    potential : array_like of psi's shape, optional
        Potential energy in each cell: real and constant in time.
    spacing : number or one for each axis
        Cell width, in length.
    boundary : str or one for each axis
        ``"reflecting"``, ``"periodic"``, ``"absorbing"`` (infinite well) or ``"zero"``: see the module's table.
    method : str
        As above.
    time_step : number, optional
        Of split-step only, shrunk to fit whole steps. By default the longest whose error is at most 1e-3 of the
        wave's length, whatever the wave: after `n` steps the error is at most [3]_

        .. math:: n \Delta t^3 \left( \tfrac{1}{12} \lVert [A, [A, B]] \rVert
                  + \tfrac{1}{24} \lVert [B, [B, A]] \rVert \right), \qquad A = T/\hbar,\ B = V/\hbar

        and the norms are bounded by the potential's differences between neighbours. Cautious for smooth waves.

    Returns
    -------
    ndarray of complex64 or complex128
        A new array.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, or the method does not suit the potential.

    References
    ----------
    .. [1] H. Tal-Ezer and R. Kosloff, J. Chem. Phys. 81 (1984) 3967 (Chebyshev propagation).
    .. [2] M. D. Feit, J. A. Fleck and A. Steiger, J. Comput. Phys. 47 (1982) 412 (split-step).
    .. [3] A. M. Childs et al., Phys. Rev. X 11 (2021) 011020, proposition 10 (the error of Strang's product).

    Examples
    --------
    >>> psi = dc.quantum.evolve([0.0, 1.0, 0.0], 1.0)
    >>> (abs(psi) ** 2).round(3)
    array([0.207, 0.587, 0.207])
    >>> bool(np.allclose(dc.quantum.evolve(psi, -1.0), [0, 1, 0]))
    True
    """
    wave = _waves.wave(psi)
    time = _checks.number("duration", duration)
    box = _hamiltonian.hamiltonian(wave.shape, mass, hbar, potential, spacing, boundary)
    step = _step(time_step)
    return next(_solve(box, wave, [time], _method(box, method, step, [time]), step))


def frames(
    psi: ArrayLike,
    times: Iterable[float],
    mass: float = 1.0,
    hbar: float = 1.0,
    potential: ArrayLike | None = None,
    *,
    spacing: float | Sequence[float] = 1.0,
    boundary: str | Sequence[str] = "reflecting",
    method: str = "auto",
    time_step: float | None = None,
    progress: bool = False,
) -> Iterator[tuple[float, Array]]:
    """Yield the time and the wave at each of the times, in any order; `psi` is the wave at time 0.

    Arguments, as for `evolve`, are checked at the call; every array is fresh. With ``progress=True`` a bar counts the
    frames on a terminal.

    Examples
    --------
    >>> for time, psi in dc.quantum.frames([1.0, 0.0], [0.0, np.pi]):
    ...     print(round(time, 3), (abs(psi) ** 2).round(3))
    0.0 [1. 0.]
    3.142 [0. 1.]
    """
    wave = _waves.wave(psi).copy()  # between frames a caller may do to `psi` what it likes
    moments = _checks.times("times", times)
    progress = _checks.flag("progress", progress)
    box = _hamiltonian.hamiltonian(wave.shape, mass, hbar, potential, spacing, boundary)
    step = _step(time_step)
    waves = _solve(box, wave, moments, _method(box, method, step, moments), step)
    return _frames.with_progress(zip(moments, waves, strict=True), progress, total=len(moments))


def energy(
    psi: ArrayLike,
    mass: float = 1.0,
    hbar: float = 1.0,
    potential: ArrayLike | None = None,
    *,
    spacing: float | Sequence[float] = 1.0,
    boundary: str | Sequence[str] = "reflecting",
) -> float:
    r"""Return the mean energy :math:`\langle\psi|H|\psi\rangle / \langle\psi|\psi\rangle`, which evolution keeps.

    Parameters are those of `evolve`.

    Raises
    ------
    TypeError, ValueError
        As `evolve`, or if `psi` is zero everywhere.

    Examples
    --------
    >>> dc.quantum.energy([1.0, 1.0, 1.0])
    0.0
    >>> dc.quantum.energy([1.0, -1.0], boundary="periodic")
    2.0
    """
    wave = _waves.wave(psi).astype(np.complex128, copy=False)
    box = _hamiltonian.hamiltonian(wave.shape, mass, hbar, potential, spacing, boundary)
    _waves.largest(wave)  # (refuses zeros)
    unit = _scaling.times_power(wave, -_scaling.exponent(wave))
    power = math.frexp(max(map(abs, box.range)))[1]
    mean = np.vdot(unit, box.apply(unit, math.ldexp(1.0, -max(power, -1000)))).real / np.vdot(unit, unit).real
    fraction, more = math.frexp(float(hbar))
    try:
        return math.ldexp(fraction * float(mean), more + max(power, -1000))
    except OverflowError:
        raise ValueError(f"hbar must leave the energy below 1.8e+308, got {hbar:g}") from None


def wave_packet(
    shape: int | Sequence[int],
    centre: float | Sequence[float],
    width: float | Sequence[float],
    wavenumber: float | Sequence[float] = 0.0,
    *,
    spacing: float | Sequence[float] = 1.0,
) -> Array:
    r"""Return a Gaussian wave packet, a particle that is somewhere about `centre` and moves: its squares sum to 1.

    .. math:: \psi(x) \propto \prod_a \exp\left(-\frac{(x_a - c_a)^2}{4 w_a^2} + i k_a x_a\right)

    Its mean velocity is :math:`\hbar k / m`, on the lattice :math:`\hbar \sin(k \Delta x) / (m \Delta x)` for packets
    of many cells. Free in space, its standard deviation is :math:`\sqrt{w^2 + (\hbar t / 2 m w)^2}`: the narrower it
    is made, the faster it spreads.

    Parameters
    ----------
    shape : int or sequence of int
        Cells along each axis.
    centre, width, wavenumber : number or one for each axis
        Centre `c` and standard deviation `w` of the probability, in length (cell `i` is at ``i * spacing``), and `k`
        in radians per length.
    spacing : number or one for each axis
        Cell width, in length.

    Returns
    -------
    ndarray of complex128

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, or no cell is near enough to hold anything.

    Examples
    --------
    >>> psi = dc.quantum.wave_packet(64, 20.0, 4.0, wavenumber=0.5)
    >>> round(float((abs(psi) ** 2).sum()), 12), int(abs(psi).argmax())
    (1.0, 20)
    """
    sizes = _checks.shape("shape", shape)
    ndim = len(sizes)
    _checks.fits_memory("shape", 16.0 * 2 * math.prod(sizes), "take fewer cells")
    places = _checks.per_axis("centre", centre, ndim, _checks.number)
    widths = _checks.per_axis("width", width, ndim, lambda name, value: _checks.number(name, value, above=0))
    waves = _checks.per_axis("wavenumber", wavenumber, ndim, _checks.number)
    cells = _checks.spacing(spacing, ndim)
    packet = np.ones((), complex)
    for n, place, wide, k, cell in zip(sizes, places, widths, waves, cells, strict=True):
        if not math.isfinite(4 * cell * n) or not math.isfinite(k * cell * n):
            raise ValueError(f"spacing must leave places and phases in the box finite, got {cell:g} for {n} cells")
        x = cell * np.arange(n)
        with np.errstate(over="ignore"):
            line = np.exp(-((0.5 * (x - place) / wide) ** 2)) * np.exp(1j * (k * x))
        size = np.linalg.norm(line)
        if size == 0:
            raise ValueError(f"centre must lie in reach of the box (0 to {x[-1]:g}, width {wide:g}), got {place:g}")
        packet = np.multiply.outer(packet, line / size)
    return packet


def _step(time_step: object) -> float | None:
    """Check the step asked for: from here on it is a float64, whatever kind of number was passed."""
    return None if time_step is None else _checks.number("time_step", time_step, above=0)


def _method(box: Hamiltonian, method: str, time_step: float | None, times: list[float]) -> str:
    """Check the method and what it costs; resolve "auto"."""
    chosen = _checks.choice("method", method, METHODS)
    if time_step is not None and chosen not in ("auto", "split-step"):
        raise ValueError(f"time_step must be None unless method is 'split-step', got {time_step:g} for {chosen!r}")
    if chosen == "auto":
        chosen = "spectral" if box.potential is None else "chebyshev" if time_step is None else "split-step"
    if chosen == "spectral" and box.potential is not None:
        raise ValueError("method must be 'chebyshev' or 'split-step' where there is a potential, got 'spectral'")
    longest = max((abs(time) for time in times), default=0.0)
    fastest = max(map(abs, box.range))
    if not math.isfinite(longest * fastest):
        raise ValueError(f"duration must leave the phases E t / hbar finite, got {longest:g} for rates of {fastest:g}")
    moves = sum(abs(b - a) for a, b in itertools.pairwise([0.0, *times]))
    applications = moves * (box.range[1] - box.range[0]) / 2 if chosen == "chebyshev" else 0.0
    if chosen == "split-step" and box.potential is not None:
        applications = _steps(box, moves, time_step)
    remedy = "take coarser cells, or a longer time_step with 'split-step'"
    scheme.check_updates(math.prod(box.shape), applications, remedy)
    return chosen


def _solve(box: Hamiltonian, wave: Array, times: list[float], method: str, step: float | None) -> Iterator[Array]:
    """Yield the wave, known at time 0, at each of the times; scaled inside where sums could leave the range."""
    power = _scaling.exponent(wave)
    if abs(power) < 40:
        yield from _solve_scaled(box, wave, times, method, step)
        return
    for now in _solve_scaled(box, _scaling.times_power(wave, -power), times, method, step):
        yield _scaling.unscaled("psi", now, power, "amplitudes")


def _solve_scaled(
    box: Hamiltonian, wave: Array, times: list[float], method: str, step: float | None
) -> Iterator[Array]:
    """Yield the wave at each of the times; its largest amplitude is near 1."""
    if method == "spectral":
        modes = _transform(box, wave)
        for time in times:
            yield _inverse(box, _multiplied(modes, box.phases(time, wave.dtype)), wave.dtype) if time else wave.copy()
        return
    now = 0.0
    for time in times:
        if time != now:
            wave = _chebyshev(box, wave, time - now) if method == "chebyshev" else _split(box, wave, time - now, step)
            now = time
        yield wave.copy()


def _transform(box: Hamiltonian, wave: Array) -> Array:
    """Expand in the modes of the lattice."""
    return boundary.transform(wave, box.names, _threads.count() if wave.size >= LARGE else None)


def _inverse(box: Hamiltonian, modes: Array, kind: Any) -> Array:
    """Apply the inverse of `_transform`."""
    workers = _threads.count() if modes.size >= LARGE else None
    return boundary.inverse_transform(modes, box.shape, box.names, workers, real=False).astype(kind, copy=False)


def _multiplied(modes: Array, phases: list[Array]) -> Array:
    """Multiply each mode by the phases of all axes."""
    result = modes
    for phase in phases:
        result = result * phase
    return result


def _chebyshev(box: Hamiltonian, wave: Array, duration: float) -> Array:
    """Sum (2 - d_k0) (-i)^k J_k(z) T_k of the Hamiltonian scaled to [-1, 1]."""
    from scipy.special import jv

    low, high = box.range
    middle, half = (high + low) / 2, (high - low) / 2
    parts = max(1, math.ceil(half * abs(duration) / LONGEST))
    part = duration / parts
    z = half * part
    # beyond |z| the Bessel functions fall faster than any power: exp(-(k - z)^1.5 / z^0.5) and below
    weights = jv(np.arange(math.ceil(abs(z) + 12 * abs(z) ** (1 / 3) + 40)), z)
    tail = 2 * np.cumsum(np.abs(weights[::-1]))[::-1]
    count = max(1, int((tail > np.finfo(wave.dtype).eps / 16).sum()))
    factors = [w * (2 - (k == 0)) * (1, -1j, -1, 1j)[k % 4] for k, w in enumerate(weights[:count].tolist())]
    for _ in range(parts if half > 0 else 0):
        before, now = wave, box.apply(wave, 1 / half, middle)
        total = factors[0] * before
        for factor in factors[1:]:
            total += factor * now
            before, now = now, box.apply(now, 2 / half, middle) - before
        wave = total
    return np.asarray(cmath.exp(-1j * middle * duration) * wave)


def _split(box: Hamiltonian, wave: Array, duration: float, step: float | None) -> Array:
    """Apply Strang's steps; neighbouring half steps of the potential are merged."""
    if box.potential is None:
        return _inverse(box, _multiplied(_transform(box, wave), box.phases(duration, wave.dtype)), wave.dtype)
    steps = math.ceil(_steps(box, abs(duration), step) * (1 if step is None else 1 - 1e-12)) or 1
    part = duration / steps
    phases = box.phases(part, wave.dtype)
    half, whole = (np.exp(-1j * share * part * box.potential).astype(wave.dtype) for share in (0.5, 1.0))
    wave = half * wave
    for number in range(1, steps + 1):
        moved = _inverse(box, _multiplied(_transform(box, wave), phases), wave.dtype)
        wave = moved * (whole if number < steps else half)
    return wave


def _steps(box: Hamiltonian, duration: float, step: float | None) -> float:
    """Return how many of Strang's steps a duration takes: of a given length, or with an error that is small enough."""
    if step is not None:
        return duration / step
    return duration * math.sqrt(duration) * math.sqrt(_strang_constant(box) / SPLIT_ERROR)


def _strang_constant(box: Hamiltonian) -> float:
    """Bound ||[A, [A, B]]|| / 12 + ||[B, [B, A]]|| / 24 by row sums over the jumps of the potential."""
    assert box.potential is not None
    spread = sum(float(values.max()) for values in box.kinetic)
    once = twice = 0.0
    for axis, (name, rate) in enumerate(zip(box.names, box.rates, strict=True)):
        ends = np.take(box.potential, [-1, 0] if boundary.RECORDS[name].joined else [], axis)
        inner, wrapped = np.diff(box.potential, axis=axis), np.diff(ends, axis=axis)
        jump = max(float(np.abs(part).max(initial=0.0)) for part in (inner, wrapped))
        once, twice = once + 2 * rate * jump, twice + 2 * rate * jump * jump
    return spread * once / 12 + twice / 24
