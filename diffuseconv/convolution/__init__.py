"""Convolution: where all grains go at once.

Every call is reduced to one form: fields, continued beyond their walls, correlated with kernels at all places where
they fit. Convolution flips the kernel for it; the modes differ only in how far the fields are continued. Then one of
three methods sums: `direct`, `separable` or `fourier`.
"""

from diffuseconv.convolution.methods import convolution_method
from diffuseconv.convolution.verbs import convolve, correlate, feature_maps

__all__ = ["convolution_method", "convolve", "correlate", "feature_maps"]
