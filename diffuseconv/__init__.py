"""Convolution as diffusion: propagators, exact solvers of the diffusion equation, convolution by measurement."""

from diffuseconv import boundary, interop, kernels, learning, matching, quantum, spectrum, testing, timeseries
from diffuseconv.convolution import convolution_method, convolve, correlate, feature_maps
from diffuseconv.diffusion import Barrier, DiffusionEquation, Dirichlet, Neumann, Robin
from diffuseconv.images import load_image, save_image
from diffuseconv.interpretation import interpret
from diffuseconv.measurement import (
    draws_needed,
    ensemble,
    measure,
    measure_until,
    measurement_variance,
    random_walk,
    scatter,
)
from diffuseconv.movie import write_movie
from diffuseconv.propagator import Propagator

__version__ = "0.1.0"

__all__ = [
    "Barrier",
    "DiffusionEquation",
    "Dirichlet",
    "Neumann",
    "Propagator",
    "Robin",
    "__version__",
    "boundary",
    "convolution_method",
    "convolve",
    "correlate",
    "draws_needed",
    "ensemble",
    "feature_maps",
    "interop",
    "interpret",
    "kernels",
    "learning",
    "load_image",
    "matching",
    "measure",
    "measure_until",
    "measurement_variance",
    "quantum",
    "random_walk",
    "save_image",
    "scatter",
    "spectrum",
    "testing",
    "timeseries",
    "write_movie",
]
