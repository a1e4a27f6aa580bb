"""Scatter: every grain of an integer field jumps by itself; none is lost and none is made."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _threads
from diffuseconv import boundary as walls
from diffuseconv._dispatch import for_arrays_of_any_kind
from diffuseconv._jit import binomial as _binomial
from diffuseconv._jit import measurement as _loops
from diffuseconv._typing import loop_input
from diffuseconv.measurement import _streams
from diffuseconv.measurement._taps import Taps, offsets, table, taps_of, three
from diffuseconv.propagator import Propagator

__all__ = ["boundaries", "checked_counts", "land", "moves", "random_walk", "scatter"]

MOST_GRAINS = 2**62
FEW = 32  # grains of one cell that jump one by one, per tap
Ends = tuple[int, int]  # low, high


@for_arrays_of_any_kind()
def scatter(
    counts: ArrayLike,
    propagator: ArrayLike | Propagator,
    *,
    rng: object = None,
    boundary: str | Sequence[str] = "reflecting",
) -> NDArray[np.int64]:
    r"""Move every grain once, each by itself, with the propagator's chances.

    A grain in cell i lands in cell i + j - o with chance :math:`p_j`; a glass wall reflects the grain, as often as
    needed. So the grains of one cell spread as one multinomial. The mean is the push-forward of `counts`, which is
    ``convolve(counts, propagator)`` on periodic and zero fields, and behind glass walls when the propagator is
    unchanged by flipping any one walled axis.

    Parameters
    ----------
    counts : array_like of int
        Grains in each cell: 1 to 3 axes, none negative, at most 2**62 in all.
    propagator : Propagator or array_like
        Chances of the moves: not negative; an array must sum to 1 within 1e-12.
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or None
        Source of chance; see `measure` for the streams, which here belong to blocks of 2048 source cells, and whose key
        is what ``numpy.random.default_rng(rng)`` gives next.
    boundary : str or sequence of str
        ``"reflecting"`` and ``"periodic"`` keep every grain. Through a ``"zero"`` wall grains leave for good:
        ``counts.sum() - result.sum()`` of them. ``"absorbing"`` is refused, for grains have no sign.

    Returns
    -------
    ndarray of int64
        Grains in each cell afterwards, shape of `counts`.

    Raises
    ------
    TypeError
        If `counts` are not whole numbers.
    ValueError
        If a count or chance is out of range, or a wall is absorbing.

    Notes
    -----
    The cost depends on cells and taps, not on grains. A propagator with `factors` moves grains along one axis after the
    other, each with its own key from `rng`. Each grain's move, or each binomial count, has the exactness
    stated in `measure`: even 10**18 grains in one cell follow their multinomial to 2e-6 in total variation per tap.

    Examples
    --------
    >>> tank = np.array([0, 0, 10**18, 0, 0])
    >>> after = dc.scatter(tank, [0.25, 0.5, 0.25], rng=1)
    >>> int(after.sum()) == 10**18, bool(abs(after[2] - 5 * 10**17) < 10**10)
    (True, True)
    """
    grains = checked_counts(counts)
    names = boundaries(boundary, grains.ndim)
    return _jump(grains, moves(propagator, grains.ndim), names, _checks.generator(rng))


def random_walk(
    counts: ArrayLike,
    propagator: ArrayLike | Propagator,
    steps: int,
    *,
    rng: object = None,
    boundary: str | Sequence[str] = "reflecting",
) -> Iterator[NDArray[np.int64]]:
    """Scatter again and again: yield the grains after each of `steps` steps.

    One grain is a random walk. Many grains are a drop of salt, whose relative fluctuation falls as one over the
    square root of their number.

    Parameters
    ----------
    counts, propagator, rng, boundary
        As for `scatter`. Each step takes a key from `rng`.
    steps : int
        How many fields to yield, at least 0.

    Yields
    ------
    ndarray of int64
        A fresh field after step 1, 2, ... `steps`.

    Examples
    --------
    >>> [int(field.argmax()) for field in dc.random_walk([0, 0, 1, 0, 0], [0.0, 0.0, 1.0], 4)]
    [3, 4, 4, 4]
    """
    steps = _checks.count("steps", steps)
    grains = checked_counts(counts).copy()  # between steps a caller may do to `counts` what it likes
    names = boundaries(boundary, grains.ndim)
    jumps = moves(propagator, grains.ndim)
    chance = _checks.generator(rng)

    def along() -> Iterator[NDArray[np.int64]]:
        field = grains
        for _ in range(steps):
            field = _jump(field, jumps, names, chance)
            yield field.copy()

    return along()


def checked_counts(counts: ArrayLike) -> NDArray[np.int64]:
    """Return whole, not negative numbers whose sum fits into 63 bits, checked."""
    cells = _checks.plain("counts", counts)
    if cells.dtype.kind not in "iub":
        raise TypeError(f"counts must hold whole numbers, got dtype {cells.dtype}")
    if not 1 <= cells.ndim <= 3:
        raise ValueError(f"counts must have 1, 2 or 3 dimensions, got {cells.ndim}")
    if cells.dtype.kind == "i" and cells.min() < 0:
        raise ValueError(f"counts must not be negative, got {cells.min()}")
    _checks.fits_memory("counts", 28.0 * cells.size, "take fewer cells")
    grains = np.ascontiguousarray(cells, dtype=np.int64)
    most = int(cells.max())
    if most > MOST_GRAINS or (most * cells.size > MOST_GRAINS and _sum(grains) > MOST_GRAINS):
        raise ValueError(f"counts must sum to at most 2**62, got a sum of {cells.sum(dtype=np.float64):.3g}")
    return grains


def _sum(grains: NDArray[np.int64]) -> int:
    """Add up whole numbers as Python does, by halves whose own sums cannot overflow."""
    return (int((grains >> 32).sum()) << 32) + int((grains & 0xFFFFFFFF).sum())


def boundaries(boundary: str | Sequence[str], ndim: int) -> tuple[str, ...]:
    """Return one boundary per axis, each with a meaning for grains."""
    names = walls.per_axis(boundary, ndim)
    for name in names:
        if walls.RECORDS[name].sign < 0:
            raise ValueError(
                f"boundary must not be {name!r} (grains have no sign; use 'zero' to let them leave), got {boundary!r}"
            )
    return names


def moves(propagator: ArrayLike | Propagator, ndim: int) -> list[Taps]:
    """Return the moves that follow one another: all axes at once, or axis by axis where a propagator has factors."""
    if isinstance(propagator, Propagator):
        if propagator.ndim != ndim:
            raise ValueError(f"propagator must have {ndim} dimensions, as counts have, got {propagator.ndim}")
        if propagator.factors is None:
            return [taps_of(propagator, ndim)]
        lines = np.eye(ndim, dtype=np.int64)
        return [
            taps_of(f.reshape(1 + (f.size - 1) * line), ndim) for f, line in zip(propagator.factors, lines, strict=True)
        ]
    weights = _checks.array("propagator", propagator)
    with np.errstate(over="ignore"):  # a sum beyond the range is refused as any other
        total = float(weights.sum(dtype=np.float64))
    if weights.min() < 0 or abs(total - 1) > 1e-12:
        raise ValueError(
            "propagator must not be negative and must sum to 1 (see Propagator.normalized), "
            f"got a minimum of {weights.min():g} and a sum of {total!r}"
        )
    return [taps_of(weights, ndim, "propagator")]


def _jump(
    grains: NDArray[np.int64], jumps: Sequence[Taps], names: Sequence[str], chance: np.random.Generator
) -> NDArray[np.int64]:
    """Apply all moves to all grains, one after another."""
    for taps in jumps:
        grains = land(grains, taps, names, _streams.key(chance), range(grains.ndim))
    return grains


def land(
    grains: NDArray[np.int64], taps: Taps, names: Sequence[str], key: NDArray[np.uint64], axes: Sequence[int]
) -> NDArray[np.int64]:
    """Scatter into an array extended by the reach of the taps, then fold the grains beyond the walls of `axes` back."""
    wide = [n + k - 1 for n, k in zip(grains.shape, taps.shape, strict=True)]
    landed = np.zeros(wide, np.int64)
    _move(grains, taps, key, landed)
    for axis in axes:
        landed = _fold_back(landed, axis, grains.shape[axis], taps.shape[axis] // 2, names[axis])
    return np.ascontiguousarray(landed)


def _move(grains: NDArray[np.int64], taps: Taps, key: NDArray[np.uint64], landed: NDArray[np.int64]) -> None:
    """Move all grains into the extended array, in calls that are not too long.

    The cells are cut into parts no shorter than the reach of the taps: those with a part between them land in disjoint
    cells, so that threads share one array.
    """
    wide, offset, few = landed.shape, offsets(taps.index, landed.shape), FEW * taps.chance.size
    streams, law = _streams.start(key, grains.size), (table(taps.chance, offset), taps.chain(offset), few)
    shortest = int(offset.max()) // _streams.BLOCK + 1
    parts = _threads.slices(len(streams), min(2 * _threads.count(), len(streams) // shortest))
    singles, single, tap = min(few, int(grains.max())), 2 + 2 * _streams.draw_cost(offset.size), _streams.COUNT
    cost = singles * single + offset.size * tap
    pieces = _pieces(_streams.within_group(singles, single), _streams.within_group(offset.size, tap))
    rest = _streams.rest(streams, pieces)
    given = loop_input(grains).reshape(-1), _loops.Layout(three(grains.shape), three(wide)), law, streams, rest
    for low, high in _streams.within_blocks(cost):
        step = max(1, _streams.LONGEST // (cost * (high - low)))
        for piece in pieces:
            work = functools.partial(
                _streams.with_room, _loops.move_grains, *given, piece, (low, high), landed.reshape(-1)
            )
            for alternate in parts[::2], parts[1::2]:
                for start in range(0, max((last - first for first, last in alternate), default=0), step):
                    batch = [(first + start, min(first + start + step, last)) for first, last in alternate]
                    _threads.run(work, [(first, last) for first, last in batch if first < last])


def _pieces(singles: list[Ends], taps: list[Ends]) -> list[tuple[Ends, Ends]]:
    """Return what each call does for a group: grains one by one, so many a cell, before all others tap by tap."""
    size = _binomial.GROUP
    words = [(-(-size * a // _loops.WORD_DRAWS), -(-size * b // _loops.WORD_DRAWS)) for a, b in singles]
    grains = [(_loops.WORD_DRAWS * first, _loops.WORD_DRAWS * last) for first, last in words]
    if len(grains) == len(taps) == 1:
        return [(grains[0], taps[0])]
    return [*((some, (0, 0)) for some in grains), *(((0, 0), some) for some in taps)]


def _fold_back(wide: NDArray[np.int64], axis: int, size: int, before: int, name: str) -> NDArray[np.int64]:
    """Fold one axis of the extended array back into its `size` cells, adding up what meets there."""
    source, kept = walls.fold(np.arange(-before, wide.shape[axis] - before), size, name)
    rows = np.moveaxis(wide, axis, 0)
    folded = np.zeros((size, *rows.shape[1:]), np.int64)
    for begin in range(-(-before // size) * -size, wide.shape[axis] - before, size):  # no cell twice in one image
        image = slice(max(begin + before, 0), begin + before + size)
        first, last = source[image][0], source[image][-1]
        if not kept[image].any():
            continue
        if first <= last:
            folded[first : last + 1] += rows[image]
        else:  # a mirror image runs backwards
            folded[last : first + 1] += rows[image][::-1]
    return np.moveaxis(folded, 0, axis)
