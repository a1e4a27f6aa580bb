"""What a kernel does, read off its moments: the differential equation that convolution with it is one step of."""

from diffuseconv.interpretation.record import Interpretation, interpret

__all__ = ["Interpretation", "interpret"]
