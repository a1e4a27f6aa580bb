"""A song as a sum of waves: an equaliser, and a few seconds of the song found in it.
==================================================================================

A song is air pressure over time. Its Fourier transform tells how strong each tone is: bass on the left, treble on the
right. An equaliser multiplies the transform, which is a convolution of the song: here a window slides from bass to
treble, and only what is inside passes. (The song is made up by the script: a bass, a tune and cymbals.)

Below, two seconds of the song are laid on every place of a noisy recording of it. The score is their correlation
coefficient; one peak stands out and tells where they came from, although the noise is as loud as the music. That is
how songs are recognised, and it is convolution with the excerpt played backwards.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--seconds", "4", "--frames", "6"]
RATE = 2000  # samples a second: tones up to 1000 Hz

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--seconds", type=sim.at_least(4), default=12, help="length of the song")
    cli.add_argument("--noise", type=sim.positive, default=1.0, help="of the recording, as a multiple of the song")
    sim.add_rng(cli)
    sim.add_film(cli, frames=180)
    return cli


def song(seconds: int, rng: np.random.Generator) -> Array:
    """Return a bass, a tune and cymbals: quarter notes that fade."""
    time = np.arange(seconds * RATE) / RATE
    beat = (4 * time).astype(int)
    fade = np.exp(-3 * (4 * time - beat))
    tune = 220 * 2 ** (rng.choice([0, 2, 4, 7, 9, 12], 4 * seconds) / 12)
    bass = 55 * 2 ** (rng.choice([0, 5, 7], seconds) / 12)
    tones = 0.3 * np.sin(2 * np.pi * bass[beat // 4] * time) + np.sin(2 * np.pi * tune[beat] * time) * fade
    return np.asarray(tones + 0.15 * dc.spectrum.high_pass(rng.normal(size=time.size), 600 * seconds) * fade**4)


def simulate(args: argparse.Namespace) -> sim.Film:
    """Slide a window over the tones, and an excerpt over the recording."""
    rng = np.random.default_rng(args.rng)
    music = song(args.seconds, rng)
    time, place = np.arange(music.size) / RATE, round(0.55 * args.seconds * RATE)
    excerpt = music[place : place + 2 * RATE][: music.size - place]
    recording = music + args.noise * music.std() * rng.normal(size=music.size)
    score = dc.matching.score(recording, excerpt)
    found = dc.matching.find(recording, excerpt)[0].corner[0] / RATE
    tones = dc.spectrum.log_spectrum(music)[music.size // 2 :]
    drawn = sim.figure()
    caption = sim.heading(drawn, "A song as a sum of waves")
    top, middle, bottom = (drawn.add_axes((0.07, y, 0.9, 0.155)) for y in (0.66, 0.365, 0.09))
    top.plot(np.arange(tones.size) / args.seconds, tones / tones.max(), color=sim.FAINT, linewidth=0.8)
    top.set(
        title="how strong each tone is (logarithm), and the window",
        xlabel="frequency (Hz)",
        xlim=(0, RATE / 2),
        ylim=(0, 1),
    )
    window = top.axvspan(0, 1, color=sim.ORANGE, alpha=0.35, linewidth=0)
    reach = 1.1 * float(np.abs(music).max())
    middle.plot(time, music, color=sim.FAINT, linewidth=0.3)
    (passed,) = middle.plot(time, 0 * time, color=sim.ORANGE, linewidth=0.5)
    middle.set(title="the song (grey), and what passes", xlim=(0, args.seconds), ylim=(-reach, reach), yticks=[])
    title = f"score of {excerpt.size / RATE:g} s of the song at every place of a recording with noise as loud as it"
    bottom.set(title=title, xlabel="time (s)", xlim=(0, args.seconds), ylim=(-0.4, 1))
    bottom.grid(axis="y")
    (curve,) = bottom.plot([], [], color=sim.BLUE, linewidth=0.8)
    (mark,) = bottom.plot([], [], "o", mfc="none", color=sim.GREEN, markersize=14, markeredgewidth=2)

    def story() -> sim.Story:
        centres = np.geomspace(60, 0.8 * RATE / 2, args.frames)
        for frame, centre in enumerate(centres):
            low, high = centre / 1.25, min(centre * 1.25, RATE / 2)
            passed.set_ydata(dc.spectrum.band_pass(music, (low * args.seconds, high * args.seconds)))
            window.set_x(low)
            window.set_width(high - low)
            upto = (frame + 1) * score.size // args.frames
            curve.set_data(time[:upto], score[:upto])
            mark.set_data([found], [score.max()] if found * RATE < upto else [np.nan])
            caption.set_text(f"only tones from {low:.0f} to {high:.0f} Hz pass")
            yield
        away = abs(found - place / RATE)
        told = f"found at {found:.3f} s, {away * 1e3:.2g} ms from its place, with a score of {score.max():.2f}"
        return {"found_seconds": found, "seconds_off": away, "score": score.max()}, told

    return sim.Film(drawn, [window, passed, curve, mark, caption], story(), still=0.75)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
