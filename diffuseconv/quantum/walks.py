r"""Quantum and classical walks: the same stencil, with amplitudes or with probabilities.

A walker who hops at random moments, `rate` times per unit of time, by displacements drawn from the stencil `p`:

========= ============================================= =========================================================
classical :math:`\dot u = -\gamma (1 - p\,*) u`         variance :math:`\gamma t \sum_d p_d d^2`: diffusive
quantum   :math:`i \dot\psi = \gamma (1 - p\,*) \psi`   variance :math:`(\gamma t)^2 \sum_d p_d^2 d^2`: ballistic
========= ============================================= =========================================================

(from one cell, for a stencil that flipping leaves unchanged). With ``[1/2, 0, 1/2]`` and :math:`\gamma = 2r` these are
the lattice heat kernel :math:`e^{-2rt} I_d(2rt)` with variance :math:`2rt`, and :math:`J_d(2rt)^2` with variance
:math:`2 r^2 t^2`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, _fft
from diffuseconv._scaling import exponent, times_power, unscaled
from diffuseconv._typing import Array
from diffuseconv.propagator import Propagator, checked_density
from diffuseconv.quantum._waves import wave

__all__ = ["classical_walk", "coined_walk", "propagator", "quantum_walk"]

HADAMARD = ((0.5**0.5, 0.5**0.5), (0.5**0.5, -(0.5**0.5)))


def propagator(duration: float, rate: float = 0.5, *, tolerance: float = 1e-15) -> Array:
    r"""Return the free particle's propagator on an endless line of cells: the amplitude to move by `d`.

    .. math:: K_d(t) = e^{-2irt}\, i^d J_d(2rt), \qquad r = \frac{\hbar}{2 m \Delta x^2}

    This is the heat kernel :math:`e^{-2rt} I_d(2rt)` of `Propagator.heat` at the imaginary time `it`. `evolve`
    convolves with it; its squares, the chance to find a particle `d` cells from its start, are the density of a
    quantum walk.

    Parameters
    ----------
    duration : number
        In time, of either sign.
    rate : number, default 1/2
        `r`, per time, >= 0; 1/2 where hbar, mass and spacing are 1.
    tolerance : number, default 1e-15
        What may be cut off at the ends: the sum of the amplitudes' sizes, between 0 and 1.

    Returns
    -------
    ndarray of complex128
        Odd in length, its origin in the middle.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above, or ``2 * rate * duration`` is over 300,000.

    Examples
    --------
    >>> kernel = dc.quantum.propagator(1.0)
    >>> (abs(kernel) ** 2)[len(kernel) // 2 - 2 :][:5].round(4)
    array([0.0132, 0.1936, 0.5855, 0.1936, 0.0132])
    """
    from scipy.special import jv

    time = _checks.number("duration", duration)
    r = _checks.number("rate", rate, least=0.0)
    allowed = _checks.probability("tolerance", tolerance)
    z = 2 * r * time
    if abs(z) > 3e5:  # seconds of Bessel functions
        raise ValueError(f"2 * rate * duration must be at most 300000 (see quantum.evolve), got {abs(z):g}")
    half = jv(np.arange(np.ceil(abs(z) + 12 * abs(z) ** (1 / 3) + 40)), z)
    beyond = 2 * np.cumsum(np.abs(half[::-1]))[::-1]
    half = half[: max(1, int((beyond > allowed).sum()))]
    amplitudes = np.exp(-1j * z) * np.array([1, 1j, -1, -1j])[np.arange(len(half)) % 4] * half
    return np.concatenate([amplitudes[:0:-1], amplitudes])


def quantum_walk(psi: ArrayLike, stencil: ArrayLike | Propagator, duration: float, rate: float = 1.0) -> Array:
    r"""Return where a quantum walker on a ring (torus) is found: :math:`|e^{-i \gamma t (1 - p *)} \psi|^2`.

    Exact in time: in Fourier space each mode is multiplied by its phase :math:`\gamma t (1 - \hat p)`.
    Weight at rest (the stencil's centre) is a chance not to hop, as in the classical walk: the hops of other
    displacements are as many fewer, and the phase that it adds is the same everywhere and not seen in probabilities.

    Parameters
    ----------
    psi : array_like of 1 to 3 dimensions
        Amplitudes at time 0, real or complex.
    stencil : Propagator or array_like
        A density that flipping leaves unchanged (so that the walk is unitary), origin at ``shape // 2``.
    duration : number
        In time, of either sign.
    rate : number, default 1
        Hops per unit of time, >= 0.

    Returns
    -------
    ndarray of float32 or float64
        Probabilities that sum to the sum of ``abs(psi)**2``.

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above.

    References
    ----------
    E. Farhi and S. Gutmann, Phys. Rev. A 58 (1998) 915; variance: A. M. Childs, E. Farhi and S. Gutmann, Quantum
    Inf. Process. 1 (2002) 35.

    Examples
    --------
    >>> from scipy.special import jv
    >>> start = np.eye(1, 65, 32)[0]
    >>> density = dc.quantum.quantum_walk(start, [0.5, 0.0, 0.5], duration=10.0)
    >>> bool(np.allclose(density, jv(np.arange(-32, 33), 10.0) ** 2))
    True
    """
    start = wave(psi)
    lost = _lost(stencil, start.shape)
    if np.abs(lost.imag).max() > 1e-12:
        raise ValueError("stencil must be unchanged by flipping it through its origin, got one with a direction")
    angle = _hops(_checks.number("duration", duration), _checks.number("rate", rate, least=0.0)) * lost.real
    power = exponent(start)
    moved = _fft.ifftn(_fft.fftn(times_power(start, -power)) * np.exp(-1j * angle).astype(start.dtype))
    return unscaled("psi", moved.real**2 + moved.imag**2, 2 * power, "probabilities")


def classical_walk(density: ArrayLike, stencil: ArrayLike | Propagator, duration: float, rate: float = 1.0) -> Array:
    r"""Return where a classical walker on a ring (torus) is found: :math:`e^{-\gamma t (1 - p *)} u`.

    Exact in time. The walker hops at random moments (a compound Poisson process); any density will do as stencil.

    Parameters
    ----------
    density : array_like of 1 to 3 dimensions
        Probabilities (or salt) at time 0.
    stencil : Propagator or array_like
        A density, origin at ``shape // 2``.
    duration : number, at least 0
        In time.
    rate : number, default 1
        Hops per unit of time, >= 0.

    Returns
    -------
    ndarray of float32 or float64

    Raises
    ------
    TypeError, ValueError
        If an argument is not of the kind above.

    Examples
    --------
    >>> from scipy.special import ive
    >>> start = np.eye(1, 65, 32)[0]
    >>> density = dc.quantum.classical_walk(start, [0.5, 0.0, 0.5], duration=10.0)
    >>> bool(np.allclose(density, ive(np.arange(-32, 33), 10.0)))
    True
    """
    start = _checks.summable("density", _checks.field("density", density))
    lost = _lost(stencil, start.shape)[..., : start.shape[-1] // 2 + 1]
    hops = _hops(_checks.number("duration", duration, least=0.0), _checks.number("rate", rate, least=0.0))
    kept = np.exp(-hops * lost).astype(np.result_type(start.dtype, np.complex64))
    return np.asarray(_fft.irfftn(_fft.rfftn(start) * kept, s=start.shape))


def coined_walk(state: ArrayLike, steps: int, coin: ArrayLike = HADAMARD) -> Iterator[Array]:
    r"""Yield the amplitudes of a walker on a ring who tosses a quantum coin before every step.

    .. math:: \psi' = C \psi, \qquad \psi_0(i) \leftarrow \psi'_0(i + 1), \quad \psi_1(i) \leftarrow \psi'_1(i - 1)

    The coin's first side moves to lower, its second to higher cells. Where a classical coin would be forgotten, here
    the paths interfere: with the Hadamard coin, from one cell with the even coin ``[1, 1j]/sqrt(2)``, the variance is
    :math:`(1 - 1/\sqrt 2)\, t^2` in the limit of many steps (Konno 2005); for the classical coin it is `t`.

    Parameters
    ----------
    state : array_like, shape (2, n)
        Amplitudes of both sides of the coin in each cell.
    steps : int
        How many states to yield, at least 0.
    coin : array_like, shape (2, 2)
        A unitary matrix, to 1e-12; Hadamard's by default.

    Yields
    ------
    ndarray of complex64 or complex128, shape (2, n)
        Fresh, after step 1, 2, ... The chance to be in each cell is ``(abs(state) ** 2).sum(axis=0)``.

    Raises
    ------
    TypeError, ValueError
        At the call, if an argument is not of the kind above.

    References
    ----------
    A. Ambainis et al., "One-dimensional quantum walks", STOC (2001) 37; N. Konno, J. Math. Soc. Japan 57 (2005) 1179.

    Examples
    --------
    >>> start = np.zeros((2, 7))
    >>> start[0, 3] = 1.0
    >>> for state in dc.quantum.coined_walk(start, 3):
    ...     print((abs(state) ** 2).sum(axis=0).round(3))
    [0.  0.  0.5 0.  0.5 0.  0. ]
    [0.   0.25 0.   0.5  0.   0.25 0.  ]
    [0.125 0.    0.625 0.    0.125 0.    0.125]
    """
    start = _checks.wave("state", state).copy()  # before the first step a caller may do to `state` what it likes
    most = float(np.finfo(start.dtype).max) / 4 / start.size
    largest = max(np.abs(start.real).max(), np.abs(start.imag).max())
    if largest > most:
        raise ValueError(
            f"state must not exceed {most:.3g} in magnitude, or sums overflow (normalise it), got {largest:.3g}"
        )
    count = _checks.count("steps", steps)
    toss = _checks.wave("coin", coin)
    if start.ndim != 2 or len(start) != 2:
        raise ValueError(f"state must have shape (2, n), got {start.shape}")
    if toss.shape != (2, 2) or np.abs(toss).max() > 2 or np.abs(toss @ toss.conj().T - np.eye(2)).max() > 1e-12:
        raise ValueError(f"coin must be a unitary matrix of shape (2, 2), got {_checks.got(toss.tolist())}")
    toss = toss.astype(start.dtype)

    def along() -> Iterator[Array]:
        now = start
        for _ in range(count):
            tossed = toss @ now
            now = np.stack([np.roll(tossed[0], -1), np.roll(tossed[1], 1)])
            yield now.copy()

    return along()


def _hops(duration: float, rate: float) -> float:
    """Return the mean number of hops; refuse one that overflows."""
    hops = duration * rate
    if not math.isfinite(4 * hops):
        raise ValueError(f"duration * rate must be finite, got {duration:g} * {rate:g}")
    return hops


def _lost(stencil: ArrayLike | Propagator, shape: tuple[int, ...]) -> Array:
    """Return 1 minus the stencil's Fourier transform on this torus: how each wave differs from its mean neighbours."""
    p = stencil if isinstance(stencil, Propagator) else Propagator(checked_density("stencil", stencil))
    if p.ndim != len(shape):
        raise ValueError(f"stencil must have as many dimensions as the field, {len(shape)}, got {p.ndim}")
    folded = np.zeros(shape)
    index = np.indices(p.shape).reshape(p.ndim, -1)
    moves = [(line - n // 2) % size for line, n, size in zip(index, p.shape, shape, strict=True)]
    np.add.at(folded, tuple(moves), p.density.ravel())
    lost = 1 - _fft.fftn(folded)
    lost.flat[0] = 0  # nobody is lost, however long the walk
    return np.asarray(lost)
