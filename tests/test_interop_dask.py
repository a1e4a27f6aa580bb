"""Dask arrays: the same numbers as NumPy's, whatever the chunks, walls and modes."""

import numpy as np
import pytest

import diffuseconv as dc

da = pytest.importorskip("dask.array")
Callback = pytest.importorskip("dask.callbacks").Callback
_dask_evolve = pytest.importorskip("diffuseconv.interop._dask_evolve")
pytestmark = pytest.mark.engine

FIELDS = [  # shape, chunks, kernel: narrower and wider than a chunk, and wider than the field
    ((50, 60), (17, 60), (5, 4)),
    ((50, 60), (7, 9), (15, 30)),
    ((64,), (5,), (9,)),
    ((9, 10), (4, 5), (21, 7)),
    ((8, 9, 10), (3, 9, (2, 7, 1)), (3, 2, 5)),
]
WALLS = ["reflecting", "periodic", "absorbing", "zero"]
IMAGES = [*WALLS, "mirror", "nearest", dc.Constant(-0.5)]


@pytest.mark.parametrize("verb", [dc.convolve, dc.correlate])
@pytest.mark.parametrize("boundary", IMAGES)
@pytest.mark.parametrize(("shape", "chunks", "taps"), FIELDS)
def test_equal_to_numpy(shape, chunks, taps, boundary, verb):
    rng = np.random.default_rng(1)
    u, kernel, mask = rng.normal(size=shape), rng.random(taps), rng.random(shape) > 0.3
    agreement = 2e-12 * kernel.sum() * np.abs(u).max()
    lazy = da.from_array(u, chunks=chunks)
    for mode in ["same", "valid", "full"]:
        if (mode == "full" and boundary != "zero") or (mode == "valid" and any(np.less(shape, taps))):
            continue
        for known in [None, mask]:
            expected = verb(u, kernel, boundary=boundary, mode=mode, mask=known)
            got = verb(lazy, kernel, boundary=boundary, mode=mode, mask=known)
            assert isinstance(got, da.Array)
            assert got.shape == expected.shape
            np.testing.assert_allclose(got.compute(scheduler="sync"), expected, rtol=0, atol=agreement)


def test_colours_propagators_and_integers():
    photo = np.random.default_rng(2).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    p = dc.Propagator.heat(1.0, 2.0)
    lazy = da.from_array(photo, chunks=(11, 13, 1))
    got = dc.convolve(lazy, p, axes=(0, 1))
    assert got.dtype == np.float64
    np.testing.assert_allclose(got.compute(), dc.convolve(photo, p, axes=(0, 1)), rtol=0, atol=255e-12)
    single = dc.convolve(lazy.astype(np.float32), p, axes=(0, 1))
    assert single.dtype == single.compute().dtype == np.float32


def test_feature_maps():
    rng = np.random.default_rng(3)
    u, bank = rng.normal(size=(50, 60)), rng.normal(size=(3, 5, 4))
    for mode in ["valid", "same"]:
        got = dc.feature_maps(da.from_array(u, chunks=17), bank, mode=mode)
        expected = dc.feature_maps(u, bank, mode=mode)
        assert got.shape == expected.shape
        np.testing.assert_allclose(got.compute(), expected, rtol=0, atol=1e-10)


def test_the_other_order_of_bytes():
    u = np.random.default_rng(4).random((20, 21))
    lazy = da.from_array(u.astype(u.dtype.newbyteorder()), chunks=9)
    eq = dc.DiffusionEquation()
    for call in (lambda u: dc.convolve(u, np.ones((3, 3))), lambda u: dc.measure(u, np.ones((3, 3)) / 9, rng=1)):
        np.testing.assert_allclose(call(lazy), call(u), rtol=0, atol=1e-12)
    np.testing.assert_allclose(eq.evolve(lazy, 1.0), eq.evolve(u, 1.0), rtol=0, atol=1e-13)
    counts = (9 * u).astype(np.int32)
    swapped = da.from_array(counts.astype(counts.dtype.newbyteorder()), chunks=9)
    np.testing.assert_array_equal(
        dc.scatter(swapped, np.ones((3, 3)) / 9, rng=1), dc.scatter(counts, np.ones((3, 3)) / 9, rng=1)
    )


def test_nothing_is_computed_at_the_call():
    def fail(block):
        raise AssertionError("computed")

    lazy = da.ones((20, 20), chunks=10).map_blocks(fail, dtype=float)
    assert dc.convolve(lazy, np.ones((3, 3))).shape == (20, 20)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda u: dc.convolve(u, np.ones(3)), ValueError, "kernel must have one dimension for each of the 2"),
        (lambda u: dc.convolve(u, np.ones((3, 3)), boundary="wall"), ValueError, "boundary must be one of"),
        (lambda u: dc.convolve(u, np.ones((3, 3)), mode="full"), ValueError, "boundary must be 'zero'"),
        (lambda u: dc.convolve(u, np.ones((99, 3)), mode="valid"), ValueError, "kernel must fit inside"),
        (lambda u: dc.convolve(u.astype(complex), np.ones((3, 3))), TypeError, "must hold float32"),
        (lambda u: dc.convolve(u, np.ones((3, 3)), mask=np.ones((3, 3), bool)), ValueError, "mask must have"),
        (lambda u: dc.convolve(u, np.ones((3, 3)), out=np.ones((20, 20))), ValueError, "out must be None"),
        (lambda u: dc.convolve(u[u > 5], np.ones(3)), ValueError, "known shape"),
        (lambda u: dc.scatter(u.astype(int)[u[:, 0] > 0], np.ones((3, 3)) / 9), ValueError, "known shape"),
        (lambda u: dc.convolve(da.ma.masked_equal(u, 0), np.ones((3, 3))), TypeError, "numpy's MaskedArray"),
        (lambda u: dc.DiffusionEquation().evolve(da.ma.masked_equal(u, 0), 1.0), TypeError, "numpy's MaskedArray"),
        (lambda u: dc.DiffusionEquation(velocity=(1, 2, 3)).evolve(u, 1.0), ValueError, "one for each of the 2 axes"),
        (
            lambda u: dc.DiffusionEquation(decay=np.ones(3)).evolve(u, 1.0),
            ValueError,
            "decay must have the field's shape",
        ),
        (lambda u: dc.DiffusionEquation(spacing=(1.0,)).evolve(u, 1.0), ValueError, "for each of the 2 axes"),
        (lambda u: dc.DiffusionEquation(boundary=("zero",)).evolve(u, 1.0), ValueError, "for each of the 2 axes"),
        (lambda u: dc.measure(u, [[np.nan, 1.0]]), ValueError, "kernel must be finite"),
        (lambda u: dc.DiffusionEquation().evolve(u[None, None], 1.0), ValueError, "1, 2 or 3 dimensions, got 4"),
        (lambda u: dc.DiffusionEquation().steady_state(u), TypeError, "steady_state takes no dask arrays"),
    ],
)
def test_what_cannot_be_done_is_said_at_the_call(call, error, message):
    with pytest.raises(error, match=message):
        call(da.ones((20, 20), chunks=10))


@pytest.mark.parametrize("draws", [1, 3, 10**6])
@pytest.mark.parametrize("boundary", IMAGES)
@pytest.mark.parametrize(
    ("shape", "chunks", "axes", "taps"),
    [
        ((3000,), (700,), None, (5,)),
        ((130, 64), (11, 13), None, (5, 4)),
        ((2050, 3), (100, 3), None, (9, 7)),
        ((33, 128, 3), (16, 128, 1), (0, 1), (3, 3)),
        ((3, 64, 256), (1, 9, 50), (2, 1), (3, 2)),
        ((20, 16, 32), (7, 16, 8), None, (3, 3, 3)),
    ],
)
def test_measurements_are_the_same_bits(shape, chunks, axes, taps, boundary, draws):
    rng = np.random.default_rng(4)
    u = rng.normal(size=shape)
    for kernel in [rng.random(taps), rng.normal(size=taps)]:
        options = {"boundary": boundary, "axes": axes}
        lazy = da.from_array(u, chunks=chunks)
        expected = dc.measure(u, kernel, draws, rng=7, **options)
        np.testing.assert_array_equal(dc.measure(lazy, kernel, draws, rng=7, **options), expected)
        one, other = np.random.default_rng(8), np.random.default_rng(8)
        np.testing.assert_array_equal(
            dc.measure(lazy, kernel, draws, rng=one, **options), dc.measure(u, kernel, draws, rng=other, **options)
        )
        assert one.random() == other.random()
        if draws == 1:
            np.testing.assert_array_equal(
                dc.measurement_variance(lazy, kernel, **options), dc.measurement_variance(u, kernel, **options)
            )


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "zero", ("zero", "periodic")])
@pytest.mark.parametrize(
    ("shape", "chunks", "taps"),
    [
        ((130, 64), (11, 13), (5, 4)),
        ((70, 128), (16, 128), (33, 3)),
        ((4100, 3), (100, 3), (9, 7)),
        ((5, 7), 2, (13, 3)),
    ],
)
def test_scattered_grains_are_the_same(shape, chunks, taps, boundary):
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 50, shape)
    p = dc.Propagator.normalized(rng.random(taps))
    got = dc.scatter(da.from_array(counts, chunks=chunks), p, rng=9, boundary=boundary)
    np.testing.assert_array_equal(got, dc.scatter(counts, p, rng=9, boundary=boundary))
    heat = dc.Propagator.heat(1.0, 1.5)  # moves along one axis after the other
    got = dc.scatter(da.from_array(counts, chunks=chunks), heat, rng=9, boundary=boundary)
    np.testing.assert_array_equal(got, dc.scatter(counts, heat, rng=9, boundary=boundary))


@pytest.mark.parametrize("boundary", [*WALLS, ("periodic", "absorbing")])
@pytest.mark.parametrize("duration", [0.0, 0.7, 300.0])
def test_constant_diffusivity_is_exact(boundary, duration, monkeypatch):
    monkeypatch.setattr(_dask_evolve, "BLOCK", 1 << 12)  # of which the field takes four
    u = np.random.default_rng(6).random((40, 50))
    for eq in [
        dc.DiffusionEquation(1.3, boundary=boundary),
        dc.DiffusionEquation((0.5, 2.0), 0.7, boundary),
        dc.DiffusionEquation(1.3, boundary=boundary, capacity=2.0, decay=0.01),
    ]:
        got = eq.evolve(da.from_array(u, chunks=(11, 17)), duration)
        np.testing.assert_allclose(got, eq.evolve(u, duration), rtol=0, atol=1e-13)


@pytest.mark.parametrize("boundary", [*WALLS, ("periodic", "absorbing")])
@pytest.mark.parametrize("chunks", [(30, 44), (37, -1)])
@pytest.mark.parametrize(("dtype", "agreement"), [(np.float64, 1e-14), (np.float32, 4e-6)])
def test_narrow_heat_kernels_need_no_whole_lines(boundary, chunks, dtype, agreement, monkeypatch):
    """What grains that come beyond a halo change is below rounding, where nothing drifts."""
    u = np.random.default_rng(6).random((111, 135)).astype(dtype)
    whole_lines, lines = set(), _dask_evolve._lines

    def watched(*args, axis, **options):
        whole_lines.add(axis)
        return lines(*args, axis=axis, **options)

    monkeypatch.setattr(_dask_evolve, "_lines", watched)
    lazy = da.from_array(u, chunks=chunks)
    options = {"boundary": boundary, "capacity": 2.0, "decay": 0.1}
    for velocity, drifting in [(None, set()), ((0.02, 0.0), {0, 1} if lazy.numblocks[1] == 1 else {0})]:
        eq = dc.DiffusionEquation((1.3, 2.1), (0.9, 1.0), **options, velocity=velocity)
        whole_lines.clear()
        got = eq.evolve(lazy, 0.6)
        assert got.chunks == lazy.chunks
        expected = eq.evolve(u, 0.6)
        np.testing.assert_allclose(got.compute(scheduler="sync"), expected, rtol=0, atol=agreement)
        assert whole_lines == drifting
    dc.DiffusionEquation(**options).evolve(lazy, 200.0).compute(scheduler="sync")
    assert whole_lines == {0, 1}


@pytest.mark.parametrize("boundary", [*WALLS, ("periodic", "absorbing")])
@pytest.mark.parametrize(("shape", "chunks"), [((2, 20), (1, 7)), ((20, 1), (6, 1)), ((9, 14), (4, 14)), ((3, 3), 2)])
def test_axes_that_are_shorter_than_the_halo(boundary, shape, chunks):
    """Their neighbours beyond the shortest axis count too, across the ends of a periodic one more than once."""
    rng = np.random.default_rng(7)
    u = rng.random(shape)
    lazy = da.from_array(u, chunks=chunks)
    for varied in ({"source": 0.5}, {"capacity": 0.5 + rng.random(shape)}):
        eq = dc.DiffusionEquation((0.4, 0.9), boundary=boundary, **varied)
        got = eq.evolve(lazy, 3.0)
        assert got.chunks == lazy.chunks
        np.testing.assert_allclose(got, eq.evolve(u, 3.0), rtol=0, atol=2e-10 * 2)  # two runs, each to 1e-10 of 0..2


def test_one_diffusivity_per_axis_of_a_line():
    u = np.random.default_rng(8).random(30)
    for options in ({}, {"source": 0.5}):
        eq = dc.DiffusionEquation((0.4,), **options)
        got = eq.evolve(da.from_array(u, chunks=8), 2.0)
        np.testing.assert_allclose(got, eq.evolve(u, 2.0), rtol=0, atol=4e-10)


@pytest.mark.parametrize("boundary", [*WALLS, ("periodic", "absorbing")])
@pytest.mark.parametrize("velocity", [0.3, (0.0, -1.5), (7.0, 0.1)])  # central and upwind, with modes and without
@pytest.mark.parametrize("duration", [0.7, 40.0])
def test_constant_drift_is_exact(boundary, velocity, duration):
    u = np.random.default_rng(6).random((40, 50))
    eq = dc.DiffusionEquation((1.0, 0.5), (1.0, 0.8), boundary, velocity=velocity, capacity=1.5, decay=0.001)
    got = eq.evolve(da.from_array(u, chunks=(11, 17)), duration)
    expected = eq.evolve(u, duration)
    # rounding grows by the condition of the modes, at most 1e3; where there are none, each run is within 1e-12 per axis
    np.testing.assert_allclose(got, expected, rtol=0, atol=4e-12 * max(1.0, expected.max()))


def test_drift_in_one_and_three_dimensions():
    rng = np.random.default_rng(6)
    for shape, velocity in [((90,), 2.0), ((12, 15, 10), (0.5, 0.0, -3.0))]:
        eq, u = dc.DiffusionEquation(0.4, boundary="periodic", velocity=velocity), rng.random(shape)
        got = eq.evolve(da.from_array(u, chunks=7), 11.0)
        np.testing.assert_allclose(got, eq.evolve(u, 11.0), rtol=0, atol=1e-13)


@pytest.mark.parametrize("boundary", [*WALLS, ("periodic", "absorbing")])
def test_what_varies_from_cell_to_cell(boundary):
    rng = np.random.default_rng(7)
    u, d = rng.random((60, 64)), 0.1 + rng.random((60, 64))
    shut = rng.random((59, 64)) > 0.8
    problems = [
        dc.DiffusionEquation(d, boundary=boundary),
        dc.DiffusionEquation(d, boundary=boundary, source=0.1 * u, mask=rng.random(u.shape) > 0.2),
        dc.DiffusionEquation(0.7, boundary=boundary, barriers=(shut, None)),
        dc.DiffusionEquation((0.7, 0.3), boundary=boundary, capacity=0.5 + u, decay=0.1 * d),
    ]
    for eq in problems:
        for duration in [0.3, 20.0]:
            lazy = da.from_array(u, chunks=(20, 16))
            got, expected = eq.evolve(lazy, duration), eq.evolve(u, duration, tolerance=1e-13)
            scale = max(1.0, np.abs(expected - u).max())  # of the tolerance: the range, or what the source brings
            np.testing.assert_allclose(got, expected, rtol=0, atol=1.01e-10 * scale)


@pytest.mark.parametrize("barriers", [(None,), (None, None, None), (np.ones((20, 19), bool), None)])
def test_barriers_are_refused_as_in_memory(barriers):
    eq, u = dc.DiffusionEquation(barriers=barriers), np.ones((20, 20))
    for field in (u, da.from_array(u, chunks=10)):
        with pytest.raises(ValueError, match=r"^barriers(\[0\])? must have shape|^barriers must hold one array"):
            eq.evolve(field, 1.0)


def test_a_tolerance_below_rounding_is_kept_to_rounding():
    """The degrees whose sum tells how deep a halo is are fewer than so small a tolerance asks for."""
    u = np.random.default_rng(7).random(60)
    eq = dc.DiffusionEquation(1 + u)
    got = eq.evolve(da.from_array(u, chunks=20), 3.0, tolerance=1e-250)
    np.testing.assert_allclose(got, eq.evolve(u, 3.0, "rational", tolerance=1e-11), rtol=0, atol=1.1e-11)


class Held(Callback):
    """The most bytes of results that are held at once."""

    most = 0

    def _posttask(self, key, result, graph, state, worker):
        held = [value for value in state["cache"].values() if isinstance(value, np.ndarray)]
        self.most = max(self.most, sum(value.nbytes for value in held))


def test_a_segment_is_freed_as_the_next_one_reads_it(monkeypatch):
    """Held are a field and a half with the halos of D, as much of the field before and one after, however many."""
    d = 0.5 + np.random.default_rng(7).random(320)
    tasks = []
    for segments in (4, 8, 16):
        monkeypatch.setattr(_dask_evolve, "_segments", lambda *_, segments=segments: (segments, 8))
        later = dc.DiffusionEquation(d).evolve(da.from_array(d, chunks=32), 0.1)
        tasks.append(len(later.__dask_graph__()))
        with Held() as held:
            later.compute(scheduler="sync")
        assert held.most <= (1.5 + 1.5 + 1) * d.nbytes
    assert (tasks[2] - tasks[1]) / 8 == (tasks[1] - tasks[0]) / 4


SHUT = np.ones((20, 19), bool)


@pytest.mark.parametrize(
    ("eq", "message"),
    [
        (lambda: dc.DiffusionEquation(source=lambda t: t), "source \\(one that depends on time\\)"),
        (
            lambda: dc.DiffusionEquation(source=dc.Schedule([0.0, 1.0], [0.0, 2.0])),
            "source \\(one that depends on time\\)",
        ),
        (lambda: dc.DiffusionEquation(boundary=dc.Dirichlet(1.0)), "boundaries given by name"),
        (lambda: dc.DiffusionEquation(np.ones((4, 4))), "got shape \\(4, 4\\)"),
        (lambda: dc.DiffusionEquation(velocity=(np.ones((21, 20)), 0.0)), "velocity \\(other than a number"),
        (lambda: dc.DiffusionEquation(velocity=1.0, capacity=np.ones((20, 20))), "velocity with capacity"),
        (lambda: dc.DiffusionEquation(coordinates="cylindrical"), "coordinates"),
        (lambda: dc.DiffusionEquation(barriers=(None, dc.Barrier(SHUT, lifted_at=1.0))), r"barriers\[1\] which is"),
        (lambda: dc.DiffusionEquation(barriers=(None, dc.Barrier(SHUT, 0.1))), r"barriers\[1\] which is"),
    ],
)
def test_equations_that_dask_arrays_do_not_take(eq, message):
    with pytest.raises(TypeError, match=message):
        eq().evolve(da.ones((20, 20), chunks=10), 1.0)
