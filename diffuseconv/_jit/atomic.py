"""Flags and counters by which threads inside compiled loops wait for each other, without the interpreter."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


def _place(context, builder, kind, array, index):
    """Point to one number of an array of int64."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


@intrinsic
def published(typing, numbers, index):
    """Read a number: all that was written before it was published can now be read."""

    def generate(context, builder, signature, values):
        return builder.load_atomic(_place(context, builder, numbers, *values), "acquire", 8)

    return types.int64(numbers, types.intp), generate


@intrinsic
def publish(typing, numbers, index, value):
    """Write a number after all that has been written before."""

    def generate(context, builder, signature, values):
        builder.store_atomic(values[2], _place(context, builder, numbers, *values[:2]), "release", 8)
        return context.get_dummy_value()

    return types.void(numbers, types.intp, types.int64), generate


@intrinsic
def claim(typing, flags, index):
    """Set a flag from 0 to 1 and say whether it was this thread that did."""

    def generate(context, builder, signature, values):
        place = _place(context, builder, flags, *values)
        zero, one = (ir.Constant(ir.IntType(64), value) for value in (0, 1))
        changed = builder.cmpxchg(place, zero, one, "acq_rel", "acquire")
        return builder.extract_value(changed, 1)

    return types.boolean(flags, types.intp), generate


def _at_once(operation):
    """Make an intrinsic that changes a number without another thread coming between, and gives what it was."""

    @intrinsic
    def change(typing, numbers, index, value):
        def generate(context, builder, signature, values):
            place = _place(context, builder, numbers, *values[:2])
            return builder.atomic_rmw(operation, place, values[2], "seq_cst")

        return types.int64(numbers, types.intp, types.int64), generate

    return change


add, swap = _at_once("add"), _at_once("xchg")
