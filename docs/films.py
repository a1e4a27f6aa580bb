"""What the gallery needs to know of `simulations/`: each script writes a film, a still picture and a record."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any

from sphinx_gallery.scrapers import figure_rst

ORDER = [  # that of the text: images, frequencies, salt, chance, statistics
    *("sliding_patch", "kernels_gallery", "colour_patch", "like_shapes", "feature_learning", "learned_layers", "quiz"),
    *("edge_softmax", "fourier_views", "paint_frequencies", "frequency_filter", "blockwise_cosines"),
    *("convolution_theorem", "differentiation", "equalizer"),
    *("salt_aquarium", "barriers", "layers", "anisotropy", "living_tank", "three_d", "rings", "plume", "stirring"),
    *("propagators", "measure_diffusivity"),
    *("drop", "measurement", "collapse", "two_places", "quantum_spread", "quantum_convolution"),
    *("find_the_face", "flipped_template", "time_series", "whitening"),
]
FRAMES = 24  # of a film here: an idea of what moves, for a tenth of the time
MORE = {"learned_layers": ["--data", "scikit-learn"], "measurement": ["--size", "128"]}  # what is quicker
FILM = """.. raw:: html

    <video controls loop muted playsinline preload="none" style="max-width: 100%"
     src="data:video/mp4;base64,{}"></video>

"""


def place(script: str) -> int:
    """Return the place of a script in the gallery."""
    return ORDER.index(Path(script).stem)


def options(gallery_conf: dict[str, Any], script_vars: dict[str, Any]) -> list[str]:
    """Return the command line of a script, which runs in its own folder."""
    script = Path(script_vars["src_file"])
    film = os.path.relpath(_film(script_vars), script.parent)
    return ["--frames", str(FRAMES), "--output", film, *MORE.get(script.stem, [])]


def shown(block: Any, script_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Return what shows the still and the film that a script has written, and move the still to where it belongs."""
    film = _film(script_vars)
    if not film.exists():
        return ""
    still = next(script_vars["image_path_iterator"])
    shutil.move(film.with_suffix(".png"), still)
    encoded = base64.b64encode(film.read_bytes()).decode()
    film.unlink()
    return figure_rst([still], gallery_conf["src_dir"]) + FILM.format(encoded)


def _film(script_vars: dict[str, Any]) -> Path:
    return Path(script_vars["target_file"]).with_suffix(".mp4")
