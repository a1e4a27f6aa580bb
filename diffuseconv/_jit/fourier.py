"""Fourier transforms of planes for convolution, in place and in vector registers.

Radix 3 and 4 [1]_. Columns are transformed side by side, a vector of them at a time. Rows are transformed until cyclic
sums over one vector are left, and these by radix 2 until cyclic sums over four lanes are left, which are computed as
they stand. Forward transforms decimate frequencies and backward ones times, so that waves may stay in the order of
reversed digits. A backward transform is a forward one with real and imaginary parts exchanged.

A plane is two flat arrays, of real and of imaginary parts. It holds two fields, which a real kernel does not mix. All
counts and places are np.uintp. What few loops call is inlined by numba: a sixth less to compile.

References
----------
.. [1] W. M. Gentleman and G. Sande, "Fast Fourier transforms: for fun and profit", Proc. AFIPS 29 (1966) 563-578.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.vector import (
    lane_0,
    lane_1,
    lane_2,
    lane_3,
    lanes_of,
    load,
    plus_product,
    product_minus,
    spread,
    store,
    swapped_eights,
    swapped_fours,
    turned,
)

ROOT = 3**0.5 / 2  # sin(2 pi / 3)
AT_ONCE = np.uintp(8)  # vectors of columns side by side: their whole lengths stay in a fast cache
ZERO, ONE, TWO, THREE, FOUR, EIGHT = (np.uintp(n) for n in (0, 1, 2, 3, 4, 8))


class Plane(NamedTuple):
    """The rows and columns of a plane, and the stride of its rows."""

    rows: Any
    columns: Any
    pitch: Any


class Window(NamedTuple):
    """Where a part of a flat array of rows begins, the stride of its rows, how many there are, and their length."""

    start: Any
    stride: Any
    rows: Any
    columns: Any


class Passes(NamedTuple):
    """The passes of a forward transform, in their order; a backward one makes them from the last to the first.

    Pass `n` makes of transforms of ``sizes[n]`` ``radices[n]`` times as many, with the roots of unity from
    ``starts[n]`` on.
    """

    radices: Any
    sizes: Any
    starts: Any
    cos: Any
    sin: Any
    signs: Any  # of the lanes of a vector, and their roots of unity, where halves of 8 lanes are split, then of 4
    lanes_cos: Any
    lanes_sin: Any


@inner
def _times(re, im, cos, sin):
    """Return a product of complex vectors."""
    return product_minus(re, cos, im * sin), plus_product(re * sin, im, cos)


@inner
def _put(re, im, place, x, y):
    """Store a complex vector."""
    store(re, place, x)
    store(im, place, y)


@inner
def _three(a, b, c, ai, bi, ci, half, root):
    """Return the transform of three vectors: real parts, then imaginary ones."""
    both, bothi = b + c, bi + ci
    rest, resti = plus_product(a, half, both), plus_product(ai, half, bothi)
    turn, turni = root * (bi - ci), root * (c - b)
    return a + both, rest + turn, rest - turn, ai + bothi, resti + turni, resti - turni


@inner
def _four(a, b, c, d, ai, bi, ci, di):
    """Return the transform of four vectors: real parts, then imaginary ones."""
    even, eveni, odd, oddi = a + c, ai + ci, b + d, bi + di
    a, ai, b, bi = a - c, ai - ci, bi - di, d - b
    return even + odd, a + b, even - odd, a - b, eveni + oddi, ai + bi, eveni - oddi, ai - bi


@inner
def _three_forward(re, im, place, step, cos, sin, cos2, sin2):
    """Transform three vectors at equal steps, then multiply them by roots of unity."""
    half, root = spread(re.dtype.type(-0.5)), spread(re.dtype.type(ROOT))
    p, q, r = place, place + step, place + TWO * step
    a, b, c, ai, bi, ci = load(re, p), load(re, q), load(re, r), load(im, p), load(im, q), load(im, r)
    a, b, c, ai, bi, ci = _three(a, b, c, ai, bi, ci, half, root)
    _put(re, im, p, a, ai)
    _put(re, im, q, *_times(b, bi, cos, sin))
    _put(re, im, r, *_times(c, ci, cos2, sin2))


@inner
def _three_backward(re, im, place, step, cos, sin, cos2, sin2):
    """Multiply three vectors at equal steps by roots of unity, then transform them."""
    half, root = spread(re.dtype.type(-0.5)), spread(re.dtype.type(ROOT))
    p, q, r = place, place + step, place + TWO * step
    b, bi = _times(load(re, q), load(im, q), cos, sin)
    c, ci = _times(load(re, r), load(im, r), cos2, sin2)
    a, b, c, ai, bi, ci = _three(load(re, p), b, c, load(im, p), bi, ci, half, root)
    _put(re, im, p, a, ai)
    _put(re, im, q, b, bi)
    _put(re, im, r, c, ci)


@inner
def _four_forward(re, im, place, step, cos, sin, cos2, sin2, cos3, sin3):
    """Transform four vectors at equal steps, then multiply them by roots of unity."""
    p, q, r, s = place, place + step, place + TWO * step, place + THREE * step
    a, b, c, d, ai, bi, ci, di = _four(
        load(re, p), load(re, q), load(re, r), load(re, s), load(im, p), load(im, q), load(im, r), load(im, s)
    )
    _put(re, im, p, a, ai)
    _put(re, im, q, *_times(b, bi, cos, sin))
    _put(re, im, r, *_times(c, ci, cos2, sin2))
    _put(re, im, s, *_times(d, di, cos3, sin3))


@inner
def _four_backward(re, im, place, step, cos, sin, cos2, sin2, cos3, sin3):
    """Multiply four vectors at equal steps by roots of unity, then transform them."""
    p, q, r, s = place, place + step, place + TWO * step, place + THREE * step
    b, bi = _times(load(re, q), load(im, q), cos, sin)
    c, ci = _times(load(re, r), load(im, r), cos2, sin2)
    d, di = _times(load(re, s), load(im, s), cos3, sin3)
    a, b, c, d, ai, bi, ci, di = _four(load(re, p), b, c, d, load(im, p), bi, ci, di)
    _put(re, im, p, a, ai)
    _put(re, im, q, b, bi)
    _put(re, im, r, c, ci)
    _put(re, im, s, d, di)


@inner
def _pass_down(re, im, plane, column, vectors, passes, n, backward):
    """Make pass `n` of a forward or backward transform over some columns."""
    radix, size, first, cos, sin = passes.radices[n], passes.sizes[n], passes.starts[n], passes.cos, passes.sin
    lanes, step = lanes_of(re), size // radix
    stride = step * plane.pitch
    for block in range(ZERO, plane.rows, size):
        for row in range(step):
            place, a = (block + row) * plane.pitch + column, first + row
            b, c = a + step, a + TWO * step
            cos1, sin1, cos2, sin2 = spread(cos[a]), spread(sin[a]), spread(cos[b]), spread(sin[b])
            if radix == THREE:
                for v in range(vectors):
                    if backward:
                        _three_backward(re, im, place + v * lanes, stride, cos1, sin1, cos2, sin2)
                    else:
                        _three_forward(re, im, place + v * lanes, stride, cos1, sin1, cos2, sin2)
            else:
                cos3, sin3 = spread(cos[c]), spread(sin[c])
                for v in range(vectors):
                    if backward:
                        _four_backward(re, im, place + v * lanes, stride, cos1, sin1, cos2, sin2, cos3, sin3)
                    else:
                        _four_forward(re, im, place + v * lanes, stride, cos1, sin1, cos2, sin2, cos3, sin3)


@inner
def _pass_along(re, im, begin, columns, passes, n, backward):
    """Make pass `n` over a row, as `_pass_down` over columns."""
    radix, size, first, cos, sin = passes.radices[n], passes.sizes[n], passes.starts[n], passes.cos, passes.sin
    lanes, step = lanes_of(re), size // radix
    for block in range(ZERO, columns, size):
        for column in range(ZERO, step, lanes):
            place, a = begin + block + column, first + column
            b, c = a + step, a + TWO * step
            cos1, sin1, cos2, sin2 = load(cos, a), load(sin, a), load(cos, b), load(sin, b)
            if radix == THREE:
                if backward:
                    _three_backward(re, im, place, step, cos1, sin1, cos2, sin2)
                else:
                    _three_forward(re, im, place, step, cos1, sin1, cos2, sin2)
            else:
                cos3, sin3 = load(cos, c), load(sin, c)
                if backward:
                    _four_backward(re, im, place, step, cos1, sin1, cos2, sin2, cos3, sin3)
                else:
                    _four_forward(re, im, place, step, cos1, sin1, cos2, sin2, cos3, sin3)


@inner(forceinline=True)
def _eights(x, y, signs):
    """Return sums and differences of halves of 8 lanes."""
    return plus_product(swapped_eights(x), signs, x), plus_product(swapped_eights(y), signs, y)


@inner(forceinline=True)
def _fours(x, y, signs):
    """Return sums and differences of halves of 4 lanes."""
    return plus_product(swapped_fours(x), signs, x), plus_product(swapped_fours(y), signs, y)


@inner(forceinline=True)
def _lanes_forward(x, y, lanes, passes):
    """Split cyclic sums over a vector into those over four of its lanes."""
    if lanes > EIGHT:
        x, y = _eights(x, y, load(passes.signs, ZERO))
        x, y = _times(x, y, load(passes.lanes_cos, ZERO), load(passes.lanes_sin, ZERO))
    if lanes > FOUR:
        second = lanes if lanes > EIGHT else ZERO
        x, y = _fours(x, y, load(passes.signs, second))
        x, y = _times(x, y, load(passes.lanes_cos, second), load(passes.lanes_sin, second))
    return x, y


@inner(forceinline=True)
def _lanes_backward(x, y, lanes, passes):
    """Make cyclic sums over a vector of those over four of its lanes."""
    if lanes > FOUR:
        second = lanes if lanes > EIGHT else ZERO
        x, y = _times(x, y, load(passes.lanes_cos, second), load(passes.lanes_sin, second))
        x, y = _fours(x, y, load(passes.signs, second))
    if lanes > EIGHT:
        x, y = _times(x, y, load(passes.lanes_cos, ZERO), load(passes.lanes_sin, ZERO))
        x, y = _eights(x, y, load(passes.signs, ZERO))
    return x, y


@compiled(inline="always")
def _row_to_waves(re, im, begin, columns, passes):
    """Transform a row until cyclic sums over four lanes are left."""
    for n in range(len(passes.radices)):
        _pass_along(re, im, begin, columns, passes, n, False)
    lanes = lanes_of(re)
    if lanes > FOUR:
        for place in range(begin, begin + columns, lanes):
            _put(re, im, place, *_lanes_forward(load(re, place), load(im, place), lanes, passes))


@inner(forceinline=True)
def _weights(kernel, place):
    """Return four vectors, the first to fourth of every four values of a kernel in all four lanes (or in all lanes)."""
    lanes = lanes_of(kernel)
    if lanes > FOUR:
        a = load(kernel, place)
        return lane_0(a), lane_1(a), lane_2(a), lane_3(a)
    a, b = spread(kernel[place]), spread(kernel[place + lanes - ONE])
    return (a, spread(kernel[place + ONE]), spread(kernel[place + TWO]), b) if lanes == FOUR else (a, b, a, b)


@inner(forceinline=True)
def _plus_products(sums, sums_im, x, y, a, b):
    """Add complex products."""
    return plus_product(sums, x, a) - y * b, plus_product(plus_product(sums_im, x, b), y, a)


@inner(forceinline=True)
def _cyclic_sums(x, y, kernel, kernel_im, place):
    """Return the cyclic sums of products with a kernel over each four lanes, or all if they are two."""
    a, b = _weights(kernel, place), _weights(kernel_im, place)
    sums, sums_im = product_minus(x, a[0], y * b[0]), plus_product(x * b[0], y, a[0])
    x, y = turned(x), turned(y)
    sums, sums_im = _plus_products(sums, sums_im, x, y, a[1], b[1])
    if lanes_of(kernel) > TWO:
        x, y = turned(x), turned(y)
        sums, sums_im = _plus_products(sums, sums_im, x, y, a[2], b[2])
        x, y = turned(x), turned(y)
        sums, sums_im = _plus_products(sums, sums_im, x, y, a[3], b[3])
    return sums, sums_im


@inner
def _read(field, window, part, plane, first, last):
    """Copy some columns of a window to a plane: zeros where the window has none."""
    known = min(last, max(first, window.columns))
    for row in range(plane.rows):
        place, begin = row * plane.pitch, window.start + row * window.stride
        end = known if row < window.rows else first
        for column in range(first, end):
            part[place + column] = field[begin + column]
        for column in range(end, last):
            part[place + column] = 0


@compiled(inline="always")
def _write(part, plane, corner, first, last, scale, field, window):
    """Copy what some columns of a plane hold of a window that begins at its `corner`."""
    top, left = corner
    first, last = max(first, left), min(last, left + window.columns)
    for row in range(window.rows):
        place, begin = (top + row) * plane.pitch, window.start + row * window.stride - left
        for column in range(first, last):
            field[begin + column] = part[place + column] * scale


@compiled
def columns_to_waves(field, windows, re, im, plane, passes):
    """Copy two windows of a field to a plane, and transform its columns."""
    for first in range(ZERO, plane.columns, AT_ONCE * lanes_of(re)):
        last = min(plane.columns, first + AT_ONCE * lanes_of(re))
        _read(field, windows[0], re, plane, first, last)
        _read(field, windows[1], im, plane, first, last)
        last = min(last, max(first, windows[0].columns, windows[1].columns))  # what is zero need not be transformed
        for n in range(len(passes.radices)):
            _pass_down(re, im, plane, first, (last - first + lanes_of(re) - ONE) // lanes_of(re), passes, n, False)


@compiled
def kernels_to_waves(bank, taps, kernels, plane, passes):
    """Copy kernels, which lie flat one after the other, each to a plane of its own, and transform its columns."""
    rows, columns = taps
    none = Window(ZERO, ZERO, ZERO, ZERO)
    for number in range(len(kernels)):
        windows = Window(np.uintp(number) * rows * columns, columns, rows, columns), none
        columns_to_waves(bank, windows, kernels[number, 0], kernels[number, 1], plane, passes)


@compiled
def rows_to_waves(planes, plane, passes, first, last):
    """Transform some rows of each of some planes."""
    for number in range(len(planes)):
        re, im = planes[number, 0], planes[number, 1]
        for row in range(first, last):
            _row_to_waves(re, im, row * plane.pitch, plane.columns, passes)


@compiled(inline="always")
def convolve_rows(re, im, waves, kernel, kernel_im, plane, passes, out, out_im):
    """Convolve the rows of a plane, whose columns are waves (and rows, if `waves`), with a kernel's, which are."""
    lanes = lanes_of(re)
    for row in range(plane.rows):
        begin = row * plane.pitch
        end = begin + plane.columns
        for place in range(begin, end, lanes):
            _put(out, out_im, place, load(re, place), load(im, place))
        if not waves:
            _row_to_waves(out, out_im, begin, plane.columns, passes)
        for place in range(begin, end, lanes):
            x, y = _cyclic_sums(load(out, place), load(out_im, place), kernel, kernel_im, place)
            _put(out_im, out, place, *_lanes_backward(y, x, lanes, passes))
        for n in range(len(passes.radices) - 1, -1, -1):
            _pass_along(out_im, out, begin, plane.columns, passes, n, True)


@compiled(inline="always")
def waves_to_columns(re, im, plane, passes, corner, scale, field, windows):
    """Transform the columns of a plane back, and copy what two windows need of them; what the plane holds is lost."""
    for first in range(ZERO, plane.columns, AT_ONCE * lanes_of(re)):
        last = min(plane.columns, first + AT_ONCE * lanes_of(re))
        for n in range(len(passes.radices) - 1, -1, -1):
            _pass_down(im, re, plane, first, (last - first) // lanes_of(re), passes, n, True)
        _write(re, plane, corner, first, last, scale, field, windows[0])
        _write(im, plane, corner, first, last, scale, field, windows[1])


@compiled
def convolve(waves, known, kernels, plane, down, along, product, corner, scale, sums, windows):
    """Convolve a plane, whose columns are waves (and rows, if `known`), with some kernels; copy two windows of each.

    The product of one is written over that of the kernel before.
    """
    re, im = product[0], product[1]
    for number in range(len(kernels)):
        kernel = kernels[number]
        convolve_rows(waves[0], waves[1], known, kernel[0], kernel[1], plane, along, re, im)
        waves_to_columns(re, im, plane, down, corner, scale, sums[number], windows)
