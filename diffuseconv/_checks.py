"""Checks of what users pass in: one wording, one line, before any work begins."""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import operator
from collections.abc import Callable, Iterable, Sequence, Sized
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv._memory import free_memory
from diffuseconv._typing import Array, loop_input

T = TypeVar("T")
SMALL = 1 << 26  # bytes: not worth asking how many are free
LARGE = 4096  # values: fewer are not worth a compiled loop
OTHER_LIBRARIES = ("array_api_strict", "cupy", "dask", "jax", "jaxlib", "sparse", "tensorflow", "torch", "xarray")
NO_NUMBERS = (bool, np.timedelta64)  # though Python counts both among the whole numbers
MOST_TIMES = 10**6  # of an iterable without a length: more can only be an endless one
SHORTEST, LONGEST = 1e-150, 1e150  # lengths whose squares stay in the range of numbers


def got(value: object) -> str:
    """Describe in a few characters what was passed."""
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    try:
        text = " ".join(repr(value).split())
    except Exception:  # an object that cannot describe itself, or a whole number of thousands of digits
        text = f"something of type {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."


def array(name: str, value: ArrayLike, *, finite: bool = True) -> Array:
    """Return real numbers as float32 or float64 (integers and booleans become float64), copied only if need be."""
    values = plain(name, value)
    if values.dtype.kind in "iub":
        values = values.astype(np.float64)
    elif values.dtype.kind == "f" and values.dtype.itemsize in (4, 8):
        values = in_native_order(values)
    else:
        found = got(value) if values.dtype == object and not values.shape else f"dtype {values.dtype}"  # such as None
        raise TypeError(f"{name} must hold float32, float64, integers or booleans, got {found}")
    if finite:
        all_finite(name, values)
    return values


def in_native_order(values: Array) -> Array:
    """Return numbers in the processor's byte order, its dtype naming none: buffers that do are refused.

    What does not lie at multiples of its size, as a field of packed records, is copied: buffers name that, too.
    """
    if not values.flags.aligned:
        values = values.copy()
    if values.dtype.byteorder == "=":
        return values
    native = np.dtype(values.dtype.char)
    return values.astype(native, copy=False).view(native)


def plain(name: str, value: object, *, empty: bool = False) -> Array:
    """Return a NumPy array of any dtype, not empty if not `empty`; none of another library is loaded or detached."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(
            f"{name} must be a plain array (see .filled(), or mask= where there is one), got a masked array"
        )
    library = library_of(value)
    if library is not None:
        raise TypeError(f"{name} must be a NumPy array here (convert it first), got {library}'s {type(value).__name__}")
    try:
        values = np.asarray(value)
    except Exception:  # whatever the elements raise, a tensor in a list say
        raise ValueError(f"{name} must be a rectangular array of numbers, got {got(value)}") from None
    if values.size == 0 and not empty:
        raise ValueError(f"{name} must not be empty, got shape {values.shape}")
    return values


def ndim(name: str, value: object) -> int:
    """Return the number of dimensions of a number, an array, or lists that must be rectangular."""
    return np.ndim(plain(name, value, empty=True) if isinstance(value, (list, tuple)) else value)  # type: ignore[arg-type]


def library_of(value: object) -> str | None:
    """Return the other library that this, or a class that it derives from, belongs to; None for NumPy's and lists."""
    kind: Any = type(value)
    return _library_of_kind(kind)


@functools.lru_cache(maxsize=64)
def _library_of_kind(kind: type) -> str | None:
    """Return the library of a class, for `library_of`."""
    for base in kind.__mro__:
        library = base.__module__.partition(".")[0]
        if library in OTHER_LIBRARIES:
            return library
    return None


def is_finite(value: Array) -> bool:
    """Return whether there is neither NaN nor infinity."""
    if value.size > LARGE and value.dtype.kind == "f" and value.flags.c_contiguous:
        from diffuseconv._jit.finite import sum_of_zeros  # numba is not loaded for less

        return bool(sum_of_zeros(loop_input(value.reshape(-1))) == 0)  # costs half the time of the last line
    if value.size <= LARGE and value.dtype.kind == "f" and math.isfinite(np.vdot(value, value)):
        return True  # and so does this
    return bool(np.isfinite(value).all())


def all_finite(name: str, value: Array, way_out: str = "") -> None:
    """Refuse NaN and infinity, and say where the first one is and what may be done."""
    if not is_finite(value):
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])
        raise ValueError(f"{name} must be finite, got {value[where]} at index {where}{way_out}")


def ends_agree(name: str, values: Array, axis: int) -> None:
    """Refuse values over faces whose first and last along an axis differ though they are one face."""
    first, last = np.take(values, 0, axis), np.take(values, -1, axis)
    differ = ~((first == last) | (np.isnan(first) & np.isnan(last)))
    if differ.any():
        where = np.argmax(differ)
        raise ValueError(
            f"{name} must be the same on the first and last face of a periodic axis, which are one, "
            f"got {first.flat[where]:g} and {last.flat[where]:g}"
        )


def norm(value: Array) -> float:
    """Return the root of the sum of squares of contiguous numbers; infinite or NaN where one of them may be so."""
    flat = value.reshape(-1)
    if value.size <= LARGE:
        return math.sqrt(np.vdot(flat, flat))
    from diffuseconv._jit.finite import sum_of_squares  # numba is not loaded for less

    return math.sqrt(sum_of_squares(loop_input(flat)))


def most_summable(value: Array) -> float:
    """Return the largest magnitude of values of which sums, as transforms are, stay in the range."""
    return float(np.finfo(value.dtype).max) / 4 / value.size


def summable(name: str, value: Array, way_out: str = "") -> Array:
    """Refuse values that are not finite, or so large that a sum of them, as a transform is, would leave the range."""
    most = most_summable(value)
    if value.dtype.kind == "f" and value.flags.c_contiguous and norm(value) <= most / 2:
        return value  # one pass instead of two, which each take longer
    largest = float(np.abs(value).max() if value.dtype.kind == "c" else max(value.max(), -value.min()))
    if not largest <= most:  # NaN too
        all_finite(name, value, way_out)
        raise ValueError(f"{name} must not exceed {most:.3g} in magnitude, or sums overflow, got {largest:.3g}")
    return value


def field(name: str, value: ArrayLike, *, finite: bool = True) -> Array:
    """Return a field of one, two or three dimensions."""
    values = array(name, value, finite=finite)
    if not 1 <= values.ndim <= 3:
        raise ValueError(f"{name} must have 1, 2 or 3 dimensions, got {values.ndim}")
    return values


def wave(name: str, value: ArrayLike) -> Array:
    """Return complex numbers as complex64 or complex128; real ones become complex of the same precision."""
    values = plain(name, value)
    if values.dtype.kind != "c":
        real = array(name, values)
        return real.astype(np.result_type(real.dtype, np.complex64))
    if values.dtype.itemsize not in (8, 16):
        raise TypeError(f"{name} must hold complex64, complex128 or real numbers, got dtype {values.dtype}")
    all_finite(name, values)
    return in_native_order(values)


def takes(function: Callable[..., Any], count: int) -> bool:
    """Return whether a function may be called with so many arguments; one built in C may not tell, and is believed."""
    try:
        inspect.signature(function).bind(*[0.0] * count)
    except TypeError:
        return False
    except ValueError:
        return True
    return True


def number(
    name: str, value: object, *, above: float = -math.inf, least: float = -math.inf, most: float = math.inf
) -> float:
    """Return one finite real number greater than `above`, not less than `least` and not more than `most`."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and not isinstance(value, np.ma.MaskedArray):
        value = value[()]
    if isinstance(value, NO_NUMBERS) or not isinstance(value, (numbers.Real, Decimal)):
        raise TypeError(f"{name} must be a real number, got {got(value)}")
    try:
        checked = float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} must be in the range of floating-point numbers, got {got(value)}") from None
    if not math.isfinite(checked):
        raise ValueError(f"{name} must be finite, got {checked}")
    if checked <= above:
        raise ValueError(f"{name} must be greater than {above:g}, got {checked:g}")
    if checked < least:
        raise ValueError(f"{name} must be at least {least:g}, got {checked:g}")
    if checked > most:
        raise ValueError(f"{name} must be at most {most:g}, got {checked:g}")
    return checked


def length(name: str, value: object, shortest: float = SHORTEST, longest: float = LONGEST) -> float:
    """Return a length greater than 0 within bounds: by default its square is a normal number."""
    checked = number(name, value, above=0.0)
    if not shortest <= checked <= longest:
        raise ValueError(
            f"{name} must lie between {shortest:g} and {longest:g} (take another unit of length), got {checked:g}"
        )
    return checked


def spacing(value: Any, ndim: int) -> tuple[float, ...]:
    """Return the cell width along each axis."""
    return per_axis("spacing", value, ndim, length)


def fits_memory(name: str, amount: float, remedy: str) -> None:
    """Refuse what takes more bytes than are free, before anything is allocated."""
    if not has_memory(amount):
        raise ValueError(
            f"{name} must need no more memory than the {free_memory() / 2**30:.3g} GiB that are free ({remedy}), "
            f"got {amount / 2**30:.3g} GiB"
        )


def has_memory(amount: float) -> bool:
    """Return whether so many bytes are free."""
    return amount < SMALL or amount <= free_memory()


def flag(name: str, value: object) -> bool:
    """Return True or False, checked."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {got(value)}")
    return bool(value)


def iterable(name: str, value: object, of: str) -> None:
    """Refuse what is no iterable, an array without dimensions, and text and bytes, whose parts are no numbers."""
    single = isinstance(value, (str, bytes, bytearray)) or (isinstance(value, np.ndarray) and value.ndim == 0)
    if single or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be an iterable of {of}, got {got(value)}")


def times(name: str, value: Any, start: float | None = None) -> list[float]:
    """Return times, checked: not decreasing from a start on, or without one in any order."""
    iterable(name, value, "numbers")
    most = len(value) if isinstance(value, Sized) else MOST_TIMES
    given = list(islice(value, most + 1))
    if len(given) > most:
        raise ValueError(f"{name} must come to an end, got more than {most} from {got(value)}: pass a list")
    if {*map(type, given)} <= {float, np.float64} and is_finite(np.array(given)):
        checked = [float(time) for time in given]  # at once: a million take seconds one by one
    else:
        checked = [number(f"{name}[{i}]", time) for i, time in enumerate(given)]
    before = start
    for time in checked:
        if before is not None and time < before:
            raise ValueError(f"{name} must not decrease, got {time:g} after {before:g}")
        before = None if start is None else time
    return checked


def probability(name: str, value: object) -> float:
    """Return a number strictly between 0 and 1."""
    checked = number(name, value, above=0.0)
    if checked >= 1:
        raise ValueError(f"{name} must be less than 1, got {checked:g}")
    return checked


def count(name: str, value: object, *, least: int = 0, most: int = 2**63 - 1) -> int:
    """Return one whole number."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and not isinstance(value, np.ma.MaskedArray):
        value = value[()]
    if isinstance(value, NO_NUMBERS) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} must be a whole number, got {got(value)}")
    checked = operator.index(value)
    if checked < least:
        raise ValueError(f"{name} must be at least {least}, got {got(checked)}")
    if checked > most:
        raise ValueError(f"{name} must be at most {most}, got {got(checked)}")
    return checked


def _items(value: object) -> Sequence[object]:
    """Return several values, or one by itself, as a sequence."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return list(value)
    return value if isinstance(value, (list, tuple, range)) else (value,)


def shape(name: str, value: object) -> tuple[int, ...]:
    """Return the shape of a field of one, two or three dimensions; a whole number is the length of a line."""
    items = _items(value)
    if not 1 <= len(items) <= 3:
        raise ValueError(f"{name} must have 1, 2 or 3 axes, got {got(value)}")
    return tuple(count(f"{name}[{axis}]", item, least=1) for axis, item in enumerate(items))


def choice(name: str, value: object, options: Sequence[str]) -> str:
    """Return one of a few words."""
    if isinstance(value, str) and value in options:
        return value
    raise ValueError(f"{name} must be one of {', '.join(map(repr, options))}, got {got(value)}")


def per_axis(name: str, value: Any, ndim: int, check: Callable[[str, Any], T]) -> tuple[T, ...]:
    """Return one value for all axes, or a sequence with one for each axis."""
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1):
        if len(value) != ndim:
            raise ValueError(f"{name} must be one value or one for each of the {ndim} axes, got {len(value)} values")
        return tuple(check(f"{name}[{axis}]", item) for axis, item in enumerate(value))
    return (check(name, value),) * ndim


def axes(value: object, ndim: int, *, most: int = 3) -> tuple[int, ...]:
    """Return the spatial axes of an array of `ndim` dimensions, in the order given; None means all of them."""
    if ndim == 0:
        raise ValueError("axes must name spatial axes of an array of at least 1 dimension, got a single number")
    if value is None:
        checked = tuple(range(ndim))
    else:
        items = _items(value)
        checked = tuple(count("axes", item, least=-ndim, most=ndim - 1) % ndim for item in items)
    if len(set(checked)) != len(checked):
        raise ValueError(f"axes must not repeat, got {got(value)}")
    if not 1 <= len(checked) <= max(most, 3):
        raise ValueError(f"axes must name 1, 2 or 3 of the {ndim} axes as spatial, got {got(value)}")
    return checked


def seeds(rng: object) -> np.random.SeedSequence:
    """Return an int, `SeedSequence` or None as a fresh `SeedSequence`: the caller's stays unchanged."""
    if isinstance(rng, np.random.SeedSequence):
        return np.random.SeedSequence(rng.entropy, spawn_key=rng.spawn_key, pool_size=rng.pool_size)
    if isinstance(rng, (bool, np.bool_)) or not (rng is None or isinstance(rng, (int, np.integer))):
        raise TypeError(f"rng must be an int, numpy Generator, SeedSequence or None, got {got(rng)}")
    if rng is not None and rng < 0:
        raise ValueError(f"rng must not be negative, got {rng}")
    return np.random.SeedSequence(None if rng is None else int(rng))


def generator(rng: object) -> np.random.Generator:
    """Return an int, `Generator`, `SeedSequence` or None as a `Generator`; a passed `Generator` is the one returned."""
    return rng if isinstance(rng, np.random.Generator) else np.random.default_rng(seeds(rng))
