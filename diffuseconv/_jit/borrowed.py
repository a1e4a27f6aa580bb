"""Arrays as bare addresses, for loops that hand them to many calls.

An array that is handed on is seven numbers and an owner, whose count costs more than a row of cells; an address is one.
"""

from __future__ import annotations

from numba import config, types
from numba.core.datamodel.models import PointerModel
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload_attribute, register_model
from numba.np.numpy_support import as_dtype

__all__ = ["borrow"]


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
        if kind.ndim != 1 or kind.layout != "C":
            raise TypingError(f"only a flat array can be borrowed, not {kind}")
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
    """Return where flat arrays begin, or a tuple, however deep, with that in the place of each array.

    Whoever borrows must see to it that the arrays last: nobody counts those who hold an address.
    """
    return _without_owners(arrays)(arrays), lambda context, builder, signature, values: _addresses(
        context, builder, arrays, values[0]
    )


def uncounted(arrays):
    """Return the arrays, as Python counts their owners anyhow."""
    return arrays


borrow = uncounted if config.DISABLE_JIT else borrowed
