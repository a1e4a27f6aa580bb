"""Refusing requests that no memory holds, before anything is allocated."""

from __future__ import annotations

import os

_UNKNOWN = 1 << 36  # bytes: 64 GiB, where the system does not tell


def free() -> int:
    """Return how many bytes of memory are available."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return _UNKNOWN


def affordable(name: str, values: float, way_out: str, *, bytes_each: int = 8) -> None:
    """Refuse an argument that asks for so many values, if they do not fit into memory.

    Parameters
    ----------
    name : str
        The argument that is too large.
    values : float
        How many values it asks for, all that are held at once.
    way_out : str
        What to do instead.
    bytes_each : int
        Size of a value.

    Raises
    ------
    ValueError
        If they need more than what is free.
    """
    needed = values * bytes_each
    if needed > 1 << 26 and needed > free():  # (what is small need not be looked up)
        raise ValueError(f"{name} must fit into memory ({way_out}), got one that needs {amount(needed)}")


def amount(size: float) -> str:
    """Write a number of bytes."""
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.3g} {unit}"
        size /= 1024
    return f"{size:.3g} PiB"
