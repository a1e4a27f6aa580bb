"""Convolution by measurement: every pixel draws where its value comes from, or every grain where it goes."""

from diffuseconv.measurement.sampling import measure
from diffuseconv.measurement.scattering import scatter, walk

__all__ = ["measure", "scatter", "walk"]
