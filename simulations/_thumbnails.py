"""Make the small pictures of the gallery: `python simulations/_thumbnails.py outputs docs/gallery`.

Each still of the first folder becomes a picture of 600 pixels' width, in true colours, of the same name in the second.
"""

from __future__ import annotations

import sys
from pathlib import Path

import diffuseconv as dc

WIDTH = 600


def main(source: str, target: str) -> None:
    """Shrink every still."""
    for still in sorted(Path(source).glob("*.png")):
        picture = dc.load_image(still, gray=False)
        rows, columns, _ = picture.shape
        dc.save_image(Path(target, still.name), dc.images.resize(picture, (round(rows * WIDTH / columns), WIDTH)))


if __name__ == "__main__":
    main(*sys.argv[1:3])
