"""Many sweeps over a field, on any number of threads: against the matrix, and the vectors against plain loops."""

import dataclasses
import math
import tracemalloc

import numba
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from problems import equation, matrices

import diffuseconv as dc
from diffuseconv.diffusion import sweeps

EPS = np.finfo(np.float64).eps


def peak(u):
    return max(1.0, float(np.abs(u).max()))


@given(st.data(), strategies.problems((1, 3), most=9), st.booleans())
def test_tiles_in_any_number_agree_with_the_matrix(data, problem, constant):
    """Strips and seams, bands and blocks of any size, walls: the same bits for any number of threads.

    A step adds at most 16 roundings of the largest value, and none grows: its weights are >= 0 and sum to 1.
    """
    shape = problem["shape"]
    if constant:
        rate = data.draw(st.floats(0.1, 3))
        problem |= {"diffusivity": np.full(shape, rate), "barriers": None, "mask": None}
    eq = equation(problem)
    if constant:
        eq = dataclasses.replace(eq, diffusivity=rate)
    u = data.draw(strategies.fields(shape, size=10.0))
    steps, threads = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5))
    limit = eq.stable_time_step(shape)
    step = limit / 2 if math.isfinite(limit) else 0.1
    left, right = matrices(problem)
    expected, largest = u.ravel(), peak(u)
    for _ in range(steps):
        expected = expected + step * (left @ expected + right)
        largest = max(largest, peak(expected), step * peak(right))
    with pytest.MonkeyPatch.context() as patched:
        ends = []
        for count, exchange, cache in ((1, 1 << 16, 1 << 20), (threads, data.draw(st.integers(1, 999)), 1 << 10)):
            patched.setattr(numba, "get_num_threads", lambda count=count: count)
            patched.setattr(sweeps, "SMALLEST_SHARE", 1)
            patched.setattr(sweeps, "EXCHANGE", exchange)
            patched.setattr(sweeps, "CACHE", cache)
            patched.setattr(sweeps, "DEPTH", data.draw(st.integers(1, 5)))
            patched.setattr(sweeps, "DEEP", data.draw(st.integers(1, 9)))
            patched.setattr(sweeps, "BLOCK", data.draw(st.integers(1, 99)))
            patched.setattr(sweeps, "SEGMENT", sweeps.VECTOR * data.draw(st.integers(1, 3)))
            patched.setattr(sweeps, "PLANES", data.draw(st.integers(1, 9)))
            ends.append(sweeps.explicit_steps(eq.lattice(shape), u, steps, step))
    np.testing.assert_allclose(ends[0].ravel(), expected, rtol=0, atol=16 * EPS * steps * largest)
    assert np.array_equal(*ends)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(40,), (5, 37), (4, 5, 19)])
@pytest.mark.parametrize("boundary", ["periodic", "absorbing"])
@pytest.mark.parametrize("varied", [False, True])
def test_vectors_do_what_plain_loops_do(varied, boundary, shape, dtype, monkeypatch):
    """A step adds at most 16 roundings of the largest value on either way."""
    rng = np.random.default_rng(0)
    u = rng.random(shape).astype(dtype)
    lattice = dc.DiffusionEquation(0.5 + rng.random(shape) if varied else 1.0, boundary=boundary).lattice(shape)
    one = sweeps.explicit_steps(lattice, u, 5, lattice.stable_time_step / 2)
    monkeypatch.setattr(sweeps, "VECTOR", 1 << 20)  # longer than any row
    other = sweeps.explicit_steps(lattice, u, 5, lattice.stable_time_step / 2)
    np.testing.assert_allclose(one, other, rtol=0, atol=2 * 16 * 5 * np.finfo(dtype).eps)


@pytest.mark.parametrize("shape", [(37, 21), (21, 16), (9, 12, 19)])
def test_a_step_on_square_cells_knows_no_axis(shape):
    """Axes may be swapped before or after: in the plane to the same bits, as 1/8 (the rate) times a sum is exact.

    In space to 16 roundings a step.
    """
    u = np.random.default_rng(0).random(shape)
    eq = dc.DiffusionEquation(1.0)
    step = eq.stable_time_step(shape) / 2
    one, other = (eq.evolve(v, 9 * step, "explicit", step) for v in (u, u.T))
    np.testing.assert_allclose(other.T, one, rtol=0, atol=0 if u.ndim == 2 else 2 * 16 * 9 * EPS)


@pytest.mark.parametrize(("shape", "strips"), [((40, 3, 64), 5), ((300, 40), 10)])
@pytest.mark.parametrize("boundary", ["periodic", "absorbing"])
def test_tiles_of_every_kind_take_the_same_steps(shape, strips, boundary, monkeypatch):
    """On one thread one tile and one band; on five a strip or two each, seams, and bands of rows."""
    u = np.random.default_rng(0).random(shape)
    lattice = dc.DiffusionEquation(0.5 + u, boundary=boundary).lattice(shape)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 1)
    alone = sweeps.explicit_steps(lattice, u, 33, lattice.stable_time_step / 2)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 5)
    monkeypatch.setattr(sweeps, "SMALLEST_SHARE", 1)
    tiles, neighbours, most = sweeps._tiles(shape[0], 5, 20, boundary == "periodic")
    assert len(tiles) == len(neighbours) == (2 * strips if boundary == "periodic" else 2 * strips - 1)
    # of ten strips behind walls the first two share 54 planes
    assert most == (5 if strips == 5 else 16 if boundary == "periodic" else 14)
    assert np.array_equal(sweeps.explicit_steps(lattice, u, 33, lattice.stable_time_step / 2), alone)


@pytest.mark.parametrize("periodic", [False, True])
def test_threads_have_as_much_to_do(periodic):
    """In a round of b sweeps each thread's strips, and the seams behind them, are as many rows but for roundings."""
    for planes, threads in ((256, 2), (1000, 3), (1024, 2)):
        batch = 2 * planes // (9 * threads)
        tiles, _, most = sweeps._tiles(planes, threads, 10**6, periodic)
        assert most >= batch
        rows = [sum(high - low + s * (moves - lows) for s in range(batch)) for low, lows, high, moves in tiles]
        each = [sum(rows[4 * n : 4 * n + 4]) for n in range(threads)]
        assert sum(rows) == planes * batch
        assert max(each) - min(each) <= 4 * batch


def test_bands_of_rows_take_the_same_steps(monkeypatch):
    """Bands in which every sweep works some rows behind the one before, behind walls and on a ring."""
    u = np.random.default_rng(0).random((6, 70, 9))
    for boundary in ("periodic", "reflecting"):
        lattice = dc.DiffusionEquation(boundary=boundary).lattice(u.shape)
        alone = sweeps.explicit_steps(lattice, u, 19, 0.08)
        monkeypatch.setattr(sweeps, "CACHE", 1 << 11)
        assert len(sweeps._bands(70, 144, boundary == "periodic")) > 2
        assert np.array_equal(sweeps.explicit_steps(lattice, u, 19, 0.08), alone)
        monkeypatch.undo()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(53,), (9, 16), (23, 77), (4, 5, 37)])
@pytest.mark.parametrize("boundary", ["periodic", "absorbing"])
@pytest.mark.parametrize("varied", [False, True])
def test_segments_of_rows_take_the_same_steps(shape, boundary, varied, dtype, monkeypatch):
    """Segments of one vector and of two, in any number of planes at once, next to what walls, decay and sources do."""
    rng = np.random.default_rng(0)
    u, rate = rng.random(shape).astype(dtype), 0.5 + rng.random(shape) if varied else 1.0
    given = {"velocity": 0.3, "decay": rng.random(shape)} if varied else {}
    eq = dc.DiffusionEquation(rate, boundary=boundary, source=rng.random(shape), **given)
    step = eq.stable_time_step(shape) / 2
    whole = sweeps.explicit_steps(eq.lattice(shape), u, 19, step)
    for vectors, planes, block in ((1, 1, 1), (1, 4, 99), (2, 16, 1)):
        monkeypatch.setattr(sweeps, "SEGMENT", vectors * sweeps.VECTOR)
        monkeypatch.setattr(sweeps, "PLANES", planes)
        monkeypatch.setattr(sweeps, "BLOCK", block)
        assert np.array_equal(sweeps.explicit_steps(eq.lattice(shape), u, 19, step), whole)


def peak_fields(call, u):
    """Return the most memory that a call holds, in fields of `u`, less tables and threads."""
    call()
    tracemalloc.start()
    call()
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (most - 1e5) / u.nbytes


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory(ndim, dtype):
    """At most four fields beside what goes in and comes out (of float64 in `chebyshev`), nine with many frames."""
    shape = (192, 160) if ndim == 2 else (40, 32, 24)
    u = np.random.default_rng(0).random(shape).astype(dtype)
    eq = dc.DiffusionEquation()
    step = eq.stable_time_step(shape) / 2
    wide = 8 // u.itemsize
    assert peak_fields(lambda: eq.evolve(u, 9 * step, "explicit"), u) <= 1 + 1
    for method in ("chebyshev", "uniformization"):
        assert peak_fields(lambda method=method: eq.evolve(u, 9.0, method), u) <= 2 * wide + 1
    frames = peak_fields(lambda: sum(1 for _ in eq.frames(u, np.linspace(1, 9, 9), "chebyshev")), u)
    assert frames <= (9 + 1) * wide


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("drifting", [False, True])
def test_memory_with_rates_of_their_own(drifting, ndim):
    """Beside what goes in and comes out: rates (and drifts) of the faces of each axis and two fields of a sweep.

    While the rates are made, three fields beside them. Rows of faces are as long as a whole number of vectors.
    """
    shape = (512, 512) if ndim == 2 else (64, 64, 64)
    u = np.random.default_rng(0).random(shape)
    velocity = tuple(np.zeros(tuple(n + (a == axis) for a, n in enumerate(shape))) for axis in range(ndim))
    for field in velocity if drifting else ():
        field[...] = 0.1
    given = {"boundary": "periodic", "velocity": velocity} if drifting else {"diffusivity": 1 + u}
    for method in ("explicit", "uniformization" if drifting else "chebyshev"):
        found = peak_fields(lambda method=method: dc.DiffusionEquation(**given).evolve(u, 1.0, method), u)
        copies = ndim if drifting else 1  # of what the equation is given, which it keeps
        rates = (ndim + 8 / shape[-1]) * (1 + drifting)
        assert found - copies - 1 <= rates + 2.5, (method, found - copies - 1)


def test_what_is_lost_does_not_have_loops_compiled_again(monkeypatch):
    """Walls and decay, one number or one a cell, on a line or in the plane: arguments of the same types."""
    seen, advance = set(), sweeps._loops.advance_in_rounds

    def recorded(*arguments):
        seen.add(numba.typeof(arguments))
        return advance(*arguments)

    monkeypatch.setattr(sweeps._loops, "advance_in_rounds", recorded)
    for u in (np.ones(5), np.ones((4, 5))):
        for decay in (0.0, 0.1, np.full(u.shape, 0.1)):
            for boundary in ("reflecting", dc.Dirichlet(1.0)):
                dc.DiffusionEquation(decay=decay, boundary=boundary).evolve(u, 0.1, "explicit")
    assert len(seen) == 1
