"""Measurement and scatter against NumPy's and PyTorch's samplers; results are random, so their laws are tested instead.

NumPy and PyTorch only draw which tap, or how often each tap, is drawn; what a pixel then reads, walls included, is
ours in addition. All contenders of one table run interleaved. `Generator.choice` is asked for all draws in one call,
`Generator.multinomial` for the counts of all pixels in one call, `torch.multinomial` for all draws of all pixels.
"""

from collections.abc import Iterator

import numpy as np

import diffuseconv as dc

from ._timing import Call, Case, Growth

try:
    import torch
except ImportError:
    torch = None
SIDE = 256
PIXELS = SIDE**2


def measurement(size: int, draws: int) -> Case:
    """Build one row: a kernel of random weights, so many draws a pixel."""
    rng = np.random.default_rng(0)
    field, density = rng.random((SIDE, SIDE)), rng.random((size, size))
    density /= density.sum()
    chances = density.ravel()
    contenders: dict[str, Call] = {"diffuseconv.measure": lambda: dc.measure(field, density, draws, rng=1)}
    if draws <= 10:
        contenders["numpy Generator.choice"] = lambda: rng.choice(chances.size, (PIXELS, draws), p=chances)
    if draws >= 10:
        contenders["numpy Generator.multinomial"] = lambda: rng.multinomial(draws, chances, size=PIXELS)
    if torch is not None and draws <= 10:
        weights = torch.from_numpy(chances)
        contenders["torch.multinomial"] = lambda: torch.multinomial(weights, PIXELS * draws, replacement=True)
    return Case(f"{size} x {size} taps, {draws:,} draws, {SIDE} x {SIDE} pixels", contenders)


def scattering(size: int, grains: int) -> Case:
    """Build one row: grains scattered with a kernel of random weights."""
    rng = np.random.default_rng(0)
    counts, density = rng.poisson(grains, (SIDE, SIDE)), rng.random((size, size))
    density /= density.sum()
    flat, chances = counts.ravel(), density.ravel()
    contenders: dict[str, Call] = {
        "diffuseconv.scatter": lambda: dc.scatter(counts, density, rng=1),
        "numpy Generator.multinomial": lambda: rng.multinomial(flat, chances),
    }
    return Case(f"scatter, {size} x {size} taps, mean count {grains:,}", contenders)


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Yield measurement, scatter and the growth with draws."""
    for size in (3,) if quick else (3, 7):
        for draws in (1, 10) if quick else (1, 10, 1000, 10**6):
            yield measurement(size, draws)
        for grains in (1, 10) if quick else (1, 10, 10**6):
            yield scattering(size, grains)
    if not quick:
        draws = (1, 10, 100, 1000)
        yield Growth(
            "measure 3 x 3 against draws", draws, lambda n: measurement(3, int(n)).contenders["diffuseconv.measure"]
        )
