"""Arrays as bare addresses, for loops that hand them to many calls.

An array that is handed on is seven numbers and an owner, whose count costs more than a row of cells; an address is one.
Whoever borrows must see to it that the arrays last: nobody counts those who hold an address.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core.datamodel.models import PointerModel
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload_attribute, register_model
from numba.np.numpy_support import as_dtype

__all__ = ["borrow", "later", "seen_as"]


class Address(types.CPointer):
    """Where the numbers of a flat array begin."""

    def __init__(self, dtype):
        super().__init__(dtype)
        self.name = f"Address({dtype})"


register_model(Address)(PointerModel)


@overload_attribute(Address, "dtype")
def _dtype(address):
    kind = as_dtype(address.dtype)
    return lambda address: kind


def _without_owners(kind):
    """Return the type that holds addresses where this one holds arrays."""
    if isinstance(kind, types.Array):
        if kind.layout != "C":
            raise TypingError(f"only an array in C order can be borrowed, not {kind}")
        return Address(kind.dtype)
    if isinstance(kind, types.BaseTuple):
        named = getattr(kind, "instance_class", tuple)
        return types.BaseTuple.from_types([_without_owners(part) for part in kind], named)
    return kind


def _addresses(context, builder, kind, value):
    """Return a value with addresses in the place of arrays."""
    if isinstance(kind, types.Array):
        return context.make_array(kind)(context, builder, value).data
    if isinstance(kind, types.BaseTuple):
        parts = [_addresses(context, builder, part, builder.extract_value(value, i)) for i, part in enumerate(kind)]
        return context.make_tuple(builder, _without_owners(kind), parts)
    return value


@intrinsic
def borrowed(typing, arrays):
    """Return where arrays in C order begin, as flat ones, or a tuple, however deep, with that in the place of each."""
    return _without_owners(arrays)(arrays), lambda context, builder, signature, values: _addresses(
        context, builder, arrays, values[0]
    )


def uncounted(arrays):
    """Return arrays as flat ones, as Python counts their owners anyhow."""
    if isinstance(arrays, np.ndarray):
        return arrays.reshape(-1)
    if isinstance(arrays, tuple):
        parts = [uncounted(part) for part in arrays]
        return type(arrays)(*parts) if hasattr(arrays, "_fields") else tuple(parts)
    return arrays


@intrinsic
def _later(typing, address, count):
    def generate(context, builder, signature, values):
        pointer = builder.bitcast(values[0], ir.PointerType())
        number = context.get_value_type(address.dtype)
        return builder.bitcast(builder.gep(pointer, [values[1]], source_etype=number), values[0].type)

    return address(address, types.uintp), generate


@intrinsic
def _seen_as(typing, address, kind):
    def generate(context, builder, signature, values):
        return builder.bitcast(values[0], context.get_value_type(signature.return_type))

    return Address(kind.dtype)(address, kind), generate


def _plainly_later(array, count):
    """Return the rest of a flat array, from so many numbers on."""
    return array[int(count) :]


def _plainly_seen_as(array, kind):
    """Return a flat array whose bytes are numbers of another kind."""
    return array.view(kind)


if config.DISABLE_JIT:
    borrow, later, seen_as = uncounted, _plainly_later, _plainly_seen_as
else:
    borrow, later, seen_as = borrowed, _later, _seen_as
