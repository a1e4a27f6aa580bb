"""How records show themselves in a notebook: a field as a picture, and what is known of it as a table."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _colours

__all__ = ["card", "number", "png"]

SIDE = 192  # pixels that the longer side of a small field is enlarged to
LARGEST = 1024  # cells a side of what is shown; of a larger field every second, third ... cell


def number(value: float) -> str:
    """Return a number as a person writes it."""
    return f"{value + 0.0:.6g}".replace("-", "−")  # no minus before zero


def png(field: NDArray[Any], colormap: str | None = None) -> bytes:
    """Return a field as a PNG file: signed values from blue over white to red, others in `colormap`.

    A field in one dimension becomes a strip, of one in three the middle slice is shown.
    """
    from PIL import Image

    flat = field[len(field) // 2] if field.ndim == 3 else np.atleast_2d(field)
    step = math.ceil(max(flat.shape) / LARGEST)
    flat = np.abs(flat[::step, ::step]) if np.iscomplexobj(flat) else flat[::step, ::step]
    flat = flat / (float(np.abs(flat).max()) or 1.0)
    low, high = float(flat.min()), float(flat.max())
    if low < 0 < high:
        low, high = min(low, -high), max(high, -low)
    colours = _colours.table(colormap or ("RdBu_r" if low < 0 < high else "viridis"))
    limits = (low, high) if low < high else (low - 0.5, low + 0.5)
    picture = _colours.enlarge(colours[_colours.levels(flat, *limits)], max(1, SIDE // max(flat.shape)))
    if field.ndim == 1:
        picture = picture.repeat(max(1, 24 // len(picture)), axis=0)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def card(title: str, rows: Mapping[str, object], picture: bytes | None = None, text: str = "") -> str:
    """Return a title, a table of names and values, a text and a PNG picture as HTML."""
    left, cells, shown = 'style="text-align: left"', "", ""
    for name, value in rows.items():
        written = number(value) if isinstance(value, float) else str(value)
        cells += f"<tr><th {left}>{html.escape(name)}</th><td {left}>{html.escape(written)}</td></tr>"
    if picture is not None:
        data, name = base64.b64encode(picture).decode(), html.escape(title)
        shown = f'<img src="data:image/png;base64,{data}" alt="{name}" style="image-rendering: pixelated">'
    return (
        '<div style="display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start">'
        f"{shown}<div><strong>{html.escape(title)}</strong>"
        + (f"<table>{cells}</table>" if cells else "")
        + (f'<p style="max-width: 40em">{html.escape(text)}</p>' if text else "")
        + "</div></div>"
    )
