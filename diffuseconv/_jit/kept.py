"""Compiled loops on disk: a file for each loop, types of its arguments and processor.

Its name holds a digest of all that the code follows from, so a file is never stale, and its first bytes one of the
rest, so a damaged file counts as missing. Where nothing can be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pickle
import sys
from importlib import resources
from pathlib import Path

import numba
import numpy as np
from numba import config
from numba.core.caching import CompileResultCacheImpl
from numba.core.serialize import dumps
from numba.misc.appdirs import user_cache_dir

__all__ = ["Kept", "folders"]

DIGEST = 32  # bytes
_package = Path(__file__).parent


class Kept:
    """What numba asks for a loop compiled before, and gives a loop just compiled."""

    def __init__(self, function):
        if function.__closure__:
            raise TypeError(f"{function.__qualname__} must not close over variables: its name does not identify it")
        self._name = f"{function.__module__.rpartition('.')[2]}.{function.__qualname__}"

    @property
    def cache_path(self):
        """Where loops are kept."""
        return str(folders()[0])

    def enable(self):
        """Do nothing: loops are always kept."""

    disable = flush = enable

    def load_overload(self, signature, context):
        """Return a loop compiled before, or None."""
        context.refresh()
        name = self._file(signature, context.codegen())
        for folder in folders():
            with contextlib.suppress(Exception):  # whatever is wrong with the file: it is written anew
                data = (folder / name).read_bytes()
                if hashlib.sha256(data[DIGEST:]).digest() == data[:DIGEST]:
                    return CompileResultCacheImpl.rebuild(None, context, pickle.loads(data[DIGEST:]))
        return None

    def save_overload(self, signature, result):
        """Keep a loop just compiled, in the first folder that can be written."""
        if result.library.has_dynamic_globals:
            return
        data = dumps(CompileResultCacheImpl.reduce(None, result))
        data = hashlib.sha256(data).digest() + data
        name = self._file(signature, result.library.codegen)
        for folder in folders():
            with contextlib.suppress(OSError):
                _write(folder, name, data)
                return

    def _file(self, signature, codegen):
        """Name the file of a loop."""
        what = (self._name, str(signature), codegen.magic_tuple(), sys.implementation.cache_tag)
        key = hashlib.sha256(repr((*what, numba.__version__, np.__version__)).encode()).hexdigest()
        return f"{_sources()}-{self._name}-{key[:16]}.loop"


@functools.cache
def _sources():
    """Return a digest of all files of loops: those of one are compiled into those of others."""
    total = hashlib.sha256()
    for file in sorted(resources.files(__package__).iterdir(), key=lambda file: file.name):
        if file.name.endswith(".py"):
            total.update(file.read_bytes())
    return total.hexdigest()[:16]


@functools.cache
def folders():
    """Return where loops may be kept, the best place first."""
    own = f"diffuseconv-{hashlib.sha256(str(_package).encode()).hexdigest()[:16]}"  # no two installations share one
    if config.CACHE_DIR:
        return (Path(config.CACHE_DIR) / own,)
    return (_package / "__pycache__", Path(user_cache_dir("diffuseconv", False)) / own)


def _write(folder, name, data):
    """Write a file at once, and remove what loops of older sources left."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.{os.getpid()}"
    try:
        part.write_bytes(data)
        part.replace(folder / name)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    _forget_older(folder)


@functools.cache
def _forget_older(folder):
    for file in folder.glob("*.loop"):
        if not file.name.startswith(_sources()):
            file.unlink(missing_ok=True)
