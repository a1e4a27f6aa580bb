"""Frames as functions take and yield them: fields, or pairs of a time and a field, perhaps under a progress bar."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def with_progress(
    frames: Iterable[T], progress: bool, title: str | None = None, total: int | None = None
) -> Iterator[T]:
    """Yield frames, under a bar on a terminal or in a notebook."""
    if not progress:
        yield from frames
        return
    from tqdm.auto import tqdm

    yield from tqdm(frames, title, total, unit="frame", disable=sys.stderr is None or None)


def is_timed(frame: object) -> bool:
    """Return whether a frame is a pair of a time and a field."""
    return isinstance(frame, tuple) and len(frame) == 2 and np.ndim(frame[0]) == 0
