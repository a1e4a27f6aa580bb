"""Template matching beside scikit-image and OpenCV: time, and the largest error against scores summed in long double.

OpenCV works in float32: it is quicker, and wrong by what float32 cannot hold. That shows where a picture has little
contrast for its brightness: in the second case one corner is 100 times as bright and 1000 times as even as the rest.
There diffuseconv scores windows one by one, which costs time.
"""

import argparse

import numpy as np
from _timing import interleaved, table

import diffuseconv as dc


def exact(image: np.ndarray, template: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Score a few places in two passes, in long double."""
    t = template.astype(np.longdouble) - template.mean(dtype=np.longdouble)
    windows = np.lib.stride_tricks.sliding_window_view(image, template.shape)[tuple(places.T)].astype(np.longdouble)
    u = windows - windows.mean(axis=(1, 2), keepdims=True)
    return (u * t).sum((1, 2)) / np.sqrt((u * u).sum((1, 2)) * (t * t).sum())


def main() -> None:
    """Run from the command line."""
    cli = argparse.ArgumentParser(description=__doc__)
    cli.add_argument("--sizes", type=int, nargs="+", default=[256, 1024], help="side of the picture")
    cli.add_argument("--template", type=int, default=48, help="side of the template")
    cli.add_argument("--rounds", type=int, default=5, help="rounds of timing")
    args = cli.parse_args()
    rng = np.random.default_rng(0)
    for size, corner in ((size, corner) for size in args.sizes for corner in ("like the rest", "bright and even")):
        image = rng.random((size, size))
        if corner == "bright and even":
            image[: size // 4, : size // 4] = 100 + 1e-3 * image[: size // 4, : size // 4]
        template = image[-args.template :, -args.template :].copy()
        contenders = {"diffuseconv": lambda u=image, t=template: dc.matching.score(u, t)}
        try:
            from skimage.feature import match_template

            contenders["scikit-image"] = lambda u=image, t=template: match_template(u, t)
        except ImportError:
            print("scikit-image is not installed: left out")
        try:
            import cv2

            single = image.astype(np.float32), template.astype(np.float32)
            contenders["OpenCV (float32)"] = lambda pair=single: cv2.matchTemplate(*pair, cv2.TM_CCOEFF_NORMED)
        except ImportError:
            print("OpenCV is not installed: left out")
        places = np.concatenate(
            [rng.integers(0, size - args.template + 1, (50, 2)), rng.integers(0, size // 8, (50, 2))]
        )
        truth = exact(image, template, places)
        errors = {
            name: float(np.abs(work()[tuple(places.T)] - truth).max())  # type: ignore[index]
            for name, work in contenders.items()
        }
        seconds = interleaved(contenders, args.rounds)
        note = "; largest error: " + ", ".join(f"{name} {error:.0e}" for name, error in errors.items())
        table(f"{size}x{size}, template {args.template}x{args.template}, corner {corner}", seconds, "diffuseconv", note)


if __name__ == "__main__":
    main()
