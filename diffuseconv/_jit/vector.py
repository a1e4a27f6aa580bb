"""Vectors of 64 bytes for loops that LLVM would vectorise less well by itself: written out, they keep to registers.

A loop may hold vectors in variables, add, subtract and multiply them, and take what stands one lane beside them without
a load that straddles two cache lines. On narrower machines LLVM splits them. Such loops run compiled only.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

BYTES = 64


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


def _place(context, builder, kind, array, index):
    """Point to the vector at an index of a flat array."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), context.get_value_type(Vector(kind.dtype)).as_pointer())


@intrinsic
def load(typing, array, index):
    """Load the vector that begins at ``array[index]``."""

    def generate(context, builder, signature, values):
        return builder.load(_place(context, builder, array, *values), align=array.dtype.bitwidth // 8)

    return Vector(array.dtype)(array, types.uintp), generate


@intrinsic
def store(typing, array, index, vector):
    """Store a vector from ``array[index]`` on."""

    def generate(context, builder, signature, values):
        builder.store(values[2], _place(context, builder, array, *values[:2]), align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.uintp, vector), generate


@intrinsic
def spread(typing, number):
    """Return a vector of one number."""

    def generate(context, builder, signature, values):
        kind = context.get_value_type(signature.return_type)
        lane = builder.insert_element(ir.Constant(kind, ir.Undefined), values[0], ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(lane, lane, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), None))

    return Vector(number)(number), generate


def _taken(first):
    """Make an intrinsic that takes consecutive lanes from two vectors side by side."""

    @intrinsic
    def lanes(typing, left, right):
        def generate(context, builder, signature, values):
            count = values[0].type.count
            begin = first % count
            chosen = ir.Constant(ir.VectorType(ir.IntType(32), count), list(range(begin, begin + count)))
            return builder.shuffle_vector(*values, chosen)

        return left(left, right), generate

    return lanes


after_last = _taken(-1)  # the last lane of the left vector, then all but the last of the right one
from_second = _taken(1)  # all but the first lane of the left vector, then the first of the right one


def _fused(builder, left, right, vector):
    """Multiply and add with one rounding where the machine can: like nothing else, LLVM keeps that as it is written."""
    kind = vector.type
    name = f"llvm.fmuladd.v{kind.count}{kind.element.intrinsic_name}"
    fused = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, (kind, kind, kind)), name)
    return builder.call(fused, (left, right, vector))


@intrinsic
def plus_product(typing, vector, left, right):
    """Add a product to a vector."""

    def generate(context, builder, signature, values):
        return _fused(builder, values[1], values[2], values[0])

    return vector(vector, left, right), generate


@intrinsic
def product_minus(typing, left, right, vector):
    """Subtract a vector from a product."""

    def generate(context, builder, signature, values):
        return _fused(builder, values[0], values[1], builder.fneg(values[2]))

    return vector(left, right, vector), generate


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
