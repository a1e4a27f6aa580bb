"""What a picture file holds: samples at full depth, band of rows by band of rows, and what they mean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[Any]
Bands = Iterator[tuple[int, Samples]]  # the first row, and the samples of some rows: (rows, columns, channels)

ROWS = 64  # converted at a time: ten times quicker than a whole big picture, in a third of the memory
_MOST_SIDE = 1_000_000
_SURE = 2e8  # bytes that any machine has
_RED, _BLUE = 0.2126, 0.0722  # Rec. ITU-R BT.709, the primaries of sRGB; the rest is green's


class RefusedError(ValueError):
    """A whole file that is refused: the rule, and what the file holds instead."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(f"{rule}, got {found}")
        self.rule, self.found = rule, found


@dataclass(frozen=True)
class Picture:
    """A picture as stored: one to four channels, of which an even number ends in opacity."""

    rows: int
    columns: int
    white: float
    bands: Bands
    orientation: int = 1
    inverted: bool = False
    inks: bool = False

    def intensities(self, gray: bool) -> Bands:
        """Yield intensities 0..1 on a black ground, of shape (rows, columns) in gray or (rows, columns, 3)."""
        for first, samples in self.bands:
            for start in range(0, len(samples), ROWS):
                values = samples[start : start + ROWS].astype(np.float64)
                yield first + start, self._intensity(values, gray)

    def _intensity(self, values: NDArray[np.float64], gray: bool) -> NDArray[np.float64]:
        white = self.white
        if self.inks:
            values = (white - values[..., :3]) * ((white - values[..., 3:4]) / white)
        opacity = values[..., -1:] / white if values.shape[-1] in (2, 4) else None
        if opacity is not None:
            values = values[..., :-1]
        if self.inverted:
            values = white - values
        if opacity is not None:
            values = values * opacity
        if gray and values.shape[-1] == 3:
            red, green, blue = (values[..., channel] for channel in range(3))
            return (green + _RED * (red - green) + _BLUE * (blue - green)) / white  # so written, gray stays exact
        if gray:
            return values[..., 0] / white
        return np.broadcast_to(values, (*values.shape[:2], 3)) / white


def limited(rows: int, columns: int, most: int) -> None:
    """Refuse a picture of more than `most` pixels, before it is decoded."""
    if rows * columns > most:
        limit = "25 megapixels" if most == 25_000_000 else f"{most} pixels"
        raise RefusedError(f"must hold at most {limit} (max_pixels= allows more)", f"of {columns} x {rows} pixels")


def plausible(file: IO[bytes], rows: int, columns: int, pixel: float) -> None:
    """Refuse a header that promises more than its file can hold: `pixel` bytes a pixel, compressed at most 5000-fold.

    It would cost memory before the missing data are noticed.
    """
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(place)
    if not 0 < rows * columns * pixel <= max(5000 * size, _SURE):
        raise ValueError(f"{size} bytes cannot hold {columns} x {rows} pixels")
    if max(rows, columns) > _MOST_SIDE:
        raise RefusedError(f"must hold at most {_MOST_SIDE} pixels a side", f"of {columns} x {rows} pixels")


def whole(samples: Samples, white: float, orientation: object) -> Picture:
    """Return a picture whose samples are all in memory."""
    rows, columns = samples.shape[:2]
    known = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    return Picture(rows, columns, white, iter([(0, samples.reshape(rows, columns, -1))]), known)
