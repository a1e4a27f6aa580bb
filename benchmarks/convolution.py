"""Convolution beside OpenCV, scipy.ndimage, scipy.signal and PyTorch: direct sums, wide kernels, a bank, a Gaussian.

Ratios are taken in one interleaved run. Peers that are not installed are left out.
"""

import argparse
import os
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # or PyTorch's idle threads spin while the others are timed

import numpy as np
import scipy.ndimage
import scipy.signal
from _timing import interleaved, table

import diffuseconv as dc

Contenders = dict[str, Callable[[], object]]


def opencv(u: np.ndarray, k: np.ndarray) -> Contenders:
    """Correlate with OpenCV, whose `reflect` border is our reflecting wall."""
    try:
        import cv2
    except ImportError:
        return {}
    return {"cv2.filter2D": lambda: cv2.filter2D(u, -1, k, borderType=cv2.BORDER_REFLECT)}


def small_kernels(sizes: list[int], rng: np.random.Generator, rounds: int) -> None:
    """Kernels of 3, 7 and 15 cells, in double and single precision."""
    for dtype in (np.float64, np.float32):
        for size in sizes:
            u = rng.random((size, size)).astype(dtype)
            for width in (3, 7, 15):
                k = rng.random((width, width)).astype(dtype)
                contenders: Contenders = {
                    "diffuseconv": lambda u=u, k=k: dc.convolve(u, k),
                    "scipy.ndimage.convolve": lambda u=u, k=k: scipy.ndimage.convolve(u, k),
                    **opencv(u, k),
                }
                seconds = interleaved(contenders, rounds)
                table(f"{width} x {width} on {size} x {size}, {np.dtype(dtype)}, reflecting", seconds, "diffuseconv")
                if size == 256:
                    seconds = interleaved(contenders, rounds, turn=0)
                    table("  the same, one call at a time (caches cold, threads asleep)", seconds, "diffuseconv")


def wide_kernels(size: int, rng: np.random.Generator, rounds: int) -> None:
    """Kernels of 63 and 127 cells, not of rank one."""
    for dtype in (np.float64, np.float32):
        u = rng.random((size, size)).astype(dtype)
        for width in (63, 127):
            k = rng.random((width, width)).astype(dtype)
            contenders: Contenders = {
                "diffuseconv": lambda u=u, k=k: dc.convolve(u, k),
                "scipy.signal.fftconvolve (zero walls)": lambda u=u, k=k: scipy.signal.fftconvolve(u, k, "same"),
                "scipy.signal.oaconvolve (zero walls)": lambda u=u, k=k: scipy.signal.oaconvolve(u, k, "same"),
                **opencv(u, k),
            }
            table(
                f"{width} x {width} on {size} x {size}, {np.dtype(dtype)}",
                interleaved(contenders, rounds),
                "diffuseconv",
            )


def bank(rng: np.random.Generator, rounds: int) -> None:
    """A bank of 32 kernels of 16 x 16 over 256 x 256, as the first layer of a network."""
    for dtype in (np.float32, np.float64):
        u, kernels = rng.random((256, 256)).astype(dtype), rng.random((32, 16, 16)).astype(dtype)
        contenders: Contenders = {"diffuseconv": lambda u=u, kernels=kernels: dc.feature_maps(u, kernels, flip=False)}
        try:
            import torch
        except ImportError:
            pass
        else:
            one, many = torch.from_numpy(u)[None, None], torch.from_numpy(kernels)[:, None]
            contenders["torch conv2d"] = lambda one=one, many=many: torch.nn.functional.conv2d(one, many)
        table(f"32 kernels of 16 x 16 on 256 x 256, {np.dtype(dtype)}", interleaved(contenders, rounds), "diffuseconv")


def gaussian(size: int, rng: np.random.Generator, rounds: int) -> None:
    """The heat kernel with a standard deviation of 50 cells."""
    u = rng.random((size, size))
    heat, sampled = dc.Propagator.heat(1.0, 50.0**2 / 2), dc.kernels.gaussian(50.0)
    contenders: Contenders = {
        "diffuseconv, heat kernel": lambda: dc.convolve(u, heat),
        "diffuseconv, sampled Gaussian as an array": lambda: dc.convolve(u, sampled),
        "scipy.ndimage.gaussian_filter (cut at 4 sigma)": lambda: scipy.ndimage.gaussian_filter(u, 50.0),
    }
    table(f"sigma = 50 on {size} x {size}, float64", interleaved(contenders, rounds), "diffuseconv, heat kernel")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=21, help="timed rounds; the median counts")
    parser.add_argument("--quick", action="store_true", help="256 x 256 alone, three rounds")
    chosen = parser.parse_args()
    rng, rounds = np.random.default_rng(0), 3 if chosen.quick else chosen.rounds
    small_kernels([256] if chosen.quick else [256, 1024], rng, rounds)
    bank(rng, rounds)
    wide_kernels(256 if chosen.quick else 1024, rng, max(3, rounds // 2))
    gaussian(256 if chosen.quick else 1024, rng, max(3, rounds // 4))


if __name__ == "__main__":
    main()
