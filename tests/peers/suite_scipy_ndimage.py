"""Linear filters of pictures, by the tests of `scipy.ndimage`."""

import warnings

import numpy as np

import diffuseconv as dc

TESTS = ["scipy.ndimage.tests.test_filters"]
WALLS = {
    "reflect": "reflecting",
    "grid-mirror": "reflecting",
    "wrap": "periodic",
    "grid-wrap": "periodic",
    "mirror": "mirror",
    "nearest": "nearest",
    "constant": "constant",
    "grid-constant": "constant",
}


def _wall(mode, cval):
    return dc.Constant(cval) if WALLS[mode] == "constant" else WALLS[mode]


def _axes(axes, ndim):
    return range(ndim) if axes is None else np.lib.array_utils.normalize_axis_tuple(axes, ndim)


def _each(axes, *values):
    """Return values for each axis, from one for all or a sequence."""
    if any(np.ndim(value) and len(value) != len(axes) for value in values):
        raise ValueError("length")
    return zip(*(np.broadcast_to(value, len(axes)) for value in values), strict=True)


def _shifted(weights, origin):
    """Return a kernel with zeros around it, so that its origin lies where SciPy has it."""
    for axis, (n, o) in enumerate(zip(weights.shape, origin, strict=True)):
        if not -(n // 2) <= o <= (n - 1) // 2:
            raise ValueError("origin")
        pad = [(0, 0)] * weights.ndim
        pad[axis] = (max(-2 * o, 0), max(2 * o, 0))
        weights = np.pad(weights, pad)
    return weights


def _written(sums, given, output):
    """Return sums in the type that was asked for, or written to the array passed in."""
    asked = np.asarray(given).dtype if output is None else getattr(output, "dtype", output)
    if sums.dtype.kind == "c" and np.dtype(asked).kind != "c":
        if isinstance(output, np.ndarray):
            raise ValueError("output")
        if output is not None:
            warnings.warn("promoting specified output dtype to complex", UserWarning, stacklevel=2)
        asked = np.result_type(asked, np.complex64)
    if np.dtype(asked) == np.float16:
        raise ValueError("half precision")
    if np.dtype(asked).kind == "u":
        sums = sums.astype(np.int64)  # negative sums wrap around
    if not isinstance(output, np.ndarray):
        return sums.astype(asked)
    output[...] = sums.astype(asked)
    return output


def _sums(verb, given, weights, output, mode, cval, origin, axes):
    given, weights = np.asarray(given), np.asarray(weights)
    axes = _axes(axes, given.ndim)
    origin = [o for _, (o,) in sorted(zip(axes, _each(axes, origin), strict=True))]  # weights lie along axes in order
    dtype = np.result_type(given, weights, np.float32 if given.dtype == np.float32 else np.float64)
    weights = _shifted(weights.astype(complex if dtype.kind == "c" else float), origin)
    if given.dtype.kind in "iu" and max(int(given.max()), -int(given.min())) > 2**53:
        raise NotImplementedError("whole numbers beyond those that float64 holds")
    u = given.astype(dtype if dtype.kind in "fc" else float)
    return _written(verb(u, weights, boundary=_wall(mode, cval), axes=sorted(axes), method="direct"), given, output)


def correlate(input, weights, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):
    return _sums(dc.correlate, input, weights, output, mode, cval, origin, axes)


def convolve(input, weights, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):
    return _sums(dc.convolve, input, weights, output, mode, cval, origin, axes)


def correlate1d(input, weights, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    return correlate(input, np.reshape(weights, -1), output, mode, cval, origin, axes=axis)


def convolve1d(input, weights, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    return convolve(input, np.reshape(weights, -1), output, mode, cval, origin, axes=axis)


def _each_axis(lines, given, output, mode, cval, axes):
    """Correlate with a line along each axis in turn, each time in the type that was asked for."""
    sums = _written(np.asarray(given), given, output)
    for axis, line, (m,) in zip(axes, lines, _each(axes, mode), strict=True):
        if line is not None:
            sums = correlate(given, line[0], output, str(m), cval, line[1], axes=axis)
            given = sums
    return sums


def gaussian_filter(
    input, sigma, order=0, output=None, mode="reflect", cval=0.0, truncate=4.0, *, radius=None, axes=None
):
    axes = _axes(axes, np.ndim(input))
    lines = []
    for s, n, r in _each(axes, sigma, order, radius):
        if r is not None and (r != int(r) or r < 0):
            raise ValueError("radius")
        if s > 1e-15:
            kernel = dc.kernels.gaussian_derivative(int(n), float(s), 1, truncate=truncate if r is None else r / s)
        lines.append((kernel[::-1], 0) if s > 1e-15 else None)
    return _each_axis(lines, input, output, mode, cval, axes)


def gaussian_filter1d(
    input, sigma, axis=-1, order=0, output=None, mode="reflect", cval=0.0, truncate=4.0, *, radius=None
):
    return gaussian_filter(input, sigma, order, output, mode, cval, truncate, radius=radius, axes=axis)


def uniform_filter(input, size=3, output=None, mode="reflect", cval=0.0, origin=0, *, axes=None):
    axes = _axes(axes, np.ndim(input))
    lines = [(dc.kernels.box(int(n), 1), int(o)) if n > 1 else None for n, o in _each(axes, size, origin)]
    return _each_axis(lines, input, output, mode, cval, axes)


def uniform_filter1d(input, size, axis=-1, output=None, mode="reflect", cval=0.0, origin=0):
    return uniform_filter(input, size, output, mode, cval, origin, axes=axis)


def sobel(input, axis=-1, output=None, mode="reflect", cval=0.0):
    return convolve(input, dc.kernels.sobel(axis, np.ndim(input)), output, mode, cval)


def prewitt(input, axis=-1, output=None, mode="reflect", cval=0.0):
    return convolve(input, dc.kernels.prewitt(axis, np.ndim(input)), output, mode, cval)


def laplace(input, output=None, mode="reflect", cval=0.0, *, axes=None):
    if axes is not None or np.ndim(input) != 2:
        raise NotImplementedError("not a plane")
    return convolve(input, dc.kernels.laplacian(), output, mode, cval)


FUNCTIONS = {
    f"scipy.ndimage.{f.__name__}": f
    for f in (
        correlate,
        convolve,
        correlate1d,
        convolve1d,
        gaussian_filter,
        gaussian_filter1d,
        uniform_filter,
        uniform_filter1d,
        sobel,
        prewitt,
        laplace,
    )
}
