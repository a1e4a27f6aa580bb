"""Convolution as diffusion: propagators, exact solvers of the diffusion equation, convolution by measurement."""

from diffuseconv import boundary, kernels, learning, matching, quantum, spectrum, testing, timeseries
from diffuseconv.convolution import convolution_method, convolve, correlate, feature_maps
from diffuseconv.diffusion import Barrier, DiffusionEquation, Flux, Held, Mixed
from diffuseconv.images import load_image, save_image
from diffuseconv.interpretation import interpret
from diffuseconv.measurement import draws_needed, ensemble, measure, measure_until, measurement_variance, scatter, walk
from diffuseconv.movie import write_movie
from diffuseconv.propagator import Propagator

__version__ = "0.1.0"

__all__ = [
    "Barrier",
    "DiffusionEquation",
    "Flux",
    "Held",
    "Mixed",
    "Propagator",
    "__version__",
    "boundary",
    "convolution_method",
    "convolve",
    "correlate",
    "draws_needed",
    "ensemble",
    "feature_maps",
    "interpret",
    "kernels",
    "learning",
    "load_image",
    "matching",
    "measure",
    "measure_until",
    "measurement_variance",
    "quantum",
    "save_image",
    "scatter",
    "spectrum",
    "testing",
    "timeseries",
    "walk",
    "write_movie",
]
