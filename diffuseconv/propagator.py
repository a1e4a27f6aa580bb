"""Propagators: probability densities that say where a grain of salt moves in one step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _bessel, _checks, _composition, _mixing, _notebook
from diffuseconv import boundary as walls
from diffuseconv._axes import on_axis
from diffuseconv._cached import cached_property
from diffuseconv._mixing import SUM_ERROR
from diffuseconv._typing import FloatArray, read_only

__all__ = ["Propagator", "checked_density"]

_LARGEST_DRIFT = 1e6
_SHOWN = 2**22  # cells of a density that is worked out to be shown
_LARGEST_FOURIER_NUMBER = 1e11  # a kernel of about eight million cells along the axis


class Propagator:
    r"""A probability density over displacements: ``density[j]`` is the chance to move by ``j - shape // 2`` cells.

    .. math:: p_d \ge 0, \qquad \sum_d p_d = 1

    Make one from a density, or with `softmax` or `normalized` from a kernel, or with `heat` from a diffusivity.

    Parameters
    ----------
    density : array_like
        1 to 3 dimensions; finite, nowhere negative, with a sum within 1e-12 of 1. It is copied, as float64.

    Attributes
    ----------
    density : ndarray of float64
        Read-only. Built when first asked for if the propagator keeps `factors`.
    factors : tuple of ndarray, or None
        One read-only 1-D density for each axis whose outer product is `density`; None where no such factors are known.
        Heat kernels, everything one-dimensional, and what is composed of them have factors: moving along the axes
        one after the other with ``factors[axis]`` does the same work without ever building `density`.
    fourier_numbers : tuple of float, or None
        ``diffusivity * duration / spacing**2`` for each axis of a heat kernel without a drift (all 0 for the identity);
        None otherwise. On a box with reflecting, periodic or absorbing walls a heat kernel multiplies each mode by
        ``exp(-sum(r * eigenvalue))``, with the eigenvalues of `boundary.eigenvalues`, to `tolerance` of `heat`.

    Raises
    ------
    ValueError
        If the density is empty, not finite, negative somewhere, or does not sum to 1.
    TypeError
        If it does not hold real numbers.

    Notes
    -----
    A propagator never changes. Two are equal when their densities are, number for number; equal ones hash alike.

    Examples
    --------
    >>> p = dc.Propagator([0.25, 0.5, 0.25])
    >>> p.power(2).density
    array([0.0625, 0.25  , 0.375 , 0.25  , 0.0625])
    >>> p.diffusivity(duration=1.0)
    array([[0.25]])
    """

    factors: tuple[FloatArray, ...] | None
    fourier_numbers: tuple[float, ...] | None
    _tolerance: float  # where a heat kernel was cut; others have none
    _hops: tuple[tuple[float, float], ...] | None = None  # mean hops onward and back, of heat kernels

    def __init__(self, density: ArrayLike) -> None:
        values = checked_density("density", density)
        own = read_only(np.add(values, 0.0, dtype=np.float64, order="C"))  # a copy without negative zeros
        vars(self).update(density=own, factors=(own,) if own.ndim == 1 else None, fourier_numbers=None)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a Propagator never changes: {name} cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a Propagator never changes: {name} cannot be deleted")

    @classmethod
    def softmax(cls, kernel: ArrayLike, temperature: float = 1.0) -> Propagator:
        r"""Turn any kernel into a density, by the weights of statistical mechanics.

        .. math:: p_d = e^{k_d / T} \Big/ \sum_e e^{k_e / T}

        A low temperature sends all salt to the largest weight (ties share it), a high one spreads it evenly. This is a
        *different* kernel from the one put in: an ensemble drawn from it converges to convolution with it.

        Parameters
        ----------
        kernel : array_like
            Finite weights of any size, 1 to 3 dimensions.
        temperature : float
            Greater than 0, in the units of the kernel.

        Returns
        -------
        Propagator
            Of the kernel's shape.

        Raises
        ------
        ValueError
            If the kernel is not finite or the temperature is not greater than 0.

        References
        ----------
        .. [1] J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs", in
           Neurocomputing (Springer, 1990) 227-236.

        Examples
        --------
        >>> edge = [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]
        >>> p = dc.Propagator.softmax(edge)
        >>> print(f"{p.density[0, 0]:.4f} around, {p.density[1, 1]:.4f} in the centre")
        0.0001 around, 0.9990 in the centre
        """
        logits = _checks.field("kernel", kernel).astype(np.float64)
        temperature = _checks.number("temperature", temperature, above=0.0)
        part = 0.5 if np.abs(logits).max() > 1e307 else 1.0  # halves of huge weights: no difference overflows
        with np.errstate(over="ignore", under="ignore"):  # -inf becomes the weight 0
            weights = np.exp((part * logits - part * logits.max()) / temperature / part)
        return cls(weights / weights.sum())

    @classmethod
    def normalized(cls, kernel: ArrayLike) -> Propagator:
        """Divide a kernel that is nowhere negative by its sum.

        Parameters
        ----------
        kernel : array_like
            Finite weights, none negative, not all zero, 1 to 3 dimensions.

        Returns
        -------
        Propagator
            Of the kernel's shape.

        Raises
        ------
        ValueError
            If a weight is negative or not finite, or all are zero.

        Examples
        --------
        >>> dc.Propagator.normalized([1, 2, 1]).density
        array([0.25, 0.5 , 0.25])
        """
        weights = _checks.field("kernel", kernel).astype(np.float64)
        if weights.min() < 0:
            where = tuple(int(i) for i in np.argwhere(weights < 0)[0])
            raise ValueError(f"kernel must not be negative anywhere, got {weights[where]} at index {where}")
        if weights.max() == 0:
            raise ValueError("kernel must not be zero everywhere, got a sum of 0")
        weights /= weights.max()  # so that the sum of huge weights stays finite
        return cls(weights / weights.sum())

    @classmethod
    def heat(
        cls,
        diffusivity: float | Sequence[float] | FloatArray,
        duration: float,
        spacing: float | Sequence[float] | FloatArray = 1.0,
        ndim: int = 2,
        tolerance: float = 1e-15,
        velocity: float | Sequence[float] | FloatArray = 0.0,
    ) -> Propagator:
        r"""Make the lattice heat kernel: diffusion from cell to cell for any time, exactly.

        .. math:: p_d = \prod_a e^{-2 r_a} I_{d_a}(2 r_a), \qquad r_a = D_a t / \Delta x_a^2

        With a drift it is the Skellam kernel :math:`e^{-(a+b)} (a/b)^{d/2} I_d(2\sqrt{ab})` along each axis, of
        :math:`a = \max(r + c/2, c, 0)` hops onward and :math:`b = \max(r - c/2, -c, 0)` back, :math:`c = v t/\Delta x`:
        mean and variance are `c` and `2r` exactly while :math:`|v| \Delta x \le 2D`.

        It is :math:`e^{tL}` of the nearest-neighbour Laplacian `L`: nowhere negative, with the semigroup law
        ``heat(s).compose(heat(t)) == heat(s + t)`` to rounding, which a sampled Gaussian does not have.

        Parameters
        ----------
        diffusivity : float or one per axis
            `D`, not negative, in length²/time.
        duration : float
            `t`, not negative, in time. 0 gives the identity.
        spacing : float or one per axis
            Cell width, in length.
        ndim : int
            1, 2 or 3 axes.
        tolerance : float
            The kernel is cut where no more than this part of the salt, and of the variance, lies further out, then
            divided by its sum.
        velocity : float or one per axis, default 0
            `v`, in length/time.

        Returns
        -------
        Propagator
            With `factors` and, without a drift, `fourier_numbers`; `density` is built only when asked for.

        Raises
        ------
        ValueError
            If an argument is out of range, or the kernel would be millions of cells wide.

        Notes
        -----
        Each value has a relative error below 1e-13. Bessel functions come from SciPy up to ``2 r = 1000``, beyond that
        (where SciPy loses digits in the tail) from Debye's uniform expansion [2]_, whose next term is below 1e-15.

        References
        ----------
        .. [1] T. Lindeberg, "Scale-space for discrete signals", IEEE Trans. PAMI 12 (1990) 234-254, eq. 4.
        .. [2] NIST Digital Library of Mathematical Functions, eq. 10.41.3.

        Examples
        --------
        >>> p = dc.Propagator.heat(diffusivity=0.5, duration=2.0)
        >>> p.covariance.round(12)
        array([[2., 0.],
               [0., 2.]])
        >>> p.power(0.5) == dc.Propagator.heat(0.5, 1.0)
        True
        """
        ndim = _checks.count("ndim", ndim, least=1, most=3)
        diffusivities = _checks.per_axis(
            "diffusivity", diffusivity, ndim, lambda name, value: _checks.number(name, value, least=0.0)
        )
        duration = _checks.number("duration", duration, least=0.0)
        spacings = _checks.spacing(spacing, ndim)
        tolerance = _checks.probability("tolerance", tolerance)
        numbers = tuple(
            d / dx * (duration / dx) if d and duration else 0.0 for d, dx in zip(diffusivities, spacings, strict=True)
        )
        velocities = _checks.per_axis("velocity", velocity, ndim, lambda name, value: _checks.number(name, value))
        if not any(velocities):
            return _heat(numbers, tolerance)
        moved = [v * (duration / dx) for v, dx in zip(velocities, spacings, strict=True)]
        return _skellam(
            tuple((max(r + c / 2, c, 0.0), max(r - c / 2, -c, 0.0)) for r, c in zip(numbers, moved, strict=True)),
            tolerance,
        )

    @cached_property
    def density(self) -> FloatArray:
        """The probabilities of all displacements, read-only; the origin is at ``shape // 2``."""
        assert self.factors is not None  # a propagator without factors was given its density
        _checks.fits_memory("density", 8.0 * math.prod(map(float, self.shape)), "factors say the same in little")
        return read_only(reduce(np.multiply.outer, self.factors))

    @property
    def shape(self) -> tuple[int, ...]:
        """Cells along each axis."""
        return self.density.shape if self.factors is None else tuple(factor.size for factor in self.factors)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @cached_property
    def mean(self) -> FloatArray:
        """The mean displacement along each axis, in cells: shape ``(ndim,)``."""
        return read_only(np.array([_expect(marginal, _moves(marginal.size)) for marginal in self._marginals()]))

    @cached_property
    def covariance(self) -> FloatArray:
        """The covariance of the displacement, in cells²: shape ``(ndim, ndim)``."""
        centred = [_moves(size) - mean for size, mean in zip(self.shape, self.mean, strict=True)]
        covariance = np.diag([_expect(m, c**2) for m, c in zip(self._marginals(), centred, strict=True)])
        if self.factors is None:  # different axes of a product are independent
            for a in range(self.ndim):
                for b in range(a + 1, self.ndim):
                    pair = self.density.sum(axis=tuple(c for c in range(self.ndim) if c not in (a, b)))
                    covariance[a, b] = covariance[b, a] = centred[a] @ pair @ centred[b]
        return read_only(covariance)

    @cached_property
    def entropy(self) -> float:
        """The entropy ``-sum(p log p)`` in nats: 0 for a pure shift, ``log(size)`` at most."""
        parts = (self.density,) if self.factors is None else self.factors
        return sum(_entropy(part) for part in parts)

    def drift(self, duration: float, spacing: float | Sequence[float] | FloatArray = 1.0) -> FloatArray:
        r"""Return the velocity that one step in `duration` amounts to.

        .. math:: v_a = E[d_a]\, \Delta x_a / t

        Parameters
        ----------
        duration : float
            The time of one step, greater than 0.
        spacing : float or one per axis
            Cell width, in length.

        Returns
        -------
        ndarray, shape (ndim,)
            In length/time.

        Examples
        --------
        >>> dc.Propagator([0.0, 0.5, 0.5]).drift(duration=2.0)
        array([0.25])
        """
        duration, widths = self._units(duration, spacing)
        return _representable(self.mean, widths, duration)

    def diffusivity(self, duration: float, spacing: float | Sequence[float] | FloatArray = 1.0) -> FloatArray:
        r"""Return the diffusivity that one step in `duration` amounts to.

        .. math:: D_{ab} = \mathrm{Cov}[d_a, d_b]\, \Delta x_a \Delta x_b / (2 t)

        With `drift` this names the equation the propagator is one step of:
        :math:`u_t = -v\cdot\nabla u + \nabla\cdot(D \nabla u)`.

        Parameters
        ----------
        duration : float
            The time of one step, greater than 0.
        spacing : float or one per axis
            Cell width, in length.

        Returns
        -------
        ndarray, shape (ndim, ndim)
            In length²/time.

        References
        ----------
        .. [1] A. Einstein, "On the motion of small particles suspended in liquids at rest", Ann. Phys. 17 (1905)
           549-560.

        Examples
        --------
        >>> dc.Propagator.heat(diffusivity=0.3, duration=2.0, ndim=1).diffusivity(duration=2.0).round(12)
        array([[0.3]])
        """
        duration, widths = self._units(duration, spacing)
        return _representable(self.covariance / 2, np.multiply.outer(widths, widths), duration)

    def compose(self, other: Propagator) -> Propagator:
        r"""Move by this propagator and then by another: the density of the summed displacement.

        .. math:: (p \circ q)_d = \sum_e p_e\, q_{d - e}

        Products are added directly, none is negative, so that even the far tails keep their digits (beyond a thousand
        million products by Fourier transform: values below 1e-15 of the largest are then lost). Means and covariances
        add. Two heat kernels give a heat kernel, two products of factors a product.

        Parameters
        ----------
        other : Propagator
            Of the same number of axes, any sizes.

        Returns
        -------
        Propagator
            Of the shape ``p + q - 1``, and one more cell where both are even, so that the origin stays at
            ``shape // 2``.

        Raises
        ------
        TypeError
            If `other` is not a propagator.
        ValueError
            If the numbers of axes differ.

        Notes
        -----
        ``convolve(convolve(u, p), q)`` equals ``convolve(u, p.compose(q))`` on periodic fields, and behind reflecting
        or absorbing walls if both are unchanged by flipping each walled axis.

        Examples
        --------
        >>> step = dc.Propagator([0.5, 0.5])  # of even size: moves by -1 or by 0
        >>> step.compose(step).density
        array([0.25, 0.5 , 0.25, 0.  ])
        """
        if not isinstance(other, Propagator):
            raise TypeError(f"other must be a Propagator, got {_checks.got(other)}")
        if other.ndim != self.ndim:
            raise ValueError(f"other must have {self.ndim} axes, as the propagator itself, got {other.ndim}")
        if self._hops is not None and other._hops is not None and None in (self.fourier_numbers, other.fourier_numbers):
            hops = ((a + c, b + d) for (a, b), (c, d) in zip(self._hops, other._hops, strict=True))
            return _skellam(tuple(hops), min(self._tolerance, other._tolerance))
        if self.fourier_numbers is not None and other.fourier_numbers is not None:
            numbers = tuple(r + s for r, s in zip(self.fourier_numbers, other.fourier_numbers, strict=True))
            return _heat(numbers, min(self._tolerance, other._tolerance))
        if self.factors is not None and other.factors is not None:
            return _product(
                [
                    _composition.centred(_composition.add(p, q), [p.size // 2 + q.size // 2])
                    for p, q in zip(self.factors, other.factors, strict=True)
                ]
            )
        origin = [n // 2 + m // 2 for n, m in zip(self.shape, other.shape, strict=True)]
        parts = sorted(
            (*self._parts(), *other._parts()), key=lambda part: -part.size
        )  # lines meet the largest one by one
        return Propagator(_composition.centred(reduce(_composition.add, parts), origin))

    def power(self, n: float) -> Propagator:
        """Apply the propagator `n` times over.

        Parameters
        ----------
        n : int
            0 or more; 0 gives the identity. Heat kernels also take fractions: ``power(0.5)`` is half the duration.

        Returns
        -------
        Propagator
            Each axis has ``n * (size - 1) + 1`` cells, or ``n * size`` if `size` is even; the origin stays at
            ``shape // 2``. A heat kernel is cut anew where its tail is below the tolerance.

        Raises
        ------
        TypeError
            If `n` is not whole and the propagator is not a heat kernel (only these remember their duration).
        ValueError
            If `n` is negative: diffusion does not run backward.

        Notes
        -----
        Products are added directly, so that every value has a relative error of about ``n`` roundings, down to the
        smallest of the far tails, and zeros stay zeros. Only where that would take over a thousand million products
        does the Fourier transform take over: values below ``n * 1e-15`` of the largest are then lost (set to 0).

        Examples
        --------
        >>> dc.Propagator([0.5, 0.0, 0.5]).power(3).density
        array([0.125, 0.   , 0.375, 0.   , 0.375, 0.   , 0.125])
        """
        if self.fourier_numbers is not None:
            times = _checks.number("n", n, least=0.0)
            return _heat(tuple(r * times for r in self.fourier_numbers), self._tolerance)
        if self._hops is not None:
            times = _checks.number("n", n, least=0.0)
            return _skellam(tuple((a * times, b * times) for a, b in self._hops), self._tolerance)
        try:
            count = _checks.count("n", n, least=0)
        except TypeError:
            raise TypeError(
                f"n must be a whole number (only heat kernels take fractions), got {_checks.got(n)}"
            ) from None
        if count == 0:
            return _heat((0.0,) * self.ndim, 1e-15)
        if count == 1:
            return self
        cells = (
            math.prod(float(count) * n for n in self.shape) if self.factors is None else float(count) * sum(self.shape)
        )
        _checks.fits_memory("n", 40 * cells, "see heat for long times")  # the result, and its modes if transformed
        if self.factors is not None:
            return _product(
                [_composition.centred(_composition.power(f, count), [count * (f.size // 2)]) for f in self.factors]
            )
        return Propagator(
            _composition.centred(_composition.power(self.density, count), [count * (n // 2) for n in self.shape])
        )

    def steps_to_mix(
        self, shape: int | Sequence[int], boundary: str | Sequence[str] = "reflecting", tolerance: float = 1e-3
    ) -> float:
        r"""Count the steps after which a field is even, whatever it was: from the spectral gap.

        .. math:: n = \min \{ n : |\lambda_2|^n \le \varepsilon \}

        where :math:`\lambda_2` is the factor of the slowest mode other than the constant one. After `n` steps the
        field's distance from its mean (root mean square) is at most `tolerance` times what it was, and some field
        needs all of them. With an absorbing or zero wall nothing stays: then :math:`\lambda_2` is the slowest of *all*
        modes, and `n` the steps until no more than `tolerance` of the field's root mean square is left.

        Parameters
        ----------
        shape : int or sequence of int
            Cells of the field along each axis.
        boundary : str or sequence of str
            For all axes, or one for each. On walled axes the propagator must be its own mirror image; with ``"zero"``
            it must also reach no further than the next cell, because others have no common modes.
        tolerance : float
            Between 0 and 1.

        Returns
        -------
        int or float
            0 for a field of one cell (it is even), `math.inf` if some mode never decays: a pure shift only moves the
            salt, and a propagator that always hops keeps a checkerboard's contrast.

        Raises
        ------
        ValueError
            If the shape does not fit, or the propagator has no modes with these walls.

        References
        ----------
        .. [1] D. A. Levin, Y. Peres, E. L. Wilmer, Markov Chains and Mixing Times (AMS, 2009), ch. 12.

        Examples
        --------
        >>> p = dc.Propagator([0.25, 0.5, 0.25])
        >>> p.steps_to_mix(100, tolerance=0.01), p.steps_to_mix(200, tolerance=0.01)
        (18664, 74656)
        >>> dc.Propagator([0.5, 0.0, 0.5]).steps_to_mix(100, "periodic")
        inf
        """
        cells = _checks.per_axis("shape", shape, self.ndim, lambda name, value: _checks.count(name, value, least=1))
        names = walls.per_axis(boundary, self.ndim)
        tolerance = _checks.probability("tolerance", tolerance)
        factors = self.density if self.factors is None else self.factors
        doubled = [2.0 * n for n in cells]  # mirrored; the modes are complex
        _checks.fits_memory("shape", 60 * (math.prod(doubled) if self.factors is None else sum(doubled)), "halve it")
        _mixing.check_modes(factors, names)
        return _mixing.steps(_mixing.spectral_gap(factors, cells, names), tolerance)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return `density`, so that a propagator goes wherever a kernel does."""
        return np.array(self.density, dtype) if copy else np.asarray(self.density, dtype)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Propagator):
            return NotImplemented
        if self is other:
            return True
        if self.shape != other.shape or self._at_origin() != other._at_origin():
            return False
        return np.array_equal(self.density, other.density)

    def __hash__(self) -> int:
        return hash((self.shape, self._at_origin()))

    def __repr__(self) -> str:
        size = " × ".join(map(str, self.shape))
        mean = ", ".join(f"{0.0 if abs(m) < 1e-12 else m:.3g}" for m in self.mean)
        spread = ", ".join(f"{s:.3g}" for s in np.sqrt(np.diag(self.covariance)))
        kind = "Propagator" if self.fourier_numbers is None else "Propagator.heat"
        return f"<{kind}: {size} cells, mean move ({mean}), spread ({spread}), entropy {self.entropy:.3g} nats>"

    def _repr_html_(self) -> str:
        """Return the density as a picture with its moments, for notebooks."""
        pairs = zip("zyx"[3 - self.ndim :], self.mean.tolist(), np.sqrt(np.diag(self.covariance)).tolist(), strict=True)
        rows: dict[str, object] = {"cells": " × ".join(map(str, self.shape))}
        for axis, mean, spread in pairs:
            rows |= {f"mean move, {axis}": 0.0 if abs(mean) < 1e-12 else mean, f"spread, {axis}": spread}
        picture = self._repr_png_()
        return _notebook.card("Where a grain goes", {**rows, "entropy": f"{self.entropy:.4g} nats"}, picture)

    def _repr_png_(self) -> bytes | None:
        """Return the density as a picture, None where it is too large to be worked out for one."""
        return _notebook.png(self.density) if math.prod(self.shape) <= _SHOWN else None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what cannot be worked out again, so that a copy is as frozen and as small as the original."""
        if self.factors is None or (self.ndim == 1 and self._hops is None):
            return Propagator, (self.density,)
        return _product, (self.factors, self.fourier_numbers, self._tolerance, self._hops)

    def _marginals(self) -> list[FloatArray]:
        """Return the density of the displacement along each axis by itself."""
        if self.factors is not None:
            return list(self.factors)
        axes = range(self.ndim)
        return [self.density.sum(axis=tuple(other for other in axes if other != axis)) for axis in axes]

    def _units(self, duration: float, spacing: Any) -> tuple[float, FloatArray]:
        """Return the duration of a step and the cell widths, checked."""
        return _checks.number("duration", duration, above=0.0), np.array(_checks.spacing(spacing, self.ndim))

    def _at_origin(self) -> float:
        """Return the chance to stay, multiplied in the order in which `density` is."""
        if self.factors is None:
            return float(self.density[tuple(n // 2 for n in self.shape)])
        return float(math.prod(factor[factor.size // 2] for factor in self.factors))

    def _parts(self) -> list[FloatArray]:
        """Return densities that compose to this one: the factors, each along its own axis, or the whole."""
        if self.factors is None:
            return [self.density]
        return [on_axis(f, axis, self.ndim) for axis, f in enumerate(self.factors)]


def checked_density(name: str, value: ArrayLike) -> FloatArray:
    """Return numbers that are not negative and sum to 1."""
    values = _checks.field(name, value)
    with np.errstate(over="ignore"):  # a sum beyond the range is refused below as any other
        total = float(values.sum(dtype=np.float64))
    if values.min() < 0:
        where = tuple(int(i) for i in np.argwhere(values < 0)[0])
        raise ValueError(f"{name} must not be negative anywhere, got {values[where]} at index {where}")
    if abs(total - 1) > SUM_ERROR:
        raise ValueError(f"{name} must sum to 1 within {SUM_ERROR:g} (see Propagator.normalized), got {total!r}")
    return values


def _representable(moments: FloatArray, lengths: FloatArray, duration: float) -> FloatArray:
    """Compute moments times lengths over the duration, or refuse a duration so short that they leave the range."""
    with np.errstate(over="ignore"):
        rates = moments * lengths / duration
    if not np.isfinite(rates).all():
        raise ValueError(f"duration must not be so short that rates leave the range of numbers, got {duration:g}")
    return rates


def _product(
    factors: Sequence[FloatArray],
    numbers: tuple[float, ...] | None = None,
    tolerance: float = 1e-15,
    hops: tuple[tuple[float, float], ...] | None = None,
) -> Propagator:
    """Make a propagator of one density per axis, without checks."""
    made = object.__new__(Propagator)
    if numbers is not None:
        hops = tuple((r, r) for r in numbers)
    vars(made).update(factors=tuple(map(read_only, factors)), fourier_numbers=numbers, _tolerance=tolerance, _hops=hops)
    return made


def _heat(numbers: tuple[float, ...], tolerance: float) -> Propagator:
    """Make the heat kernel with these Fourier numbers."""
    if max(numbers) > _LARGEST_FOURIER_NUMBER:
        raise ValueError(
            "diffusivity * duration / spacing**2 must be at most "
            f"{_LARGEST_FOURIER_NUMBER:g} (the kernel would be millions of cells wide), got {max(numbers):g}"
        )
    return _product([_bessel.symmetric(2 * r, tolerance / len(numbers)) for r in numbers], numbers, tolerance)


def _skellam(hops: tuple[tuple[float, float], ...], tolerance: float) -> Propagator:
    """Make the heat kernel with a drift, from the mean hops onward and back along each axis."""
    if all(a == b for a, b in hops):
        return _heat(tuple(a for a, _ in hops), tolerance)
    if max(map(max, hops)) > _LARGEST_DRIFT:
        raise ValueError(
            f"velocity * duration / spacing must be at most {_LARGEST_DRIFT:g} (the kernel would be millions of cells "
            f"wide), got {max(map(max, hops)):g} hops"
        )
    return _product([_bessel.skellam(a, b, tolerance / len(hops)) for a, b in hops], None, tolerance, hops)


def _moves(size: int) -> FloatArray:
    """Return the displacements along an axis of `size` taps."""
    return np.arange(size, dtype=np.float64) - size // 2


def _expect(density: FloatArray, values: FloatArray) -> float:
    """Compute a mean, its products summed without rounding: symmetric densities move by exactly 0."""
    return math.fsum((density * values).tolist())


def _entropy(density: FloatArray) -> float:
    """Compute -sum(p log p) where p > 0."""
    some = density[density > 0]
    return abs(float((some * np.log(some)).sum()))
