"""The pictures of the tutorial: fields side by side, kernels with their numbers, and two photographs."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cbook import get_sample_data

import diffuseconv as dc


def portrait(size: int = 128, gray: bool = True) -> Any:
    """Return a square portrait of Grace Hopper (1984), which Matplotlib ships, with values from 0 to 1."""
    with get_sample_data("grace_hopper.jpg") as file:
        photo = dc.load_image(file, gray=gray)
    return np.ascontiguousarray(dc.images.resize(photo[20 : 20 + photo.shape[1]], (size, size)))


def show(
    *fields: Any, titles: Any = (), colours: str = "gray", limits: tuple[float, float] | None = None, unit: str = ""
) -> None:
    """Draw fields side by side, each in its own range unless `limits` are given, with a colour bar if `unit` is."""
    width = min(3.0, 9.0 / len(fields))
    figure, axes = plt.subplots(1, len(fields), figsize=(width * len(fields), width + 0.4), squeeze=False)
    low, high = limits or (None, None)
    for number, (field, place) in enumerate(zip(fields, axes.flat, strict=True)):
        drawn = place.imshow(np.clip(field, 0, 1) if field.ndim == 3 else field, cmap=colours, vmin=low, vmax=high)
        place.set_axis_off()
        place.set_title(titles[number] if number < len(titles) else "", fontsize=10)
    figure.tight_layout()
    if unit:
        figure.colorbar(drawn, ax=axes, label=unit, fraction=0.03, pad=0.02)
    plt.show()


def numbers(*kernels: Any, titles: Any = (), form: str = ".3g") -> None:
    """Draw small kernels as coloured squares, blue below 0 and red above, with their numbers on them."""
    figure, axes = plt.subplots(1, len(kernels), figsize=(3 * len(kernels), 3), squeeze=False)
    for number, (kernel, place) in enumerate(zip(kernels, axes.flat, strict=True)):
        kernel = np.asarray(kernel)
        most = np.abs(kernel).max()
        place.imshow(kernel, cmap="RdBu_r", vmin=-most, vmax=most)
        for (row, column), value in np.ndenumerate(kernel):
            colour = "white" if abs(value) > 0.6 * most else "black"
            place.text(column, row, f"{value:{form}}", ha="center", va="center", color=colour, fontsize=9)
        place.set_axis_off()
        place.set_title(titles[number] if number < len(titles) else "", fontsize=10)
    figure.tight_layout()
    plt.show()
