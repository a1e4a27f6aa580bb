"""Template matching against scikit-image and OpenCV: time, and the largest error against scores summed in long double.

OpenCV works in float32: it is quicker, and wrong by what float32 cannot hold. That shows where a picture has little
contrast for its brightness: in the second case one corner is 100 times as bright and 1000 times as even as the rest.
There diffuseconv scores windows one by one, which costs time.
"""

from collections.abc import Iterator

import numpy as np

import diffuseconv as dc

from ._timing import Call, Case


def exact(image: np.ndarray, template: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Score a few places in two passes, in long double."""
    t = template.astype(np.longdouble) - template.mean(dtype=np.longdouble)
    windows = np.lib.stride_tricks.sliding_window_view(image, template.shape)[tuple(places.T)].astype(np.longdouble)
    u = windows - windows.mean(axis=(1, 2), keepdims=True)
    return (u * t).sum((1, 2)) / np.sqrt((u * u).sum((1, 2)) * (t * t).sum())


def compare(size: int, bright: bool, side: int = 48) -> Case:
    """Build one search, its errors in the note: contenders differ in accuracy, so none is refused."""
    rng = np.random.default_rng(0)
    image = rng.random((size, size))
    if bright:
        image[: size // 4, : size // 4] = 100 + 1e-3 * image[: size // 4, : size // 4]
    template = image[-side:, -side:].copy()
    contenders: dict[str, Call] = {"diffuseconv": lambda: dc.matching.score(image, template)}
    try:
        from skimage.feature import match_template
    except ImportError:
        pass
    else:
        contenders["scikit-image"] = lambda: match_template(image, template)
    try:
        import cv2
    except ImportError:
        pass
    else:
        single = image.astype(np.float32), template.astype(np.float32)
        contenders["OpenCV (float32)"] = lambda: cv2.matchTemplate(*single, cv2.TM_CCOEFF_NORMED)
    places = np.concatenate([rng.integers(0, size - side + 1, (50, 2)), rng.integers(0, size // 8, (50, 2))])
    truth = exact(image, template, places)
    errors = (
        f"{name} {float(np.abs(np.asarray(call())[tuple(places.T)] - truth).max()):.0e}"
        for name, call in contenders.items()
    )
    corner = "bright and even" if bright else "like the rest"
    title = f"{size} x {size}, template {side} x {side}, corner {corner}"
    return Case(title, contenders, note="largest error: " + ", ".join(errors))


def cases(quick: bool) -> Iterator[Case]:
    """Yield each size with and without a bright corner."""
    for size in (256,) if quick else (256, 1024):
        for bright in (False, True):
            yield compare(size, bright)
