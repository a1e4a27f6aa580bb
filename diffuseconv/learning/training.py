"""A bank of kernels learned step by step, as a convolutional layer learns it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, _scaling
from diffuseconv import boundary as walls
from diffuseconv._typing import FloatArray
from diffuseconv.convolution import feature_maps
from diffuseconv.learning._equations import continued
from diffuseconv.learning._pairs import bounded, pictures, seen

__all__ = ["TrainingState", "bank_gradient", "train_bank"]


@dataclass(frozen=True)
class TrainingState:
    r"""The state of the training after some steps.

    Attributes
    ----------
    step : int
        Steps done so far.
    bank : ndarray, shape (n, \*shape)
        The kernels now.
    loss : float
        Mean squared error of this bank on a patch that it has not yet learned from, summed over the maps.
    """

    step: int
    bank: FloatArray
    loss: float


def bank_gradient(
    field: ArrayLike, targets: ArrayLike, bank: ArrayLike, *, boundary: str | Sequence[str] = "reflecting"
) -> tuple[float, FloatArray]:
    r"""Return the loss of a bank of kernels on one picture, and its gradient.

    .. math:: L = \frac1N \sum_a \sum_i e_{ai}^2, \qquad e_a = k_a * u - v_a, \qquad
              \frac{\partial L}{\partial k_{aj}} = \frac2N \sum_i e_{ai}\, u_{i - (j - o)}

    The loss is seen through a convolution, its gradient through the adjoint, a correlation: of the picture, continued
    beyond its walls, with the error, at the few places where the error fits. That is what "backward pass of a
    convolutional layer" means.

    Parameters
    ----------
    field : array_like
        The picture u, N pixels, 1 to 3 dimensions.
    targets : array_like, shape (n, \*field.shape)
        What each kernel should make of it.
    bank : array_like, shape (n, \*kernel)
        The kernels.
    boundary : str or sequence of str
        What lies beyond the walls.

    Returns
    -------
    loss : float
    gradient : ndarray, shape of the bank

    Raises
    ------
    ValueError, TypeError
        If shapes do not fit, values are not finite real numbers up to 1e100, or the field does not reach 1e-100.

    References
    ----------
    .. [1] Y. LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998) 2278-2324.

    Examples
    --------
    >>> photo = np.random.default_rng(0).normal(size=(20, 20))
    >>> edges = dc.feature_maps(photo, [dc.kernels.sobel(0)], mode="same")
    >>> loss, gradient = dc.learning.bank_gradient(photo, edges, [dc.kernels.sobel(0)])
    >>> loss, bool(np.any(gradient))
    (0.0, False)
    """
    (u,) = _fields([_checks.plain("field", field)])
    kernels = bounded("bank", _checks.array("bank", bank).astype(np.float64))
    if kernels.ndim != u.ndim + 1:
        raise ValueError(f"bank must have shape (n, *kernel) with {u.ndim} kernel axes, got shape {kernels.shape}")
    (wanted,) = _targets([_checks.plain("targets", targets)], [u], len(kernels))
    taps = kernels.shape[1:]
    loss, gradient = _gradient(continued(u, taps, walls.per_axis(boundary, u.ndim)), wanted, kernels)
    _scaling.finite("bank", np.array(loss), "the loss")
    return loss, gradient


def train_bank(
    inputs: Any,
    targets: Any,
    shape: int | Sequence[int],
    *,
    steps: int = 2000,
    patch: int | Sequence[int] = 32,
    rate: float = 1.0,
    momentum: float = 0.9,
    initial: ArrayLike | None = None,
    boundary: str | Sequence[str] = "reflecting",
    rng: Any = None,
) -> Iterator[TrainingState]:
    r"""Learn a bank of kernels from pictures and the feature maps wanted of them, by stochastic gradient descent.

    .. math:: w \leftarrow \mu w - \frac{\eta}{K \lVert u \rVert^2} \sum_i e_i\, u_{i - (j - o)}, \qquad
              k \leftarrow k + w

    Each step draws one random patch, and moves against its gradient (`bank_gradient`) with momentum. The step is
    measured by the patch itself, K taps times the sum of its squares, which is more than any curvature of its loss:
    so the rate needs no tuning, and neither the brightness of the pictures nor the size of the patch matters (the
    normalised least-mean-squares rule [1]_). If kernels of this shape can make the targets exactly, they are found
    exactly: the error falls geometrically, slowest where pictures show least, in the highest frequencies.

    Parameters
    ----------
    inputs : array_like, or list of ndarray
        One picture of 1 to 3 dimensions, or several. Used in float64.
    targets : array_like, or list of ndarray, each of shape (n, \*picture)
        For each picture the `n` maps that the bank should return.
    shape : int or sequence of int
        Of each kernel.
    steps : int
        How many to take.
    patch : int or sequence of int
        Side of the patches in pixels; a smaller picture is one patch.
    rate : float
        Above 0 and below 2: beyond 2 a step may overshoot.
    momentum : float
        From 0, and below 1: the share of the last step that is repeated. It divides the steps needed by up to
        ``1 / (1 - momentum)``; near 1 patches that differ much make it swing, and a lower rate is needed.
    initial : array_like, shape (n, \*shape), optional
        The kernels to start from; by default normal weights of variance one over the number of taps.
    boundary : str or sequence of str
        What lay beyond the walls when the targets were made.
    rng : int, Generator, SeedSequence or None, keyword only
        The same number gives the same states, bit for bit.

    Yields
    ------
    TrainingState
        ``steps + 1`` of them, the first before any step; each array is fresh.

    Raises
    ------
    ValueError, TypeError
        At the call, before the first state, if an argument is out of range, shapes do not fit, or no input reaches
        1e-100.

    References
    ----------
    .. [1] S. Haykin, "Adaptive Filter Theory", 4th ed. (2002), eq. 6.18.

    Examples
    --------
    >>> photo = np.random.default_rng(0).normal(size=(64, 64))
    >>> edges = dc.feature_maps(photo, [dc.kernels.sobel(0), dc.kernels.sobel(1)], mode="same")
    >>> *_, last = dc.learning.train_bank(photo, edges, (3, 3), steps=400, rng=1)
    >>> bool(abs(last.bank - [dc.kernels.sobel(0), dc.kernels.sobel(1)]).max() < 1e-8)
    True
    """
    taps = _checks.shape("shape", shape)
    names = walls.per_axis(boundary, len(taps))
    given = _fields(pictures("inputs", inputs), len(taps))
    maps = pictures("targets", targets)
    if len(maps) != len(given):
        raise ValueError(f"targets must be as many as inputs, got {len(maps)} for {len(given)}")
    wanted = [some.copy() for some in _targets(maps, given, None)]  # a caller may write to its own between steps
    count = _checks.count("steps", steps)
    side = _checks.per_axis("patch", patch, len(taps), lambda name, value: _checks.count(name, value, least=1))
    speed = _checks.number("rate", rate, above=0.0)
    if speed >= 2:
        raise ValueError(f"rate must be less than 2, got {speed:g}")
    kept = _checks.number("momentum", momentum, least=0.0)
    if kept >= 1:
        raise ValueError(f"momentum must be less than 1, got {kept:g}")
    generator = _checks.generator(rng)
    whole = (len(wanted[0]), *taps)
    if initial is None:
        bank = generator.normal(0.0, math.prod(taps) ** -0.5, whole)
    else:
        bank = bounded("initial", _checks.array("initial", initial).astype(np.float64))
        if bank.shape != whole:
            raise ValueError(f"initial must have the shape {whole}, got {bank.shape}")
    extended = [continued(u, taps, names) for u in given]
    return _descend(extended, wanted, bank, count, side, speed, kept, generator)


def _descend(
    extended: Sequence[FloatArray],
    wanted: Sequence[FloatArray],
    bank: FloatArray,
    steps: int,
    side: Sequence[int],
    rate: float,
    momentum: float,
    rng: np.random.Generator,
) -> Iterator[TrainingState]:
    """Yield the states, step by step."""
    sides = [[min(n, m) for n, m in zip(maps.shape[1:], side, strict=True)] for maps in wanted]
    rooms = [
        [n - m + 1 for n, m in zip(maps.shape[1:], clipped, strict=True)]
        for maps, clipped in zip(wanted, sides, strict=True)
    ]
    ends = np.cumsum([math.prod(room) for room in rooms])
    taps, step = bank.shape[1:], np.zeros_like(bank)
    for number in range(steps + 1):
        place = int(rng.integers(ends[-1]))
        picture = int(np.searchsorted(ends, place, side="right"))
        corner = np.unravel_index(place - int(ends[picture]) + math.prod(rooms[picture]), rooms[picture])
        inner = [slice(int(c), int(c) + m) for c, m in zip(corner, sides[picture], strict=True)]
        outer = [slice(s.start, s.stop + k - 1) for s, k in zip(inner, taps, strict=True)]
        seen = extended[picture][tuple(outer)]
        loss, gradient = _gradient(seen, wanted[picture][(slice(None), *inner)], bank)
        yield TrainingState(number, bank.copy(), loss)
        energy = math.prod(taps) * float(np.vdot(seen, seen))
        if energy > 0:
            step = momentum * step - rate * math.prod(sides[picture]) / (2 * energy) * gradient
            bank = bank + step


def _gradient(extended: FloatArray, wanted: FloatArray, bank: FloatArray) -> tuple[float, FloatArray]:
    """Return the loss and its gradient on a picture that is already continued beyond its walls."""
    errors = feature_maps(extended, bank, mode="valid") - wanted
    pixels = wanted[0].size
    back = feature_maps(extended, errors, mode="valid", flip=False)
    return float(np.vdot(errors, errors)) / pixels, 2 / pixels * np.flip(back, tuple(range(1, back.ndim)))


def _fields(given: Sequence[FloatArray], ndim: int | None = None) -> list[FloatArray]:
    """Check the dimensions of pictures."""
    name = "inputs" if ndim else "field"
    for u in given:
        _checks.field(name, u)
        if u.ndim != (ndim or u.ndim):
            raise ValueError(f"inputs must have the {ndim} axes of shape, got shape {u.shape}")
    fields = [bounded(name, np.asarray(u, dtype=np.float64)) for u in given]
    seen(name, fields)
    return fields


def _targets(given: Sequence[FloatArray], fields: Sequence[FloatArray], count: int | None) -> list[FloatArray]:
    """Check that each picture has its maps, as many for each."""
    for v, u in zip(given, fields, strict=True):
        _checks.array("targets", v)
        if v.shape[1:] != u.shape or len(v) != (count or len(given[0])):
            raise ValueError(
                f"targets must have shape (n, *picture) with one n for all, got {v.shape} for a picture {u.shape}"
            )
    return [bounded("targets", np.asarray(v, dtype=np.float64)) for v in given]
