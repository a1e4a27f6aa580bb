"""Chebyshev against explicit steps on variable diffusivity, and how the cost of each scheme grows.

The comparison is at the same final time, behind mirrors, in float64. Errors are relative to the range of the field that
the run starts from, against an expansion to rounding. Exponents are fitted by least squares on logarithms.
"""

from collections.abc import Iterator

import numpy as np

import diffuseconv as dc

from ._timing import Call, Case, Growth


def problem(size: int, ndim: int = 2) -> tuple[dc.DiffusionEquation, np.ndarray]:
    """Return an equation with a rough diffusivity, and a rough field."""
    rng = np.random.default_rng(0)
    return dc.DiffusionEquation(0.1 + 0.9 * rng.random((size,) * ndim)), rng.random((size,) * ndim)


def long_run(size: int, duration: float) -> Iterator[Case]:
    """Reach the same time by each scheme, then many frames, against the last one only."""
    eq, u = problem(size)
    exact = eq.evolve(u, duration, "chebyshev", tolerance=1e-14)
    runs: dict[str, Call] = {
        "chebyshev, tolerance 1e-10 (default)": lambda: eq.evolve(u, duration, "chebyshev"),
        "chebyshev, tolerance 1e-6": lambda: eq.evolve(u, duration, "chebyshev", tolerance=1e-6),
        "explicit, default step": lambda: eq.evolve(u, duration, "explicit"),
    }
    scale = float(np.ptp(u) / np.abs(exact).max())
    checks = {name: ((lambda: exact), scale * bound) for name, bound in zip(runs, (1e-10, 1e-6), strict=False)}
    yield Case(f"{size} x {size}, variable D, t = {duration:g}", runs, checks)
    times = np.linspace(duration / 50, duration, 50)
    frames: dict[str, Call] = {
        "the last frame only": runs["chebyshev, tolerance 1e-10 (default)"],
        "50 frames of one run": lambda: sum(1 for _ in eq.frames(u, times, "chebyshev")),
    }
    yield Case(f"frames of one run, {size} x {size}", frames)


def growth(quick: bool) -> Iterator[Growth]:
    """Yield cost against duration and against cells."""
    eq, u = problem(64 if quick else 256)
    for method in ("explicit", "chebyshev"):
        durations = (10.0, 40.0, 160.0) if quick else (30.0, 120.0, 480.0)
        yield Growth(f"{method} against duration", durations, lambda t, method=method: lambda: eq.evolve(u, t, method))
        cells = [side**2 for side in ((32, 64, 128) if quick else (64, 128, 256, 512))]
        yield Growth(f"{method} against cells", cells, lambda count, method=method: run(round(count**0.5), method))


def run(size: int, method: str) -> Call:
    """Return a call that runs a field of this size for a fixed time."""
    eq, u = problem(size)
    return lambda: eq.evolve(u, 100.0, method)


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Yield the schemes at one time, and how their cost grows."""
    yield from long_run(64 if quick else 256, 100.0 if quick else 500.0)
    yield from growth(quick)
