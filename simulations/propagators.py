"""What a kernel does to salt: its softmax says where a grain may hop, and many hops make a Gaussian of any kernel.
================================================================================================================

A kernel becomes a propagator by softmax, p ∝ exp(kernel / temperature): chances that are nowhere negative and add up to
1. The film has two parts.

1. The temperature rises. When it is cold all grains follow the kernel's largest weight (ties share it); when it is hot
   every hop within the kernel is as likely as any other. The curve shows the spread of one hop, in pixels.
2. The same hop is made over and over. Ten thousand grains start at one point. The photograph is convolved with the same
   propagator: each pixel then shows the mean of what hops to it. Means and covariances of hops add, so the cloud drifts
   as n and widens as √n; and the central limit theorem makes its density a Gaussian, whatever the kernel. How far it
   still is from one is told as total variation: the largest difference in the chance of any event.

Repeating a smoothing kernel is therefore diffusion, with diffusivity D = spread² / 2 per hop and axis, and a kernel
whose mean hop is not 0 carries the picture along besides: convection.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import diffuseconv as dc

SMALL = ["--frames", "8", "--hops", "4", "--size", "48"]
KERNELS = {
    "edge_detector": dc.kernels.edge_detector(),
    "box": dc.kernels.box(3),
    "emboss": dc.kernels.emboss(),
    "sobel": dc.kernels.sobel(),
    "sharpen": dc.kernels.sharpen(),
    "laplacian": dc.kernels.laplacian(),
    "roberts": dc.kernels.roberts(),
}
GRAINS = 10_000


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--kernel", choices=KERNELS, default="edge_detector", help="the kernel that becomes a propagator")
    cli.add_argument("--temperature", type=sim.positive, default=4.0, help="of the second part, in units of the kernel")
    cli.add_argument("--hops", type=sim.at_least(2), default=64, help="how often the propagator is applied in the end")
    cli.add_argument("--size", type=sim.at_least(16), default=200, help="side of the photograph in pixels")
    sim.add_image(cli)
    sim.add_rng(cli)
    sim.add_film(cli, frames=360)
    return cli


def window(density: Any, half: int) -> Any:
    """Return the part of a density within `half` cells of its origin, zero where it has none."""
    wide = np.pad(density, [(half, half)] * 2)
    return wide[tuple(slice(n // 2, n // 2 + 2 * half + 1) for n in density.shape)]


def gaussian_like(p: dc.Propagator) -> dc.Propagator:
    """Return the Gaussian of the same mean and covariance, sampled on the same cells."""
    moves = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in p.shape], indexing="ij"), axis=-1) - p.mean
    inverse = np.linalg.inv(p.covariance + 1e-9 * np.eye(2))
    return dc.Propagator.softmax(-0.5 * np.einsum("...a,ab,...b", moves, inverse, moves))


def total_variation(p: dc.Propagator, q: dc.Propagator) -> float:
    """Return the largest difference between two chances of the same event."""
    return float(np.abs(p.density - q.density).sum() / 2)


def spread(p: dc.Propagator) -> float:
    """Return the standard deviation of a hop along the axis on which it is largest."""
    return float(np.sqrt(np.linalg.eigvalsh(p.covariance)[-1]))


def reach(p: dc.Propagator, hops: int) -> float:
    """Return how far grains get in so many hops, but for one in ten thousand."""
    return float(4 * np.sqrt(np.diag(p.covariance).max() * hops) + np.abs(p.mean).max() * hops)


class Propagation:
    """A photograph and a cloud of grains that hop, and the density of their hops."""

    def __init__(self, photo: Any, half: int, rng: int) -> None:
        self.photo, self.half, self.rng = photo, half, np.random.default_rng(rng)
        self.reset()

    def reset(self) -> None:
        """Put all grains back into the middle, and the photograph back in order."""
        self.picture, self.hops = self.photo, 0
        self.grains = np.zeros((2 * self.half + 1,) * 2, dtype=np.int64)
        self.grains[self.half, self.half] = GRAINS

    def hop(self, p: dc.Propagator, times: int) -> None:
        """Apply a propagator so many times."""
        for _ in range(times):
            self.picture = dc.convolve(self.picture, p)
            self.grains = dc.scatter(self.grains, p, boundary="zero", rng=self.rng)
        self.hops += times


class Pictures:
    """All that changes: the softmax, the convolved photograph, the grains, their density and its profile."""

    def __init__(self, drawn: Figure, kernel: Any, photo: Any, half: int) -> None:
        self.half = half
        grid = drawn.add_gridspec(
            2,
            4,
            width_ratios=(1, 1, 1.12, 1.12),
            left=0.065,
            right=0.985,
            top=0.8,
            bottom=0.09,
            wspace=0.2,
            hspace=0.34,
        )
        boxes = [drawn.add_subplot(grid[row, column]) for row in range(2) for column in range(4)]
        self.curve = boxes[4]
        largest = float(np.abs(kernel).max())
        given = sim.panel(boxes[0], kernel, "kernel: any weights", None, "PuOr_r", Normalize(-largest, largest))
        whole = np.array_equal(kernel, np.rint(kernel))
        sim.write_numbers(given, sim.label_squares(boxes[0], kernel.shape, 12), kernel, ".0f" if whole else ".2f")
        self.soft = sim.panel(
            boxes[1], np.zeros(kernel.shape), "softmax: chances of a hop", None, sim.SALT, Normalize(0, 1)
        )
        self.chances = sim.label_squares(boxes[1], kernel.shape, 12)
        sim.panel(boxes[2], photo, "photograph", None, "gray", Normalize(0, 1))
        self.picture = sim.panel(boxes[3], photo, "", None, "gray", Normalize(0, 1))
        self.after = boxes[3].title
        rng, ends = np.random.default_rng(1), (-half - 0.5, half + 0.5)
        self.jitter = rng.uniform(-0.5, 0.5, (2, GRAINS))  # so that grains in one cell are seen beside each other
        (self.dots,) = boxes[5].plot([], [], ",", color=sim.ORANGE, alpha=0.9)
        boxes[5].set(xlim=ends, ylim=ends[::-1], aspect="equal", xlabel="pixels", title=f"{GRAINS:,} grains, hopping")
        self.density = boxes[6].imshow(np.zeros((2 * half + 1,) * 2), extent=(*ends, *ends[::-1]))
        boxes[6].set(xlabel="pixels (brightest: the largest)", title="density, by composing the hop")
        self.moves = np.arange(-half, half + 1)
        zeros = np.zeros(self.moves.size)
        self.bars = boxes[7].bar(self.moves, zeros, width=1.0, color=sim.BLUE, alpha=0.75, label="hops composed")
        (self.bell,) = boxes[7].plot(self.moves, zeros, color=sim.ORANGE, label="Gaussian")
        boxes[7].set(ylim=(0, 1.45), xlim=ends, xlabel="pixels, left to right", yticks=[])
        boxes[7].legend(loc="upper left", fontsize=9, handlelength=1.2)
        self.far = boxes[7].title
        changing = [self.picture, self.after, self.dots, self.density, *self.bars, self.bell, self.far]
        self.moving: list[Any] = [self.soft, *self.chances, *changing]

    def show(self, p: dc.Propagator, now: Propagation) -> None:
        """Show one propagator after some hops."""
        n, half = now.hops, self.half
        many = p.power(n)
        like = gaussian_like(many)
        sim.write_numbers(self.soft, self.chances, p.density, ".4f")
        sim.repaint(self.picture, now.picture)
        self.after.set_text(f"convolved {n} time{'s' * (n > 1)}")
        where = np.repeat(np.argwhere(now.grains >= 0), now.grains.ravel(), axis=0).T - half
        left = where.shape[1]  # grains that hopped out of the window are gone
        self.dots.set_data(where[1] + self.jitter[1, :left], where[0] + self.jitter[0, :left])
        shown = window(many.density, half)
        self.density.set_clim(0, shown.max())
        sim.repaint(self.density, shown)
        ours, theirs = (window(q.density, half).sum(axis=0) for q in (many, like))
        for bar, height in zip(self.bars, ours / ours.max(), strict=True):
            bar.set_height(height)
        self.bell.set_ydata(theirs / ours.max())
        self.far.set_text(f"off a Gaussian by {total_variation(many, like):.1%}")


def draw_spreads(axes: Axes, temperatures: Any, spreads: Sequence[float]) -> Line2D:
    """Draw the spread of a hop over the temperature; return the dot on it."""
    axes.semilogx(temperatures, spreads, color=sim.FAINT)
    axes.set(title="colder: sure, hotter: at random", xlabel="temperature (units of the kernel)")
    axes.set_ylabel("spread of a hop (pixels)")
    axes.set_ylim(-0.03, 1.1 * max(*spreads, 0.1))
    return axes.plot(temperatures[:1], spreads[:1], "o", color=sim.ORANGE, markersize=9)[0]


def simulate(args: argparse.Namespace) -> sim.Film:
    """Warm the hop, then repeat it."""
    kernel, photo = KERNELS[args.kernel], sim.photograph(args.image, (args.size, args.size))
    final = dc.Propagator.softmax(kernel, args.temperature)
    coldest, hottest = 0.02 * np.ptp(kernel) or 0.01, 20 * np.ptp(kernel) or 10.0
    temperatures = np.geomspace(coldest, hottest, max(2, args.frames * 2 // 5))
    hot = [dc.Propagator.softmax(kernel, temperature) for temperature in temperatures]
    half = int(np.ceil(max(4.0, reach(final, args.hops), reach(hot[-1], 4))))
    drawn = sim.figure()
    caption = sim.heading(drawn, f"The {args.kernel.replace('_', ' ')} as a propagator")
    pictures = Pictures(drawn, kernel, photo, half)
    dot = draw_spreads(pictures.curve, temperatures, [spread(p) for p in hot])

    def story() -> sim.Story:
        now = Propagation(photo, half, args.rng)
        for temperature, p in zip(temperatures, hot, strict=True):
            now.reset()
            now.hop(p, 4)
            pictures.show(p, now)
            dot.set_data([temperature], [spread(p)])
            caption.set_text(f"First: the temperature rises to {sim.figures(temperature, 3)}; four hops")
            yield
        dot.set_data([args.temperature], [spread(final)])
        now.reset()
        rest = max(2, args.frames - temperatures.size)
        for frame in range(rest):
            now.hop(final, round(args.hops ** min(1.0, frame / (0.9 * rest))) - now.hops)
            pictures.show(final, now)
            times = f"{now.hops} time{'s' * (now.hops > 1)}"
            caption.set_text(f"Then: temperature {args.temperature:g}, the same hop {times} over")
            yield
        counts = [*(2**k for k in range(args.hops.bit_length()) if 2**k < args.hops), args.hops]
        far = {n: total_variation(final.power(n), gaussian_like(final.power(n))) for n in counts}
        told = (
            f"softmax of {args.kernel} at temperature {args.temperature:g}: {final}\ndistance from a Gaussian after n "
        )
        return {"total_variation": far}, told + "hops: " + ", ".join(f"{n}: {d:.2%}" for n, d in far.items())

    return sim.Film(drawn, [*pictures.moving, caption, dot], story())


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
