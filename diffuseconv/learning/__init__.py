"""Kernels and propagators from data: what a process did to a picture, read off two photographs of it."""

from diffuseconv.learning.diffusivity_fit import DiffusivityFit, fit_diffusivity
from diffuseconv.learning.estimate import Estimate
from diffuseconv.learning.kernel_fit import KernelFit, fit_kernel
from diffuseconv.learning.map_correlation import feature_correlation
from diffuseconv.learning.propagator_fit import PropagatorFit, fit_propagator
from diffuseconv.learning.training import TrainingState, bank_gradient, train_bank

__all__ = [
    "DiffusivityFit",
    "Estimate",
    "KernelFit",
    "PropagatorFit",
    "TrainingState",
    "bank_gradient",
    "feature_correlation",
    "fit_diffusivity",
    "fit_kernel",
    "fit_propagator",
    "train_bank",
]
