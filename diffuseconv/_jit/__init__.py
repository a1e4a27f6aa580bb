"""Numba loops only: arrays in, arrays out; no checks, no Python objects."""

from diffuseconv import _compiling  # noqa: F401 (it listens from here on)
