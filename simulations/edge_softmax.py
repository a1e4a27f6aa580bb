"""Does the softmax of an edge detector explain edge detection? Nearly nothing moves: it is almost the identity.
=============================================================================================================

The edge detector has weights 8 in the middle and -1 around. Its softmax is the chance to stay, 0.999, and eight equal
chances to hop to a neighbour. Convolved with that the photograph looks as before: diffusion by a hundredth of a cell.
So the softmax finds no edges. Where are they? In what diffusion *takes away*. For this kernel that is exact,

    picture - softmax * picture = w (kernel * picture),    w the chance of a single hop:

the edge detector is (minus) one step of diffusion, in units of w. Edges are where salt would flow most, and that part
of the explanation holds. The temperature of the softmax only changes w. The film raises it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from matplotlib.colors import Normalize

import diffuseconv as dc

SMALL = ["--cells", "32", "--frames", "6"]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(16), default=192, help="side of the photograph")
    sim.add_image(cli)
    sim.add_film(cli, frames=120, fps=12)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Raise the temperature of the softmax."""
    kernel, photo = dc.kernels.edge_detector(), sim.photograph(args.image, (args.cells, args.cells))
    edges = dc.convolve(photo, kernel)
    strongest = float(np.quantile(np.abs(edges), 0.99))
    drawn = sim.figure(1280, 640)
    caption = sim.heading(drawn, "The softmax of an edge detector is nearly the identity")
    boxes = [drawn.add_axes((0.015 + 0.23 * place, 0.2, 0.215, 0.58)) for place in range(4)]
    shades = Normalize(-strongest, strongest)
    table = sim.panel(boxes[0], np.zeros((3, 3)), "softmax: chances of a hop", None, norm=Normalize(0, 1))
    numbers = sim.label_squares(boxes[0], (3, 3), 13)
    image = sim.panel(boxes[1], photo, "softmax ∗ picture", None, "gray", Normalize(0, 1))
    lost = sim.panel(boxes[2], edges, "(picture − softmax ∗ picture) / w", None, sim.SIGNED, shades)
    sim.panel(boxes[3], edges, "edge detector ∗ picture", "grey level, white is 1", sim.SIGNED, shades)
    words = drawn.text(0.5, 0.09, "", ha="center", size=13, color=sim.ORANGE)
    boxes[0].set_xlabel("w: the chance of each hop", color=sim.FAINT)

    def story() -> sim.Story:
        gaps, first = [], 0.0
        for temperature in np.geomspace(1, 30, args.frames):
            p = dc.Propagator.softmax(kernel, temperature)
            hop = float(p.density[0, 0])
            spread = dc.convolve(photo, p)
            left = (photo - spread) / hop
            gaps.append(float(np.abs(left - edges).max()))
            sim.write_numbers(table, numbers, p.density, ".4f")
            sim.repaint(image, spread)
            sim.repaint(lost, left)
            moved = float(np.abs(photo - spread).mean())
            first = first or moved
            told = f"D = {sim.figures(p.diffusivity(1.0)[0, 0])} cells² a step"
            caption.set_text(f"temperature {temperature:.1f}: {told}")
            told = f"the picture changes by {sim.figures(100 * moved)} % of white on average"
            words.set_text(f"{told}; both maps agree to {sim.figures(gaps[-1], 1)}")
            yield
        told = f"at temperature 1 the softmax changes the picture by {100 * first:.2g} % of white; "
        return {
            "change": first,
            "largest_gap": max(gaps),
        }, f"{told}what it takes away is the edge map to {max(gaps):.0e}"

    return sim.Film(drawn, [table, *numbers, image, lost, caption, words], story(), still=0.0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
