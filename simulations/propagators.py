"""What a kernel does to salt: its softmax says where a grain may hop, and many hops make a Gaussian of any kernel.

A kernel becomes a propagator by softmax, p ∝ exp(kernel / temperature): chances that are nowhere negative and add up to
1. The film has two acts.

1. The temperature rises. When it is cold all grains take the kernel's largest weight (ties share it); when it is hot
   every hop within the kernel is as likely as any other. The curve shows the spread of one hop, in pixels.
2. The same hop is made over and over. Ten thousand grains start at one point. The photograph is convolved with the same
   propagator: each pixel then shows the mean of what hops to it. Means and covariances of hops add, so the cloud drifts
   as n and widens as √n; and the central limit theorem makes its density a Gaussian, whatever the kernel. How far it
   still is from one is told as total variation: the largest difference in the chance of any event.

Repeating a smoothing kernel is therefore diffusion, with diffusivity D = spread² / 2 per hop and axis, and a kernel
whose mean hop is not 0 carries the picture along besides: convection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    add_film,
    add_image,
    add_rng,
    animate,
    at_least,
    figure,
    one_line_errors,
    outputs,
    parser,
    photograph,
    positive,
    repaint,
    write_record,
)
from matplotlib.axes import Axes

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


def numbers(axes: Axes, values: Any, digits: int, size: int = 12) -> tuple[Any, list[Any]]:
    """Show a small array as coloured squares with numbers."""
    image = axes.imshow(values, cmap="PuOr_r" if values.min() < 0 else "viridis")
    reach = np.abs(values).max()
    image.set_clim(-reach if values.min() < 0 else 0.0, reach)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    places = [(row, column) for row in range(values.shape[0]) for column in range(values.shape[1])]
    texts = [axes.text(c, r, "", ha="center", va="center", size=size) for r, c in places]
    rewrite(image, texts, values, digits)
    return image, texts


def rewrite(image: Any, texts: list[Any], values: Any, digits: int) -> None:
    """Show other numbers on the same squares."""
    colours = image.to_rgba(values, bytes=True, norm=True)
    image.set_data(colours)
    bright = colours[..., :3].mean(axis=-1).ravel() > 120
    for text, value, on_bright in zip(texts, values.ravel(), bright, strict=True):
        text.set(text=f"{value + 0.0:.{digits}f}", color="black" if on_bright else INK)


def window(density: Any, half: int) -> Any:
    """The part of a density within `half` cells of its origin, zero where it has none."""
    wide = np.pad(density, [(half, half)] * 2)
    return wide[tuple(slice(n // 2, n // 2 + 2 * half + 1) for n in density.shape)]


def gaussian_like(p: dc.Propagator) -> dc.Propagator:
    """The Gaussian of the same mean and covariance, sampled on the same cells."""
    moves = np.stack(np.meshgrid(*[np.arange(n) - n // 2 for n in p.shape], indexing="ij"), axis=-1) - p.mean
    inverse = np.linalg.inv(p.covariance + 1e-9 * np.eye(2))
    return dc.Propagator.softmax(-0.5 * np.einsum("...a,ab,...b", moves, inverse, moves))


def total_variation(p: dc.Propagator, q: dc.Propagator) -> float:
    """The largest difference between two chances of the same event."""
    return float(np.abs(p.density - q.density).sum() / 2)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--kernel", choices=KERNELS, default="edge_detector", help="the kernel that becomes a propagator")
    cli.add_argument("--temperature", type=positive, default=4.0, help="of the second act, in units of the kernel")
    cli.add_argument("--hops", type=at_least(2), default=64, help="how often the propagator is applied in the end")
    cli.add_argument("--size", type=at_least(16), default=200, help="side of the photograph in pixels")
    add_image(cli)
    add_rng(cli)
    add_film(cli, frames=360)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "propagators")
        kernel = KERNELS[args.kernel]
        photo = photograph(args.image, (args.size, args.size))
        final = dc.Propagator.softmax(kernel, args.temperature)
        coldest, hottest = 0.02 * np.ptp(kernel) or 0.01, 20 * np.ptp(kernel) or 10.0
        temperatures = np.geomspace(coldest, hottest, max(2, args.frames * 2 // 5))
        spreads = [spread(dc.Propagator.softmax(kernel, t)) for t in temperatures]
        box = dc.Propagator.softmax(kernel, hottest)
        reach = [
            4 * np.sqrt(np.diag(p.covariance).max() * n) + np.abs(p.mean).max() * n
            for p, n in ((final, args.hops), (box, 4))
        ]
        half = int(np.ceil(max(4.0, *reach)))

        drawn = figure(1280, 720)
        panels = drawn.subplots(2, 4, gridspec_kw={"width_ratios": (1, 1, 1.12, 1.12)})
        drawn.subplots_adjust(left=0.055, right=0.985, top=0.83, bottom=0.09, wspace=0.16, hspace=0.32)
        drawn.suptitle(f"The {args.kernel.replace('_', ' ')} as a propagator", size=17, y=0.975)
        caption = drawn.text(0.5, 0.905, "", ha="center", size=13, color=BLUE)
        heading = {"pad": 7}
        numbers(panels[0, 0], kernel, 0 if np.array_equal(kernel, np.rint(kernel)) else 2)
        panels[0, 0].set_title("kernel: any weights", **heading)
        soft, soft_texts = numbers(panels[0, 1], final.density, 4)
        soft.set_clim(0.0, 1.0)
        panels[0, 1].set_title("softmax: chances of a hop", **heading)
        pictures = [panels[0, column].imshow(photo, cmap="gray", vmin=0, vmax=1) for column in (2, 3)]
        for axes in panels[0, 2:]:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        panels[0, 2].set_title("photograph", **heading)
        after = panels[0, 3].set_title("photograph, convolved", **heading)

        curve = panels[1, 0]
        curve.semilogx(temperatures, spreads, color=FAINT)
        (marker,) = curve.plot([temperatures[0]], [spreads[0]], "o", color=ORANGE, markersize=9)
        curve.set(title="colder: sure, hotter: at random", xlabel="temperature (units of the kernel)")
        curve.set_ylabel("spread of a hop (pixels)")
        curve.set_ylim(-0.03, 1.1 * max(*spreads, 0.1))
        cloud = panels[1, 1]
        (dots,) = cloud.plot([], [], ",", color=ORANGE, alpha=0.9)
        cloud.set(xlim=(-half - 0.5, half + 0.5), ylim=(half + 0.5, -half - 0.5), aspect="equal", xlabel="pixels")
        cloud.set_title(f"{GRAINS:,} grains after their hops", **heading)
        density = panels[1, 2].imshow(
            np.zeros((2 * half + 1,) * 2), extent=(-half - 0.5, half + 0.5, half + 0.5, -half - 0.5)
        )
        panels[1, 2].set_title("density, by composing the hop", **heading)
        panels[1, 2].set(xlabel="pixels (brightest: the largest)")
        profile = panels[1, 3]
        moves = np.arange(-half, half + 1)
        bars = profile.bar(moves, np.zeros(moves.size), width=1.0, color=BLUE, alpha=0.75, label="hops composed")
        (bell,) = profile.plot(moves, np.zeros(moves.size), color=ORANGE, label="Gaussian")
        profile.set(ylim=(0, 1.45), xlim=(-half - 0.5, half + 0.5), xlabel="pixels, left to right", yticks=[])
        profile.legend(loc="upper left", fontsize=9, handlelength=1.2)
        far = profile.set_title("", **heading)

        scatter_rng = np.random.default_rng(args.rng)
        jitter = np.random.default_rng(args.rng).uniform(-0.5, 0.5, (2, GRAINS))

        def show(p: dc.Propagator, n: int, picture: Any, grains: Any) -> None:
            """Draw everything about `n` hops with `p`."""
            many = p.power(n)
            like = gaussian_like(many)
            rewrite(soft, soft_texts, p.density, 4)
            repaint(pictures[1], picture)
            after.set_text(f"convolved {n} time{'s' * (n > 1)}")
            where = np.repeat(np.argwhere(grains >= 0), grains.ravel(), axis=0).T - half
            dots.set_data(where[1] + jitter[1, : where.shape[1]], where[0] + jitter[0, : where.shape[1]])
            shown = window(many.density, half)
            density.set_clim(0, shown.max())
            repaint(density, shown)
            ours, theirs = (window(q.density, half).sum(axis=0) for q in (many, like))
            for bar, height in zip(bars, ours / ours.max(), strict=True):
                bar.set_height(height)
            bell.set_ydata(theirs / ours.max())
            far.set_text(f"distance from a Gaussian: {total_variation(many, like):.1%}")

        def hop(p: dc.Propagator, picture: Any, grains: Any, times: int) -> tuple[Any, Any]:
            """Let the photograph and the grains take some hops."""
            for _ in range(times):
                picture = dc.convolve(picture, p)
                grains = dc.scatter(grains, p, boundary="zero", rng=scatter_rng)
            return picture, grains

        start = np.zeros((2 * half + 1,) * 2, dtype=np.int64)
        start[half, half] = GRAINS
        count = 0

        def story() -> Iterator[None]:
            nonlocal count
            for temperature, width in zip(temperatures, spreads, strict=True):
                p = dc.Propagator.softmax(kernel, temperature)
                show(p, 4, *hop(p, photo, start, 4))
                marker.set_data([temperature], [width])
                caption.set_text(f"Act 1: the temperature rises to {temperature:.3g}; four hops")
                count += 1
                yield
            marker.set_data([args.temperature], [spread(final)])
            picture, grains, done = photo, start, 0
            rest = max(2, args.frames - temperatures.size)
            for moment in range(rest):
                n = round(args.hops ** min(1.0, moment / (0.9 * rest)))
                picture, grains = hop(final, picture, grains, n - done)
                done = n
                show(final, n, picture, grains)
                caption.set_text(f"Act 2: temperature {args.temperature:g}, the same hop {n} time{'s' * (n > 1)} over")
                count += 1
                yield

        moving = [soft, *soft_texts, pictures[1], after, dots, density, *bars, bell, far, caption, marker]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        counts = [2**k for k in range(args.hops.bit_length()) if 2**k < args.hops] + [args.hops]
        doubled = {n: total_variation(final.power(n), gaussian_like(final.power(n))) for n in counts}
        write_record(files.record, {**vars(args), "frames": count, "total_variation": doubled})
        print(f"softmax of {args.kernel} at temperature {args.temperature:g}: {final}")
        print("distance from a Gaussian after n hops: " + ", ".join(f"{n}: {d:.2%}" for n, d in doubled.items()))
        print(f"{files.film} ({count} frames), {files.still}, {files.record}")


def spread(p: dc.Propagator) -> float:
    """The standard deviation of a hop along the axis on which it is largest."""
    return float(np.sqrt(np.linalg.eigvalsh(p.covariance)[-1]))


if __name__ == "__main__":
    main()
