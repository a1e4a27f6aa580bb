"""xarray: dimensions, coordinates, attributes and name are kept, and coordinates give the spacing."""

import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv import interop

xr = pytest.importorskip("xarray")
pytestmark = pytest.mark.engine


@pytest.fixture
def salt():
    values = np.random.default_rng(1).random((3, 20, 30))
    coords = {"t": [1.0, 2.0, 5.0], "y": np.arange(20) * 0.5, "x": 7.0 - np.arange(30) * 0.25}
    return xr.DataArray(values, coords, ("t", "y", "x"), "salt", {"units": "kg/m3"})


def test_labels_are_kept(salt):
    kernel = np.ones((3, 5)) / 15
    got = dc.convolve(salt, kernel, dims=("y", "x"))
    assert got.name == "salt"
    assert got.attrs == salt.attrs
    assert got.dims == salt.dims
    xr.testing.assert_equal(got.y, salt.y)
    np.testing.assert_array_equal(got, dc.convolve(salt.values, kernel, axes=(1, 2)))
    np.testing.assert_array_equal(
        dc.measure(salt, kernel, 3, rng=1, dims=("y", "x")), dc.measure(salt.values, kernel, 3, rng=1, axes=(1, 2))
    )
    assert isinstance(dc.measurement_variance(salt, kernel, dims=("y", "x")), xr.DataArray)
    np.testing.assert_array_equal(
        dc.correlate(salt, kernel.T, dims=("x", "y")), dc.correlate(salt.values, kernel.T, axes=(2, 1))
    )


def test_valid_cuts_coordinates_and_full_drops_them(salt):
    kernel = np.zeros((4, 3))
    kernel[2, 1] = 1.0  # the origin: nothing moves, so that values tell where the coordinates must be
    for verb in [dc.convolve, dc.correlate]:
        inner = verb(salt, kernel, mode="valid", dims=("y", "x"))
        assert inner.shape == (3, 17, 28)
        xr.testing.assert_allclose(inner, salt.sel(y=inner.y, x=inner.x))
    full = dc.convolve(salt, kernel, mode="full", boundary="zero", dims=("y", "x"))
    assert full.shape == (3, 23, 32)
    assert set(full.coords) == {"t"}


def test_feature_maps(salt):
    bank = np.random.default_rng(2).normal(size=(4, 3, 3))
    maps = dc.feature_maps(salt, bank, dims=("y", "x"))
    assert maps.dims == ("kernel", "t", "y", "x")
    np.testing.assert_array_equal(maps, dc.feature_maps(salt.values, bank, axes=(1, 2)))


def test_coordinates_give_the_spacing(salt):
    tank = salt[0].drop_vars("t")
    got = dc.DiffusionEquation(2.0).evolve(tank, 0.1)
    np.testing.assert_allclose(got, dc.DiffusionEquation(2.0, (0.5, 0.25)).evolve(tank.values, 0.1), rtol=1e-14)
    given = dc.DiffusionEquation(2.0, 3.0).evolve(tank, 0.1)
    np.testing.assert_array_equal(given, dc.DiffusionEquation(2.0, 3.0).evolve(tank.values, 0.1))
    uneven = tank.assign_coords(x=np.r_[0.0, 1.0, np.arange(28) + 5.0])
    with pytest.raises(ValueError, match="coordinate 'x' must be evenly spaced"):
        dc.DiffusionEquation().evolve(uneven, 1.0)
    names = tank.assign_coords(x=[str(i) for i in range(30)])
    with pytest.raises(ValueError, match="coordinate 'x' must hold numbers"):
        dc.DiffusionEquation().evolve(names, 1.0)


@pytest.mark.parametrize("widths", [np.linspace(1, 3, 40), 1.05 ** np.arange(40), 1 + 0.3 * np.sin(np.arange(40) / 6)])
def test_centres_give_the_widths_of_a_graded_grid(widths):
    x = np.cumsum(widths) - widths / 2
    u = xr.DataArray(np.random.default_rng(1).random(40), {"x": x}, "x")
    got = interop.xarray._spacing(u, "x")
    np.testing.assert_allclose((got[1:] + got[:-1]) / 2, np.diff(x), rtol=1e-13)  # no centre has moved
    bend = np.abs(np.diff(widths, 2)).max()  # what cannot be told from the centres alternates, by a quarter of that
    np.testing.assert_allclose(got, widths, rtol=0, atol=bend / 4 + 1e-12)
    eq = dc.DiffusionEquation(2.0)
    later = dc.DiffusionEquation(2.0, (got,)).evolve(u.values, 0.7)
    np.testing.assert_allclose(eq.evolve(u, 0.7), later, rtol=1e-14)
    np.testing.assert_allclose(eq.evolve(u[::-1], 0.7), later[::-1], rtol=0, atol=1e-12)


def test_frames_and_grains_keep_their_labels(salt):
    tank = salt[0].drop_vars("t")
    (_, first), (time, last) = dc.DiffusionEquation().frames(tank, [0.0, 0.1])
    assert time == 0.1
    xr.testing.assert_identical(first, tank)
    xr.testing.assert_identical(last, dc.DiffusionEquation().evolve(tank, 0.1))
    run = dc.interop.xarray.to_xarray(dc.DiffusionEquation().frames(tank, [0.0, 0.1]))
    assert dict(run.sizes) == {"time": 2, "y": 20, "x": 30}
    grains = (1000 * tank).astype(int)
    moved = dc.scatter(grains, dc.kernels.box(3), rng=1)
    xr.testing.assert_equal(moved.x, grains.x)
    np.testing.assert_array_equal(moved, dc.scatter(grains.values, dc.kernels.box(3), rng=1))


def test_a_radius_begins_where_the_equation_says():
    r = xr.DataArray(np.ones(8), {"r": 2.05 + 0.1 * np.arange(8)}, "r")
    with pytest.raises(ValueError, match=r"coordinate 'r' must grow from the inner radius, 0, got .* inner_radius=2"):
        dc.DiffusionEquation(coordinates="polar").evolve(r, 1.0)
    assert dc.DiffusionEquation(coordinates="polar", inner_radius=2.0).evolve(r, 1.0).identical(r)


def test_frames_become_a_dataset(salt):
    eq = dc.DiffusionEquation(spacing=0.5)
    run = dc.interop.xarray.to_xarray(eq.frames(salt.values[0], [0.0, 1.0]), spacing=0.5, units="kg/m3")
    assert dict(run.sizes) == {"time": 2, "y": 20, "x": 30}
    assert run.u.attrs["units"] == "kg/m3"
    np.testing.assert_array_equal(run.u[0], salt.values[0])


def test_over_dask(salt):
    pytest.importorskip("dask")
    lazy = dc.convolve(salt.chunk(7), np.ones((3, 3)), dims=("y", "x"))
    assert lazy.chunks is not None
    np.testing.assert_allclose(lazy, dc.convolve(salt, np.ones((3, 3)), dims=("y", "x")), atol=1e-10)


def test_over_dask_nothing_is_loaded(salt):
    """What Dask arrays cannot do is refused for those in a DataArray too."""
    pytest.importorskip("dask")
    tank = salt[0].drop_vars("t").chunk(7)
    eq = dc.DiffusionEquation(2.0, boundary="absorbing")
    for call in (
        lambda: eq.steady_state(tank),
        lambda: list(eq.frames(tank, [1.0])),
        lambda: eq.explicit_steps(tank, 2),
    ):
        with pytest.raises(TypeError, match="takes no dask arrays"):
            call()
    later = eq.evolve(tank, 0.1)
    assert later.chunks is not None
    np.testing.assert_allclose(later, eq.evolve(tank.compute(), 0.1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [xr.Dataset, xr.Variable])
def test_what_is_no_data_array_is_refused(salt, kind):
    value = salt.to_dataset() if kind is xr.Dataset else salt.variable
    message = f"must be xarray's DataArray or a NumPy array, got a {kind.__name__}"
    for call in (
        lambda: dc.convolve(value, np.ones((3, 3))),
        lambda: dc.scatter(value, np.ones((3, 3)) / 9),
        lambda: dc.DiffusionEquation().evolve(value, 1.0),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_a_class_of_ones_own_stays_a_data_array(salt):
    class Salt(xr.DataArray):
        __slots__ = ()

    own = Salt(salt)
    assert isinstance(dc.convolve(own, np.ones((3, 3)), dims=("y", "x")), xr.DataArray)
    with pytest.raises(TypeError, match="low_pass takes no xarray arrays"):
        dc.spectrum.low_pass(own, 3.0)


def test_a_velocity_points_along_growing_indices(salt):
    """The coordinate x falls, so the salt goes to where it is larger for a velocity below 0."""
    tank = salt[0].drop_vars("t")
    eq = dc.DiffusionEquation(0.1, velocity=(0.0, -2.0), boundary="periodic")
    before, after = (float(np.angle((u * np.exp(2j * np.pi * u.x / 7.5)).sum())) for u in (tank, eq.evolve(tank, 0.1)))
    assert (after - before) % (2 * np.pi) < np.pi


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda u: dc.convolve(u, np.ones((3, 3)), dims=("a", "x")), "dims must be dimensions of the field"),
        (lambda u: dc.convolve(u, np.ones((3, 3)), dims=("y", "x"), axes=(0, 1)), "pass one of them"),
        (lambda u: dc.convolve(u, np.ones((3, 3, 3)), out=u.values), "out must be None"),
    ],
)
def test_bad_input(salt, call, message):
    with pytest.raises(ValueError, match=message):
        call(salt)
