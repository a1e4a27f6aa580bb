"""Tiles of sums over taps, held in vector registers: the innermost loop of direct convolution.

LLVM does not vectorise such sums over the rows of a plain loop nest, and vectorises them along rows at half the speed:
each value must serve several sums while it is in a register. See `machine` for the shape of a tile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.machine import MACHINE
from diffuseconv._jit.vector import Memory, Vector, fused, lanes_of

ROWS = MACHINE.registers // 4 or 4  # of a tall tile, and of the kernel in one call
FLAT_BYTES = ROWS * MACHINE.bytes  # width of a flat tile, one row of ROWS vectors


def _shape(flat):
    """Return the rows and vectors a row of a tile, and how many kernel rows one call may add."""
    return (1, ROWS, 1) if flat else (ROWS, 2, ROWS)


def _tile(flat):
    """Make the three operations of a tile: read its sums, add the products with some rows of the kernel, write them.

    Sums are a tuple of vectors, row after row.
    """
    rows, vectors, most = _shape(flat)

    def kind(array):
        return types.UniTuple(Vector(array.dtype), rows * vectors)

    def places(builder, memory, corner, stride):
        """Yield where the vectors of a tile begin."""
        for row in range(rows):
            begin = builder.add(corner, builder.mul(stride, ir.Constant(stride.type, row)))
            for v in range(vectors):
                yield builder.add(begin, ir.Constant(stride.type, v * memory.vector.count))

    @intrinsic
    def read(typing, target, corner, stride, fresh):
        """Return the sums at ``target[corner]``, or zeros if they begin afresh."""

        def generate(context, builder, signature, values):
            memory = Memory(context, builder, target, values[0])
            zero, before = ir.Constant(memory.vector, None), builder.block
            with builder.if_then(builder.not_(values[3])):
                olds = [memory.read(place) for place in places(builder, memory, *values[1:3])]
                loaded = builder.block
            sums = [builder.phi(memory.vector) for _ in olds]
            for total, old in zip(sums, olds, strict=True):
                total.add_incoming(zero, before)
                total.add_incoming(old, loaded)
            return context.make_tuple(builder, signature.return_type, sums)

        return kind(target)(target, types.uintp, types.uintp, types.boolean), generate

    @intrinsic
    def add(typing, sums, source, place, pitch, weights, first, height, width, step):
        """Add the products of ``weights[first + dy width + dx]`` with the rows from ``source[place + dy pitch]`` on.

        Each of the `width` columns reads `step` values further on. The loop over them is here, after the choice by
        height: with the choice within, LLVM keeps some sums in memory.
        """

        def generate(context, builder, signature, values):
            field, taps = Memory(context, builder, source, values[1]), Memory(context, builder, weights, values[4])
            start, pitch = values[2:4]
            first, height, width, step = values[5:]
            old = cgutils.unpack_tuple(builder, values[0])
            before, done = builder.block, builder.append_basic_block("done")
            loops = [builder.append_basic_block(f"rows{n}") for n in range(1, most + 1)]
            switch = builder.switch(height, loops[-1])
            outcomes = []
            for n, loop in enumerate(loops, start=1):
                if n < most:
                    switch.add_case(ir.Constant(height.type, n), loop)
                builder.position_at_end(loop)
                row = [ir.Constant(pitch.type, y) for y in range(n + rows)]
                dx, place, *new = phis = [builder.phi(value.type) for value in (width, start, *old)]
                for phi, value in zip(phis, (row[0], start, *old), strict=True):
                    phi.add_incoming(value, before)
                tap = builder.add(first, dx)
                loaded_taps = [taps.read_one(builder.add(tap, builder.mul(width, row[dy]))) for dy in range(n)]
                for y in range(n + rows - 1):
                    begin = builder.add(place, builder.mul(pitch, row[y]))
                    for v in range(vectors):
                        value = field.read(builder.add(begin, ir.Constant(pitch.type, v * field.vector.count)))
                        for r in range(max(0, y - n + 1), min(rows, y + 1)):
                            new[r * vectors + v] = fused(builder, loaded_taps[y - r], value, new[r * vectors + v])
                after = builder.add(dx, row[1]), builder.add(place, step), *new
                for phi, value in zip(phis, after, strict=True):
                    phi.add_incoming(value, builder.block)
                outcomes.append((new, builder.block))
                builder.cbranch(builder.icmp_unsigned("<", after[0], width), loop, done)
            builder.position_at_end(done)
            results = [builder.phi(field.vector) for _ in old]
            for new, block in outcomes:
                for result, value in zip(results, new, strict=True):
                    result.add_incoming(value, block)
            return context.make_tuple(builder, signature.return_type, results)

        index = types.uintp
        return sums(sums, source, index, index, weights, index, index, index, index), generate

    @intrinsic
    def write(typing, sums, target, corner, stride):
        """Store the sums at ``target[corner]``."""

        def generate(context, builder, signature, values):
            memory = Memory(context, builder, target, values[1])
            vectors = cgutils.unpack_tuple(builder, values[0])
            for place, vector in zip(places(builder, memory, *values[2:]), vectors, strict=True):
                memory.write(place, vector)
            return context.get_dummy_value()

        return types.void(sums, target, types.uintp, types.uintp), generate

    return read, add, write


_read_tall, _add_tall, _write_tall = _tile(flat=False)
_read_flat, _add_flat, _write_flat = _tile(flat=True)


class Source(NamedTuple):
    """Where sums begin to read in a block, and the strides of its rows and planes."""

    start: Any
    pitch: Any
    floor: Any


class Taps(NamedTuple):
    """Where the weights of a kernel begin, and its shape."""

    first: Any
    depth: Any
    height: Any
    width: Any


class Band(NamedTuple):
    """Where a band of so many tiles goes, flat or tall."""

    corner: Any
    stride: Any
    tiles: Any
    flat: Any


def add_taps_plainly(block, source, weights, taps, step, target, band, fresh):
    """Do what `add_taps` does, in plain loops: where nothing is compiled, or no registers are known."""
    wide = band.tiles * np.uintp((ROWS if band.flat else 2) * MACHINE.bytes // block.itemsize)
    for y in range(np.uintp(1 if band.flat else ROWS)):
        row = band.corner + y * band.stride
        if fresh:
            for x in range(wide):
                target[row + x] = 0
        for dy in range(taps.height):
            for dx in range(taps.width):
                place = source.start + (y + dy) * source.pitch + dx * step
                weight = weights[taps.first + dy * taps.width + dx]
                for x in range(wide):
                    target[row + x] += weight * block[place + x]


def add_taps(block, source, weights, taps, step, target, band, fresh):
    """Add some rows of one plane of a kernel to a band of tiles; all arrays are flat, all numbers np.uintp.

    ``target[corner + y stride + x]`` grows by the sum of ``weights[first + dy width + dx]`` times
    ``block[start + (y + dy) pitch + x + dx step]`` over `height` (1 to ROWS; 1 if flat) rows of `width`
    taps. If `fresh`, the sums begin at 0, not at the target's old values.
    """
    (start, pitch, _), (first, _, height, width) = source, taps
    if band.flat:
        for tile in range(band.tiles):
            shift = tile * np.uintp(ROWS) * lanes_of(block)
            sums = _read_flat(target, band.corner + shift, band.stride, fresh)
            sums = _add_flat(sums, block, start + shift, pitch, weights, first, height, width, step)
            _write_flat(sums, target, band.corner + shift, band.stride)
    else:
        for tile in range(band.tiles):
            shift = tile * np.uintp(2) * lanes_of(block)
            sums_tall = _read_tall(target, band.corner + shift, band.stride, fresh)
            sums_tall = _add_tall(sums_tall, block, start + shift, pitch, weights, first, height, width, step)
            _write_tall(sums_tall, target, band.corner + shift, band.stride)


add_taps = compiled(add_taps_plainly if MACHINE.registers == 0 or config.DISABLE_JIT else add_taps)
