"""What flows through the faces between cells: an exchange, and what lies upwind carried along."""

from typing import Any, NamedTuple

from diffuseconv._jit.compiled import inner
from diffuseconv._jit.vector import load, plus_product, upwind


class Faces(NamedTuple):
    """Values on the faces before each cell along an axis, one more than cells; empty for none.

    Those before row `i` of plane `p` begin at ``planes[p] + rows[i]``: rows that are alike are there once.
    """

    values: Any
    planes: Any
    rows: Any


@inner(forceinline=True)
def cell_flow(faces, side, drifts, drift_side, drifting, before, after):
    """Return what flows through one face: an exchange, and what lies upwind carried along."""
    flow = faces.values[side] * (before - after)
    if drifting:
        drift = drifts.values[drift_side]
        flow += drift * (before if drift > 0 else after)
    return flow


@inner(forceinline=True)
def vector_flow(faces, side, drifts, drift_side, drifting, before, after):
    """Return what flows through a vector of faces."""
    flow = load(faces.values, side) * (before - after)
    if drifting:
        drift = load(drifts.values, drift_side)
        flow = plus_product(flow, drift, upwind(drift, before, after))
    return flow
