"""xarray: dimensions, coordinates, attributes and name are kept, and coordinates give the spacing."""

import numpy as np
import pytest

import diffuseconv as dc

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
