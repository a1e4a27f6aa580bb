"""A quiz: here is a kernel. What will it do to the photograph?
============================================================

Nobody needs a computer to read a kernel. Are its weights nowhere negative and do they sum to 1? Then they are chances,
and light spreads: a blur, wider the wider the weights. Is the mean of the displacements not 0? Then the picture moves
along. Is the middle larger than 1 and the rest negative? Then diffusion runs backward: it sharpens. Do the weights sum
to 0? Then even light vanishes, and edges or slopes are left.

Each round of the film first shows a kernel and the photograph. Make a guess! Then come the result and the answer, which
is worked out from the kernel's sum, mean and covariance. The first is the one that the text ends with.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from matplotlib.colors import Normalize

import diffuseconv as dc

SMALL = ["--cells", "32", "--frames", "8"]
KERNELS = (
    np.outer([1, 2, 1], [1, 2, 1]) / 16,
    np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    np.array([[0.0, 0, 0], [0, 0, 1], [0, 0, 0]]),
    dc.kernels.sobel(1),
)
QUESTION = 0.6  # of each round, before the answer


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(16), default=128, help="side of the photograph")
    sim.add_image(cli)
    sim.add_film(cli, frames=192, fps=6)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Ask, wait, answer."""
    photo = sim.photograph(args.image, (args.cells, args.cells))
    drawn = sim.figure(1280, 600)
    caption = sim.heading(drawn, "What does this kernel do?")
    boxes = [drawn.add_axes((0.03 + 0.33 * place, 0.2, 0.29, 0.6)) for place in range(3)]
    table = sim.panel(boxes[0], np.zeros((3, 3)), "kernel", None, sim.SIGNED, Normalize(-1, 1))
    numbers = sim.label_squares(boxes[0], (3, 3), 15)
    sim.panel(boxes[1], photo, "photograph", None, "gray", Normalize(0, 1))
    sim.bare(boxes[2], "result")
    result = boxes[2].imshow(photo, cmap="gray", vmin=0, vmax=1)
    hidden = boxes[2].text(
        0.5, 0.5, "?", transform=boxes[2].transAxes, size=80, ha="center", va="center", color=sim.FAINT
    )
    words = drawn.text(0.5, 0.1, "", ha="center", size=15, color=sim.ORANGE)

    def story() -> sim.Story:
        answers = [dc.interpret(kernel).summary for kernel in KERNELS]
        for frame in range(args.frames):
            number, part = divmod(frame * len(KERNELS) / args.frames, 1)
            kernel, answered = KERNELS[int(number)], part >= QUESTION
            sim.write_numbers(table, numbers, kernel / np.abs(kernel).max())
            for text, weight in zip(numbers, kernel.ravel(), strict=True):
                text.set_text(f"{weight:g}".replace("-", "−"))
            seen = dc.convolve(photo, kernel)
            result.set_data(np.clip(seen if kernel.sum() else 0.5 + seen / 4, 0, 1))
            result.set_visible(answered)
            hidden.set_visible(not answered)
            words.set_text(answers[int(number)] if answered else "")
            caption.set_text(f"question {int(number) + 1} of {len(KERNELS)}: the weights add up to {kernel.sum():.3g}")
            yield
        return {"answers": answers}, "answers: " + " ".join(answers)

    return sim.Film(drawn, [table, *numbers, result, hidden, words, caption], story(), still=0.22)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
