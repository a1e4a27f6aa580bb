r"""Template matching: cross-correlation, normalised for brightness and contrast.

Cross-correlation is convolution with the flipped template (`correlate`, on an odd template, is
``convolve(image, template[::-1, ::-1])``). By itself it is largest where the image is bright, alike or not. `score`
subtracts both means and divides by both contrasts, which makes it the correlation coefficient of probability theory.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _threads
from diffuseconv import boundary as _boundary
from diffuseconv._foreign import interruptible
from diffuseconv._jit import matching as _jit
from diffuseconv._scaling import largest, scaled
from diffuseconv._typing import FloatArray, loop_input
from diffuseconv.convolution import correlate

__all__ = ["Match", "find", "score"]

_MODES = ("valid", "same")
_AGREEMENT = 1e-12  # what `correlate` promises, relative to sum |kernel| * max |field|
_ACCURACY = 1e-7  # scores that cannot be promised to this are computed again, one by one
_EPSILON, _SMALLEST, _LARGEST = 2.0**-53, 1e-280, 2.0**1021
_TILE = 1 << 17  # windows of a tile, or more; half as many take 1.3 times as long, twice as many are less even
_SMALL = 1 << 18  # cells that are not worth a second thread
_REACH = 8  # cells of the score around a peak that a spline needs (its memory fades as 0.43 ** distance)
_FAR, _TOO_FAR = 1e3, 1e100  # outliers: so many times the median deviation from the median
_AT_ONCE = 50_000_000  # products between two chances for Ctrl-C
_CELL, _CALL = 32, 1 << 15  # products that take as long as a cell of a tile, and cells as a tile's Python
_PASSES = 3  # over a tile whose other windows are left out: each may find windows of much smaller contrast
_FEW = 0.1  # share of windows with outliers up to which these are scored one by one


@dataclass(frozen=True)
class Match:
    """One place where a template was found.

    Attributes
    ----------
    position : tuple of float
        Where the template's origin (its cell ``shape // 2``) lies in the image, in cells.
    corner : tuple of float
        Where the template's first cell lies: ``position - shape // 2``.
    score : float
        Correlation coefficient there, at most 1, see `score`.
    """

    position: tuple[float, ...]
    corner: tuple[float, ...]
    score: float


def score(
    image: ArrayLike, template: ArrayLike, *, mode: str = "valid", boundary: str | Sequence[str] = "reflecting"
) -> NDArray[Any]:
    r"""Return the correlation coefficient of the template with every window of the image.

    .. math:: s[i] = \frac{\sum_j (t[j] - \bar t)(u[i + j] - \bar u_i)}
                          {\sqrt{\sum_j (t[j] - \bar t)^2 \sum_j (u[i + j] - \bar u_i)^2}}

    with the mean :math:`\bar u_i` of the image over the window at `i`: Pearson's correlation coefficient, the
    zero-mean normalised cross-correlation of image processing. It is 1 where the window is a brighter or more
    contrasted copy of the template, -1 where it is its negative. A window without contrast (all equal, or to within
    four roundings of its mean) is like nothing: 0.

    Parameters
    ----------
    image : array_like
        1 to 3 dimensions: a song, a photograph, a colour photograph ``(rows, columns, 3)`` or a volume.
    template : array_like
        As many dimensions, not constant. With a colour template (3 channels) in ``"valid"`` mode the window spans all
        channels and the last axis of the result has length 1.
    mode : {'valid', 'same'}
        ``"valid"``: windows that lie in the image whole, ``image.shape - template.shape + 1`` of them;
        `s[i]` belongs to the window whose first cell is `i`. ``"same"``: the shape of the image; `s[i]` belongs to the
        window whose origin (cell ``shape // 2``) is `i`, and `boundary` says what it sees beyond the edge.
    boundary : str or sequence of str
        Only in ``"same"`` mode. Each choice has its ghosts: ``"reflecting"`` finds mirror images at the edge,
        ``"periodic"`` finds at one edge what is half out at the other, ``"zero"`` finds a black frame.

    Returns
    -------
    ndarray
        Between -1 and 1; float32 if `image` is. Work is in float64; the error is below 1e-7 wherever the contrast of a
        window is above rounding, be the offset and the contrast elsewhere as large as they may, and near 1e-14 on
        ordinary photographs.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range, the template is constant or, in ``"valid"`` mode, larger than the image.

    References
    ----------
    .. [1] J. P. Lewis, "Fast normalized cross-correlation", Vision Interface (1995) 120-123, eq. 2.
    .. [2] M. van Herk, "A fast algorithm for local minimum and maximum filters", Pattern Recognition Letters 13 (1992)
       517-521 (here with sums).

    Examples
    --------
    >>> song = np.array([0.0, 0, 1, 2, 1, 0, 0, 0, 10, 20, 10, 0])
    >>> dc.matching.score(song, [1.0, 2.0, 1.0]).round(2) + 0.0
    array([-0.5,  0. ,  1. ,  0. , -0.5,  0. , -0.5,  0. ,  1. ,  0. ])
    """
    u, t, _ = _arguments(image, template, mode, boundary)
    return _score(u, t)


def find(
    image: ArrayLike,
    template: ArrayLike,
    count: int = 1,
    *,
    mode: str = "valid",
    boundary: str | Sequence[str] = "reflecting",
    minimum: float = 0.0,
    separation: float | Sequence[float] | None = None,
) -> list[Match]:
    r"""Find the places where a template fits best, between the cells.

    The highest peaks of `score` are refined; those too close to a better one are its shoulders and are dropped. Around
    each peak the parabola through its neighbours is climbed to its top, at most one cell away,

    .. math:: \delta = -H^{-1} g, \qquad s(\delta) = s_0 + \tfrac12\, g \cdot \delta

    with the gradient `g` and the Hessian `H` by central differences; then three times more, through points nearer to
    the top, on the quintic spline through the scores. Patterns blurred over 1 to 5 cells and shifted by any
    fraction of a cell are placed to 0.02 cells, white noise to 0.15.

    Parameters
    ----------
    image, template, mode, boundary
        See `score`. In ``"same"`` mode with a periodic wall, a place on the periodic edge is found once.
    count : int
        Most places to return, at least 1.
    minimum : float
        Places must score more than this.
    separation : float or sequence of float, optional
        In cells, for all axes or for each: of two places closer than this along *every* axis only the better is
        returned. Half the template by default.

    Returns
    -------
    list of Match
        The highest score first, each that of the top between the cells; fewer than `count` if there are no more peaks.

    Raises
    ------
    TypeError, ValueError
        As `score`.

    Examples
    --------
    >>> picture = np.random.default_rng(0).random((40, 60))
    >>> match = dc.matching.find(picture, picture[10:19, 30:41])[0]
    >>> np.round(match.corner, 1), round(match.score, 3)
    (array([10., 30.]), 1.0)
    """
    u, t, cyclic = _arguments(image, template, mode, boundary)
    count = _checks.count("count", count, least=1)
    minimum = _checks.number("minimum", minimum)
    if separation is None:
        distances = tuple(n / 2 for n in t.shape)
    else:
        distances = _checks.per_axis("separation", separation, t.ndim, lambda name, x: _checks.number(name, x, least=0))
    scores = _score(u, t).astype(np.float64)
    origin = [n // 2 for n in t.shape]
    first = origin if mode == "valid" else [0] * t.ndim
    matches = []
    for peak in _peaks(scores, count, minimum, distances, cyclic):
        shift, height = _refine(scores, peak, cyclic)
        position = [float(p + f + d) for p, f, d in zip(peak, first, shift, strict=True)]
        position = [p % n if is_cyclic else p for p, n, is_cyclic in zip(position, scores.shape, cyclic, strict=True)]
        corner = tuple(p - o for p, o in zip(position, origin, strict=True))
        matches.append(Match(tuple(position), corner, height))
    return sorted(matches, key=lambda match: -match.score)  # peaks come in the order of their cells' scores


def _arguments(
    image: ArrayLike, template: ArrayLike, mode: str, boundary: str | Sequence[str]
) -> tuple[NDArray[Any], NDArray[Any], list[bool]]:
    """Check what both verbs share; return the continued image, the template, and which axes are cyclic."""
    u, t = _checks.field("image", image), _checks.field("template", template)
    if t.ndim != u.ndim:
        raise ValueError(f"template must have as many dimensions as image ({u.ndim}), got {t.ndim}")
    if t.min() == t.max():
        raise ValueError(f"template must not be constant (it is like nothing), got {t.flat[0]:g} everywhere")
    _checks.choice("mode", mode, _MODES)
    names = _boundary.per_axis(boundary, u.ndim)
    if mode == "same":
        widths = [(n // 2, n - 1 - n // 2) for n in t.shape]
        return _boundary.extend(u, widths, names), t, [_boundary.RECORDS[name].joined for name in names]
    if any(m > n for m, n in zip(t.shape, u.shape, strict=True)):
        raise ValueError(f"template must fit into image {u.shape} in mode 'valid', got shape {t.shape}")
    return u, t, [False] * u.ndim


def _score(image: NDArray[Any], template: NDArray[Any]) -> NDArray[Any]:
    """Score all windows that lie in the image whole, in tiles: the middle and range of each decide its rounding."""
    t, _ = scaled(template.astype(np.float64))
    t = t - t.mean()
    t -= t.mean()  # once more: what the first rounding left
    t /= np.sqrt((t * t).sum())
    u, eps = image.astype(np.float64, copy=False), float(np.finfo(image.dtype).eps)
    if largest(u) > _LARGEST:
        u = u / 4  # no score changes, and no difference of two values overflows
    scores = np.empty([n - m + 1 for n, m in zip(u.shape, t.shape, strict=True)])
    starts, steps = _tiles(scores.shape, t.shape)
    sides = [step + m - 1 for step, m in zip(steps, t.shape, strict=True)]
    found: dict[tuple[int, ...], tuple[FloatArray, NDArray[np.bool_]]] = {}

    def score_tile(*start: int) -> None:
        """Score the windows of a tile."""
        found[start] = _score_tile(u[tuple(map(slice, start, np.add(start, sides)))], t, eps)

    _threads.run(score_tile, starts)
    for start in starts:  # in order, for tiles overlap
        part, precise = found.pop(start)
        scores[tuple(map(slice, start, np.add(start, steps)))] = part
        if precise.any():
            places = np.argwhere(precise) + start
            scores[tuple(places.T)] = _one_by_one(u, t, places, eps)
    return scores.astype(image.dtype, copy=False)


def _tiles(shape: Sequence[int], template: Sequence[int]) -> tuple[list[tuple[int, ...]], list[int]]:
    """Return the first windows of tiles that cover all, and the windows of each along the axes; they may overlap."""
    least = [min(n, 4 * m) for n, m in zip(shape, template, strict=True)]
    larger = max(1.0, (_TILE / math.prod(least)) ** (1 / len(least)))
    steps = [-(-n // max(1, round(n / (larger * step)))) for n, step in zip(shape, least, strict=True)]
    lines = [[min(start, n - step) for start in range(0, n, step)] for n, step in zip(shape, steps, strict=True)]
    return list(itertools.product(*lines)), steps


def _score_tile(
    u: FloatArray, t: FloatArray, eps: float, wanted: NDArray[np.bool_] | None = None, passes: int = _PASSES
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Score all windows of a tile; return which (of those that are wanted) are to be scored one by one instead."""
    plain, middle, peak, precise = _without_outliers(u, t.shape)
    found: dict[str, FloatArray] = {}

    def sum_products() -> None:
        """Sum the products of every window with the template."""
        found["scores"] = correlate(plain, t, mode="valid", boundary="zero")

    def sum_windows() -> None:
        """Sum the values of every window, and their squares."""
        found["sums"], found["squares"] = (_window_sums(values, t.shape) for values in (plain, plain * plain))

    # at once, for transforms of a small image leave a second thread little to do
    _threads.run(lambda work: work(), [(sum_products,), (sum_windows,)])
    sums, squares, scores = found["sums"], found["squares"], found["scores"]
    # half of the accuracy is left to the numerator, half to the contrast; sums of squares below _SMALLEST underflow
    least = 2 * _AGREEMENT * float(np.abs(t).sum()) * peak / _ACCURACY
    share = (3 * sum(t.shape) + 8) * _EPSILON / _ACCURACY
    doubtful = np.empty(scores.shape, np.bool_)
    tables = (table.reshape(-1) for table in (sums, squares, scores, doubtful))
    if _jit.normalise(*tables, float(t.size), middle, (least, share, _SMALLEST, 4 * eps * math.sqrt(t.size))):
        doubtful &= ~precise
        if doubtful.any():
            constant = _constant(u, t.shape)
            scores[constant] = 0
            precise |= doubtful & ~constant
    if wanted is not None:
        precise &= wanted
    if np.count_nonzero(precise) * t.size <= _CELL * _CALL:
        return scores, precise
    parts, image = _parts(u, precise, t.shape, passes)
    cells = sum(math.prod(high - low + m for (low, high), m in zip(part, t.shape, strict=True)) for part in parts)
    if np.count_nonzero(precise) * t.size <= _CELL * (cells + _CALL * len(parts)):
        return scores, precise

    def score_part(*part: tuple[int, int]) -> None:
        """Score a part of the tile, which has a middle and a range of its own."""
        there = tuple(slice(low, high + m - 1) for (low, high), m in zip(part, t.shape, strict=True))
        into = tuple(slice(*ends) for ends in part)
        asked = precise[into].copy()
        found, precise[into] = _score_tile(image[there], t, eps, asked, passes - (image is not u))
        np.copyto(scores[into], found, where=asked)

    _threads.run(score_part, parts)
    return scores, precise


def _parts(
    u: FloatArray, marked: NDArray[np.bool_], shape: Sequence[int], passes: int
) -> tuple[list[tuple[tuple[int, int], ...]], FloatArray]:
    """Return ranges that hold all the marked windows, and an image that is the same in these.

    That is their box, around them the middle of what they hold if its range is smaller and passes are left; or their
    box, if it is small; or all windows, halved along every axis.
    """
    held = _count(np.pad(marked, [(m - 1, m - 1) for m in shape]), shape) > 0
    box, sides = [], range(marked.ndim)
    for axis in sides:
        found = np.flatnonzero(marked.any(axis=tuple(other for other in sides if other != axis)))
        box.append((int(found[0]), int(found[-1]) + 1))
    values = u[held]
    if passes > 0 and 2 * np.ptp(values) <= np.ptp(u):
        return [tuple(box)], np.where(held, u, _median(values))
    if 2 * math.prod(high - low + m for (low, high), m in zip(box, shape, strict=True)) <= u.size:
        return [tuple(box)], u
    return list(itertools.product(*(_threads.slices(n, 2) for n in marked.shape))), u


def _without_outliers(u: FloatArray, shape: Sequence[int]) -> tuple[FloatArray, float, float, NDArray[np.bool_]]:
    """Return the image less its middle, outliers set to it, scaled; middle and largest so; the windows with outliers.

    One missing-data value of -9999, or of -1.8e308, would otherwise drown all other windows in rounding.
    """
    sample = u[tuple(slice(None, None, max(1, round(n / 50))) for n in u.shape)]
    middle = _median(sample)
    plain = u - middle
    peak = largest(plain)
    deviations = np.abs(sample - middle)[sample != middle]
    typical = _median(deviations) if deviations.size else peak
    touched = np.zeros([n - m + 1 for n, m in zip(u.shape, shape, strict=True)], np.bool_)
    for limit in (_FAR * typical, _TOO_FAR * typical):  # few outliers, or those that no square can hold
        if not peak > limit:
            outliers, touched[...] = None, False
            break
        outliers = np.abs(plain) > limit
        touched[...] = _count(outliers, shape) > 0
        if touched.mean() <= _FEW:
            break
    if outliers is not None:
        plain[outliers] = 0
        peak = largest(plain)
    power = -math.frexp(peak)[1]
    plain *= 2.0 ** min(power, 1000)  # a sixth of the time of `ldexp`
    if power > 1000:
        plain *= 2.0 ** (power - 1000)
    return plain, math.ldexp(middle, power), math.ldexp(peak, power), touched


def _median(values: FloatArray) -> float:
    """Return the middle value, of an even number the upper one: never a mean that overflows."""
    return float(np.partition(values, values.size // 2, axis=None)[values.size // 2])


def _count(marked: NDArray[np.bool_], shape: Sequence[int]) -> FloatArray:
    """Count the marked cells of every window."""
    return _window_sums(marked.astype(np.float64), shape)


def _constant(u: FloatArray, shape: Sequence[int]) -> NDArray[np.bool_]:
    """Return which windows hold one value only: no neighbours in them differ."""
    steps: Any = 0
    for axis, n in enumerate(shape):
        if n > 1:
            differs = np.diff(u, axis=axis) != 0
            steps = steps + _count(differs, [m - (a == axis) for a, m in enumerate(shape)])
    return np.asarray(steps == 0)


def _window_sums(u: FloatArray, shape: Sequence[int]) -> FloatArray:
    """Return the sum over every window of this shape along the last axes."""
    for axis, width in enumerate(shape, start=u.ndim - len(shape)):
        size = u.shape[axis] - width + 1
        sums = np.empty((*u.shape[:axis], size, *u.shape[axis + 1 :]))
        after = math.prod(u.shape[axis + 1 :])
        if after > 1:
            tables: list[FloatArray] = [loop_input(u).reshape(-1, u.shape[axis], after), sums.reshape(-1, size, after)]
            loop, lines = _jit.sum_columns, after
        else:
            tables = [loop_input(u).reshape(-1, u.shape[axis]), sums.reshape(-1, size)]
            loop, lines = _jit.sum_rows, len(tables[0])
        blocks = _threads.slices(lines, _threads.count() if u.size > _SMALL else 1)
        _threads.run(functools.partial(_sum_part, loop, tables, width), blocks)
        u = sums
    return u


def _sum_part(loop: Any, tables: Sequence[FloatArray], width: int, first: int, last: int) -> None:
    """Sum over the windows of some lines."""
    loop(tables[0], width, tables[1], first, last)


def _one_by_one(u: FloatArray, t: FloatArray, places: NDArray[np.int64], eps: float) -> FloatArray:
    """Score single windows in two passes each."""
    ones = (1,) * (3 - u.ndim)
    image, template = loop_input(u.reshape(*ones, *u.shape)), loop_input(t.reshape(*ones, *t.shape))
    corners = np.zeros((len(places), 3), np.int64)
    corners[:, 3 - u.ndim :] = places
    scores = np.empty(len(places))
    products = len(places) * t.size
    parts = 4 * _threads.count() if products > 1 << 16 else 1
    blocks = _threads.slices(len(places), max(parts, -(-products // _AT_ONCE)))
    _threads.run(lambda *ends: _jit.correlate_windows(image, template, corners, eps, scores, *ends), blocks)
    return scores


def _peaks(
    scores: FloatArray, count: int, minimum: float, distances: Sequence[float], cyclic: Sequence[bool]
) -> Iterator[tuple[int, ...]]:
    """Return local maxima, best first, each too far from the better ones to be a shoulder of them."""
    import scipy.ndimage

    modes: Any = ["wrap" if is_cyclic else "nearest" for is_cyclic in cyclic]
    highest = interruptible(lambda: scipy.ndimage.maximum_filter(scores, 3, mode=modes))
    left = np.argwhere((scores >= highest) & (scores > minimum))
    left = left[np.argsort(-scores[tuple(left.T)], kind="stable")]
    excluded = np.zeros(scores.shape, bool)  # too near to a better one along every axis
    for place in map(tuple, left.tolist()):
        if excluded[place]:
            continue
        yield place
        count -= 1
        if not count:
            return
        lines = []
        for p, distance, n, is_cyclic in zip(place, distances, scores.shape, cyclic, strict=True):
            reach = min(math.ceil(distance) - 1, n)
            near = np.arange(p - reach, p + reach + 1)
            lines.append(near % n if is_cyclic else near[(near >= 0) & (near < n)])
        excluded[np.ix_(*lines)] = True


def _refine(scores: FloatArray, peak: Sequence[int], cyclic: Sequence[bool]) -> tuple[FloatArray, float]:
    """Refine a peak by parabolas: first through the cells, then through points of a spline between them."""
    lines, middle = [], []
    for p, n, is_cyclic in zip(peak, scores.shape, cyclic, strict=True):
        line = np.arange(p - _REACH, p + _REACH + 1)
        lines.append(line % n if is_cyclic else line[(line >= 0) & (line < n)])
        middle.append(_REACH if is_cyclic else min(p, _REACH))
    window = scores[np.ix_(*lines)]
    most = np.array(window.shape) - 1.0
    place, height = np.array(middle, dtype=np.float64), 0.0
    for size in (1.0, 0.25, 0.05, 0.05):
        step = np.minimum(size, most / 2)
        centre = np.clip(place, step, most - step)  # beyond the edge of the scores nothing is known
        block = window
        for axis, n in enumerate(window.shape):
            points = _spline(n)(centre[axis] + step[axis] * np.arange(-1.0, 2.0))
            block = np.moveaxis(np.tensordot(points, block, (1, axis)), 0, axis)
        move, height = _parabola_top(block)
        place = np.clip(centre + step * move, np.subtract(middle, 1), np.add(middle, 1))
    if height < scores[tuple(peak)]:  # too rough for parabolas
        return np.zeros(scores.ndim), float(scores[tuple(peak)])
    return place - middle, min(1.0, height)


@functools.lru_cache(maxsize=64)
def _spline(n: int) -> Any:
    """Return the quintic spline through `n` values, as a function from places to each value's weight there."""
    from scipy.interpolate import make_interp_spline

    if n == 1:
        return lambda places: np.ones((len(places), 1))
    return make_interp_spline(np.arange(n), np.eye(n), k=min(5, n - 1))


def _parabola_top(block: FloatArray) -> tuple[FloatArray, float]:
    """Step to the top of the parabola through a point's neighbours, not beyond them."""
    ndim = block.ndim

    def at(*moves: tuple[int, int]) -> float:
        place = [1] * ndim
        for axis, step in moves:
            place[axis] += step
        return float(block[tuple(place)])

    gradient, hessian = np.zeros(ndim), np.zeros((ndim, ndim))
    for a in range(ndim):
        gradient[a] = (at((a, 1)) - at((a, -1))) / 2
        hessian[a, a] = at((a, 1)) - 2 * at() + at((a, -1))
        for b in range(a):
            alike, unlike = at((a, 1), (b, 1)) + at((a, -1), (b, -1)), at((a, 1), (b, -1)) + at((a, -1), (b, 1))
            hessian[a, b] = hessian[b, a] = (alike - unlike) / 4
    curvatures, directions = np.linalg.eigh(hessian)
    peaked = curvatures < 1e-6 * curvatures.min()  # along a ridge there is no top to climb to
    shift = np.clip(-(directions[:, peaked] @ ((gradient @ directions[:, peaked]) / curvatures[peaked])), -1, 1)
    return shift, at() + float(gradient @ shift) / 2
