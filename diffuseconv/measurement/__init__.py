"""Convolution by measurement: every pixel draws where its value comes from, or every grain where it goes."""

from diffuseconv.measurement.sampling import measure
from diffuseconv.measurement.scattering import scatter, walk
from diffuseconv.measurement.variance import draws_needed, measurement_variance

__all__ = ["draws_needed", "measure", "measurement_variance", "scatter", "walk"]
