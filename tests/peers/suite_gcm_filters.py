"""Laplacians with coasts and areas, the steps of a filter by diffusion, by the tests of `gcm_filters`."""

import importlib.metadata

import numpy as np

import diffuseconv as dc

LIBRARY = "gcm-filters"
TESTS = [
    str(file.locate())
    for file in importlib.metadata.files(LIBRARY) or []
    if file.match("tests/test_*.py") and "validation" not in file.name  # those need stored results
]


def _planes(rhs, field):
    """Apply a right-hand side to each plane of a stack."""
    planes = np.nan_to_num(field).reshape(-1, *field.shape[-2:])
    return np.reshape([(rhs @ plane.ravel()).reshape(plane.shape) for plane in planes], field.shape)


def regular(self, field):
    return dc.convolve(field, dc.kernels.laplacian(), boundary="periodic", axes=(-2, -1))


def regular_with_land(self, field):
    wet = self.wet_mask.astype(bool)
    sea = dc.DiffusionEquation(boundary="periodic", mask=wet).operator(wet.shape)
    return np.where(wet, _planes(sea, np.where(wet, field, 0.0)), 0.0)


def irregular_with_land(self, field):
    across = self.w_wet_mask * self.dyw / self.dxw
    along = self.s_wet_mask * self.dxs / self.dys
    faces = np.concatenate([along, along[:1]]), np.concatenate([across, across[:, :1]], axis=1)
    sea = dc.DiffusionEquation(faces, boundary="periodic", capacity=self.area)
    return _planes(sea.operator(self.area.shape), field)


FUNCTIONS = {
    "gcm_filters.kernels.RegularLaplacian.__call__": regular,
    "gcm_filters.kernels.RegularLaplacianWithLandMask.__call__": regular_with_land,
    "gcm_filters.kernels.IrregularLaplacianWithLandMask.__call__": irregular_with_land,
}
