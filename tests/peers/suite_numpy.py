"""`numpy.convolve`, `numpy.correlate` and `numpy.pad`, by NumPy's own tests."""

import numpy as np

import diffuseconv as dc

TESTS = ["numpy._core.tests.test_numeric", "numpy.lib.tests.test_arraypad"]
WALLS = {"symmetric": "reflecting", "reflect": "mirror", "wrap": "periodic", "edge": "nearest"}
PLACES = {0: "valid", 1: "same", 2: "full"}


def _placed(sums, a, v, mode):
    """Return what a mode leaves of the full sums of a long and a short line."""
    mode = PLACES.get(mode, mode)
    if mode == "same":
        return sums[(len(v) - 1) // 2 :][: len(a)]
    if mode == "valid":
        return sums[len(v) - 1 : len(a)]
    if mode != "full":
        raise ValueError("mode")
    return sums


def _typed(sums, *given):
    """Return sums in the type of the peer's: whole numbers stay such."""
    dtype = np.result_type(*given)
    return np.rint(sums).astype(dtype) if dtype.kind in "iub" else sums.astype(dtype)


def convolve(a, v, mode="full"):
    a, v = (np.asarray(x) for x in (a, v))
    long, short = (a, v) if len(a) >= len(v) else (v, a)
    sums = dc.convolve(long, short, boundary="zero", mode="full")
    return _typed(_placed(sums, long, short, mode), a, v)


def correlate(a, v, mode="valid"):
    a, v = (np.asarray(x) for x in (a, v))
    if len(v) > len(a):
        raise NotImplementedError("the second line is the longer one")
    sums = dc.correlate(a, v, boundary="zero", mode="full")
    return _typed(_placed(sums, a, v, mode), a, v)


def pad(array, pad_width, mode="constant", **options):
    array = np.asarray(array)
    wall = dc.Constant(options.pop("constant_values", 0)) if mode == "constant" else WALLS.get(mode, mode)
    if options:
        raise NotImplementedError(f"{mode} with {options}")
    widths = [tuple(pair) for pair in np.broadcast_to(pad_width, (array.ndim, 2))]
    return dc.boundary.extend(array, widths, [wall] * array.ndim)


FUNCTIONS = {"numpy.convolve": convolve, "numpy.correlate": correlate, "numpy.pad": pad}
