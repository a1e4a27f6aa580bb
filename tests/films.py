"""Reading films back."""

from pathlib import Path

import av
import numpy as np


def decoded(film: Path) -> list[np.ndarray]:
    """All frames of a film as RGB arrays of uint8."""
    with av.open(str(film)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
