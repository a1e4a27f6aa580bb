"""Random words: eight streams side by side in a vector for draws that all pixels take, one for what few take."""

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from diffuseconv._jit.borrowed import borrow, later
from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.vector import Memory

LANES = 8  # of the streams of a block, those side by side, whatever the processor's vectors hold
STREAMS = LANES + 1  # of a block
STATES = 4 * STREAMS  # words that hold the states of a block: word j of each stream, that of the single one last
INCREMENT = np.uint64(0x9E3779B97F4A7C15)


@compiled
def split_mix(counter):
    """Scramble a counter (SplitMix64)."""
    z = (counter ^ (counter >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
def start(key, stream):
    """Begin a stream: word j is output 4 stream + j of SplitMix64 begun at key[j]."""
    at = np.uint64(4 * stream)
    return (
        split_mix(key[0] + INCREMENT * (at + np.uint64(1))),
        split_mix(key[1] + INCREMENT * (at + np.uint64(2))),
        split_mix(key[2] + INCREMENT * (at + np.uint64(3))),
        split_mix(key[3] + INCREMENT * (at + np.uint64(4))),
    )


@compiled
def begin(key, states):
    """Begin the streams of all blocks: ``states[block, j]`` holds word j of each, that of the single one last."""
    blocks, key, states = states.shape[0], borrow(key), borrow(states)
    for block in range(blocks):
        for stream in range(STREAMS):
            words = start(key, STREAMS * block + stream)
            for j in range(4):
                states[STATES * block + STREAMS * j + stream] = words[j]


@inner
def of_block(states, block):
    """Return where the states of a block begin."""
    return later(states, np.uintp(STATES * block))


@inner
def resume(states):
    """Return the state of the single stream of a block where it was left."""
    return states[LANES], states[LANES + STREAMS], states[LANES + 2 * STREAMS], states[LANES + 3 * STREAMS]


@inner
def keep(states, state):
    """Keep the state of the single stream of a block for the next call."""
    states[LANES], states[LANES + STREAMS], states[LANES + 2 * STREAMS], states[LANES + 3 * STREAMS] = state


@inner
def word(state):
    """Draw 64 random bits (xoshiro256++); states are tuples, which stay in registers where arrays do not."""
    a, b, c, d = state
    total = a + d
    bits = ((total << np.uint64(23)) | (total >> np.uint64(41))) + a
    shifted = b << np.uint64(17)
    c = c ^ a
    d = d ^ b
    b = b ^ c
    a = a ^ d
    c = c ^ shifted
    d = (d << np.uint64(45)) | (d >> np.uint64(19))
    return bits, (a, b, c, d)


@inner(forceinline=True)
def to_unit(bits):
    """Turn a word into an odd multiple of 2^-53 between 0 and 1: never an end, and symmetric about 1/2."""
    return (np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52


@inner
def uniform(state):
    """Draw such a multiple."""
    bits, state = word(state)
    return to_unit(bits), state


@intrinsic
def _fill(typing, words, size, states):
    """Draw a multiple of LANES words: word i is the next of stream i modulo LANES of a block.

    The states of all lanes are in vector registers meanwhile.
    """

    def generate(context, builder, signature, values):
        vector = ir.VectorType(ir.IntType(64), LANES)
        target = Memory(context, builder, signature.args[0], values[0])
        source = Memory(context, builder, signature.args[2], values[2])
        rows = [ir.Constant(values[1].type, STREAMS * j) for j in range(4)]

        def rotated(lanes, left):
            return builder.or_(
                builder.shl(lanes, ir.Constant(vector, [left] * LANES)),
                builder.lshr(lanes, ir.Constant(vector, [64 - left] * LANES)),
            )

        kept = [cgutils.alloca_once(builder, vector) for _ in rows]
        for row, lanes in zip(rows, kept, strict=True):
            builder.store(builder.load(source.place(row), typ=vector, align=8), lanes)
        with cgutils.for_range_slice(builder, rows[0], values[1], ir.Constant(rows[0].type, LANES)) as (index, _):
            a, b, c, d = (builder.load(lanes, typ=vector) for lanes in kept)
            bits = builder.add(rotated(builder.add(a, d), 23), a)
            builder.store(bits, target.place(index), align=8)
            shifted = builder.shl(b, ir.Constant(vector, [17] * LANES))
            c, d = builder.xor(c, a), builder.xor(d, b)
            b, a = builder.xor(b, c), builder.xor(a, d)
            for lanes, value in zip(kept, (a, b, builder.xor(c, shifted), rotated(d, 45)), strict=True):
                builder.store(value, lanes)
        for row, lanes in zip(rows, kept, strict=True):
            builder.store(builder.load(lanes, typ=vector), source.place(row), align=8)
        return context.get_dummy_value()

    return types.void(words, types.uintp, states), generate


def fill_plainly(words, size, states):
    """Do what `fill` does, in plain loops: where nothing is compiled."""
    lanes = tuple(states[:STATES].reshape(4, STREAMS)[:, :LANES].copy())
    for i in range(0, int(size), LANES):
        words[i : i + LANES], lanes = word(lanes)
    states[:STATES].reshape(4, STREAMS)[:, :LANES] = lanes


fill = fill_plainly if config.DISABLE_JIT else _fill
