"""Drift that comes in through open walls: growth, and steady states only where there are any."""

import math
import tracemalloc

import numpy as np
import pytest
import transport
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import diffuseconv as dc


@pytest.mark.parametrize("method", ["auto", "uniformization"])
@pytest.mark.parametrize(("n", "inward", "duration"), [(1, 0.5, 3.0), (2, 1.0, 5.0), (10, 1.5, 100.0), (3, 1.9, 60.0)])
def test_what_drifts_in_through_a_wall_of_given_flux_grows(n, inward, duration, method):
    """A wall without diffusive flux lets the drift carry in what the first cell holds: mass grows exponentially."""
    faces = np.zeros(n + 1)
    faces[0] = inward
    eq = dc.DiffusionEquation(1.0, 1.0, ((dc.Neumann(0.0), "reflecting"),), velocity=(faces,))
    grown = transport.exact(eq.operator((n,)).matrix.toarray(), np.zeros(n), np.ones(n), duration)
    np.testing.assert_allclose(eq.evolve(np.ones(n), duration, method), grown, rtol=1e-11)
    for other in ("chebyshev", "rational", "spectral")[: 3 if n > 1 else 2]:
        with pytest.raises(ValueError, match="needs walls through which no drift carries"):
            eq.evolve(np.ones(n), duration, other)


@st.composite
def open_rods(draw):
    """Draw a rod with any drift through open walls, in or out, and its matrix."""
    n = draw(st.integers(1, 5))
    wall = st.sampled_from([dc.Neumann(0.3), dc.Dirichlet(2.0), dc.Robin(1.5, 0.7, -1.0), "reflecting"])
    faces = st.sampled_from([0.0, 0.5, -0.5, 2.0]) | st.floats(-5, 5)
    velocity = draw(hnp.arrays(float, n + 1, elements=faces))
    velocity[1:-1] *= draw(st.sampled_from([0.0, 1.0]))
    decay, d = draw(st.sampled_from([None, 0.5, 3.0])), draw(st.sampled_from([1.0, 0.1]))
    eq = dc.DiffusionEquation(d, 1.0, ((draw(wall), draw(wall)),), velocity=(velocity,), decay=decay)
    return n, eq, eq.operator((n,)).matrix.toarray()


@given(open_rods())
def test_a_steady_state_exists_where_no_mode_grows(rod):
    """What a drift brings in may grow without end: that is refused, and never answered by the unstable fixed point."""
    n, eq, left = rod
    leading, size = np.linalg.eigvals(left).real.max(), np.abs(left).max()
    if abs(leading) <= 1e-9 * size:  # closed, or as much comes in as leaves
        return
    if leading > 0:
        with pytest.raises(ValueError, match=r"carries in less than leaves|a drift gathers salt") as refusal:
            eq.steady_state(np.ones(n))
        assert "\n" not in str(refusal.value)
        return
    condition = np.linalg.cond(left)
    expected = np.linalg.solve(left, -eq.operator((n,)).b())
    scale = 1e-14 * condition * max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(eq.steady_state(np.ones(n)), expected, rtol=0, atol=scale)


@pytest.mark.parametrize(("decay", "outward"), [(0.1, 0.0), (None, 1.5)])
def test_a_long_time_ends_where_no_mode_grows(decay, outward):
    """The bound on growth is not 0, yet the field settles: 1e10 terms of uniformization are not asked for."""
    velocity = np.array([0.4, 0.4, 0.4, 0.4, 0.4, outward])
    eq = dc.DiffusionEquation(boundary=((dc.Neumann(0.3), dc.Robin(0.2, 1.0, 0.1)),), velocity=(velocity,), decay=decay)
    assert eq.lattice((5,)).growth * 1e10 > 700
    settled = eq.steady_state(np.ones(5))
    # implicit steps keep to a tolerance of 1e-10 of the field's scale, which is that of its changes
    np.testing.assert_allclose(eq.evolve(np.ones(5), 1e10), settled, rtol=0, atol=1e-9 * max(1.0, settled.max()))


@pytest.mark.parametrize(("decay", "grows"), [(0.1, False), (None, True)])
def test_terms_for_growth_are_no_more_than_numbers_tell(decay, grows):
    """A bound on growth over a long time is no number of terms to keep; a field that does grow is refused."""
    faces = np.array([0.4, 0.4, 0.4, 0.4, 0.4, 0.0])
    eq = dc.DiffusionEquation(boundary=((dc.Neumann(0.3), "reflecting"),), velocity=(faces,), decay=decay)
    eq.evolve(np.ones(5), 1.0, "uniformization")  # loops are compiled
    if grows:
        with pytest.raises(ValueError, match="must leave a field below"):
            eq.evolve(np.ones(5), 3e6, "uniformization")
        return
    tracemalloc.start()
    settled = eq.evolve(np.ones(5), 3e6, "uniformization")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(settled, eq.steady_state(np.ones(5)), rtol=1e-8)  # 1e7 terms, each of a rounding
    assert peak < 8 * eq.lattice((5,)).growth * 3e6


@given(open_rods())
def test_an_explicit_step_follows_growth(rod):
    """The step picked by itself is bounded by what a drift brings in, too: first order, not one step for all time."""
    n, eq, left = rod
    limit, size = eq.stable_time_step((n,)), np.abs(left).max()
    if limit == math.inf:
        assert size <= 2 / np.finfo(float).max  # twice its inverse is no number
    else:
        assert size > 0
        assert np.abs(np.linalg.eigvals(left)).max() * limit <= 2 * (1 + 1e-12)


def test_what_only_comes_in_has_no_steady_state():
    for n in (1, 2, 5):
        faces = np.zeros(n + 1)
        faces[0], faces[-1] = 0.5, -0.5  # exactly singular on five cells
        eq = dc.DiffusionEquation(boundary=((dc.Neumann(), dc.Neumann()),), velocity=(faces,))
        with pytest.raises(ValueError, match="carries in less than leaves"):
            eq.steady_state(np.ones(n))
