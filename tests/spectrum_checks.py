"""Tolerances and strategies that the tests of spectra share."""

import math
from pathlib import Path

import matplotlib
import numpy as np
import strategies
from hypothesis import assume
from hypothesis import strategies as st

PORTRAIT = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")


def rounding(u):
    """Bound of the error of a transform there and back (Higham 2002, theorem 24.2, with room for any radix)."""
    return 16 * np.finfo(u.dtype).eps * (1 + math.log2(u.size)) * np.abs(u).sum() + 1e-300


@st.composite
def pairs(draw):
    ndim = draw(st.integers(1, 3))
    u = draw(strategies.fields(strategies.shapes(ndim, most=6)))
    k = draw(strategies.kernels(strategies.shapes(ndim, most=4)))
    assume(not 0 < np.abs(u).max() * np.abs(k).max() < 1e-280)  # products of subnormal size lose digits by design
    return u, k
