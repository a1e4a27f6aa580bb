"""Dispatch of the verbs by the library that an array belongs to: what kind of array goes in comes out.

A verb marked with `for_arrays_of_any_kind` takes NumPy arrays itself. For an array of another library it calls the
function of the same name in that library's file of `diffuseconv.interop`, which is imported then and not before.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numpy as np

from diffuseconv import _checks

P = ParamSpec("P")
R = TypeVar("R")

FILES = {  # of each library, asked in this order
    "dask": ["dask"],
    "xarray": ["xarray"],
    "torch": ["torch", "array_api"],
    "cupy": ["array_api"],
    "array_api_strict": ["array_api"],
}
ARRAYS = {"dask": "Array", "xarray": "DataArray", "torch": "Tensor", "cupy": "ndarray", "array_api_strict": "Array"}

_verbs: set[str] = set()  # which are dispatched; a library's file may hold other functions too


def engine_of(name: str, value: object) -> str | None:
    """Return the library whose array this is, None for NumPy's and for everything that NumPy makes an array of.

    Raises TypeError for what is of such a library and no array, as xarray's Dataset is.
    """
    library = _checks.library_of(value)
    if library not in FILES:
        return None
    if all(kind.__name__ != ARRAYS[library] for kind in type(value).__mro__):
        raise TypeError(f"{name} must be {library}'s {ARRAYS[library]} or a NumPy array, got a {type(value).__name__}")
    return library


def for_arrays_of_any_kind(position: int = 0) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that hands calls whose argument number `position` is another library's array to its file."""

    def decorate(verb: Callable[P, R]) -> Callable[P, R]:
        name = list(inspect.signature(verb).parameters)[position]
        _verbs.add(verb.__name__)

        @functools.wraps(verb)
        def dispatched(*args: P.args, **kwargs: P.kwargs) -> R:
            array = args[position] if len(args) > position else kwargs.get(name)
            engine = None if type(array) is np.ndarray else engine_of(name, array)
            if engine is None:
                return verb(*args, **kwargs)
            there = implementation(verb.__name__, engine)
            _check_options(verb.__name__, engine, there, kwargs)
            result: R = there(*args, **kwargs)
            return result

        return dispatched

    return decorate


def _check_options(verb: str, engine: str, there: Callable[..., Any], options: dict[str, Any]) -> None:
    """Refuse options that a library's version of a verb does not have."""
    parameters = inspect.signature(there).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    for option in options:
        if option not in parameters:
            raise TypeError(
                f"{option} must be left out of {verb} for {engine} arrays (or convert yours to NumPy first), "
                f"got {_checks.got(options[option])}"
            )


def implementation(verb: str, engine: str) -> Callable[..., Any]:
    """Return a library's version of a verb, or raise TypeError where it has none."""
    modules = [importlib.import_module(f"diffuseconv.interop.{name}") for name in FILES[engine]]
    for module in modules:
        if verb in module.__all__:
            found: Callable[..., Any] = getattr(module, verb)
            return found
    known = ", ".join(sorted(_verbs & {name for module in modules for name in module.__all__}))
    raise TypeError(f"{verb} takes no {engine} arrays (of these, {known} do); convert yours to NumPy first")
