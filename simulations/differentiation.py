"""Differentiation is a product in the frequency plane: every wave is multiplied by ik.
====================================================================================

A wave that goes up and down m times across a field has the slope 2 pi m times as large, a quarter of a wave ahead: the
factor ik, with k = 2 pi m / L. So to differentiate is to multiply the transform by ik, and since a product of
transforms is a convolution, differentiation is a convolution too. The small kernels that image people use for slopes
are cheap copies of it. The central difference [1, 0, -1] / 2 multiplies by i sin(k dx) / dx instead: right for slow
waves, ever more wrong for fast ones, and blind for the fastest.

The film lets a wave become faster. Above, the wave and its slope by both methods; below, the two factors.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np

import diffuseconv as dc

SMALL = ["--cells", "32", "--frames", "6"]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(16), default=96, help="cells of the field")
    sim.add_film(cli, frames=140, fps=14)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let the wave become faster."""
    n = args.cells
    x, k = np.arange(n) / n, 2 * np.pi * np.arange(n // 2)
    difference = np.array([1.0, 0.0, -1.0]) * n / 2
    factor = np.abs(dc.spectrum.transfer_function(difference, n))[: n // 2]
    drawn = sim.figure()
    caption = sim.heading(drawn, "Differentiation: every wave times ik")
    top, middle, bottom = (
        drawn.add_axes((0.08, y, 0.88, height)) for y, height in ((0.65, 0.15), (0.4, 0.17), (0.1, 0.21))
    )
    top.set(xlim=(0, 1), ylim=(-1.3, 1.3), ylabel="field", xticklabels=[])
    (wave,) = top.plot(x, 0 * x, color=sim.FAINT, marker=".")
    middle.set(xlim=(0, 1), ylim=(-1.3, 1.3), ylabel="slope / k", xlabel="place")
    (exact,) = middle.plot(x, 0 * x, color=sim.BLUE, label="times ik: spectrum.derivative")
    (small,) = middle.plot(x, 0 * x, color=sim.ORANGE, linestyle="--", label="central difference")
    middle.legend(loc="lower left", bbox_to_anchor=(0, 0.97), ncols=2)
    bottom.plot(k, k, color=sim.BLUE, linewidth=0.8)
    bottom.plot(k, factor, color=sim.ORANGE, linewidth=0.8, linestyle="--")
    bottom.set(xlim=(0, k[-1]), ylim=(0, k[-1]), xlabel="k, radians per length", ylabel="size of the factor")
    dots = [bottom.plot([], [], "o", color=colour, markersize=5)[0] for colour in (sim.BLUE, sim.ORANGE)]

    def story() -> sim.Story:
        worst, last = 0.0, 0
        for crests in np.linspace(1, 0.8 * (n // 2), args.frames).astype(int):
            u, rate = np.cos(2 * np.pi * crests * x), 2 * np.pi * crests
            slopes = dc.spectrum.derivative(u, spacing=1 / n), dc.convolve(u, difference, boundary="periodic")
            for line, values in zip((wave, exact, small), (u, slopes[0] / rate, slopes[1] / rate), strict=True):
                line.set_ydata(values)
            if crests > last:
                sim.extend_curves(dots, rate, (rate, factor[crests]))
            last = crests
            worst = max(worst, float(np.abs(slopes[0] / rate + np.sin(2 * np.pi * crests * x)).max()))
            short = 1 - factor[crests] / rate
            caption.set_text(
                f"{crests} crests, {n / crests:.1f} cells each: the central difference falls short by {short:.1%}"
            )
            yield
        told = (
            f"times ik is right to {worst:.0e} for every wave; the central difference falls short by up to {short:.0%}"
        )
        return {"largest_error": worst, "difference_falls_short": short}, told

    return sim.Film(drawn, [wave, exact, small, *dots, caption], story(), still=0.3)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
