"""The bits of numbers: numba's own `view` of one number takes longer to compile than a loop."""

from __future__ import annotations

import numpy as np
from numba import config, types
from numba.extending import intrinsic

__all__ = ["bits_of", "number_of"]


def _reinterpreted(given, wanted):
    """Make an intrinsic that takes the bits of a number for one of another kind."""

    @intrinsic
    def other(typing, value):
        def generate(context, builder, signature, values):
            return builder.bitcast(values[0], context.get_value_type(wanted))

        return wanted(given), generate

    return other


def _plain_bits_of(number):
    """Return the bits of a float64 as an int64."""
    return np.float64(number).view(np.int64)


def _plain_number_of(bits):
    """Return the float64 that an int64 has the bits of."""
    return np.int64(bits).view(np.float64)


if config.DISABLE_JIT:
    bits_of, number_of = _plain_bits_of, _plain_number_of
else:
    bits_of, number_of = _reinterpreted(types.float64, types.int64), _reinterpreted(types.int64, types.float64)
