"""A particle is 30 % here and 70 % there: what a measurement shows, and what a pair shows.
========================================================================================

Until it is looked at a particle may be in two places at once. Its propagator says with which chances it is found in
each: 0.3 here, 0.7 there. One look finds it in one place, whole. Only many looks tell the chances, and the share of
those found here strays from 0.3 by about sqrt(0.3 · 0.7 / n).

Below are pairs. Two particles, each by itself, are found in the four pairs of places with the products of their
chances. Two entangled ones, prepared so that they always agree, are found together here (30 %) or together there
(70 %): looked at one by one they behave like the first two, and only the pairs tell the difference. Nothing else tells
it, so that nothing can be signalled from one to the other.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--looks", "100", "--frames", "6"]
CHANCES = np.array([0.3, 0.7])
PAIRS = ("both here", "here, there", "there, here", "both there")


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--looks", type=sim.at_least(10, 10**12), default=10_000, help="measurements in all")
    sim.add_rng(cli)
    sim.add_film(cli, frames=150)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Look ever more often."""
    states = {"each by itself": np.sqrt(np.outer(CHANCES, CHANCES)), "entangled": np.diag(np.sqrt(CHANCES))}
    rng = np.random.default_rng(args.rng)
    single = dc.Propagator(CHANCES)  # origin on the second place: "there"
    drawn = sim.figure()
    caption = sim.heading(drawn, "30 % here, 70 % there: found in one place at a time")
    top = drawn.add_axes((0.08, 0.5, 0.88, 0.29))
    looks = np.geomspace(1, args.looks, 200)
    band = np.sqrt(CHANCES[0] * CHANCES[1] / looks)
    top.fill_between(looks, 0.3 - 2 * band, 0.3 + 2 * band, color=sim.ORANGE, alpha=0.25, linewidth=0)
    top.axhline(0.3, color=sim.ORANGE, linewidth=1)
    top.set(xscale="log", xlim=(1, args.looks), ylim=(0, 1), xlabel="looks", ylabel="share found here")
    top.set_title("one particle; shaded: two standard deviations")
    (curve,) = top.plot([], [], color=sim.BLUE)
    bars, marks = [], []
    for place, (name, state) in enumerate(states.items()):
        axes = drawn.add_axes((0.12 + 0.48 * place, 0.09, 0.34, 0.26))
        sim.bare(axes, f"pairs, {name}")
        axes.set(xlim=(0, 0.8), ylim=(3.6, -0.6), yticks=range(4), yticklabels=PAIRS, xticks=[0, 0.3, 0.7])
        axes.tick_params(axis="y", length=0)
        bars.append(axes.barh(range(4), np.zeros(4), color=sim.GREEN, height=0.6))
        marks += axes.plot(state.ravel() ** 2, range(4), "|", color=sim.ORANGE, markersize=20, markeredgewidth=2.5)
        axes.set_xlabel("share of the pairs; |: chance", color=sim.FAINT)

    def story() -> sim.Story:
        here, seen = 0.0, 0
        pairs: list[NDArray[np.int64]] = [np.zeros((2, 2), np.int64) for _ in states]
        for total in np.unique(np.round(np.geomspace(1, args.looks, args.frames)).astype(int)):
            new = int(total) - seen
            # the place looked at holds the mean of what is found there: 1 here, 0 there
            found = dc.measure(np.array([0.0, 1.0]), single, new, rng=rng, boundary="periodic")[0] if new else 0.0
            here, seen = here + new * float(found), int(total)
            sim.extend_curves([curve], seen, [here / seen])
            for counts, state, drawn_bars in zip(pairs, states.values(), bars, strict=True):
                counts += dc.quantum.sample_positions(state, new, rng=rng)
                for bar, share in zip(drawn_bars, counts.ravel() / seen, strict=True):
                    bar.set_width(float(share))
            caption.set_text(f"{seen} look{'s' * (seen > 1)}: {here / seen:.1%} found here")
            yield
        told = f"{here / seen:.1%} of {seen} looks found it here; pairs that disagree when entangled: "
        return {"share_here": here / seen}, told + f"{pairs[1][0, 1] + pairs[1][1, 0]}"

    return sim.Film(drawn, [curve, *[bar for part in bars for bar in part], *marks, caption], story())


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
