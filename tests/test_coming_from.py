"""The tables of docs/coming_from.md, row by row: what is there on the left and on the right gives the same numbers."""

import numpy as np
import pytest
from scipy import ndimage, signal

import diffuseconv as dc

RNG = np.random.default_rng(5)
U = RNG.random((20, 17))
K = RNG.normal(size=(5, 4))
ODD = RNG.normal(size=(5, 3))


def same(ours, theirs, tolerance=1e-12):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)


def test_scipy():
    same(dc.convolve(U, K), ndimage.convolve(U, K, mode="reflect"))
    walls = {"mirror": "mirror", "nearest": "nearest", "zero": "constant", "periodic": "wrap"}
    for ours, theirs in walls.items():
        same(dc.convolve(U, K, boundary=ours), ndimage.convolve(U, K, mode=theirs))
    same(dc.convolve(U, K, boundary=dc.Constant(3.0)), ndimage.convolve(U, K, mode="constant", cval=3.0))
    same(dc.correlate(U, K), ndimage.correlate(U, K))
    sampled, heat = dc.kernels.gaussian(2.0, truncate=4.0), dc.Propagator.heat(1.0, 2.0, tolerance=1e-12).density
    same(dc.convolve(U, sampled), ndimage.gaussian_filter(U, 2.0))
    apart = np.abs(heat - np.pad(sampled, (len(heat) - len(sampled)) // 2)).sum()
    same(dc.convolve(U, heat), ndimage.gaussian_filter(U, 2.0), apart * U.max())
    assert apart < 0.05
    same(dc.convolve(U, K, mode="full", boundary="zero"), signal.convolve(U, K, "full"))
    same(dc.convolve(U, K, mode="valid"), signal.convolve(U, K, "valid"))
    same(dc.convolve(U, ODD, boundary="zero"), signal.convolve(U, ODD, "same"))
    assert np.abs(dc.convolve(U, K, boundary="zero") - signal.convolve(U, K, "same")).max() > 0.1


@pytest.mark.peer
def test_opencv():
    cv2 = pytest.importorskip("cv2")
    same(dc.correlate(U, ODD, boundary="mirror"), cv2.filter2D(U, -1, ODD))
    same(dc.correlate(U, ODD), cv2.filter2D(U, -1, ODD, borderType=cv2.BORDER_REFLECT))
    template = U[3:9, 4:11].astype(np.float32)
    theirs = cv2.matchTemplate(U.astype(np.float32), template, cv2.TM_CCOEFF_NORMED)
    same(dc.matching.score(U, template.astype(float)), theirs, 1e-5)


@pytest.mark.peer
def test_py_pde():
    pde = pytest.importorskip("pde")
    grid = pde.CartesianGrid([[0, 4]], 16)
    start = RNG.random(16)
    for theirs, ours in (
        ({"derivative": 0}, "reflecting"),
        ({"value": 1}, dc.Dirichlet(1.0)),
        ({"derivative": 0.5}, dc.Neumann(0.7 * 0.5)),
    ):
        state = pde.DiffusionPDE(0.7, bc=theirs).solve(
            pde.ScalarField(grid, start), t_range=0.1, dt=1e-5, tracker=None, backend="numpy"
        )
        eq = dc.DiffusionEquation(0.7, spacing=0.25, boundary=ours)
        same(eq.evolve(start, 0.1), state.data, 1e-3)  # theirs takes Euler steps


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_fipy():
    fipy = pytest.importorskip("fipy")
    mesh = fipy.Grid1D(nx=16, dx=0.25)
    start = RNG.random(16)
    for wall, ours in (("none", "reflecting"), ("value", dc.Dirichlet(1.0)), ("gradient", dc.Neumann(0.7 * 0.5))):
        salt = fipy.CellVariable(mesh=mesh, value=start.copy())
        if wall == "value":
            salt.constrain(1.0, mesh.exteriorFaces)
        elif wall == "gradient":
            salt.faceGrad.constrain(0.5 * mesh.faceNormals, mesh.exteriorFaces)
        equation = fipy.TransientTerm() == fipy.DiffusionTerm(0.7)
        for _ in range(200):
            equation.solve(var=salt, dt=5e-4)
        eq = dc.DiffusionEquation(0.7, spacing=0.25, boundary=ours)
        same(eq.evolve(start, 0.1), salt.value, 5e-3)  # theirs takes implicit Euler steps


@pytest.mark.peer
def test_astropy():
    convolution = pytest.importorskip("astropy.convolution")
    holes = U.copy()
    holes[RNG.random(U.shape) < 0.2] = np.nan
    known, kernel = ~np.isnan(holes), dc.kernels.gaussian(1.0, truncate=3.0)
    means = dc.convolve(holes, kernel, mask=known, boundary="nearest")
    same(means, convolution.convolve(holes, kernel, boundary="extend"))
    filled = convolution.interpolate_replace_nans(holes, kernel, boundary="extend")
    same(np.where(known, np.nan_to_num(holes), means), filled)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore")
def test_gcm_filters():
    filters, xarray = pytest.importorskip("gcm_filters"), pytest.importorskip("xarray")
    field = RNG.random((48, 48))
    theirs = filters.Filter(filter_scale=8.0, dx_min=1.0, filter_shape=filters.FilterShape.GAUSSIAN)
    smooth = theirs.apply(xarray.DataArray(field, dims=("y", "x")), dims=("y", "x")).values
    eq = dc.DiffusionEquation(boundary="periodic")
    same(eq.evolve(field, 8.0**2 / 24), smooth, 5e-3)  # theirs is a polynomial that is near the Gaussian
