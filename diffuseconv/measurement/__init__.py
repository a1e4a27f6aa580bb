"""Convolution by measurement: every pixel draws where its value comes from, or every grain where it goes."""

from diffuseconv.measurement.ensembles import ensemble
from diffuseconv.measurement.sampling import measure
from diffuseconv.measurement.scattering import random_walk, scatter
from diffuseconv.measurement.stopping import measure_until
from diffuseconv.measurement.variance import draws_needed, measurement_variance

__all__ = ["draws_needed", "ensemble", "measure", "measure_until", "measurement_variance", "random_walk", "scatter"]
