"""Convolution against OpenCV, scipy.ndimage, scipy.signal and PyTorch: small, separable, wide kernels, and a bank."""

from collections.abc import Iterator

import numpy as np
import scipy.ndimage
import scipy.signal

import diffuseconv as dc

from ._timing import Call, Case, Growth


def opencv(u: np.ndarray, k: np.ndarray) -> dict[str, Call]:
    """Convolve with OpenCV, which correlates, and whose `reflect` border is our reflecting wall."""
    try:
        import cv2
    except ImportError:
        return {}
    turned = np.ascontiguousarray(k[::-1, ::-1])
    return {"cv2.filter2D": lambda: cv2.filter2D(u, -1, turned, borderType=cv2.BORDER_REFLECT)}


def single_kernel(size: int, width: int, dtype: type) -> Case:
    """Time one kernel of random weights; sums of positive terms round to `taps` units in the last place."""
    rng = np.random.default_rng(0)
    u, k = rng.random((size, size)).astype(dtype), rng.random((width, width)).astype(dtype)

    def ours() -> np.ndarray:
        return dc.convolve(u, k)

    peers: dict[str, Call] = opencv(u, k)
    if width < 32:
        peers["scipy.ndimage.convolve"] = lambda: scipy.ndimage.convolve(u, k)
    else:
        peers["scipy.signal.fftconvolve (zero walls)"] = lambda: scipy.signal.fftconvolve(u, k, "same")
        peers["scipy.signal.oaconvolve (zero walls)"] = lambda: scipy.signal.oaconvolve(u, k, "same")
    tolerance = 2 * k.size * float(np.finfo(dtype).eps)
    direct = width < 32 and dtype is np.float64
    return Case(
        f"{width} x {width} on {size} x {size}, {np.dtype(dtype)}",
        {"diffuseconv": ours, **peers},
        dict.fromkeys(peers, (ours, tolerance)),
        margin=width // 2 if width > 32 else 0,
        multiply_adds=u.size * k.size if direct else 0,
        bytes_moved=2 * u.nbytes if direct else 0,
        single=size == 256,
    )


def photograph(size: int, width: int) -> Case:
    """Time one kernel on a photograph of bytes in colour; OpenCV too returns float64."""
    rng = np.random.default_rng(0)
    u, k = rng.integers(0, 256, (size, size, 3), np.uint8), rng.random((width, width))
    contenders: dict[str, Call] = {"diffuseconv": lambda: dc.convolve(u, k, axes=(0, 1))}
    checks = {}
    try:
        import cv2
    except ImportError:
        pass
    else:
        turned, name = np.ascontiguousarray(k[::-1, ::-1]), "cv2.filter2D to CV_64F"
        contenders[name] = lambda: cv2.filter2D(u, cv2.CV_64F, turned, borderType=cv2.BORDER_REFLECT)
        checks[name] = contenders["diffuseconv"], 2 * k.size * float(np.finfo(np.float64).eps)
    return Case(f"{width} x {width} on {size} x {size} in three colours, bytes to float64", contenders, checks)


def separable(size: int, width: int, dtype: type, box: bool) -> Case:
    """Time a Gaussian or a box, which peers have functions of their own for; ours finds that it is a product."""
    u = np.random.default_rng(0).random((size, size)).astype(dtype)
    sigma, line = width / 6, np.ones(width) / width
    if not box:
        line = np.exp(-((np.arange(width) - width // 2) ** 2) / (2 * sigma**2))
        line /= line.sum()
    kernel = np.outer(line, line)
    contenders: dict[str, Call] = {"diffuseconv": lambda: dc.convolve(u, kernel)}
    if box:
        contenders["scipy.ndimage.uniform_filter"] = lambda: scipy.ndimage.uniform_filter(u, width)
    else:
        radius = width // 2
        contenders["scipy.ndimage.gaussian_filter"] = lambda: scipy.ndimage.gaussian_filter(u, sigma, radius=radius)
    try:
        import cv2
    except ImportError:
        pass
    else:
        shape, wall = (width, width), cv2.BORDER_REFLECT
        if box:
            contenders["cv2.boxFilter"] = lambda: cv2.boxFilter(u, -1, shape, borderType=wall)
        else:
            contenders["cv2.GaussianBlur"] = lambda: cv2.GaussianBlur(u, shape, sigma, borderType=wall)
    ours = contenders["diffuseconv"]
    tolerance = 2 * max(size, kernel.size) * float(np.finfo(dtype).eps)  # running sums round once a cell of a line
    checks = {name: (ours, tolerance) for name in contenders if name != "diffuseconv"}
    title = f"{'box' if box else 'Gaussian'}, {width} x {width} on {size} x {size}, {np.dtype(dtype)}"
    return Case(title, contenders, checks)


def bank(dtype: type) -> Case:
    """Time a bank of 32 kernels of 16 x 16 over 256 x 256, as the first layer of a network."""
    rng = np.random.default_rng(0)
    u, kernels = rng.random((256, 256)).astype(dtype), rng.random((32, 16, 16)).astype(dtype)
    contenders: dict[str, Call] = {"diffuseconv": lambda: dc.feature_maps(u, kernels, flip=False)}
    checks = {}
    try:
        import torch
    except ImportError:
        pass
    else:
        one, many = torch.from_numpy(u)[None, None], torch.from_numpy(kernels)[:, None]
        contenders["torch conv2d"] = lambda: torch.nn.functional.conv2d(one, many)
        checks["torch conv2d"] = contenders["diffuseconv"], 2 * 256 * float(np.finfo(dtype).eps)
    sums = 32 * 256 * 241**2 if dtype is np.float64 else 0
    title = f"32 kernels of 16 x 16 on 256 x 256, {np.dtype(dtype)}"
    return Case(title, contenders, checks, multiply_adds=sums)


def gaussian(size: int) -> Case:
    """Time the heat kernel of standard deviation 50 cells; SciPy's is cut at 4 sigma, so not compared to rounding."""
    u = np.random.default_rng(0).random((size, size))
    heat, sampled = dc.Propagator.heat(1.0, 50.0**2 / 2), dc.kernels.gaussian(50.0)
    contenders: dict[str, Call] = {
        "diffuseconv, heat kernel": lambda: dc.convolve(u, heat),
        "diffuseconv, sampled Gaussian as an array": lambda: dc.convolve(u, sampled),
        "scipy.ndimage.gaussian_filter (cut at 4 sigma)": lambda: scipy.ndimage.gaussian_filter(u, 50.0),
    }
    return Case(f"sigma = 50 on {size} x {size}, float64", contenders)


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Yield small kernels, the bank, wide kernels, the Gaussian and the growth with size and width."""
    for dtype in (np.float64,) if quick else (np.float64, np.float32):
        for size in (256,) if quick else (256, 1024):
            for width in (3, 7) if quick else (3, 5, 7, 15):
                yield single_kernel(size, width, dtype)
    if quick:
        return
    for width in (3, 5, 7):
        yield photograph(1024, width)
    for dtype in (np.float64, np.float32):
        for size, width in ((256, 9), (1024, 9), (1024, 25)):
            for box in (False, True):
                yield separable(size, width, dtype, box)
    for dtype in (np.float32, np.float64):
        yield bank(dtype)
    for width in (63, 127):
        yield single_kernel(1024, width, np.float64)
    yield gaussian(1024)
    u, k = np.random.default_rng(0).random((2048, 2048)), np.random.default_rng(1).random((15, 15))
    yield Growth("7 x 7 against side", (64, 256, 1024, 2048), lambda n: lambda: dc.convolve(u[:n, :n], k[:7, :7]))
    yield Growth("256 x 256 against width", (3, 7, 15), lambda w: lambda: dc.convolve(u[:256, :256], k[:w, :w]))
