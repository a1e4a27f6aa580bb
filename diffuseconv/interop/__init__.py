"""Arrays of other libraries: one file for each, imported only when such an array comes in or the file is asked for.

The verbs choose the file by the type of the array, so nothing here need be called by name, but for what has no
counterpart among the verbs: `interop.xarray.to_xarray` and the layers of `interop.torch`.
"""

from __future__ import annotations

import importlib
from types import ModuleType

__all__: list[str] = []


def __getattr__(name: str) -> ModuleType:
    """Import the file of an engine when it is first asked for."""
    if name in ("array_api", "dask", "xarray", "torch"):
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
