"""Convolution, correlation and recursive filters, by the tests of `scipy.signal`."""

import numpy as np

import diffuseconv as dc

TESTS = ["scipy.signal.tests.test_signaltools"]
WALLS = {"symm": "reflecting", "wrap": "periodic"}


def _typed(*given):
    """Return arrays in their common type, which is the result's."""
    arrays = [np.asarray(x) for x in given]
    dtype = np.result_type(*arrays)
    if dtype.kind in "iu" and max(np.abs(x.astype(float)).max(initial=0) for x in arrays) > 2**20:
        raise NotImplementedError("sums of whole numbers beyond those that float64 holds")
    return dtype, *(x.astype(float if dtype.kind in "iub" else dtype) for x in arrays)


def _sums(verb, in1, in2, mode, boundary="zero", axes=None, method="auto"):
    """Return what a mode leaves of the sums of a field with a kernel, as `convolve` or `correlate` places them."""
    dtype, u, k = _typed(in1, in2)
    if u.ndim != k.ndim:
        raise ValueError("dimensions")
    axes = range(u.ndim) if axes is None else np.lib.array_utils.normalize_axis_tuple(axes, u.ndim)
    if any(k.shape[a] != 1 for a in range(k.ndim) if a not in axes):
        raise NotImplementedError("one kernel for each field of a stack")
    k = k.transpose([*axes, *(a for a in range(k.ndim) if a not in axes)]).reshape([k.shape[a] for a in axes])
    ours = {"axes": list(axes), "method": method}
    if mode == "valid":
        sums = verb(u, k, mode="valid", **ours)
    elif mode == "same" and verb is dc.convolve:
        # the origin of an even kernel is the earlier of its two middle taps here: a tap more puts it there
        k = np.pad(k, [((n + 1) % 2, 0) for n in k.shape])
        sums = verb(u, k, boundary=boundary, **ours)
    elif mode == "same":
        k = np.pad(k, [(0, (n + 1) % 2) for n in k.shape])
        sums = verb(u, k, boundary=boundary, **ours)
    elif mode == "full" and boundary == "zero":
        sums = verb(u, k, boundary=boundary, mode="full", **ours)
    elif mode == "full":
        wide = dc.boundary.extend(u, [(n - 1, n - 1) for n in k.shape], [boundary] * k.ndim, list(axes))
        sums = verb(wide, k, mode="valid", **ours)
    else:
        raise ValueError("mode")
    return (np.rint(sums) if dtype.kind in "iub" else sums).astype(dtype)


def _fits(inner, outer):
    return all(a <= b for a, b in zip(np.shape(inner), np.shape(outer), strict=True))


def convolve(in1, in2, mode="full", method="auto"):
    if mode == "valid" and not _fits(in2, in1):
        in1, in2 = in2, in1
    return _sums(dc.convolve, in1, in2, mode, method=method)


def correlate(in1, in2, mode="full", method="auto"):
    if mode == "valid" and not _fits(in2, in1):
        return np.flip(_sums(dc.correlate, in2, in1, mode, method=method)).conj()
    return _sums(dc.correlate, in1, in2, mode, method=method)


def fftconvolve(in1, in2, mode="full", axes=None):
    if mode == "valid" and not _fits(in2, in1):
        in1, in2 = in2, in1
    in1, in2 = (x * 1.0 if x.dtype.kind in "iub" else x for x in map(np.asarray, (in1, in2)))
    return _sums(dc.convolve, in1, in2, mode, axes=axes, method="fft")


def oaconvolve(in1, in2, mode="full", axes=None):
    return fftconvolve(in1, in2, mode, axes)


def _wall(boundary, fillvalue):
    return WALLS.get(boundary) or dc.Constant(fillvalue)


def convolve2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    if np.ndim(in1) != 2 or np.ndim(in2) != 2:
        raise ValueError("not planes")
    if mode == "valid" and not _fits(in2, in1):
        in1, in2 = in2, in1
    return _sums(dc.convolve, in1, in2, mode, _wall(boundary, fillvalue))


def correlate2d(in1, in2, mode="full", boundary="fill", fillvalue=0):
    if np.ndim(in1) != 2 or np.ndim(in2) != 2:
        raise ValueError("not planes")
    if mode == "valid" and not _fits(in2, in1):
        return np.flip(_sums(dc.correlate, in2, in1, mode)).conj()
    return _sums(dc.correlate, in1, in2, mode, _wall(boundary, fillvalue))


def lfilter(b, a, x, axis=-1, zi=None):
    dtype, b, a, x = _typed(np.atleast_1d(b), np.atleast_1d(a), x)
    if dtype.kind != "f" or b.ndim + a.ndim != 2 or not b.size or not a.size or not b[0] * a[0]:
        raise NotImplementedError("complex series, or a delay")
    gain, model = b[0] / a[0], dc.timeseries.ARIMA(ar=-a[1:] / a[0], ma=b[1:] / b[0])
    x = np.moveaxis(gain * x, axis, -1)
    lines = x.reshape(-1, x.shape[-1])
    if zi is None:
        y = np.reshape([dc.timeseries.arma_filter(model, line) for line in lines], x.shape)
        return np.moveaxis(y, -1, axis).astype(dtype)
    zi = np.moveaxis(np.asarray(zi, float), axis, -1)
    if zi.ndim != x.ndim:
        raise ValueError("zi")
    states = np.broadcast_to(zi, (*x.shape[:-1], zi.shape[-1])).reshape(len(lines), -1)
    pairs = [dc.timeseries.arma_filter(model, line, zi=state) for line, state in zip(lines, states, strict=True)]
    y, zf = (np.array(part).reshape(*x.shape[:-1], -1) for part in zip(*pairs, strict=True))
    return np.moveaxis(y, -1, axis).astype(dtype), np.moveaxis(zf, -1, axis).astype(dtype)


FUNCTIONS = {
    f"scipy.signal.{f.__name__}": f
    for f in (convolve, correlate, fftconvolve, oaconvolve, convolve2d, correlate2d, lfilter)
}
