"""Arrays whose owners are not counted, for loops that hand them to many calls."""

from __future__ import annotations

from numba import config
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["borrow"]


@intrinsic
def borrowed(typing, array):
    """Return the same array without a count of its owners: counting, for every row, costs more than the row."""

    def generate(context, builder, signature, values):
        (view,), model = values, context.data_model_manager[array]
        for owner in ("meminfo", "parent"):
            place = model.get_field_position(owner)
            view = builder.insert_value(view, cgutils.get_null_value(view.type.elements[place]), place)
        return view

    return array(array), generate


def uncounted(array):
    """Return the array, as Python counts its owners anyhow."""
    return array


borrow = uncounted if config.DISABLE_JIT else borrowed
