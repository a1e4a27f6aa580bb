"""Scatter: the push-forward of counts, grains conserved at every wall, arguments refused."""

import itertools
import math
import tracemalloc

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv import _threads
from diffuseconv.measurement import _streams, scattering

ALARM = 1e-12  # false-alarm probability of each random assertion; see test_convergence_measurement.py


def pushed(counts, density, names):
    """Where grains are expected: each cell's grains spread over all taps, reflected at glass walls."""
    out = np.zeros(counts.shape)
    for i in zip(*np.nonzero(counts), strict=True):
        for j in np.ndindex(density.shape):
            target, inside = [], True
            for a, b, n, size, name in zip(i, j, density.shape, counts.shape, names, strict=True):
                at = a + b - n // 2
                while not 0 <= at < size:
                    if name == "zero":
                        inside = False
                        break
                    at = at % size if name == "periodic" else (-1 - at if at < 0 else 2 * size - 1 - at)
                target.append(at)
            if inside:
                out[tuple(target)] += counts[i] * density[j]
    return out


KEEPING = st.sampled_from(["reflecting", "periodic", "zero"])


@given(data=st.data())
def test_scatter_is_the_push_forward(data):
    """Totals to the grain; means within Bernstein's reach of 10¹² grains a cell."""
    shape = data.draw(strategies.shapes(most=5))
    scale = data.draw(st.sampled_from([1, 30, 10**12]))
    counts = scale * np.array(
        data.draw(st.lists(st.integers(0, 9), min_size=math.prod(shape), max_size=math.prod(shape)))
    )
    counts = counts.reshape(shape)
    density = data.draw(strategies.densities(strategies.shapes(len(shape), most=4)))
    names = data.draw(st.tuples(*[KEEPING] * len(shape)))
    after = dc.scatter(counts, density, rng=data.draw(strategies.SEEDS), boundary=names)
    assert after.dtype == np.int64
    assert (after >= 0).all()
    if "zero" not in names:
        assert after.sum() == counts.sum()
    assert after.sum() <= counts.sum()
    expected = pushed(counts, density, names)
    dc.testing.assert_sum(after, expected, variance=expected, span=1.0, false_alarm=ALARM, rounding=1e-9)


def test_scatter_holds_very_many_grains():
    half = dc.scatter([0, 2**62, 0], [0.5, 0.0, 0.5], rng=1)
    assert half.sum() == 2**62
    assert abs(int(half[0]) - 2**61) < 2**31 * 8
    assert half[0] % 2**10, "single grains are counted"
    with pytest.raises(ValueError, match="counts must sum to at most"):
        dc.scatter([2**62, 1], [1.0])
    with pytest.raises(ValueError, match="counts must sum to at most"):
        dc.scatter(np.full(9, 2**61), [1.0])
    with pytest.raises(ValueError, match="counts must sum to at most"):
        dc.scatter(np.array([2**63 + 5], np.uint64), [1.0])
    assert dc.scatter(np.array([2**62], np.uint64), [1.0]).tolist() == [2**62]


def test_leavers_through_zero_walls_can_be_counted():
    counts = np.array([1000, 0, 0])
    after = dc.scatter(counts, [0.5, 0.5, 0.0], boundary="zero", rng=1)
    dc.testing.assert_frequencies(counts.sum() - after.sum(), 0.5, draws=1000, false_alarm=ALARM)
    assert dc.scatter([5, 0], [1.0, 0.0, 0.0], boundary="zero").tolist() == [0, 0]


def test_glass_reflects_the_grain():
    """Gather and scatter differ at a wall for lopsided moves: scatter keeps the salt."""
    assert dc.scatter([7, 0, 0], [1.0, 0.0, 0.0]).tolist() == [7, 0, 0]
    assert dc.scatter([0, 0, 7], [0.0, 0.0, 1.0]).tolist() == [0, 0, 7]
    assert dc.scatter([0, 7, 0], [1.0, 0.0, 0.0]).tolist() == [7, 0, 0]
    assert (
        dc.scatter([0, 7], [1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).tolist()
        == pushed(np.array([0, 7]), np.eye(1, 11)[0], ["reflecting"]).tolist()
    )


def test_grains_that_move_at_once_land_in_different_cells(monkeypatch):
    """Threads share one array: what lies between two ranges of blocks is longer than the reach, 2.97 blocks here."""
    counts, box, calls = np.ones((64, 300), int), np.full((21, 5), 1 / 105), []
    expected = dc.scatter(counts, box, rng=1)

    def one_by_one(work, ranges):
        calls.append(ranges)
        for low, high in ranges:
            work(low, high)

    monkeypatch.setattr(_threads, "run", one_by_one)
    monkeypatch.setattr(_threads, "count", lambda: 8)
    np.testing.assert_array_equal(dc.scatter(counts, box, rng=1), expected)
    assert sorted(itertools.chain(*(range(*part) for parts in calls for part in parts))) == [*range(10)]
    assert max(map(len, calls)) > 1
    wide = np.add(counts.shape, box.shape) - 1
    places = np.ravel_multi_index(np.unravel_index(np.arange(counts.size), counts.shape), wide)
    reach = np.ravel_multi_index(np.subtract(box.shape, 1), wide)
    for (_, high), (low, _) in (pair for parts in calls for pair in itertools.pairwise(parts)):
        assert places[low * _streams.BLOCK] > places[high * _streams.BLOCK - 1] + reach


def test_wide_heat_kernels_scatter_axis_by_axis():
    heat = dc.Propagator.heat(1.0, 2.0, ndim=3)
    assert heat.factors is not None
    counts = np.zeros((9, 8, 7), np.int64)
    counts[4, 4, 3] = 10**15
    after = dc.scatter(counts, heat, rng=0)
    assert "density" not in vars(heat), "the dense kernel was never built"
    expected = pushed(counts, dc.Propagator.heat(1.0, 2.0, ndim=3, tolerance=1e-6).density, ("reflecting",) * 3)
    assert after.sum() == 10**15
    assert np.abs(after - expected).max() < 1e-5 * 10**15


def test_walk():
    start = np.zeros((9, 9), np.int64)
    start[4, 4] = 1
    path = list(dc.random_walk(start, np.ones((3, 3)) / 9, 20, rng=1))
    assert len(path) == 20
    assert all(field.sum() == 1 for field in path)
    spots = [np.argwhere(field)[0] for field in [start, *path]]
    assert all(np.abs(b - a).max() <= 1 for a, b in itertools.pairwise(spots))
    assert len({field.tobytes() for field in path}) > 5
    path[0][:] = -1
    assert start.sum() == 1
    generator = np.random.default_rng(1)
    assert np.array_equal(list(dc.random_walk(start, np.ones((3, 3)) / 9, 20, rng=generator))[5], path[5])
    with pytest.raises(ValueError, match="steps must be at least 0"):
        dc.random_walk(start, [[1.0]], -1)
    with pytest.raises(TypeError, match="counts must hold whole numbers"):
        dc.random_walk([1.0], [1.0], 1)
    assert list(dc.random_walk([1], [1.0], 0)) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"boundary": "absorbing"}, "boundary must not be 'absorbing'"),
        ({"boundary": ("zero", "absorbing")}, "boundary must not be 'absorbing'"),
        ({"counts": [[-1]]}, "counts must not be negative, got -1"),
        ({"counts": np.zeros((0, 1), int)}, "counts must not be empty"),
        ({"counts": 5}, "counts must have 1, 2 or 3 dimensions, got 0"),
        ({"counts": np.ones((1,) * 4, int)}, "counts must have 1, 2 or 3 dimensions, got 4"),
        ({"propagator": [[0.5, 0.4]]}, "propagator must not be negative and must sum to 1"),
        ({"propagator": [[1.5, -0.5]]}, "propagator must not be negative and must sum to 1"),
        ({"propagator": [1.0]}, "propagator must have 2 dimensions"),
        ({"propagator": dc.Propagator.heat(1.0, 1.0, ndim=3)}, "propagator must have 2 dimensions"),
        ({"propagator": dc.Propagator([1.0])}, "propagator must have 2 dimensions"),
    ],
)
def test_scatter_refuses(arguments, words):
    with pytest.raises(ValueError, match=words):
        dc.scatter(**{"counts": [[1, 2], [3, 4]], "propagator": [[1.0]], **arguments})


@pytest.mark.parametrize("dtype", ["?", "b", "B", "h", "H", "i", "I", "q", "Q", ">i4"])
def test_scatter_takes_whole_numbers_of_any_size(dtype):
    counts = np.array([[1, 0, 1], [0, 1, 1]], dtype)
    after = dc.scatter(counts, np.full((3, 3), 1 / 9), rng=1)
    assert after.dtype == np.int64
    assert np.array_equal(after, dc.scatter(counts.astype(np.int64), np.full((3, 3), 1 / 9), rng=1))


def test_scatter_refuses_holes_and_ragged_rows():
    with pytest.raises(TypeError, match="counts must be a plain array"):
        dc.scatter(np.ma.array([1, 2], mask=[True, False]), [1.0])
    with pytest.raises(ValueError, match="counts must be a rectangular array"):
        dc.scatter([[1, 2], [3]], [[1.0]])


def test_scatter_needs_little_memory():
    """Beside the counts themselves, one array for where grains land and one for what is folded back."""
    counts = np.full((600, 700), 30)
    dc.scatter(counts, np.full((3, 3), 1 / 9), rng=1)  # compiled
    tracemalloc.start()
    dc.scatter(counts, np.full((3, 3), 1 / 9), rng=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.1 * counts.nbytes


def test_parts_that_move_at_once_land_apart(monkeypatch):
    """Threads share the array in which grains land: between two parts lies one as long as the farthest move."""
    rounds = []

    def run(work, batch):
        rounds.append(list(batch))
        for block in rounds[-1]:
            work(*block)

    monkeypatch.setattr(scattering._threads, "run", run)
    monkeypatch.setattr(scattering._threads, "count", lambda: 8)
    counts, far = np.ones((256, 256), int), np.full((25, 1), 1 / 25)  # 24 rows of 256 cells: 3 blocks of 2048
    assert dc.scatter(counts, far, rng=1).sum() == counts.size
    assert sum(last - first for batch in rounds for first, last in batch) == 32
    assert max(map(len, rounds)) > 1
    assert all(b[0] - a[1] >= 4 for batch in rounds for a, b in itertools.pairwise(batch))


def test_a_walk_begins_with_the_counts_of_the_call():
    counts = np.full(9, 100)
    expected = [field.tolist() for field in dc.random_walk(counts, np.ones(3) / 3, 2, rng=1)]
    walk = dc.random_walk(counts, np.ones(3) / 3, 2, rng=1)
    counts[:] = 0
    assert [field.tolist() for field in walk] == expected
