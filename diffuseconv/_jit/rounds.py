"""Parts of a field that threads advance in rounds: what may go on is decided by counters, without the interpreter.

A call of a loop from Python takes 10 to 30 microseconds, and the threads take them one after the other.
"""

from __future__ import annotations

from threading import RLock
from typing import Any, NamedTuple

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from diffuseconv._jit.compiled import compiled

SPACING = 8  # of counters, which would slow each other down within one line of a cache
NOTHING, OVER = -1, -2


class Rounds(NamedTuple):
    """How many rounds threads have begun and ended with each part, and which parts wait for which."""

    begun: Any
    ended: Any
    stopped: Any  # not 0 when all are to end early
    neighbours: Any  # two of each part, negative for none
    count: Any


def _place(context, builder, kind, array, index):
    """Return a pointer to a counter."""
    data = context.make_array(kind)(context, builder, array).data
    data = builder.inttoptr(builder.ptrtoint(data, context.get_value_type(types.uintp)), ir.PointerType())
    return builder.gep(data, [index], source_etype=context.get_value_type(kind.dtype))


@intrinsic
def _value_of(typing, counters, index):
    def generate(context, builder, signature, values):
        place = _place(context, builder, counters, *values)
        return builder.load_atomic(place, "acquire", 8, typ=context.get_value_type(counters.dtype))

    return counters.dtype(counters, types.intp), generate


@intrinsic
def _count_from(typing, counters, index, value):
    def generate(context, builder, signature, values):
        place, one = _place(context, builder, counters, *values[:2]), ir.Constant(values[2].type, 1)
        outcome = builder.cmpxchg(place, values[2], builder.add(values[2], one), "acq_rel", "acquire")
        return builder.extract_value(outcome, 1)

    return types.boolean(counters, types.intp, types.int64), generate


_lock = RLock()


def _plain_value_of(counters, index):
    """Return a counter, after all that was written before it was increased."""
    return int(counters[index])


def _plain_count_from(counters, index, value):
    """Add one to a counter if it has a value; return whether it had."""
    with _lock:
        if counters[index] != value:
            return False
        counters[index] += 1
        return True


value_of, count_from = (
    (_plain_value_of, _plain_count_from) if config.DISABLE_JIT else (_value_of, _count_from)
)  # fmt: skip


@compiled
def next_part(rounds, first):
    """Return a part that nobody else is to advance now, tried from the `first` on; NOTHING for none, OVER at the end.

    Even parts wait for a round of their neighbours less than odd ones.
    """
    parts, over = len(rounds.neighbours), True
    if value_of(rounds.stopped, 0) != 0:
        return OVER
    for n in range(parts):
        part = (first + n) % parts
        done = value_of(rounds.ended, part * SPACING)
        if done == rounds.count:
            continue
        over, ready = False, value_of(rounds.begun, part * SPACING) == done
        for side in range(2):
            other = rounds.neighbours[part, side]
            ready = ready and (other < 0 or value_of(rounds.ended, other * SPACING) >= done + part % 2)
        if ready and count_from(rounds.begun, part * SPACING, done):
            return part
    return OVER if over else NOTHING


@compiled
def end_round(rounds, part):
    """Add one to the rounds that a part has ended: others may have what it has written."""
    count_from(rounds.ended, part * SPACING, rounds.ended[part * SPACING])
