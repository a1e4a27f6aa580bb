r"""Arrays on a GPU, and all that follow the array API standard: what Fourier space can do stays on their device.

CuPy arrays come here, and torch's tensors that are not on the CPU; gradients flow through every operation of torch.
The standard has the discrete Fourier transform and no other, so a line with walls is continued over one whole period of
its modes (cosines: by mirror images; sines, as for ``"zero"``: by mirror images of the other sign) and then it is a
line without walls: a DFT of that period has the same modes, at the cost of twice the cells for each walled axis.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from diffuseconv import _checks
from diffuseconv._axes import on_axis
from diffuseconv._typing import Array
from diffuseconv.boundary import Modes, Name, Names, fold, per_axis, record
from diffuseconv.convolution.fourier import SAFE_POWER
from diffuseconv.convolution.plan import in_range, plan
from diffuseconv.convolution.sums import too_large
from diffuseconv.diffusion import DiffusionEquation, explicit, spectral
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.modes import Basis, axes_of, basis
from diffuseconv.diffusion.scheme import without_advice
from diffuseconv.propagator import Propagator
from diffuseconv.spectrum.frequency_filters import circle, ring

__all__ = ["band_pass", "convolve", "correlate", "evolve", "explicit_steps", "high_pass", "log_spectrum", "low_pass"]

EPSILON = 2.0**-53  # keeps the logarithm of a mode that vanishes in one step finite; its powers vanish all the same


class _Line(NamedTuple):
    """One spatial axis of the array, and how its modes are reached."""

    axis: int
    size: int
    modes: Modes | None  # those of the DFT of one period; None for the rows of the matrix
    basis: Basis | None
    growth: Array  # of each mode, per time; in a filter, its frequency

    @property
    def period(self) -> int:
        """The cells that the transform takes."""
        return self.modes.period(self.size) if self.modes else self.size


def convolve(
    field: Any,
    kernel: Any,
    *,
    boundary: Names = "reflecting",
    mode: str = "same",
    axes: Any = None,
    method: str = "auto",
) -> Any:
    """Return `diffuseconv.convolve` of an array on its device, by ``method="fft"``.

    Parameters
    ----------
    field : array
        float32 or float64; whole numbers become float64.
    kernel : array, array_like or Propagator
        The weights.
    boundary, mode, axes
        As for `diffuseconv.convolve`.
    method : {"auto", "fft"}
        There is no other here.

    Returns
    -------
    array
        Of the field's library, device and precision.

    Raises
    ------
    TypeError, ValueError
        As `diffuseconv.convolve` does, and for other methods.
    """
    return _sums("convolve", field, kernel, boundary, mode, axes, method, flip=True)


def correlate(
    field: Any,
    kernel: Any,
    *,
    boundary: Names = "reflecting",
    mode: str = "same",
    axes: Any = None,
    method: str = "auto",
) -> Any:
    """Return `diffuseconv.correlate` of an array on its device, as `convolve` does."""
    return _sums("correlate", field, kernel, boundary, mode, axes, method, flip=False)


def evolve(
    eq: DiffusionEquation,
    u: Any,
    duration: float,
    method: str = "auto",
    time_step: None = None,
    *,
    start: float = 0.0,
    axes: Any = None,
) -> Any:
    """Return `DiffusionEquation.evolve` of an array on its device, by ``method="spectral"``.

    Parameters
    ----------
    eq : DiffusionEquation
        One that ``"spectral"`` solves: constant coefficients on a box.
    u : array
        float32 or float64; whole numbers become float64.
    duration, start, axes
        As for `DiffusionEquation.evolve`.
    method : {"auto", "spectral"}
        There is no other here.
    time_step : None
        Nothing to choose.

    Returns
    -------
    array
        Of `u`'s library, device, precision and shape.

    Raises
    ------
    TypeError, ValueError
        As `DiffusionEquation.evolve` does, for other methods and for equations that ``"spectral"`` does not solve.
    """
    xp, u = _field("u", u)
    _only("evolve", "method", method, "spectral")
    if time_step is not None:
        raise ValueError(f'time_step must be None with method="spectral", got {_checks.got(time_step)}')
    time = _checks.number("duration", duration, least=0)
    lattice, lines = _box("evolve", eq, u, axes, _checks.number("start", start))
    if time == 0:
        return xp.asarray(u, copy=True)

    def factor(growth: Any) -> tuple[Any, Any]:
        moving = xp.abs(growth * time) > EPSILON  # growth may be subnormal
        gone = xp.expm1(growth * time) / xp.where(moving, growth, xp.ones_like(growth))
        return xp.exp(growth * time), xp.where(moving, gone, xp.full_like(growth, time))

    return _advance(xp, lattice, lines, u, factor)


def explicit_steps(
    eq: DiffusionEquation, u: Any, steps: int, time_step: float | None = None, *, axes: Any = None
) -> Any:
    """Return `DiffusionEquation.explicit_steps` of an array on its device.

    Parameters
    ----------
    eq : DiffusionEquation
        One that ``"spectral"`` solves, without drift.
    u : array
        float32 or float64; whole numbers become float64.
    steps, time_step, axes
        As for `DiffusionEquation.explicit_steps`.

    Returns
    -------
    array
        Of `u`'s library, device, precision and shape.
    """
    xp, u = _field("u", u)
    steps = _checks.count("steps", steps)
    if time_step is not None:
        time_step = _checks.number("time_step", time_step, above=0)
    lattice, lines = _box("explicit_steps", eq, u, axes, 0.0)
    if lattice.drift is not None:
        raise ValueError(
            f"velocity must be None in explicit_steps of arrays on a device, got {_checks.got(eq.velocity)}"
        )
    limit = explicit.checked_step(lattice, time_step)
    step = limit if math.isfinite(limit) else 1.0
    if steps == 0:
        return xp.asarray(u, copy=True)

    def factor(growth: Any) -> tuple[Any, Any]:
        lost = -growth * step
        flips = lost > 1
        log = steps * xp.log1p(xp.maximum(xp.where(flips, lost - 2, -lost), xp.full_like(lost, -1 + EPSILON)))
        odd = flips if steps % 2 else flips & ~flips
        decaying = xp.abs(log) > EPSILON
        gone = xp.where(odd, 1 + xp.exp(log), -xp.expm1(log)) / xp.where(decaying, -growth, xp.ones_like(growth))
        return xp.where(odd, -xp.exp(log), xp.exp(log)), xp.where(decaying, gone, xp.full_like(growth, steps * step))

    return _advance(xp, lattice, lines, u, factor)


def log_spectrum(image: Any, *, axes: Any = None) -> Any:
    """Return `spectrum.log_spectrum` of an array on its device."""
    xp, image = _field("image", image)
    over = _checks.axes(axes, image.ndim)
    modes = xp.fft.fftn(xp.astype(image, _complex_of(xp, image)), axes=over)
    return xp.log1p(xp.abs(xp.fft.fftshift(modes, axes=over)))


def low_pass(
    image: Any, radius: float, *, edge: float = 0.0, boundary: str | Sequence[str] = "periodic", axes: Any = None
) -> Any:
    """Return `spectrum.low_pass` of an array on its device."""
    xp, image = _field("image", image)
    inside = _disc(xp, *circle(radius, edge))
    return _weigh(xp, image, boundary, axes, inside)


def high_pass(
    image: Any, radius: float, *, edge: float = 0.0, boundary: str | Sequence[str] = "periodic", axes: Any = None
) -> Any:
    """Return `spectrum.high_pass` of an array on its device."""
    xp, image = _field("image", image)
    inside = _disc(xp, *circle(radius, edge))
    return _weigh(xp, image, boundary, axes, lambda frequency: 1 - inside(frequency))


def band_pass(
    image: Any,
    radius: tuple[float, float],
    *,
    edge: float = 0.0,
    boundary: str | Sequence[str] = "periodic",
    axes: Any = None,
) -> Any:
    """Return `spectrum.band_pass` of an array on its device."""
    xp, image = _field("image", image)
    least, most, width = ring(radius, edge)
    inner, outer = _disc(xp, least, width), _disc(xp, most, width)
    return _weigh(xp, image, boundary, axes, lambda frequency: outer(frequency) - inner(frequency))


def _compat() -> Any:
    """Return the library that tells what namespace and device an array has."""
    try:
        import array_api_compat
    except ImportError:
        raise ImportError("array-api-compat must be installed for such arrays: see the extra 'gpu'") from None
    return array_api_compat


def _field(name: str, value: Any) -> tuple[Any, Any]:
    """Return the namespace of an array, and the array in single or double precision, checked."""
    xp = _compat().array_namespace(value)
    layout = getattr(value, "layout", None)  # torch's tensors have one
    if str(layout or "torch.strided") != "torch.strided" or getattr(value, "is_meta", False):
        raise TypeError(
            f"{name} must be a dense tensor that holds numbers (see Tensor.to_dense), "
            f"got layout {layout} on device {value.device}"
        )
    if 0 in value.shape:
        raise ValueError(f"{name} must not be empty, got shape {tuple(value.shape)}")
    if xp.isdtype(value.dtype, ("bool", "integral")):
        value = xp.astype(value, xp.float64)
    if value.dtype not in (xp.float32, xp.float64):
        raise TypeError(f"{name} must hold float32, float64, integers or booleans, got dtype {value.dtype}")
    most = float(xp.finfo(value.dtype).max) / 4 / math.prod(value.shape)
    largest = _largest(xp, value)
    if not largest <= most:
        raise ValueError(f"{name} must be finite and at most {most:.3g} in magnitude, got {largest:.3g}")
    return xp, value


def _only(verb: str, name: str, value: object, only: str) -> None:
    """Refuse methods that need loops of their own."""
    if value not in ("auto", only):
        raise ValueError(f"{name} must be {only!r} in {verb} of arrays on a device, got {_checks.got(value)}")


def _complex_of(xp: Any, array: Any) -> Any:
    """Return the complex numbers of an array's precision."""
    return xp.complex64 if array.dtype == xp.float32 else xp.complex128


def _like(xp: Any, values: Array, array: Any, dtype: Any = None) -> Any:
    """Return NumPy's numbers on the device of an array."""
    device = _compat().device(array)
    return xp.asarray(np.array(values), dtype=array.dtype if dtype is None else dtype, device=device)  # (not shared)


def _along(xp: Any, values: Array, array: Any, axis: int, dtype: Any = None) -> Any:
    """Return a line of NumPy's numbers on the device of an array, so that it broadcasts along one axis."""
    return _like(xp, on_axis(values, axis, array.ndim), array, dtype)


def _sums(verb: str, field: Any, kernel: Any, walls: Names, mode: str, axes: Any, method: str, flip: bool) -> Any:
    """Correlate in Fourier space, with the kernel flipped for a convolution."""
    xp, u = _field("field", field)
    _only(verb, "method", method, "fft")
    if isinstance(kernel, Propagator):
        kernel = kernel.density
    dtype = "float32" if u.dtype == xp.float32 else "float64"
    if _compat().is_array_api_obj(kernel) and not _compat().is_numpy_array(kernel):
        _, taps = _field("kernel", kernel)
        most, largest = float(xp.finfo(u.dtype).max), _largest(xp, taps)
        if largest > most:
            raise ValueError(f"kernel must not exceed {most:.3g} in magnitude for a {dtype} field, got {largest:.3g}")
        taps = xp.astype(taps, u.dtype)
    else:
        taps = _like(xp, in_range("kernel", _checks.array("kernel", kernel), np.dtype(dtype)), u)
    rule = plan(tuple(u.shape), tuple(taps.shape), walls, mode, axes, "fft", dtype, flip)
    order = sorted(range(taps.ndim), key=rule.spatial.__getitem__)
    taps = xp.permute_dims(xp.flip(taps) if flip else taps, tuple(order))
    places = dict(zip(sorted(rule.spatial), taps.shape, strict=True))
    taps = xp.reshape(taps, tuple(places.get(axis, 1) for axis in range(u.ndim)))
    for axis, width, name in zip(rule.spatial, rule.widths, rule.names, strict=True):
        u = _continued(xp, u, axis, width, name)
    over = rule.spatial
    sizes = tuple(u.shape[axis] for axis in over)
    (u, power), (taps, extra) = _safe(xp, u), _safe(xp, taps)
    modes = xp.fft.rfftn(u, s=sizes, axes=over) * xp.conj(xp.fft.rfftn(taps, s=sizes, axes=over))
    sums = xp.fft.irfftn(modes, s=sizes, axes=over)[tuple(slice(0, size) for size in rule.shape)]
    if power or extra:
        sums = _scaled(sums, power + extra)
        if not math.isfinite(_largest(xp, sums)):
            raise too_large(np.dtype(dtype))
    return sums


def _safe(xp: Any, values: Any) -> tuple[Any, int]:
    """Scale by a power of two where the products of transforms could overflow or vanish; return the power missing."""
    power = math.frexp(_largest(xp, values))[1]
    safe = SAFE_POWER[4 if values.dtype == xp.float32 else 8]
    return (values, 0) if abs(power) < safe else (_scaled(values, -power), power)


def _scaled(values: Any, power: int) -> Any:
    """Multiply by a power of two, in factors that are in the range of numbers each."""
    with np.errstate(over="ignore"):
        for part in range(3):
            values = values * 2.0 ** ((power + part) // 3)
    return values


def _largest(xp: Any, values: Any) -> float:
    """Return the greatest magnitude."""
    plain = values.detach() if hasattr(values, "detach") else values  # a check is nothing to differentiate
    return float(xp.max(xp.abs(plain)))


def _continued(xp: Any, u: Any, axis: int, width: tuple[int, int], name: Name) -> Any:
    """Continue one axis beyond its walls."""
    size, (before, after) = u.shape[axis], width
    if before == after == 0:
        return u
    source, sign = fold(np.arange(-before, size + after), size, name)
    wide = xp.take(u, _like(xp, source, u, xp.int64), axis=axis)
    wide = wide * _along(xp, sign, u, axis)
    beyond = record(name).beyond
    return wide + _along(xp, (sign == 0) * beyond, u, axis) if beyond else wide


def _box(verb: str, eq: DiffusionEquation, u: Any, axes: Any, start: float) -> tuple[Lattice, list[_Line]]:
    """Return the discretised problem on the spatial axes of an array, and how each of them is transformed."""
    over = _checks.axes(axes, u.ndim)
    lattice = eq.lattice(tuple(u.shape[axis] for axis in over), start)
    reason = spectral.unsupported(lattice)
    if reason is not None:
        raise ValueError(f"{verb} of arrays on a device {without_advice(reason)}: convert them to NumPy first")
    lines = []
    for axis, side in zip(over, axes_of(lattice) or (), strict=True):
        name = "periodic" if side.periodic else side.walls
        if name is None or isinstance(name, tuple):
            rows = basis(side, side.size)
            lines.append(_Line(axis, side.size, None, rows, -rows.rates))
            continue
        modes = record(name).modes
        period = modes.period(side.size)
        waves = np.arange(period)
        half = np.pi * np.minimum(waves, period - waves) / period
        growth: Array = -2 * (side.onward + side.back) * np.sin(half) ** 2
        if side.onward != side.back:
            sine = np.where(2 * waves == period, 0, np.sin(2 * np.pi * waves / period))
            growth = growth - 1j * (side.onward - side.back) * sine
        lines.append(_Line(axis, side.size, modes, None, growth))
    return lattice, lines


def _advance(xp: Any, lattice: Lattice, lines: list[_Line], u: Any, factor: Callable[[Any], tuple[Any, Any]]) -> Any:
    """Multiply each mode by its factor, and add what walls and sources bring in."""
    kind = xp.complex128 if any(np.iscomplexobj(line.growth) for line in lines) else xp.float64
    last = next((line for line in reversed(lines) if line.modes), None)
    growth = reduce(
        operator.add,
        [_along(xp, line.growth[: _kept(line, last)], u, line.axis, kind) for line in lines],
    )
    if lattice.decay is not None:
        growth = growth - float(lattice.decay.max())
    kept, integral = factor(growth)
    precise = _complex_of(xp, u) if kind == xp.complex128 else u.dtype
    amplitudes = _analyse(xp, u, lines) * xp.astype(kept, precise)
    if lattice.forcing is not None:
        spatial = dict(zip((line.axis for line in lines), lattice.shape, strict=True))
        order = tuple(int(a) for a in np.argsort([line.axis for line in lines]))
        forcing = lattice.forcing.transpose(order).reshape([spatial.get(axis, 1) for axis in range(u.ndim)])
        amplitudes = amplitudes + _analyse(xp, _like(xp, forcing, u), lines) * xp.astype(integral, precise)
    return _synthesise(xp, amplitudes, lines)


def _kept(line: _Line, halved: _Line | None) -> int:
    """Return how many modes of a line a transform of real numbers keeps."""
    return line.period // 2 + 1 if line is halved else line.period


def _analyse(xp: Any, u: Any, lines: list[_Line]) -> Any:
    """Return the amplitude of each mode."""
    for line in lines:
        u = _period(xp, u, line) if line.basis is None else _product(xp, line.basis.duals, u, line.axis)
    over = [line.axis for line in lines if line.modes]
    return xp.fft.rfftn(u, axes=over) if over else u


def _synthesise(xp: Any, amplitudes: Any, lines: list[_Line]) -> Any:
    """Return the field of these amplitudes."""
    fourier = [line for line in lines if line.modes]
    if fourier:
        over = [line.axis for line in fourier]
        amplitudes = xp.fft.irfftn(amplitudes, s=[line.period for line in fourier], axes=over)
    inside = [slice(None)] * amplitudes.ndim
    for line in lines:
        if line.basis is not None:
            amplitudes = _product(xp, line.basis.modes.T, amplitudes, line.axis)
        inside[line.axis] = slice(0, line.size)
    return amplitudes[tuple(inside)]


def _product(xp: Any, matrix: Array, u: Any, axis: int) -> Any:
    """Multiply one axis of an array by a matrix."""
    moved = xp.moveaxis(u, axis, -1)
    return xp.moveaxis(xp.matmul(moved, _like(xp, matrix.T, moved)), -1, axis)


def _period(xp: Any, u: Any, line: _Line) -> Any:
    """Continue a line over one period of its modes."""
    modes, n = line.modes, line.size
    if modes is None or line.period == n:
        return u
    place = np.arange(line.period)
    image = (line.period - modes.offset - place) % line.period  # about the wall the sign of 2 j + offset changes
    inside, shown = place < n, image < n
    sign = np.where(inside, 1, np.where(shown, -1 if modes.sine else 1, 0))
    source = np.where(inside, place, np.where(shown, image, 0))
    wide = xp.take(u, _like(xp, source, u, xp.int64), axis=line.axis)
    return wide * _along(xp, sign, u, line.axis)


def _disc(xp: Any, radius: float, edge: float) -> Callable[[Any], Any]:
    """Return the weight of frequencies that falls from 1 inside a circle to 0 outside."""

    def weight(frequency: Any) -> Any:
        if edge == 0:
            return xp.astype(frequency <= radius, xp.float64)
        rise = xp.clip(radius + edge / 2 - frequency, 0, edge) / edge
        return xp.sin(math.pi / 2 * rise) ** 2

    return weight


def _weigh(xp: Any, image: Any, walls: str | Sequence[str], axes: Any, weight: Callable[[Any], Any]) -> Any:
    """Multiply every mode by a weight that depends only on its frequency."""
    over = _checks.axes(axes, image.ndim)
    lines = []
    for axis, name in zip(over, per_axis(walls, len(over)), strict=True):
        modes, size = record(name).modes, image.shape[axis]
        period = modes.period(size)
        waves = np.arange(period)
        lines.append(_Line(axis, size, modes, None, np.minimum(waves, period - waves) * size / period))
    squares = [_along(xp, line.growth[: _kept(line, lines[-1])] ** 2, image, line.axis, xp.float64) for line in lines]
    weights = weight(xp.sqrt(reduce(operator.add, squares)))
    return _synthesise(xp, _analyse(xp, image, lines) * xp.astype(weights, image.dtype), lines)
