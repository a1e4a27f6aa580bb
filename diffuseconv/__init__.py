"""Convolution as diffusion: propagators, exact solvers of the diffusion equation, convolution by measurement."""

from diffuseconv import boundary

__version__ = "0.1.0"

__all__ = ["__version__", "boundary"]
