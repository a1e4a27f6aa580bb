"""Chebyshev against explicit steps on variable diffusivity, and how the cost of each scheme grows.

The comparison is at the same final time, behind mirrors, in float64. Errors are relative to the range of the field that
the run starts from, against an expansion to rounding. Exponents are fitted by least squares on logarithms.
"""

import argparse

import numpy as np
from _timing import interleaved, table

import diffuseconv as dc


def problem(size: int, ndim: int = 2) -> tuple[dc.DiffusionEquation, np.ndarray]:
    """Return an equation with a rough diffusivity, and a rough field."""
    rng = np.random.default_rng(0)
    return dc.DiffusionEquation(0.1 + 0.9 * rng.random((size,) * ndim)), rng.random((size,) * ndim)


def long_run(size: int, duration: float, rounds: int) -> None:
    """Reach the same time by each scheme."""
    eq, u = problem(size)
    exact = eq.evolve(u, duration, "chebyshev", tolerance=1e-14)
    runs = {
        "explicit, default step": lambda: eq.evolve(u, duration, "explicit"),
        "chebyshev, tolerance 1e-6": lambda: eq.evolve(u, duration, "chebyshev", tolerance=1e-6),
        "chebyshev, tolerance 1e-10 (default)": lambda: eq.evolve(u, duration, "chebyshev"),
    }
    for name, run in runs.items():
        print(f"{name}: error {np.abs(run() - exact).max() / np.ptp(u):.1e}")
    seconds = interleaved(runs, rounds)
    table(f"{size} x {size}, variable D, t = {duration:g}", seconds, "explicit, default step")
    times = np.linspace(duration / 50, duration, 50)
    eqs = {
        "50 frames of one run": lambda: sum(1 for _ in eq.frames(u, times, "chebyshev")),
        "the last frame alone": lambda: eq.evolve(u, duration, "chebyshev"),
    }
    table("frames that share terms", interleaved(eqs, rounds), "the last frame alone")


def growth(rounds: int, quick: bool) -> None:
    """Print cost against duration and against size, with the exponents of both."""
    durations = [10.0, 40.0, 160.0] if quick else [30.0, 120.0, 480.0, 1920.0]
    sizes = [32, 64, 128] if quick else [64, 128, 256, 512]
    eq, u = problem(64 if quick else 256)
    against = {
        "duration": (durations, lambda t, method: eq.evolve(u, t, method)),
        "cells": ([n * n for n in sizes], lambda cells, method: run_size(round(cells**0.5), method)),
    }
    for what, (values, work) in against.items():
        print(f"\ncost against {what} (ms)" + "".join(f"{value:>12g}" for value in values) + "   exponent")
        for method in ("explicit", "chebyshev"):
            runs = {str(value): (lambda value=value, method=method, work=work: work(value, method)) for value in values}
            seconds = list(interleaved(runs, rounds).values())
            slope = np.polyfit(np.log(values), np.log(seconds), 1)[0]
            print(f"  {method:<22}" + "".join(f"{1e3 * took:12.2f}" for took in seconds) + f"   {slope:8.2f}")


def run_size(size: int, method: str) -> np.ndarray:
    """Run a field of this size for a fixed time."""
    eq, u = problem(size)
    return eq.evolve(u, 100.0, method)


def main(argv: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="cells along each side (default 256)")
    parser.add_argument("--duration", type=float, default=2000.0, help="physical time to reach (default 2000)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--quick", action="store_true", help="smaller tables")
    options = parser.parse_args(argv)
    long_run(options.size, options.duration, options.rounds)
    growth(options.rounds, options.quick)


if __name__ == "__main__":
    main()
