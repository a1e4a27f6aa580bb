"""Vectors as wide as a register, for loops that LLVM would vectorise less well by itself.

A loop may hold vectors in variables, add, subtract and multiply them, and shift them by one lane without
a load that straddles two cache lines, where that is quicker. Uncompiled, a vector is an array of as many
numbers (see `plain_vector`).
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

from diffuseconv._jit.machine import AVX2, MACHINE

BYTES = MACHINE.bytes


class Vector(types.Type):
    """As many numbers of one kind as BYTES hold."""

    def __init__(self, dtype):
        self.dtype = dtype
        super().__init__(f"Vector({dtype})")


@register_model(Vector)
class _Model(models.PrimitiveModel):
    def __init__(self, manager, kind):
        element = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(element, BYTES * 8 // kind.dtype.bitwidth))


class Memory:
    """The numbers of a flat array, or from an address on, while a loop that reads or writes them is compiled."""

    def __init__(self, context, builder, kind, array):
        self.builder = builder
        self.size = kind.dtype.bitwidth // 8
        self.number = context.get_value_type(kind.dtype)
        self.vector = context.get_value_type(Vector(kind.dtype))
        data = array if isinstance(kind, types.CPointer) else context.make_array(kind)(context, builder, array).data
        # numba's pointers have a type, which a vector would have to match: LLVM's own have none
        self.data = builder.inttoptr(builder.ptrtoint(data, context.get_value_type(types.uintp)), ir.PointerType())

    def place(self, index):
        """Return a pointer to a number."""
        return self.builder.gep(self.data, [index], source_etype=self.number)

    def read(self, index):
        """Load a vector."""
        return self.builder.load(self.place(index), typ=self.vector, align=self.size)

    def read_one(self, index):
        """Load a number into all lanes of a vector."""
        return filled(self.builder, self.vector, self.builder.load(self.place(index), typ=self.number))

    def write(self, index, vector):
        """Store a vector."""
        self.builder.store(vector, self.place(index), align=self.size)


def filled(builder, kind, number):
    """Return a vector of one number."""
    lane = builder.insert_element(ir.Constant(kind, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(lane, lane, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None))


def fused(builder, left, right, vector):
    """Multiply and add with one rounding where the machine can: like nothing else, LLVM keeps that as it is written."""
    kind = vector.type
    name = f"llvm.fmuladd.v{kind.count}{kind.element.intrinsic_name}"
    function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, (kind, kind, kind)), name)
    return builder.call(function, (left, right, vector))


@intrinsic
def lanes_of(typing, array):
    """Return how many numbers of an array a vector holds: loops whose stride LLVM knows keep fewer addresses."""

    def generate(context, builder, signature, values):
        return context.get_constant(types.uintp, BYTES * 8 // array.dtype.bitwidth)

    return types.uintp(array), generate


@intrinsic
def load(typing, array, index):
    """Load the vector that begins at ``array[index]``."""

    def generate(context, builder, signature, values):
        return Memory(context, builder, array, values[0]).read(values[1])

    return Vector(array.dtype)(array, types.uintp), generate


@intrinsic
def load_as(typing, other, array, index):
    """Load as many numbers as a vector of the `other` array holds, which are of no fewer digits, as such a vector."""

    def generate(context, builder, signature, values):
        memory = Memory(context, builder, array, values[1])
        wanted = context.get_value_type(signature.return_type)
        memory.vector = ir.VectorType(memory.number, wanted.count)
        vector = memory.read(values[2])
        return vector if memory.number == wanted.element else builder.fpext(vector, wanted)

    return Vector(other.dtype)(other, array, types.uintp), generate


@intrinsic
def store(typing, array, index, vector):
    """Store a vector from ``array[index]`` on."""

    def generate(context, builder, signature, values):
        Memory(context, builder, array, values[0]).write(*values[1:])
        return context.get_dummy_value()

    return types.void(array, types.uintp, vector), generate


@intrinsic
def spread(typing, number):
    """Return a vector of one number."""

    def generate(context, builder, signature, values):
        return filled(builder, context.get_value_type(signature.return_type), values[0])

    return Vector(number)(number), generate


def _shifted(builder, lane, left, right):
    """Return consecutive lanes of two vectors next to each other, from one of the left vector's on."""
    count = left.type.count
    begin = lane % count
    chosen = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(begin, begin + count)))
    return builder.shuffle_vector(left, right, chosen)


def _lanes_from(lane):
    """Make an intrinsic that takes consecutive lanes from two vectors, of which the right one follows the left one."""

    @intrinsic
    def lanes(typing, left, right):
        return left(left, right), lambda context, builder, signature, values: _shifted(builder, lane, *values)

    return lanes


def _loaded_lanes_from(lane):
    """Make an intrinsic that takes what `_lanes_from` does where the right vector is the one at ``array[index]``.

    AVX2 moves lanes between the halves of a register by slow instructions: a load is 1.4 to 1.65 times as quick.
    """

    @intrinsic
    def lanes(typing, array, index, left, right):
        def generate(context, builder, signature, values):
            if MACHINE is not AVX2:
                return _shifted(builder, lane, *values[2:])
            memory = Memory(context, builder, array, values[0])
            begin = lane % memory.vector.count - memory.vector.count
            return memory.read(builder.add(values[1], ir.Constant(values[1].type, begin)))

        return left(array, types.uintp, left, right), generate

    return lanes


def _chosen(of):
    """Make an intrinsic that takes the lane ``of(i, group)`` of a vector to lane i; a group is 4 lanes, or all."""

    @intrinsic
    def lanes(typing, vector):
        def generate(context, builder, signature, values):
            count = values[0].type.count
            chosen = [of(lane, min(4, count)) % count for lane in range(count)]
            return builder.shuffle_vector(
                values[0], values[0], ir.Constant(ir.VectorType(ir.IntType(32), count), chosen)
            )

        return vector(vector), generate

    return lanes


turned = _chosen(lambda lane, group: lane // group * group + (lane - 1) % group)  # each group by one lane
lane_0, lane_1, lane_2, lane_3 = (
    _chosen(lambda lane, group, number=number: lane // group * group + number) for number in range(4)
)  # one lane of each group in all of them
swapped_fours, swapped_eights = _chosen(lambda lane, group: lane ^ 4), _chosen(lambda lane, group: lane ^ 8)

after_last = _lanes_from(-1)  # the last lane of the left vector, then all but the last of the right one
from_second = _lanes_from(1)  # all but the first lane of the left vector, then the first of the right one
loaded_after_last, loaded_from_second = _loaded_lanes_from(-1), _loaded_lanes_from(1)


@intrinsic
def plus_product(typing, vector, left, right):
    """Add a product to a vector."""

    def generate(context, builder, signature, values):
        return fused(builder, values[1], values[2], values[0])

    return vector(vector, left, right), generate


@intrinsic
def product_minus(typing, left, right, vector):
    """Subtract a vector from a product."""

    def generate(context, builder, signature, values):
        return fused(builder, values[0], values[1], builder.fneg(values[2]))

    return vector(left, right, vector), generate


@intrinsic
def upwind(typing, drift, before, after):
    """Take the lanes of the vector before a face where the drift is positive, of that after it elsewhere."""

    def generate(context, builder, signature, values):
        onward = builder.fcmp_ordered(">", values[0], ir.Constant(values[0].type, None))
        return builder.select(onward, *values[1:])

    return before(drift, before, after), generate


def _allow(symbol, name):
    """Define an operator for vectors of one kind."""

    @intrinsic
    def combined(typing, left, right):
        return left(left, right), lambda context, builder, signature, values: getattr(builder, name)(*values)

    @overload(symbol)
    def _combined(left, right):
        if isinstance(left, Vector) and left == right:
            return lambda left, right: combined(left, right)
        return None


for _symbol, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _allow(_symbol, _name)

if config.DISABLE_JIT:
    from diffuseconv._jit.plain_vector import (  # noqa: F401
        after_last,
        from_second,
        lane_0,
        lane_1,
        lane_2,
        lane_3,
        lanes_of,
        load,
        load_as,
        loaded_after_last,
        loaded_from_second,
        plus_product,
        product_minus,
        spread,
        store,
        swapped_eights,
        swapped_fours,
        turned,
        upwind,
    )
