"""Convolution as diffusion: propagators, exact solvers of the diffusion equation, convolution by measurement.

Nothing is loaded before it is first used: ``import diffuseconv`` costs little more than NumPy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffuseconv import (
        boundary,
        images,
        interop,
        kernels,
        learning,
        matching,
        quantum,
        spectrum,
        testing,
        timeseries,
    )
    from diffuseconv.boundary import Constant
    from diffuseconv.convolution import convolution_method, convolve, correlate, feature_maps
    from diffuseconv.diffusion import Barrier, DiffusionEquation, Dirichlet, Neumann, Robin, Schedule
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
    from diffuseconv.runs import open_run, record, resume

__version__ = "0.1.0"

__all__ = [
    "Barrier",
    "Constant",
    "DiffusionEquation",
    "Dirichlet",
    "Neumann",
    "Propagator",
    "Robin",
    "Schedule",
    "__version__",
    "boundary",
    "convolution_method",
    "convolve",
    "correlate",
    "draws_needed",
    "ensemble",
    "feature_maps",
    "images",
    "interop",
    "interpret",
    "kernels",
    "learning",
    "load_image",
    "matching",
    "measure",
    "measure_until",
    "measurement_variance",
    "open_run",
    "quantum",
    "random_walk",
    "record",
    "resume",
    "save_image",
    "scatter",
    "spectrum",
    "testing",
    "timeseries",
    "write_movie",
]

_HOMES = {  # which module defines a name, for all but the modules themselves
    name: module
    for module, names in {
        "boundary": ("Constant",),
        "convolution": ("convolution_method", "convolve", "correlate", "feature_maps"),
        "diffusion": ("Barrier", "DiffusionEquation", "Dirichlet", "Neumann", "Robin", "Schedule"),
        "images": ("load_image", "save_image"),
        "interpretation": ("interpret",),
        "measurement": (
            "draws_needed",
            "ensemble",
            "measure",
            "measure_until",
            "measurement_variance",
            "random_walk",
            "scatter",
        ),
        "movie": ("write_movie",),
        "propagator": ("Propagator",),
        "runs": ("open_run", "record", "resume"),
    }.items()
    for name in names
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from diffuseconv._foreign import import_whole

    module = import_whole(f"{__name__}.{_HOMES.get(name, name)}")  # Numba among them
    return globals().setdefault(name, getattr(module, name) if name in _HOMES else module)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
