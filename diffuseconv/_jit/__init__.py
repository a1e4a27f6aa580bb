"""Numba loops only: arrays in, arrays out; no checks, no Python objects."""
