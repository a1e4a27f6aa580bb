"""xarray: a `DataArray` in, a `DataArray` out; dimensions, coordinates, attributes and name are kept.

``dims=`` names the spatial axes (all by default). The data may be NumPy's or Dask's: the verb is called on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import xarray as xr

from diffuseconv import convolution, measurement
from diffuseconv._checks import got
from diffuseconv._typing import Array
from diffuseconv.convolution.plan import reach
from diffuseconv.diffusion import DiffusionEquation

__all__ = [
    "convolve",
    "correlate",
    "evolve",
    "explicit_steps",
    "feature_maps",
    "frames",
    "measure",
    "measurement_variance",
    "scatter",
    "steady_state",
    "to_xarray",
]

UNEVEN = 1e-5  # relative difference of two widths that rounding of coordinates to single precision may make
GRADED = 2.0  # the largest ratio of neighbouring widths that still counts as a graded grid


def convolve(field: xr.DataArray, kernel: Any, **options: Any) -> xr.DataArray:
    """Return `diffuseconv.convolve` of a DataArray; in mode "valid" the coordinates are cut, in "full" dropped."""
    return _local("convolve", field, kernel, **options)


def correlate(field: xr.DataArray, kernel: Any, **options: Any) -> xr.DataArray:
    """Return `diffuseconv.correlate` of a DataArray; in mode "valid" the coordinates are cut, in "full" dropped."""
    return _local("correlate", field, kernel, **options)


def feature_maps(field: xr.DataArray, bank: Any, *, dims: Any = None, **options: Any) -> xr.DataArray:
    """Return `diffuseconv.feature_maps` of a DataArray, with the dimension "kernel" in front."""
    axes = _axes(field, dims, options)
    maps = convolution.feature_maps(field.data, bank, axes=axes, **options)
    sizes = np.shape(bank)[1:]
    inner = _trimmed(field, axes, sizes, options.get("mode", "valid"), options.get("flip", True))
    return inner.expand_dims({"kernel": len(maps)}).copy(data=maps)


def measure(field: xr.DataArray, kernel: Any, draws: int = 1, *, dims: Any = None, **options: Any) -> xr.DataArray:
    """Return `diffuseconv.measure` of a DataArray."""
    axes = _axes(field, dims, options)
    return field.copy(data=measurement.measure(field.data, kernel, draws, axes=axes, **options))


def measurement_variance(
    field: xr.DataArray, kernel: Any, draws: int = 1, *, dims: Any = None, **options: Any
) -> xr.DataArray:
    """Return `diffuseconv.measurement_variance` of a DataArray."""
    axes = _axes(field, dims, options)
    return field.copy(data=measurement.measurement_variance(field.data, kernel, draws, axes=axes, **options))


def scatter(counts: xr.DataArray, propagator: Any, **options: Any) -> xr.DataArray:
    """Return `diffuseconv.scatter` of a DataArray."""
    return counts.copy(data=measurement.scatter(counts.data, propagator, **options))


def evolve(eq: DiffusionEquation, u: xr.DataArray, duration: float, *args: Any, **options: Any) -> xr.DataArray:
    """Return `DiffusionEquation.evolve` of a DataArray.

    Where the equation has the default spacing of 1, that of the coordinates is used: one width where they are evenly
    spaced; where they are the centres of cells whose widths change slowly, the widths of those cells. A velocity points
    along growing indices: change its sign where a coordinate falls.
    """
    eq, options = _prepared(eq, u, options)
    return u.copy(data=eq.evolve(u.data, duration, *args, **options))


def frames(
    eq: DiffusionEquation, u: xr.DataArray, times: Iterable[float], *args: Any, **options: Any
) -> Iterator[tuple[float, xr.DataArray]]:
    """Return `DiffusionEquation.frames` of a DataArray: pairs of time and DataArray; the spacing as in `evolve`."""
    eq, options = _prepared(eq, u, options)
    fields = eq.frames(u.data, times, *args, **options)
    return ((time, u.copy(data=field)) for time, field in fields)


def explicit_steps(eq: DiffusionEquation, u: xr.DataArray, steps: int, *args: Any, **options: Any) -> xr.DataArray:
    """Return `DiffusionEquation.explicit_steps` of a DataArray; the spacing is found as in `evolve`."""
    eq, options = _prepared(eq, u, options)
    return u.copy(data=eq.explicit_steps(u.data, steps, *args, **options))


def steady_state(eq: DiffusionEquation, u: xr.DataArray, **options: Any) -> xr.DataArray:
    """Return `DiffusionEquation.steady_state` of a DataArray; the spacing is found as in `evolve`."""
    eq, options = _prepared(eq, u, options)
    return u.copy(data=eq.steady_state(u.data, **options))


def to_xarray(
    frames: Iterable[tuple[float, Any]],
    *,
    dims: Sequence[str] | None = None,
    spacing: float | Sequence[float] = 1.0,
    name: str = "u",
    units: str = "",
    length_units: str = "m",
    time_units: str = "s",
) -> xr.Dataset:
    r"""Return frames, as `DiffusionEquation.frames` yields them, as a Dataset with a time axis.

    Parameters
    ----------
    frames : iterable of (time, field)
        Fields of one shape, NumPy arrays or DataArrays (whose dimensions and coordinates are then kept).
    dims : sequence of str, optional
        Names of the axes; the last of "z", "y", "x" by default.
    spacing : float or sequence of float
        Cell width, for all axes or one each; the coordinates are the centres of the cells.
    name, units, length_units, time_units : str
        Name of the variable, and the units that go into the attributes.

    Returns
    -------
    xarray.Dataset
        One variable of shape (time, \*field).

    Raises
    ------
    ValueError
        If there is no frame, or `dims` do not fit.

    Examples
    --------
    >>> eq = dc.DiffusionEquation(spacing=0.5)
    >>> run = to_xarray(eq.frames(np.eye(4), [0.0, 1.0]), spacing=0.5)
    >>> run.u.dims, run.x.values
    (('time', 'y', 'x'), array([0.25, 0.75, 1.25, 1.75]))
    """
    times, fields = [], []
    for time, field in frames:
        times.append(float(time))
        fields.append(field)
    if not fields:
        raise ValueError("frames must hold at least one (time, field), got none")
    time_axis = xr.DataArray(np.array(times), dims="time", attrs={"units": time_units}, name="time")
    if isinstance(fields[0], xr.DataArray):
        joined = xr.concat(fields, dim=time_axis)
        return joined.to_dataset(name=str(fields[0].name or name))
    array = np.stack(fields)
    ndim = array.ndim - 1
    names = tuple(dims) if dims is not None else ("z", "y", "x")[-ndim:]
    if len(names) != ndim:
        raise ValueError(f"dims must name the {ndim} axes of the fields, got {got(dims)}")
    widths = np.broadcast_to(np.asarray(spacing, float), ndim)
    coords: dict[Hashable, Any] = {"time": time_axis}
    for axis, (dim, width) in enumerate(zip(names, widths, strict=True)):
        centres = (np.arange(array.shape[axis + 1]) + 0.5) * width
        coords[dim] = xr.DataArray(centres, dims=dim, attrs={"units": length_units})
    return xr.Dataset({name: (("time", *names), array, {"units": units} if units else {})}, coords)


def _local(verb: str, field: xr.DataArray, kernel: Any, *, dims: Any = None, **options: Any) -> xr.DataArray:
    """Call a verb that may change the size of the field."""
    if options.get("out") is not None:
        raise ValueError(f"out must be None for a DataArray, whose result is a new one, got {got(options['out'])}")
    axes = _axes(field, dims, options)
    mask = options.get("mask")
    if isinstance(mask, xr.DataArray):
        options["mask"] = mask.transpose(*(dim for dim in field.dims if dim in mask.dims)).data
    data = getattr(convolution, verb)(field.data, kernel, axes=axes, **options)
    shape = kernel.shape if hasattr(kernel, "shape") else np.shape(kernel)
    return _trimmed(field, axes, shape, options.get("mode", "same"), verb == "convolve").copy(data=data)


def _trimmed(field: xr.DataArray, axes: Sequence[int], sizes: Sequence[int], mode: str, flip: bool) -> xr.DataArray:
    """Return a template of the result's shape, with the coordinates that its pixels have."""
    if mode == "same":
        return field
    if mode == "valid":
        cut = {}
        for axis, (before, after) in zip(axes, (reach(k, flip) for k in sizes), strict=True):
            cut[field.dims[axis]] = slice(before, field.shape[axis] - after)
        return field.isel(cut)
    shape = list(field.shape)
    for axis, k in zip(axes, sizes, strict=True):
        shape[axis] += k - 1
    gone = [name for name, c in field.coords.items() if any(field.dims[axis] in c.dims for axis in axes)]
    kept = {name: c for name, c in field.coords.items() if name not in gone}
    return xr.DataArray(np.empty(shape, bool), kept, field.dims, field.name, field.attrs)


def _axes(field: xr.DataArray, dims: Any, options: dict[str, Any]) -> tuple[int, ...]:
    """Return the positions of the spatial dimensions."""
    axes = options.pop("axes", None)
    if axes is not None and dims is not None:
        raise ValueError(f"dims must be None where axes are given (pass one of them), got {got(dims)} and {got(axes)}")
    if dims is None:
        return tuple(range(field.ndim)) if axes is None else tuple(np.atleast_1d(axes).tolist())
    if not isinstance(dims, (str, list, tuple)):
        raise TypeError(f"dims must be the name of a dimension, or a sequence of names, got {got(dims)}")
    names = (dims,) if isinstance(dims, str) else tuple(dims)
    for name in names:
        if name not in field.dims:
            raise ValueError(f"dims must be dimensions of the field {tuple(field.dims)}, got {name!r}")
    return tuple(field.dims.index(name) for name in names)


def _prepared(
    eq: DiffusionEquation, u: xr.DataArray, options: dict[str, Any]
) -> tuple[DiffusionEquation, dict[str, Any]]:
    """Return the equation with the coordinates' spacing, and the options with the axes in numbers."""
    axes = _axes(u, options.pop("dims", None), options)
    if not isinstance(eq.spacing, tuple) and eq.spacing == 1.0:
        widths = tuple(_spacing(u, str(u.dims[axis])) for axis in axes)
        if any(width is not None for width in widths):
            spacing = tuple(1.0 if width is None else width for width in widths)
            if eq.coordinates != "cartesian":
                _check_radius(eq, u.coords.get(u.dims[axes[0]]), spacing[0])
            eq = dataclasses.replace(eq, spacing=spacing)
    if axes != tuple(range(u.ndim)):
        options["axes"] = axes
    return eq, options


def _check_radius(eq: DiffusionEquation, radii: xr.DataArray | None, widths: float | Array) -> None:
    """Refuse coordinates along a radius that do not begin at the equation's inner radius."""
    if radii is None:
        return
    width = np.ravel(widths)[0]
    inner = float(radii[0]) - width / 2
    if (len(radii) > 1 and radii[1] < radii[0]) or abs(inner - eq.inner_radius) > max(
        1e-3 * width, UNEVEN * abs(inner)
    ):
        raise ValueError(
            f"coordinate {radii.name!r} must grow from the inner radius, {eq.inner_radius:g}, got cells that begin at "
            f"{inner:g}: pass inner_radius={inner:g}, or spacing= yourself"
        )


def _spacing(u: xr.DataArray, dim: str) -> float | Array | None:
    """Return the width of the cells whose centres a dimension's coordinates are, one or each; None without them."""
    if dim not in u.coords:
        return None
    centres = np.asarray(u.coords[dim].values)
    if centres.dtype.kind not in "iuf":
        raise ValueError(f"coordinate {dim!r} must hold numbers to be a length, got dtype {centres.dtype}")
    steps = np.diff(centres.astype(float))
    if len(steps) == 0:
        return None
    if not (steps > 0).all() and not (steps < 0).all():
        raise ValueError(f"coordinate {dim!r} must grow or fall throughout, got {got(centres)}")
    steps = np.abs(steps)
    width = float(steps.mean())
    if np.abs(steps - width).max() <= UNEVEN * width:
        return width
    widths = _graded(steps)
    ratios = widths[1:] / widths[:-1]
    if widths.min() <= 0 or max(ratios.max(), 1 / ratios.min()) > GRADED:
        raise ValueError(
            f"coordinate {dim!r} must be evenly spaced, or the centres of cells of slowly changing width; else pass "
            f"spacing= yourself, as one entry for each axis, got {got(centres)}"
        )
    return widths


def _graded(steps: Array) -> Array:
    """Return the smoothest widths of cells whose centres have these distances.

    A step is half the sum of two widths, which leaves one number open: to add it to the even cells and take it from the
    odd ones changes no centre. It is chosen such that the sum of squares of the widths' second differences is least.
    """
    sign = (-1.0) ** np.arange(len(steps) + 1)
    widths = sign * np.append(0.0, np.cumsum(2 * sign[1:] * steps))
    curvature, alternation = np.diff(widths, 2), np.diff(sign, 2)
    smooth: Array = widths - (curvature @ alternation) / (alternation @ alternation) * sign
    return smooth
