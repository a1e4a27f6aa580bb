"""Tiles of sums over taps, held in vector registers: the innermost loop of direct convolution.

LLVM does not vectorise such sums over the rows of a plain loop nest (4 thousand million products a second); written
out in vectors the same sums run at the machine's peak (28). Vectors of 64 bytes are split on narrower machines.
"""

from __future__ import annotations

from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

WIDE = bool(get_host_cpu_features().get("avx512f"))  # 32 registers, each of which holds a whole vector
ROWS = 8 if WIDE else 4  # rows of a tile: each value that is loaded serves up to ROWS sums (1.03 times quicker than 4)
LOW_ROWS = ROWS // 2  # of the tiles for what is left at the bottom
TILE_BYTES, NARROW_BYTES = 64 * 2, 32
WHOLE, NARROW, LOW = 0, 1, 2  # shapes of tiles
MOST_TAPS = 8  # kernel rows that one call may add


def add_taps(source, start, pitch, weights, first, height, width, target, corner, stride, tiles, shape, fresh):
    """Add some rows of a kernel to a band of tiles of one of three shapes, WHOLE, NARROW or LOW; all arrays are flat.

    ``target[corner + y stride + x]`` grows by the sum of ``weights[first + dy width + dx]`` times
    ``source[start + (y + dy) pitch + x + dx]`` over `height` (1 to MOST_TAPS) rows of `width` taps. If `fresh`, the
    sums begin at 0 rather than at the target's old values.
    """
    for y in range(LOW_ROWS if shape == LOW else ROWS):
        for x in range(int(tiles) * (NARROW_BYTES if shape == NARROW else TILE_BYTES) // source.itemsize):
            total = 0.0 if fresh else target[corner + y * stride + x]
            for dx in range(width):
                for dy in range(height):
                    total += weights[first + dy * width + dx] * source[start + (y + dy) * pitch + x + dx]
            target[corner + y * stride + x] = total


@overload(add_taps)
def _compiled_add_taps(
    source, start, pitch, weights, first, height, width, target, corner, stride, tiles, shape, fresh
):
    def compiled(source, start, pitch, weights, first, height, width, target, corner, stride, tiles, shape, fresh):
        if shape == NARROW:
            _add_narrow(source, start, pitch, weights, first, height, width, target, corner, stride, tiles, fresh)
        elif shape == LOW:
            _add_low(source, start, pitch, weights, first, height, width, target, corner, stride, tiles, fresh)
        else:
            _add_whole(source, start, pitch, weights, first, height, width, target, corner, stride, tiles, fresh)

    return compiled


def _adder(size, vectors, tall):
    """Make `add_taps` for tiles of `tall` rows of `vectors` vectors of `size` bytes."""

    @intrinsic
    def add(typing, source, start, pitch, weights, first, height, width, target, corner, stride, tiles, fresh):
        """Unroll the rows of the kernel and of the tile; tiles and kernel columns are loops."""
        index = types.uintp
        arguments = (source, index, index, weights, index, index, index, target, index, index, index, types.boolean)
        names = ("source", "start", "pitch", "weights", "first", "height", "width", "target", "corner", "stride")

        def generate(context, builder, signature, values):
            given = dict(zip((*names, "tiles", "fresh"), values, strict=True))
            for name, kind in (("source", source), ("weights", weights), ("target", target)):
                given[name] = context.make_array(kind)(context, builder, given[name]).data
            itemsize = source.dtype.bitwidth // 8
            lanes = size // itemsize
            done = builder.append_basic_block("done")
            switch = builder.switch(given["height"], done)
            for rows in range(1, MOST_TAPS + 1):
                case = builder.append_basic_block(f"rows{rows}")
                switch.add_case(ir.Constant(given["height"].type, rows), case)
                builder.position_at_end(case)
                with cgutils.for_range(builder, given["tiles"]) as loop:
                    shift = builder.mul(loop.index, ir.Constant(loop.index.type, lanes * vectors))
                    moved = {name: builder.add(given[name], shift) for name in ("start", "corner")}
                    _one_tile(builder, itemsize, lanes, vectors, tall, rows, **{**given, **moved})
                builder.branch(done)
            builder.position_at_end(done)
            return context.get_dummy_value()

        return types.void(*arguments), generate

    return add


_add_whole, _add_narrow, _add_low = _adder(64, 2, ROWS), _adder(32, 1, ROWS), _adder(64, 2, LOW_ROWS)


def _one_tile(
    builder,
    size,
    lanes,
    vectors,
    tall,
    rows,
    source,
    start,
    pitch,
    weights,
    first,
    width,
    target,
    corner,
    stride,
    fresh,
    **_,
):
    """Write one tile's sums over `rows` kernel rows."""
    vector = ir.VectorType(source.type.pointee, lanes)

    def constant(value):
        return ir.Constant(start.type, value)

    def line(base, begin, step, row):
        """Return the addresses of the vectors of one row."""
        begin = builder.add(begin, builder.mul(step, constant(row)))
        places = [builder.add(begin, constant(lanes * v)) for v in range(vectors)]
        return [builder.bitcast(builder.gep(base, [place]), vector.as_pointer()) for place in places]

    places = [place for row in range(tall) for place in line(target, corner, stride, row)]
    before = builder.block
    sums = [ir.Constant(vector, None)] * len(places)
    with builder.if_then(builder.not_(fresh)):
        olds = [builder.load(place, align=size) for place in places]
        loaded = builder.block
    for i, old in enumerate(olds):
        sums[i] = builder.phi(vector)
        sums[i].add_incoming(ir.Constant(vector, None), before)
        sums[i].add_incoming(old, loaded)

    before = builder.block
    columns, after = builder.append_basic_block("columns"), builder.append_basic_block("after")
    builder.branch(columns)
    builder.position_at_end(columns)
    column = builder.phi(start.type)
    held = [builder.phi(vector) for _ in sums]
    for phi, value in zip((column, *held), (constant(0), *sums), strict=True):
        phi.add_incoming(value, before)
    sums = list(held)
    spread = []
    for dy in range(rows):
        place = builder.add(builder.add(first, builder.mul(width, constant(dy))), column)
        weight = builder.load(builder.gep(weights, [place]))
        lane = builder.insert_element(ir.Constant(vector, ir.Undefined), weight, ir.Constant(ir.IntType(32), 0))
        spread.append(builder.shuffle_vector(lane, lane, ir.Constant(ir.VectorType(ir.IntType(32), lanes), None)))
    for y in range(rows + tall - 1):
        for v, place in enumerate(line(source, builder.add(start, column), pitch, y)):
            value = builder.load(place, align=size)
            for row in range(max(0, y - rows + 1), min(tall, y + 1)):
                product = builder.fmul(spread[y - row], value, flags=("contract",))
                sums[row * vectors + v] = builder.fadd(sums[row * vectors + v], product, flags=("contract",))
    following = builder.add(column, constant(1))
    for phi, value in zip((column, *held), (following, *sums), strict=True):
        phi.add_incoming(value, columns)
    builder.cbranch(builder.icmp_unsigned("<", following, width), columns, after)
    builder.position_at_end(after)
    for place, value in zip(places, sums, strict=True):
        builder.store(value, place, align=size)
