"""A drift along one axis alone."""

import numpy as np
import pytest

import diffuseconv as dc


@pytest.mark.parametrize("boundary", ["periodic", "reflecting", ("reflecting", "periodic")])
@pytest.mark.parametrize("axis", [0, 1])
def test_drift_along_one_axis(boundary, axis):
    u = np.zeros((41, 40))
    u[20, 20] = 1.0
    velocity = [0.0, 0.0]
    velocity[axis] = 0.6
    eq = dc.DiffusionEquation(0.5, velocity=tuple(velocity), boundary=boundary)
    assert eq.cell_peclet(u.shape) == pytest.approx(1.2)
    for method in ["auto", "uniformization", "explicit"]:
        later = eq.evolve(u, 3.0, method)
        mean = [float((later * index).sum()) - 20 for index in np.indices(u.shape)]
        expected = [0.0, 0.0]
        expected[axis] = 1.8
        np.testing.assert_allclose(mean, expected, rtol=0, atol=1e-9)  # the walls are 10 deviations away
