"""torch: differentiable `convolve`, `correlate` and `evolve` of tensors, and layers that move, spread and draw.

The gradients are exact behind every wall. `correlate` is the adjoint of `convolve` on periodic and zero fields only:
behind mirrors the backward pass correlates onto the continued field and then adds each image to the cell it shows,
as `scatter` does with its grains.

On the CPU the loops of the package do the work; tensors on another device stay there and go through `array_api`.
"""

from __future__ import annotations

import itertools
import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffuseconv import _checks, convolution
from diffuseconv import boundary as walls
from diffuseconv._typing import Array
from diffuseconv.convolution.plan import MODES, reach, width
from diffuseconv.diffusion import DiffusionEquation
from diffuseconv.interop import array_api
from diffuseconv.propagator import Propagator

__all__ = ["Diffuse2d", "MeasuredConv2d", "PropagatorConv2d", "convolve", "correlate", "evolve"]


def convolve(
    field: Tensor,
    kernel: Any,
    *,
    boundary: str | Sequence[str] = "reflecting",
    mode: str = "same",
    axes: Any = None,
) -> Tensor:
    """Return `diffuseconv.convolve` of a tensor; gradients flow to the field and to a kernel that is a tensor.

    Parameters
    ----------
    field : Tensor
        float32 or float64; on another device than the CPU the sums are done in Fourier space.
    kernel : Tensor, array_like or Propagator
        The weights.
    boundary, mode, axes
        As for `diffuseconv.convolve`.

    Returns
    -------
    Tensor
        Of the field's dtype.

    Raises
    ------
    TypeError
        If the tensor is not float32 or float64.
    ValueError
        As `diffuseconv.convolve` does.

    Examples
    --------
    >>> u = torch.eye(3, dtype=torch.float64, requires_grad=True)
    >>> convolve(u, np.ones((3, 3)), boundary="zero").sum().backward()
    >>> u.grad[0]
    tensor([4., 6., 4.], dtype=torch.float64)
    """
    return _sums(field, kernel, boundary, mode, axes, flip=True)


def correlate(
    field: Tensor,
    kernel: Any,
    *,
    boundary: str | Sequence[str] = "reflecting",
    mode: str = "same",
    axes: Any = None,
) -> Tensor:
    """Return `diffuseconv.correlate` of a tensor, as `convolve` does.

    Examples
    --------
    >>> correlate(torch.tensor([0.0, 1.0, 0.0, 0.0]), [1.0, 2.0, 3.0])
    tensor([3., 2., 1., 0.])
    """
    return _sums(field, kernel, boundary, mode, axes, flip=False)


def evolve(eq: DiffusionEquation, u: Tensor, duration: float, *args: Any, **options: Any) -> Tensor:
    """Return `DiffusionEquation.evolve` of a tensor, differentiable with respect to the field.

    The lattice operator is self-adjoint where nothing drifts, so the gradient of a field after `duration` is evolved
    by the same equation without sources: backward from one time at which barriers lift to the one before.

    Parameters
    ----------
    eq : DiffusionEquation
        Without velocity, capacity, graded or curved coordinates; its source must not be a function.
    u : Tensor
        float32 or float64; on another device than the CPU only by ``"spectral"``.
    duration, *args, **options
        As for `DiffusionEquation.evolve`.

    Returns
    -------
    Tensor
        Of the field's dtype and shape.
    """
    _check_tensor("u", u)
    if _elsewhere(u):
        return array_api.evolve(eq, u, duration, *args, **options)
    for name, plain in (("velocity", None), ("capacity", None), ("coordinates", "cartesian")):
        given = getattr(eq, name)
        if given is not plain and not (isinstance(given, str) and given == plain):
            raise TypeError(f"evolve of a tensor needs a self-adjoint operator, got an equation with {name}=")
    if isinstance(eq.spacing, tuple) and any(np.ndim(width) for width in eq.spacing):
        raise TypeError("evolve of a tensor needs a self-adjoint operator, got an equation with graded spacing=")
    if callable(eq.source):
        raise TypeError("evolve of a tensor needs a source that does not depend on time or field, got a function")
    number = next(_numbers)
    _runs[number] = run = _Run(eq, duration, args, options)
    result: Tensor = torch.ops.diffuseconv.evolve(u, number)
    if result.grad_fn is not None:
        weakref.finalize(result.grad_fn, _runs.pop, number, None)
    else:
        del _runs[number], run
    return result


class _Run:
    """An equation and how to evolve it, kept for the backward pass."""

    def __init__(self, eq: DiffusionEquation, duration: float, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        self.eq, self.duration, self.args, self.options = eq, duration, args, options

    def __call__(self, u: Array) -> Array:
        return self.eq.evolve(u, self.duration, *self.args, **self.options)

    def gradient(self, g: Array) -> Array:
        """Evolve a gradient: what evolves is affine in the field, and between lifts of barriers its own adjoint."""
        options = dict(self.options)
        start = float(options.pop("start", 0.0))
        lifts = [lift for lift in sorted(self.eq.lift_times) if 0 < lift - start < self.duration]
        ends = [*(lift - start for lift in lifts), self.duration]
        for begin, end, at in reversed(list(zip([0.0, *ends], ends, [start, *lifts], strict=False))):
            rest = self.eq.evolve(np.zeros_like(g), end - begin, *self.args, start=at, **options)
            g = self.eq.evolve(g, end - begin, *self.args, start=at, **options) - rest
        return g


_numbers = itertools.count()
_runs: dict[int, _Run] = {}


@torch.library.custom_op("diffuseconv::evolve", mutates_args=())
def _evolve(u: Tensor, run: int) -> Tensor:
    """Evolve a field."""
    return torch.from_numpy(_runs[run](u.detach().numpy()))


@torch.library.custom_op("diffuseconv::evolve_gradient", mutates_args=())
def _evolve_gradient(gradient: Tensor, run: int) -> Tensor:
    """Evolve a gradient by the homogeneous equation."""
    return torch.from_numpy(_runs[run].gradient(np.ascontiguousarray(gradient.detach().numpy())))


@_evolve.register_fake
def _(u: Tensor, run: int) -> Tensor:
    return torch.empty_like(u, memory_format=torch.contiguous_format)


@_evolve_gradient.register_fake
def _(gradient: Tensor, run: int) -> Tensor:
    return torch.empty_like(gradient, memory_format=torch.contiguous_format)


def _evolve_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.run = inputs[1]


def _evolve_backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
    return torch.ops.diffuseconv.evolve_gradient(gradient, ctx.run), None


_evolve.register_autograd(_evolve_backward, setup_context=_evolve_context)


def _sums(field: Tensor, kernel: Any, boundary: Any, mode: str, axes: Any, flip: bool) -> Tensor:
    """Check the arguments and call the operator."""
    _check_tensor("field", field)
    if _elsewhere(field):
        verb = array_api.convolve if flip else array_api.correlate
        return verb(field, kernel, boundary=boundary, mode=mode, axes=axes)
    if isinstance(kernel, Propagator):
        kernel = kernel.density
    if not isinstance(kernel, Tensor):
        kernel = torch.from_numpy(np.array(_checks.array("kernel", kernel)))
    _check_tensor("kernel", kernel)
    kernel = kernel.to(field.dtype)
    spatial = _checks.axes(axes, field.ndim)
    around = walls.images_per_axis(boundary, len(spatial))
    names = [name for name in around if isinstance(name, str)]
    if len(names) < len(around):
        raise TypeError(f"boundary must be given by name for tensors, got {_checks.got(boundary)}")
    _checks.choice("mode", mode, MODES)
    if kernel.ndim != len(spatial):
        raise ValueError(
            f"kernel must have one dimension for each of the {len(spatial)} spatial axes (see axes=), "
            f"got shape {tuple(kernel.shape)} for a field of shape {tuple(field.shape)}"
        )
    result: Tensor = torch.ops.diffuseconv.convolve(field, kernel, ",".join(names), mode, list(spatial), flip)
    return result


def _check_tensor(name: str, tensor: Tensor) -> None:
    """Refuse tensors that the loops cannot read."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name} must be a tensor (see torch.as_tensor), got {_checks.got(tensor)}")
    if tensor.layout != torch.strided or tensor.device.type == "meta":
        raise TypeError(
            f"{name} must be a dense tensor that holds numbers (see Tensor.to_dense), "
            f"got layout {tensor.layout} on device {tensor.device}"
        )
    if tensor.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} must be a float32 or float64 tensor (see Tensor.to), got {tensor.dtype}")


def _elsewhere(tensor: Tensor) -> bool:
    """Return whether a tensor lies on another device than the CPU."""
    return bool(tensor.device.type != "cpu")


def _numpy(tensor: Tensor) -> Array:
    array: Array = np.ascontiguousarray(tensor.detach().numpy())
    return array


@torch.library.custom_op("diffuseconv::convolve", mutates_args=())
def _convolve(field: Tensor, kernel: Tensor, boundary: str, mode: str, axes: list[int], flip: bool) -> Tensor:
    """Convolve, or correlate without a flip."""
    verb = convolution.convolve if flip else convolution.correlate
    sums = verb(_numpy(field), _numpy(kernel), boundary=boundary.split(","), mode=mode, axes=axes)
    return torch.from_numpy(sums)


@_convolve.register_fake
def _(field: Tensor, kernel: Tensor, boundary: str, mode: str, axes: list[int], flip: bool) -> Tensor:
    shape = list(field.shape)
    for axis, k in zip(axes, kernel.shape, strict=True):
        shape[axis] += sum(width(k, mode, flip)) - (k - 1)
    return field.new_empty(shape)


@torch.library.custom_op("diffuseconv::convolve_field_gradient", mutates_args=())
def _field_gradient(
    gradient: Tensor, kernel: Tensor, shape: list[int], boundary: str, mode: str, axes: list[int], flip: bool
) -> Tensor:
    """Spread a gradient over the continued field, and add every image to the cell that it shows."""
    verb = convolution.correlate if flip else convolution.convolve
    spread = verb(_numpy(gradient), _numpy(kernel), boundary="zero", mode="full", axes=axes)
    for axis, k, name in zip(axes, kernel.shape, boundary.split(","), strict=True):
        spread = _folded(spread, axis, shape[axis], width(k, mode, flip)[0], name)
    return torch.from_numpy(np.ascontiguousarray(spread))


@_field_gradient.register_fake
def _(
    gradient: Tensor, kernel: Tensor, shape: list[int], boundary: str, mode: str, axes: list[int], flip: bool
) -> Tensor:
    return gradient.new_empty(shape)


@torch.library.custom_op("diffuseconv::convolve_kernel_gradient", mutates_args=())
def _kernel_gradient(
    gradient: Tensor, field: Tensor, sizes: list[int], boundary: str, mode: str, axes: list[int], flip: bool
) -> Tensor:
    """Correlate the continued field with a gradient, summed over all axes that are not spatial."""
    order = [*(axis for axis in range(field.ndim) if axis not in axes), *axes]
    u, g = (_numpy(t).transpose(order) for t in (field, gradient))
    ndim = len(axes)
    u, g = (a.reshape(-1, *a.shape[a.ndim - ndim :]) for a in (u, g))
    widths = [width(k, mode, flip) for k in sizes]
    total = np.zeros(sizes, u.dtype)
    for one, weights in zip(u, g, strict=True):
        wide = walls.extend(one, widths, boundary.split(","))
        total += convolution.correlate(wide, weights, boundary="zero", mode="valid")
    return torch.from_numpy(np.ascontiguousarray(np.flip(total)) if flip else total)


@_kernel_gradient.register_fake
def _(
    gradient: Tensor, field: Tensor, sizes: list[int], boundary: str, mode: str, axes: list[int], flip: bool
) -> Tensor:
    return field.new_empty(sizes)


def _folded(wide: Array, axis: int, size: int, before: int, name: str) -> Array:
    """Add the images beyond the walls of one axis to the cells that they show: the adjoint of the continuation."""
    rows = np.moveaxis(wide, axis, 0)
    inside = rows[before : before + size].copy()
    outside = np.r_[0:before, before + size : len(rows)]
    source, sign = walls.fold(outside - before, size, name)
    images = rows[outside] * sign.astype(rows.dtype).reshape(-1, *(1,) * (rows.ndim - 1))
    np.add.at(inside, source, images)
    return np.moveaxis(inside, 0, axis)


def _context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    field, kernel, *ctx.options = inputs
    ctx.save_for_backward(field, kernel)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    field, kernel = ctx.saved_tensors
    of_field = of_kernel = None
    if ctx.needs_input_grad[0]:
        of_field = torch.ops.diffuseconv.convolve_field_gradient(gradient, kernel, list(field.shape), *ctx.options)
    if ctx.needs_input_grad[1]:
        of_kernel = torch.ops.diffuseconv.convolve_kernel_gradient(gradient, field, list(kernel.shape), *ctx.options)
    return of_field, of_kernel, None, None, None, None


_convolve.register_autograd(_backward, setup_context=_context)


class PropagatorConv2d(nn.Module):
    """A convolutional layer whose weights are softmax densities: it can only move and spread.

    Each output channel is a density over input channels and displacements, so that its values are means of input
    values: what is constant stays constant, and nothing leaves the range of the input.

    Parameters
    ----------
    in_channels, out_channels : int
        Numbers of channels.
    kernel_size : int
        Rows and columns of each kernel.
    boundary : str
        What lies beyond the edge of a picture.

    Examples
    --------
    >>> layer = PropagatorConv2d(2, 3, 5)
    >>> bool((layer(torch.ones(1, 2, 8, 8)) - 1).abs().max() < 1e-6)
    True
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, boundary: str = "reflecting") -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("kernel_size", kernel_size)):
            _checks.count(name, value, least=1)
        self.boundary = walls.per_axis(boundary, 1)[0]
        # near a few places each: densities that begin nearly even all blur alike, and learn slowly
        self.logits = nn.Parameter(3 * torch.randn(out_channels, in_channels, kernel_size, kernel_size))

    @property
    def density(self) -> Tensor:
        """Chances of each input channel and displacement, for each output channel."""
        flat = self.logits.flatten(1).softmax(1)
        return flat.reshape(self.logits.shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return means of pictures (batch, channels, rows, columns) under the densities."""
        _check_pictures(x, self.logits)
        return nn.functional.conv2d(_continued(x, self.logits.shape[-1], self.boundary), self.density)


class MeasuredConv2d(PropagatorConv2d):
    """A `PropagatorConv2d` that draws while it trains: each pixel reads `draws` random sources.

    In evaluation it is the exact mean. The gradient uses the same draws: through the values that were drawn, and
    through the logarithm of their chances (weighted by how far each value lies from the mean of its pixel), so that
    its expectation is the gradient of the mean.

    Parameters
    ----------
    in_channels, out_channels, kernel_size, boundary
        As for `PropagatorConv2d`.
    draws : int
        Draws of each pixel.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, boundary: str = "reflecting", draws: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, boundary)
        self.draws = _checks.count("draws", draws, least=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return one measurement of each pixel in training, the mean in evaluation."""
        if not self.training:
            return super().forward(x)
        _check_pictures(x, self.logits)
        size = self.logits.shape[-1]
        wide = _continued(x, size, self.boundary)
        batch, _, rows, columns = x.shape
        chances = self.density.flatten(1)
        outputs, pixels = len(chances), rows * columns
        drawn = torch.multinomial(chances, batch * pixels * self.draws, replacement=True)
        drawn = drawn.reshape(outputs, batch, pixels, self.draws).permute(1, 0, 3, 2)  # batch, outputs, draws, pixels
        values = torch.gather(wide.flatten(1), 1, self._sources(wide.shape, drawn, columns).flatten(1))
        values = values.reshape(drawn.shape)
        log_chance = chances.log()[torch.arange(outputs)[None, :, None, None], drawn]
        mean = nn.functional.conv2d(wide.detach(), self.density.detach()).reshape(batch, outputs, 1, pixels)
        score = (values.detach() - mean) * (log_chance - log_chance.detach())
        return (values + score).mean(2).reshape(batch, outputs, rows, columns)

    def _sources(self, shape: torch.Size, drawn: Tensor, columns: int) -> Tensor:
        """Return where in the continued picture, raveled, each pixel finds what it drew."""
        _, _, wide_rows, wide_columns = shape
        size = self.logits.shape[-1]
        channel, place = drawn // size**2, drawn % size**2
        pixel = torch.arange(drawn.shape[-1])
        row, column = pixel // columns + place // size, pixel % columns + place % size
        return (channel * wide_rows + row) * wide_columns + column


class Diffuse2d(nn.Module):
    """Diffusion of pictures for a unit of time, with a learnable diffusivity and velocity for each axis.

    The lattice equation is solved exactly: a picture is multiplied from both sides by the exponential of each axis'
    matrix of exchange rates (the hybrid scheme, never negative). Walls reflect.

    Parameters
    ----------
    diffusivity : float
        Where learning begins, in cells squared per unit of time, greater than 0.
    velocity : float
        Where learning begins, in cells per unit of time.

    Examples
    --------
    >>> layer = Diffuse2d(0.5)
    >>> x = torch.rand(1, 1, 8, 8)
    >>> bool(torch.isclose(layer(x).sum(), x.sum()))
    True
    """

    def __init__(self, diffusivity: float = 1.0, velocity: float = 0.0) -> None:
        super().__init__()
        start = math.log(_checks.number("diffusivity", diffusivity, above=0.0))
        self.log_diffusivity = nn.Parameter(torch.full((2,), start))
        self.velocity = nn.Parameter(torch.full((2,), _checks.number("velocity", velocity)))

    def forward(self, x: Tensor) -> Tensor:
        """Return pictures (..., rows, columns) after a unit of time."""
        _check_tensor("x", x)
        if x.ndim < 2 or not x.numel():
            raise ValueError(f"x must hold pictures (..., rows, columns), got shape {tuple(x.shape)}")
        d = self.log_diffusivity.exp().to(x.dtype)
        v = self.velocity.to(x.dtype)
        rows, columns = (_heat_matrix(size, d[i], v[i]) for i, size in enumerate(x.shape[-2:]))
        return rows @ x @ columns.mT


def _check_pictures(x: Tensor, weights: Tensor) -> None:
    """Refuse what weights (output channels, input channels, rows, columns) cannot be applied to."""
    _check_tensor("x", x)
    channels = weights.shape[1]
    if x.ndim != 4 or x.shape[1] != channels or not x.numel():
        raise ValueError(f"x must have shape (batch, {channels}, rows, columns), got {tuple(x.shape)}")
    if x.dtype != weights.dtype:
        raise TypeError(f"x must be a {weights.dtype} tensor as the layer is (see Module.to), got {x.dtype}")


def _heat_matrix(size: int, diffusivity: Tensor, velocity: Tensor) -> Tensor:
    """Return exp(L) of a line of cells with reflecting walls."""
    zero = torch.zeros_like(velocity)
    down = torch.stack([diffusivity + velocity / 2, velocity, zero]).amax(0).expand(size - 1)
    up = torch.stack([diffusivity - velocity / 2, -velocity, zero]).amax(0).expand(size - 1)
    none = zero.reshape(1)
    leaving = torch.cat([down, none]) + torch.cat([none, up])
    generator = torch.diag(down, -1) + torch.diag(up, 1) - torch.diag(leaving)
    exponential: Tensor = torch.matrix_exp(generator)
    return exponential


def _continued(x: Tensor, size: int, boundary: str) -> Tensor:
    """Continue pictures beyond their edges, for kernels of this size whose origin is at ``size // 2``."""
    for axis in (-2, -1):
        n = x.shape[axis]
        before, after = reach(size, flip=False)
        source, sign = walls.fold(np.arange(-before, n + after), n, boundary)
        x = x.index_select(axis, torch.from_numpy(source))
        shape = (-1, 1) if axis == -2 else (-1,)
        x = x * torch.from_numpy(sign).to(x.dtype).reshape(shape)
    return x
