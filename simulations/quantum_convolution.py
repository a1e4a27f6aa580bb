"""A convolution as a quantum computer does it, and what it takes to see the result.
=================================================================================

Above is the circuit. The picture is loaded into a few qubits as amplitudes, one for each pixel. The kernel is prepared
in even fewer: one amplitude, the root of its weight, for each tap. Then every tap shifts the whole picture by its
displacement, each in its own branch of the superposition, with a minus where the weight is negative; the preparation is
undone, and the kernel's qubits are measured. If they are all 0, what is left in the picture's qubits is the convolved
picture. All pixels and all taps were worked on at once; 4096 pixels and 9 taps need 16 qubits.

Below is what that leaves out. The measurement succeeds only now and then: an edge detector throws most of the picture
away, and as seldom are the qubits 0. Each success shows one single pixel, drawn with the square of its amplitude. The
picture has to be put together from very many runs, its error falls as one over the root of their number, and a minus is
never seen at all.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Text
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--size", "8", "--frames", "16", "--shots", "3000"]
KERNELS: dict[str, Callable[[], NDArray[Any]]] = {
    "edges": dc.kernels.edge_detector,
    "blur": lambda: dc.kernels.gaussian(1.0, truncate=1.0),
    "sobel": lambda: dc.kernels.sobel(1),
}
LEARNING = 0.5  # share of the film that walks through the circuit
FIRST = 100  # shots before the first picture

Array = NDArray[Any]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    sim.add_image(cli)
    cli.add_argument("--size", type=sim.at_least(2), default=64, help="pixels along each side, a power of two")
    cli.add_argument("--kernel", choices=KERNELS, default="edges", help="what to convolve with")
    cli.add_argument(
        "--shots", type=sim.at_least(FIRST, 10**15), default=10**8, help="how often the circuit is run in all"
    )
    sim.add_film(cli, frames=360, fps=10)  # slow, so that each of the six captions can be read
    sim.add_rng(cli)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Walk through the circuit, then run it again and again."""
    image, kernel = sim.photograph(args.image, (args.size, args.size)), KERNELS[args.kernel]()
    done = dc.quantum.lcu_convolve(image, kernel)
    exact = dc.convolve(image, kernel, boundary="periodic")
    drawn = sim.figure(1280, 800)
    drawn.text(0.03, 0.945, "Convolution by qubits", fontsize=17, weight="bold")
    facts = f"{image.size} pixels in {done.image_qubits} qubits, {len(taps(args))} taps in {done.ancilla_qubits}"
    facts += f"; {done.gates.cx} two-qubit gates, besides loading"
    drawn.text(0.97, 0.948, facts, color=sim.FAINT, fontsize=11, ha="right")
    lamp = draw_circuit(drawn.add_axes((0.03, 0.55, 0.94, 0.36)), args, done)
    caption = drawn.text(0.5, 0.5, "", fontsize=13, ha="center", color=sim.ORANGE)
    pictures = Pictures(drawn, image, abs(exact), done.scale, args.shots)
    steps = circuit_steps(done)
    learning = max(len(steps), round(args.frames * LEARNING)) if args.frames > 2 * len(steps) else 1

    def story() -> sim.Story:
        for frame in range(learning):
            light(lamp, caption, *steps[frame * len(steps) // learning])
            yield
        light(lamp, caption, *steps[-1])
        counts, rng = np.zeros(done.state.shape, np.int64), np.random.default_rng(args.rng)
        for total in np.round(np.geomspace(FIRST, args.shots, args.frames - learning)).astype(np.int64):
            counts += dc.quantum.sample_positions(done.state, int(total - counts.sum()), rng=rng)
            pictures.show(dc.quantum.read_out(counts[0], int(total), done.scale), int(total))
            yield
        gap = float(abs(done.image - exact).max())
        results = {
            "success_probability": done.success_probability,
            "qubits": done.qubits,
            "cx": done.gates.cx,
            "largest_difference_from_convolve": gap,
        }
        told = f"{done.qubits} qubits and {done.gates.cx} two-qubit gates; succeeds once in "
        return results, f"{told}{1 / done.success_probability:.1f} runs; differs from convolve by {gap:.1g}"

    boxes = [box for gates in lamp.values() for box in gates]
    return sim.Film(drawn, [*pictures.moving, caption, *boxes], story())


class Pictures:
    """The picture, what the shots show of its convolution, and the error."""

    def __init__(self, drawn: Figure, image: Array, size: Array, scale: float, shots: int) -> None:
        self.size = size
        norm = Normalize(0.0, float(size.max()))
        spots = [drawn.add_axes((x, 0.075, 0.205, 0.328)) for x in (0.03, 0.26, 0.49)]
        sim.panel(spots[0], image, "the picture, loaded", None, "gray", Normalize(0, 1))
        self.seen = sim.panel(spots[1], np.zeros_like(size), "seen in measured shots", None, sim.FLUX, norm)
        sim.panel(spots[2], size, "|convolve(..., periodic)|", "grey levels, white is 1", sim.FLUX, norm)
        self.count = spots[1].text(0.5, -0.05, "", transform=spots[1].transAxes, ha="center", va="top", fontsize=9)
        axes = drawn.add_axes((0.82, 0.115, 0.165, 0.288))
        totals = np.unique(np.round(np.geomspace(FIRST, shots, 200)).astype(int))
        axes.set(title="error of a pixel (r.m.s.)", xlabel="shots", xscale="log", yscale="log")
        floor = scale / (2 * np.sqrt(totals))
        axes.set(xlim=(FIRST, shots), ylim=(floor[-1] / 3, floor[0] * 2))
        axes.plot(totals, floor, "--", color=sim.FAINT, linewidth=1.2, label="scale / (2 √shots)")
        (self.curve,) = axes.plot([], [], color=sim.GREEN, label="of this run")
        axes.legend(fontsize=9, loc="upper right")
        axes.grid(axis="y")
        self.moving = [self.seen, self.count, self.curve]

    def show(self, found: dc.quantum.Readout, total: int) -> None:
        """Show what so many shots tell."""
        sim.repaint(self.seen, found.magnitude)
        sim.extend_curves([self.curve], total, [float(np.sqrt(np.mean((found.magnitude - self.size) ** 2)))])
        part = f"{found.successes / total:.2%}" if found.successes else "none"
        shots, successes = (f"{number:,}".replace(",", " ") for number in (total, found.successes))
        self.count.set_text(f"{shots} shots,\n{successes} successes ({part})")


def light(lamp: dict[str, list[Any]], caption: Text, name: str, text: str) -> None:
    """Light up one part of the circuit and say what it does."""
    caption.set_text(text)
    for part, boxes in lamp.items():
        for box in boxes:
            box.set_edgecolor(sim.ORANGE if part == name else sim.FAINT)
            box.set_linewidth(2.4 if part == name else 1.0)


def taps(args: argparse.Namespace) -> list[tuple[tuple[int, ...], float]]:
    """Return the displacement and the weight of each tap."""
    kernel = KERNELS[args.kernel]()
    return [
        (tuple(int(j - n // 2) for j, n in zip(at, kernel.shape, strict=True)), kernel[tuple(at)])
        for at in np.argwhere(kernel)
    ]


def circuit_steps(done: dc.quantum.LCU) -> list[tuple[str, str]]:
    """Return the parts of the circuit, and what happens in each."""
    chance = f"{done.success_probability:.2%}"
    return [
        ("load", "load: every grey value becomes the amplitude of one pattern of bits"),
        ("prepare", "prepare: the kernel's weights become chances, their roots amplitudes"),
        ("shift", "shift: in the branch of each tap the whole picture moves; red taps turn its sign"),
        ("undo", "undo the preparation: the branches meet and interfere"),
        ("check", f"measure the tap qubits: all 0 in {chance} of the runs, and then the picture is convolved"),
        ("look", f"measure the pixel qubits: one pixel for each success. Again, and again ... ({chance} succeed)"),
    ]


def draw_circuit(axes: Axes, args: argparse.Namespace, done: dc.quantum.LCU) -> dict[str, list[Any]]:
    """Draw wires and gates; return the gates of each part."""
    axes.set(xlim=(0, 100), ylim=(0, 30), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    high, low = 22.5, 7.5
    for y, name, qubits in ((high, "tap", done.ancilla_qubits), (low, "pixel", done.image_qubits)):
        for wire in np.linspace(-0.35, 0.35, min(qubits, 3)) if qubits > 1 else [0.0]:
            axes.plot([9, 97], [y + wire] * 2, color=sim.FAINT, linewidth=0.8, zorder=1)
        axes.text(8, y, f"{name}\n{qubits} qubits\nall 0", ha="right", va="center", fontsize=10, color=sim.BLUE)
    lamp = {
        "load": [gate(axes, 12.5, low, 7, 6, "load\nimage")],
        "prepare": [gate(axes, 21.5, high, 8, 6, "prepare\n√(|k|/‖k‖)")],
        "shift": [],
        "undo": [gate(axes, 82.5, high, 8, 6, "undo\nprepare")],
        "check": [gate(axes, 92.5, high, 7, 6, "measure:\nall 0?")],
        "look": [gate(axes, 92.5, low, 7, 6, "measure:\nwhich?")],
    }
    lamp["shift"] = draw_shifts(axes, taps(args), high, low)
    return lamp


def draw_shifts(axes: Axes, moves: Sequence[tuple[tuple[int, ...], float]], high: float, low: float) -> list[Any]:
    """Draw a controlled shift for each tap; return their gates."""
    gates: list[Any] = []
    shown = moves if len(moves) <= 9 else [*moves[:4], *moves[-4:]]
    places = np.linspace(30.5, 74.5, len(shown)) if len(shown) > 1 else [52.5]
    for number, (x, (move, weight)) in enumerate(zip(places, shown, strict=True)):
        colour = sim.RED if weight < 0 else sim.INK
        axes.plot([x, x], [low, high], color=sim.FAINT, linewidth=1.0, zorder=1)
        axes.plot([x], [high], "o", color=colour, markersize=9, zorder=3)
        axes.text(x, high + 2.0, f"{weight:.3g}".replace("-", "−"), color=colour, ha="center", fontsize=9)
        gates.append(gate(axes, x, low, 4.2, 6, ""))
        arrow(axes, x, low, move, colour)
        if number == 0:
            axes.text(x - 2.2, high + 4.4, "if the tap qubits hold this tap's number:", color=sim.FAINT, fontsize=9)
            axes.text(
                x - 2.2,
                low - 5.0,
                "shift every pixel by this displacement, round the edges",
                color=sim.FAINT,
                fontsize=9,
            )
    return gates


def gate(axes: Axes, x: float, y: float, wide: float, tall: float, text: str) -> Any:
    """Draw a box on a wire; return its outline, which may light up."""
    style, corner = "round,pad=0.0,rounding_size=0.5", (x - wide / 2, y - tall / 2)
    axes.add_patch(FancyBboxPatch(corner, wide, tall, boxstyle=style, color=sim.GROUND, zorder=2))
    axes.text(x, y, text, ha="center", va="center", fontsize=9, zorder=4)
    outline = FancyBboxPatch(corner, wide, tall, boxstyle=style, facecolor="none", edgecolor=sim.FAINT, zorder=3)
    axes.add_patch(outline)
    return outline


def arrow(axes: Axes, x: float, y: float, move: tuple[int, ...], colour: str) -> None:
    """Draw a displacement (down, right), or a dot where nothing moves."""
    down, right = move
    if not (down or right):
        axes.plot([x], [y], "o", color=colour, markersize=4, zorder=4)
        return
    reach = max(abs(down), abs(right))
    step = (1.3 * right / reach, -1.9 * down / reach)  # the axes are wider than they are high
    axes.annotate(
        "",
        (x + step[0], y + step[1]),
        (x - step[0], y - step[1]),
        arrowprops={"arrowstyle": "->", "color": colour, "linewidth": 1.6},
        zorder=4,
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
