"""The vector registers of the processor, and the shapes of tiles that follow from them.

| processor | registers | bytes each |
|---|---|---|
| x86 with AVX-512 | 32 | 64 |
| x86 with AVX2 and FMA | 16 | 32 |
| Arm of 64 bits (NEON; SVE too, whose width no compiled loop may rely on) | 32 | 16 |
| any other | unknown | 16 |

A tile keeps its sums in registers: r rows of two vectors, to which one call adds the products with h kernel rows. That
needs 2 r sums, h weights and one value of the field. With r = h = a quarter of the registers three quarters and one are
in use; with more, sums go to memory and back and a tile takes 1.5 to 2 times as long.
"""

from __future__ import annotations

import platform
from typing import NamedTuple

import llvmlite.binding as llvm
from numba import config


class Machine(NamedTuple):
    """The vector registers of a class of processors; where nothing is known of them (0) loops are plain."""

    name: str
    registers: int
    bytes: int


AVX512, AVX2, NEON, PLAIN = (
    Machine("AVX-512", 32, 64), Machine("AVX2", 16, 32), Machine("NEON", 32, 16), Machine("plain", 0, 16)
)  # fmt: skip


def compiled_for() -> Machine:
    """Return the class of processors that numba compiles for: this one's, or what its settings name."""
    if config.CPU_FEATURES is None:
        features = {name for name, there in llvm.get_host_cpu_features().items() if there}
    else:
        features = {name[1:] for name in config.CPU_FEATURES.split(",") if name.startswith("+")}
    if "avx512f" in features:
        return AVX512
    if {"avx2", "fma"} <= features:
        return AVX2
    return NEON if platform.machine().lower() in ("aarch64", "arm64") else PLAIN


MACHINE = compiled_for()
