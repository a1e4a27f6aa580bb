"""Measurement and scatter beside NumPy's and PyTorch's samplers: ``PYTHONPATH=. python benchmarks/measurement.py``.

NumPy and PyTorch only draw which tap, or how often each tap, is taken; what a pixel then reads, walls included, is
ours in addition. All contenders of one table run interleaved. `Generator.choice` is asked for all draws in one call,
`Generator.multinomial` for the counts of all pixels in one call, `torch.multinomial` for all draws of all pixels.
"""

import argparse
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # or PyTorch's idle threads spin while the others are timed

import numpy as np
from _timing import interleaved, table

import diffuseconv as dc

try:
    import torch
except ImportError:
    torch = None
SIDE = 256
PIXELS = SIDE**2


def measure_against_peers(size: int, draws: int, rounds: int) -> None:
    """Print one table: a kernel of random weights, so many draws a pixel."""
    rng = np.random.default_rng(0)
    field, density = rng.random((SIDE, SIDE)), rng.random((size, size))
    density /= density.sum()
    chances = density.ravel()
    contenders = {"diffuseconv.measure": lambda: dc.measure(field, density, draws, rng=1)}
    if draws <= 10:
        contenders["numpy Generator.choice"] = lambda: rng.choice(chances.size, (PIXELS, draws), p=chances)
    if draws >= 10:
        contenders["numpy Generator.multinomial"] = lambda: rng.multinomial(draws, chances, size=PIXELS)
    if torch is not None and draws <= 10:
        weights = torch.from_numpy(chances)
        contenders["torch.multinomial"] = lambda: torch.multinomial(weights, PIXELS * draws, replacement=True)
    reference = list(contenders)[1]
    table(f"{size}x{size} taps, {draws:,} draws, {SIDE}x{SIDE} pixels", interleaved(contenders, rounds), reference)


def scatter_against_peers(size: int, grains: int, rounds: int) -> None:
    """Print one table: grains scattered with a kernel of random weights."""
    rng = np.random.default_rng(0)
    counts, density = rng.poisson(grains, (SIDE, SIDE)), rng.random((size, size))
    density /= density.sum()
    flat, chances = counts.ravel(), density.ravel()
    contenders = {
        "diffuseconv.scatter": lambda: dc.scatter(counts, density, rng=1),
        "numpy Generator.multinomial": lambda: rng.multinomial(flat, chances),
    }
    seconds = interleaved(contenders, rounds)
    table(f"scatter, {size}x{size} taps, mean count {grains:,}", seconds, "numpy Generator.multinomial")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    rounds = parser.parse_args().rounds
    for size in (3, 7):
        for draws in (1, 10, 1000, 10**6):
            measure_against_peers(size, draws, rounds)
    for size in (3, 7):
        for grains in (1, 10, 10**6):
            scatter_against_peers(size, grains, rounds)


if __name__ == "__main__":
    main()
