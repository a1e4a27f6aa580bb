"""Memory that arrays have freed is kept for the next ones.

The C library of Linux gives the end of its heap back to the system, at first when more than 256 kB of it are free, and
each page that comes anew has to be cleared: transforms of 256 x 256 cells took 2.9 times as long, a measurement twice.
It learns to keep twice as much as the largest array that a program has freed. Other C libraries do not, and settings
of one's own (``MALLOC_TRIM_THRESHOLD_``) count more.
"""

from __future__ import annotations

import numpy as np

__all__ = ["keep_freed_memory"]

LARGEST = (1 << 25) - (1 << 13)  # bytes of the largest array that it learns from


def keep_freed_memory() -> None:
    """Keep up to 64 MiB of freed memory, as the C library does in every program that works on large arrays."""
    np.empty(LARGEST, np.uint8)  # freed at once, no page of it touched
