"""Convolution of pictures with holes, by the tests of `astropy.convolution`."""

import warnings

import numpy as np
from astropy.utils.exceptions import AstropyUserWarning

import diffuseconv as dc

TESTS = [f"astropy.convolution.tests.test_convolve{what}" for what in ("", "_fft", "_kernels", "_models", "_nddata")]
MESSAGE = (
    "nan_treatment='interpolate', however, NaN values detected post convolution. A contiguous region of NaN values, "
    "larger than the kernel size, are present in the input array. Increase the kernel size to avoid this."
)
WALLS = {"wrap": "periodic", "extend": "nearest"}


def _plain(values, what):
    if isinstance(values, np.ma.MaskedArray) or type(getattr(values, "array", values)).__name__ in {
        "NDData",
        "Quantity",
    }:
        raise NotImplementedError(f"{what} of another kind")
    values = np.asarray(getattr(values, "array", values))
    return values.astype(values.dtype.newbyteorder("=") if values.dtype == np.float32 else float)


def convolve(
    array,
    kernel,
    boundary="fill",
    fill_value=0.0,
    nan_treatment="interpolate",
    normalize_kernel=True,
    mask=None,
    preserve_nan=False,
    normalization_zero_tol=1e-8,
):
    if not isinstance(normalize_kernel, bool) or nan_treatment not in ("interpolate", "fill"):
        raise NotImplementedError("another norm")
    u, k = _plain(array, "field"), _plain(kernel, "kernel")
    total = k.sum()
    if (
        u.ndim != k.ndim
        or not all(n % 2 for n in k.shape)
        or (normalize_kernel and abs(total) < normalization_zero_tol)
    ):
        raise ValueError("kernel")
    if normalize_kernel:
        k = k / total
    known = np.isfinite(u) if mask is None else np.isfinite(u) & ~np.asarray(mask, bool)
    holes = ~known
    if nan_treatment == "fill":
        u = np.where(known, u, u.dtype.type(fill_value))
        known = np.ones(u.shape, bool)
    seen = None if known.all() else known
    if boundary is None:
        sums = np.zeros_like(u)
        inner = dc.convolve(u, k, mode="valid", mask=seen)
        sums[tuple(slice(n // 2, n // 2 + size) for n, size in zip(k.shape, inner.shape, strict=True))] = inner
    else:
        wall = dc.Constant(fill_value) if boundary == "fill" else WALLS[boundary]
        sums = dc.convolve(u, k, boundary=wall, mask=seen)
    if np.isnan(sums).any():
        warnings.warn(MESSAGE, AstropyUserWarning, stacklevel=2)
    kind = np.asarray(array).dtype
    return (np.where(holes, np.nan, sums) if preserve_nan else sums).astype(kind if kind.kind == "f" else float)


def convolve_fft(
    array,
    kernel,
    boundary="fill",
    fill_value=0.0,
    nan_treatment="interpolate",
    normalize_kernel=True,
    normalization_zero_tol=1e-8,
    preserve_nan=False,
    mask=None,
    crop=True,
    return_fft=False,
    fft_pad=None,
    psf_pad=None,
    min_wt=0.0,
    allow_huge=False,
    fftn=None,
    ifftn=None,
    complex_dtype=complex,
    dealias=False,
):
    if not crop or return_fft or psf_pad is not None or dealias or boundary not in ("fill", "wrap"):
        raise NotImplementedError("another size")
    if fft_pad and boundary == "wrap":
        raise ValueError("fft_pad")
    options = nan_treatment, normalize_kernel, mask, preserve_nan, normalization_zero_tol
    sums = convolve(array, kernel, boundary, fill_value, *options)
    return sums if preserve_nan else np.nan_to_num(sums)  # 0 here where nothing is known


FUNCTIONS = {
    "astropy.convolution.convolve.convolve": convolve,
    "astropy.convolution.convolve.convolve_fft": convolve_fft,
}
