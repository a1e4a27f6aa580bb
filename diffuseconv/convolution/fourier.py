"""Convolution in Fourier space: one product for each wave, whatever the size of the kernel."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffuseconv import _checks, _fft, _threads
from diffuseconv._jit.machine import MACHINE
from diffuseconv._scaling import exponent
from diffuseconv._typing import Array
from diffuseconv.boundary import Name, record
from diffuseconv.boundary.folding import extended
from diffuseconv.convolution.direct import LONG, Widths
from diffuseconv.convolution.pieces import Cut, cut, pieces
from diffuseconv.convolution.planes import correlate_planes

__all__ = ["correlate_in_fourier_space"]

SAFE_POWER = {4: 40, 8: 300}  # products of values up to 2**this, of so many bytes, cannot overflow in the transforms
WORTH_WORKERS = 1 << 18  # cells of a transform, below which its threads take longer to wake than it takes
LIBRARY = 3  # times as long as a cell of a plane cut in pieces takes one of a library's transform
WAVES_AT_ONCE = 1 << 20  # of those transformed back: their results need as much memory again


class _Axis(NamedTuple):
    """How one axis is cut and transformed."""

    reach: tuple[int, int]  # cells by which the field is really continued
    size: int  # of the transform
    step: int  # results in each piece
    length: int  # results in all
    taps: Array  # place of each tap on the transformed axis


@np.errstate(over="ignore", invalid="ignore")  # the result tells
def correlate_in_fourier_space(
    stack: Array, bank: Array, widths: Sequence[tuple[int, int]], names: Sequence[Name]
) -> Array:
    """Correlate every field of a stack with every kernel of a bank; the arguments of `correlate_directly`."""
    stack, field_power = _scaled(stack)
    bank, kernel_power = _scaled(bank)
    remembered = _how if max(*stack.shape[1:], *bank.shape[1:]) < LONG else _how.__wrapped__
    how = remembered(stack.shape, bank.shape[1:], tuple(widths), tuple(names), stack.itemsize)
    if isinstance(how, Cut):
        wide = extended(stack, widths, names, (1, 2)) if any(map(any, widths)) else stack
        out = correlate_planes(wide, bank, how)
    else:
        out = _correlate(stack, bank, how, names)
    if field_power or kernel_power:
        with np.errstate(over="ignore", under="ignore"):
            np.ldexp(out, field_power + kernel_power, out=out)
    return out


@functools.lru_cache(maxsize=64)
def _how(
    shape: tuple[int, ...], taps: tuple[int, ...], widths: Widths, names: tuple[Name, ...], itemsize: int
) -> Cut | list[_Axis]:
    """Return how to cut planes in pieces, or how a library transforms each axis where that is quicker."""
    count, inner = shape[0], shape[1:]
    planes = None
    if len(inner) == 2:
        results = [n + sum(width) - k + 1 for n, k, width in zip(inner, taps, widths, strict=True)]
        planes = cut((results[0], results[1]), (taps[0], taps[1]), MACHINE.bytes // itemsize, count)
    whole = math.prod(shape)  # a library transforms the field at least
    if planes is not None and planes.cells < LIBRARY * whole:
        return planes
    given = zip(inner, taps, widths, names, strict=True)
    plans = [_plan(*axis, len(inner), number == len(inner) - 1) for number, axis in enumerate(given)]
    cells = count * math.prod(-(-plan.length // plan.step) * plan.size for plan in plans)
    return planes if planes is not None and planes.cells < LIBRARY * cells else plans


def _correlate(stack: Array, bank: Array, plans: Sequence[_Axis], names: Sequence[Name]) -> Array:
    """Correlate by the transforms of a library.

    Overlap-save: the results are cut into pieces that do not leave the cache [1]_.

    References
    ----------
    .. [1] T. G. Stockham, "High-speed convolution and correlation", Proc. AFIPS 28 (1966) 229-233.
    """
    ndim = len(plans)
    axes, sizes = tuple(range(1, ndim + 1)), [plan.size for plan in plans]
    reach = [plan.reach for plan in plans]
    as_given = reach == [(0, 0)] * ndim
    results = len(bank) * len(stack) * math.prod(plan.length for plan in plans)
    waves = (len(bank) + (3.5 if as_given else 2)) * math.prod(sizes)  # with what transforms hold, which pad as well
    _checks.fits_memory("field", stack.itemsize * (results + waves), "cut it into pieces, or take a narrower kernel")
    wide = stack if as_given else extended(stack, reach, names, axes)
    out = np.empty((len(bank), len(stack), *(plan.length for plan in plans)), stack.dtype)
    starts = [range(0, plan.length, plan.step) for plan in plans]
    jobs = list(itertools.product(range(len(stack)), *starts))
    most = _threads.count() if math.prod(sizes) > WORTH_WORKERS else 1
    workers = most if len(jobs) == 1 else 1

    others = axes[:-1]  # transformed in place: new arrays of this size are new memory from the system each time

    def transformed(values: Array, workers: int) -> Array:
        """Transform arrays, continued by zeros."""
        modes: Array = _fft.rfft(values, sizes[-1], workers=workers)
        return _fft.fftn(modes, sizes[:-1], others, overwrite_x=True, workers=workers) if others else modes

    def piece(field: int, *starts: int) -> Array:
        """Return the waves of one piece."""
        there = tuple(slice(start, start + plan.size) for start, plan in zip(starts, plans, strict=True))
        return transformed(wide[field][there][None], workers)

    only = piece(*jobs[0]) if len(jobs) == 1 else None
    if only is not None:
        wide = stack  # the continued field is no longer needed
    placed = bank
    if any(plan.taps[0] != 0 or plan.taps[-1] != len(plan.taps) - 1 for plan in plans):
        placed = np.zeros((len(bank), *sizes), stack.dtype)
        np.add.at(placed, np.ix_(np.arange(len(bank)), *(plan.taps for plan in plans)), bank)
    transfer = transformed(placed, most)
    np.conjugate(transfer, out=transfer)

    def sum_piece(field: int, *starts: int) -> None:
        """Transform one piece, multiply, transform back, keep what did not wrap around."""
        into = tuple(slice(start, start + plan.step) for start, plan in zip(starts, plans, strict=True))
        modes = piece(field, *starts) if only is None else only
        for number, each in enumerate(transfer):
            with np.errstate(over="ignore", invalid="ignore"):  # which each thread has its own of
                product = np.multiply(modes, each, out=modes if number + 1 == len(transfer) else None)
            if others:
                product = _fft.ifftn(product, sizes[:-1], others, overwrite_x=True, workers=workers)
            target = out[number, field][into]
            kept = product[(0, *map(slice, target.shape[:-1]))]
            if not others:
                target, kept = target[None], kept[None]
            for low, high in _threads.slices(len(kept), 1 + kept.size // WAVES_AT_ONCE):
                target[low:high] = _fft.irfft(kept[low:high], sizes[-1], workers=workers)[..., : target.shape[-1]]

    _threads.run(sum_piece, jobs)
    return out


def _plan(size: int, taps: int, width: tuple[int, int], name: Name, ndim: int, last: bool) -> _Axis:
    """Return how one axis is cut in pieces, or transformed at once: the continued field, or one of its periods."""
    before, after = width
    length = size + before + after - taps + 1
    count, step = pieces(length, taps, ndim, last)
    if count > 1:
        return _Axis(width, _fft.next_fast_len(step + taps - 1, real=True), step, length, np.arange(taps))
    wall = record(name)
    needed = size + (before + after if wall.sign else max(before, after))  # wrapped zeros do no harm
    reach = width if wall.sign else (0, 0)
    transformed = _fft.next_fast_len(needed, real=True)
    period = wall.period(size) if wall.period else transformed
    if before + after and period < transformed:  # the continued field repeats: fold the kernel into one period
        reach, transformed = (0, period - size), period
    return _Axis(reach, transformed, length, length, (np.arange(taps) - before + reach[0]) % transformed)


def _scaled(values: Array) -> tuple[Array, int]:
    """Scale by a power of two (exactly) where the squares of the transforms could overflow or vanish."""
    power = exponent(values)
    return (values, 0) if abs(power) < SAFE_POWER[values.itemsize] else (np.ldexp(values, -power), power)
