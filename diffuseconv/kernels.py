r"""The catalogue of named kernels that image people know.

Every function returns a float64 array whose origin is at ``shape // 2``. Tap `j` belongs to the displacement
``d = j - shape // 2``, and signs are meant for true convolution, ``(k * u)[i] = sum_d k[d] u[i - d]``, which flips the
kernel. So the plus signs of a derivative stand *before* the origin: convolved with a field that rises along an axis it
gives a positive slope.

In pictures axis 0 (y) points down and axis 1 (x) points right. Angles are in degrees, anticlockwise as seen on the
screen: 0 is to the right (+x), 90 is up (-y).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _bessel, _checks

WIDEST = 3e5  # cells: a wider line takes seconds and gigabytes

__all__ = [
    "box",
    "disc",
    "edge_detector",
    "emboss",
    "gabor",
    "gaussian",
    "gaussian_derivative",
    "identity",
    "integrated_gaussian",
    "laplacian",
    "laplacian_of_gaussian",
    "lattice_gaussian",
    "motion_blur",
    "prewitt",
    "roberts",
    "scharr",
    "sharpen",
    "sobel",
    "unsharp_mask",
]

Kernel = NDArray[np.float64]


def _outer(factors: Sequence[Kernel]) -> Kernel:
    """Multiply one 1-D kernel per axis into one kernel."""
    return reduce(np.multiply.outer, factors)


def _ndim(ndim: int) -> int:
    """Check a number of dimensions."""
    return _checks.count("ndim", ndim, least=1, most=3)


def _per_axis(name: str, value: object, ndim: int, check: Callable[[str, object], float]) -> tuple[float, ...]:
    """Check one number for all axes or one for each, once `ndim` is known to be good."""
    return _checks.per_axis(name, value, _ndim(ndim), check)


def _not_negative(name: str, value: object) -> float:
    return _checks.number(name, value, least=0.0)


def _amount(amount: object) -> float:
    """Check an amount of sharpening whose weights stay finite."""
    value = _not_negative("amount", amount)
    if value > 1e307:
        raise ValueError(f"amount must be at most 1e+307 (weights must be finite), got {value:g}")
    return value


def _size(name: str, value: object) -> int:
    return _checks.count(name, value, least=1)


def _fits(name: str, *reaches: float) -> None:
    """Refuse a kernel that no memory holds: `reaches` are the cells to each side of the origin, axis by axis."""
    _checks.fits_memory(name, 24.0 * math.prod(2.0 * reach + 1.0 for reach in reaches), "a smaller kernel")


def _bell_fits(sigmas: Sequence[float], truncate: float) -> None:
    """Refuse a Gaussian that no memory holds, by the name of the larger of what makes it wide."""
    _fits("truncate" if truncate > max(sigmas) else "sigma", *(truncate * sigma for sigma in sigmas))


def _direction(angle: float) -> tuple[float, float]:
    """Return the unit vector (down, right) at an angle on the screen, exact at multiples of 90 degrees."""
    angle = math.remainder(angle, 360)  # exact, however often it goes round
    quarters = round(angle / 90)
    rest = math.radians(angle - 90 * quarters)
    right, up = math.cos(rest), math.sin(rest)
    for _ in range(quarters % 4):
        right, up = -up, right
    return -up, right


def _displacements(radius: int) -> Kernel:
    """Return the displacements from minus to plus `radius`."""
    return np.arange(-radius, radius + 1, dtype=np.float64)


def identity(size: int = 3, ndim: int = 2) -> Kernel:
    """Build the kernel that changes nothing: 1 at the origin, 0 elsewhere.

    Parameters
    ----------
    size : int, default 3
        Cells along every axis.
    ndim : int, default 2
        Number of axes, 1 to 3.

    Returns
    -------
    ndarray of float64
        Sum 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a whole number in its range.

    Examples
    --------
    >>> dc.kernels.identity(3, ndim=1)
    array([0., 1., 0.])
    """
    size, ndim = _size("size", size), _ndim(ndim)
    _fits("size", *[size / 2] * ndim)
    kernel = np.zeros((size,) * ndim)
    kernel[(size // 2,) * ndim] = 1.0
    return kernel


def box(size: int | Sequence[int] = 3, ndim: int = 2) -> Kernel:
    """Build the moving average: the same weight 1/N for all N cells.

    As a propagator: a grain lands on every cell of the box with the same chance. Even sizes have no middle cell; their
    mean displacement is half a cell towards lower indices on each such axis.

    Parameters
    ----------
    size : int or sequence of int, default 3
        Cells along every axis, or along each.
    ndim : int, default 2
        Number of axes, 1 to 3.

    Returns
    -------
    ndarray of float64
        Sum 1, variance ``(size**2 - 1) / 12`` per axis.

    Raises
    ------
    TypeError, ValueError
        If an argument is not a whole number in its range.

    Examples
    --------
    >>> dc.kernels.box(4, ndim=1)
    array([0.25, 0.25, 0.25, 0.25])
    """
    shape = _checks.per_axis("size", size, _ndim(ndim), _size)
    _fits("size", *(n / 2 for n in shape))
    return np.full(shape, 1 / math.prod(shape))


def _sampled(sigma: float, truncate: float, least_radius: int = 0) -> Kernel:
    """Sample a Gaussian at the whole displacements within `truncate` standard deviations; sum 1."""
    radius = max(least_radius, int(truncate * sigma + 0.5))
    if radius == 0:
        return np.ones(1)
    with np.errstate(over="ignore"):
        weights = np.exp(-0.5 * (_displacements(radius) / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def gaussian(sigma: float | Sequence[float] = 1.0, ndim: int = 2, *, truncate: float = 8.0) -> Kernel:
    r"""Sample a Gaussian: the heat kernel of *continuous* space, read off at the cell centres.

    .. math:: k[d] \propto \exp(-|d|^2 / 2\sigma^2)

    It spreads a grain as diffusion with :math:`2Dt = \sigma^2` does. For sigma of 1 and more its variance is
    :math:`\sigma^2` to :math:`8\pi^2\sigma^2 e^{-2\pi^2\sigma^2}` (2e-7 and less), but for small sigma the samples miss
    the peak's shape; `lattice_gaussian` is right for any sigma.

    Parameters
    ----------
    sigma : float or sequence of float, default 1.0
        Standard deviation in cells, for every axis or for each; 0 leaves that axis unchanged.
    ndim : int, default 2
        Number of axes, 1 to 3.
    truncate : float, default 8.0
        The kernel reaches ``int(truncate * sigma + 0.5)`` cells to each side, as `scipy.ndimage.gaussian_filter`'s
        does, which cuts at 4. What 8 cuts off is 1e-15.

    Returns
    -------
    ndarray of float64
        Sum 1, unchanged by flipping any axis.

    Raises
    ------
    TypeError, ValueError
        If sigma is negative, or truncate not above 0, or ndim not 1, 2 or 3.

    See Also
    --------
    lattice_gaussian : the heat kernel of the lattice itself.

    Examples
    --------
    >>> dc.kernels.gaussian(1.0, ndim=1, truncate=2.0).round(4)
    array([0.0545, 0.2442, 0.4026, 0.2442, 0.0545])
    """
    sigmas = _per_axis("sigma", sigma, ndim, _not_negative)
    truncate = _checks.number("truncate", truncate, above=0.0)
    _bell_fits(sigmas, truncate)
    return _outer([_sampled(s, truncate) for s in sigmas])


def integrated_gaussian(sigma: float | Sequence[float] = 1.0, ndim: int = 2, *, truncate: float = 8.0) -> Kernel:
    r"""Integrate a Gaussian over the cells: the share of a diffused grain that each cell holds.

    .. math:: k[d] \propto \Phi\left(\frac{d + 1/2}{\sigma}\right) - \Phi\left(\frac{d - 1/2}{\sigma}\right)

    per axis, with the normal distribution :math:`\Phi`: what a detector with square pixels records of a Gaussian spot.
    Its variance is :math:`\sigma^2 + 1/12` for sigma of 1 and more.

    Parameters
    ----------
    sigma, ndim, truncate
        As in `gaussian`; so are the errors.

    Returns
    -------
    ndarray of float64
        Sum 1, unchanged by flipping any axis.

    Examples
    --------
    >>> dc.kernels.integrated_gaussian(0.5, ndim=1, truncate=2.0).round(4)
    array([0.1577, 0.6845, 0.1577])
    """
    sigmas = _per_axis("sigma", sigma, ndim, _not_negative)
    truncate = _checks.number("truncate", truncate, above=0.0)
    _bell_fits(sigmas, truncate)
    return _outer([_integrated(s, truncate) for s in sigmas])


def _integrated(sigma: float, truncate: float) -> Kernel:
    """Integrate a Gaussian over the cells along one axis; sum 1."""
    from scipy.special import erf, ndtr

    radius = int(truncate * sigma + 0.5)
    if radius == 0:
        return np.ones(1)
    with np.errstate(over="ignore"):
        edges = (np.arange(-radius, 1) - 0.5) / sigma  # the lower half: no digits are lost in the tails
    near = erf(edges / math.sqrt(2)) / 2  # nor in cells much narrower than sigma
    half = np.append(np.where(edges[1:] > -1, np.diff(near), np.diff(ndtr(edges))), -2 * near[-1])
    weights = np.concatenate([half, half[-2::-1]])
    return np.asarray(weights / weights.sum())


def gaussian_derivative(
    order: int | Sequence[int] = 1, sigma: float | Sequence[float] = 1.0, ndim: int = 2, *, truncate: float = 8.0
) -> Kernel:
    r"""Sample a derivative of a Gaussian: differentiation of a blurred picture, in one convolution.

    .. math:: k[d] = \prod_a (-\sigma_a)^{-n_a}\, \mathrm{He}_{n_a}(d_a / \sigma_a)\, g_{\sigma_a}[d_a]

    with the Hermite polynomials :math:`\mathrm{He}_n` and the Gaussian `g` of `gaussian`.
    `scipy.ndimage.gaussian_filter` with this `order` gives the same field. Samples are right for sigma of 1 and more.

    Parameters
    ----------
    order : int or sequence of int, default 1
        How often to differentiate, along every axis or along each; 0 to 10. ``(0, 1)`` is the slope along x.
    sigma : float or sequence of float, default 1.0
        Standard deviation in cells, for every axis or for each, above 0.
    ndim, truncate
        As in `gaussian`.

    Returns
    -------
    ndarray of float64
        Per cell to the power of the order.

    Raises
    ------
    TypeError, ValueError
        If an order is not from 0 to 10, sigma not at least 1e-3, or another argument out of its range.

    Examples
    --------
    >>> dc.kernels.gaussian_derivative(1, 1.0, ndim=1, truncate=2.0).round(3)
    array([ 0.109,  0.244, -0.   , -0.244, -0.109])
    """
    from scipy.special import eval_hermitenorm

    ndim = _ndim(ndim)
    orders = _checks.per_axis("order", order, ndim, lambda name, value: _checks.count(name, value, most=10))
    sigmas = _checks.per_axis("sigma", sigma, ndim, lambda name, value: _checks.number(name, value, least=1e-3))
    truncate = _checks.number("truncate", truncate, above=0.0)
    _bell_fits(sigmas, truncate)
    factors = []
    for n, s in zip(orders, sigmas, strict=True):
        g = _sampled(s, truncate)
        factors.append(g * eval_hermitenorm(n, _displacements(g.size // 2) / s) * (-1 / s) ** n)
    return _outer(factors)


def lattice_gaussian(sigma: float | Sequence[float] = 1.0, ndim: int = 2, *, tolerance: float = 1e-15) -> Kernel:
    r"""Build the Gaussian of the lattice: the exact heat kernel of cells that exchange with their neighbours.

    .. math:: k[d] = e^{-t} I_d(t), \quad t = \sigma^2

    per axis, with the modified Bessel function :math:`I_d`: where a grain is after jumping left and right at random
    moments. For *any* sigma its variance is :math:`\sigma^2`, and
    :math:`k_{\sigma_1} * k_{\sigma_2} = k_{\sqrt{\sigma_1^2 + \sigma_2^2}}` to rounding: no sampled Gaussian does that.

    Parameters
    ----------
    sigma : float or sequence of float, default 1.0
        Standard deviation in cells, for every axis or for each; 0 leaves that axis unchanged.
    ndim : int, default 2
        Number of axes, 1 to 3.
    tolerance : float, default 1e-15
        Each axis is cut where the chance to go further is not above this.

    Returns
    -------
    ndarray of float64
        Sum 1, unchanged by flipping any axis.

    Raises
    ------
    TypeError, ValueError
        If sigma is negative, or tolerance not between 0 and 1, or ndim not 1, 2 or 3.

    References
    ----------
    .. [1] T. Lindeberg, "Scale-space for discrete signals", IEEE Trans. Pattern Anal. Mach. Intell. 12 (1990) 234-254.

    Examples
    --------
    >>> k = dc.kernels.lattice_gaussian(0.5, ndim=1)
    >>> round(float(k @ (np.arange(k.size) - k.size // 2) ** 2), 12)
    0.25
    """
    sigmas = _per_axis("sigma", sigma, ndim, _not_negative)
    tolerance = _checks.number("tolerance", tolerance, above=0.0)
    if tolerance >= 1:
        raise ValueError(f"tolerance must be less than 1, got {tolerance:g}")
    _fits("sigma", *sigmas)
    if max(sigmas) > WIDEST:
        raise ValueError(f"sigma must be at most {WIDEST:g} cells (use `evolve` instead), got {max(sigmas):g}")
    factors = [_bessel.symmetric(s**2, tolerance) for s in sigmas]
    _fits("sigma", *(factor.size // 2 for factor in factors))
    return _outer(factors)


def disc(radius: float = 2.0) -> Kernel:
    r"""Build the average over a disc, each cell weighted by the area of it that the disc covers.

    The area is exact, from :math:`\int_0^x \min(y, \sqrt{r^2 - s^2})\,ds` at the corners of the cells, so the edge is
    smooth at any radius. It is the blur of a lens out of focus.

    Parameters
    ----------
    radius : float, default 2.0
        In cells, above 0; the disc's centre is the centre of the middle cell.

    Returns
    -------
    ndarray of float64
        Two axes of the same odd size, sum 1, unchanged by flips and rotations by 90°.

    Raises
    ------
    TypeError, ValueError
        If radius is not a positive number.

    Examples
    --------
    >>> dc.kernels.disc(1.0).round(4)
    array([[0.0251, 0.1453, 0.0251],
           [0.1453, 0.3183, 0.1453],
           [0.0251, 0.1453, 0.0251]])
    """
    radius = _checks.number("radius", radius, above=0.0)
    _fits("radius", radius, radius)
    reach = max(0, math.ceil(radius - 0.5))
    if reach == 0:  # all within the middle cell
        return np.ones((1, 1))
    far = np.minimum(np.arange(reach + 1) + 0.5, radius)  # far sides of the cells of one quarter
    y, x = far[:, None], far[None, :]
    flat = np.minimum(
        np.sqrt((radius - y) * (radius + y)), x
    )  # up to here the cell's side is the roof, beyond it the circle
    area = y * flat + _under_circle(x, radius) - _under_circle(flat, radius)
    mirrored = np.concatenate([-area[::-1], area])
    cells = np.diff(np.diff(np.concatenate([-mirrored[:, ::-1], mirrored], axis=1), axis=0), axis=1)
    cells = cells + cells.T  # else equal only to rounding
    near = np.maximum(np.abs(_displacements(reach)) - 0.5, 0.0)
    cells[np.hypot(near[:, None], near) >= radius] = 0.0
    return np.asarray(cells / cells.sum())


def _under_circle(s: Kernel, radius: float) -> Kernel:
    """Return the area under a circle from its middle to `s`."""
    return np.asarray(0.5 * (s * np.sqrt((radius - s) * (radius + s)) + radius**2 * np.arcsin(s / radius)))


def motion_blur(length: float = 9.0, angle: float = 0.0) -> Kernel:
    """Build the average along a straight stroke: what a camera records that moves while its shutter is open.

    Each cell weighs as much as the length of the stroke that lies in it, which is exact at any angle; no cell is on or
    off by luck. A stroke of odd length along an axis is the box of that size.

    Parameters
    ----------
    length : float, default 9.0
        Length of the stroke in cells, above 0; its middle is the centre of the middle cell.
    angle : float, default 0.0
        In degrees, anticlockwise on the screen from the right: 0 blurs along x (axis 1), 90 along y (axis 0).

    Returns
    -------
    ndarray of float64
        Two axes of odd size, sum 1, unchanged by a half turn.

    Raises
    ------
    TypeError, ValueError
        If length is not above 0 or angle not finite.

    Examples
    --------
    >>> dc.kernels.motion_blur(3, angle=0)
    array([[0.33333333, 0.33333333, 0.33333333]])
    """
    length = _checks.number("length", length, above=0.0)
    down, right = _direction(_checks.number("angle", angle))
    _fits("length", abs(down) * length / 2, abs(right) * length / 2)
    rounding = 8 * math.ulp(length)
    reach = [max(0, math.ceil(abs(part) * length / 2 - 0.5 - rounding)) for part in (down, right)]
    if not any(reach):  # all within the middle cell
        return np.ones((1, 1))
    sides = [np.arange(r) + 0.5 for r in reach]  # where the stroke leaves a row, and a column
    cuts = [side / abs(part) for side, part in zip(sides, (down, right), strict=True) if len(side)]
    cut = np.minimum(np.sort(np.concatenate([[0.0], *cuts, [length / 2]])), length / 2)
    middle = 0.5 * (cut[1:] + cut[:-1])
    piece = np.diff(cut)
    # Two sides crossed at one corner may differ in the last bit: the sliver between them is rounding, not stroke.
    middle, piece = middle[piece > rounding], piece[piece > rounding]
    kernel = np.zeros([2 * r + 1 for r in reach])
    cell = [np.rint(middle * part).astype(int) + r for part, r in zip((down, right), reach, strict=True)]
    np.add.at(kernel, tuple(cell), piece)
    kernel = kernel + kernel[::-1, ::-1]
    return np.asarray(kernel / kernel.sum())


def laplacian(points: int = 5) -> Kernel:
    r"""Build the Laplacian, the sum of second derivatives, on cells one unit wide.

    ====== ==== ===================================================================
    points axes matrix
    ====== ==== ===================================================================
    3      1    ``1 -2 1``
    5      2    ``0 1 0 / 1 -4 1 / 0 1 0``
    7      3    1 for the six neighbours, -6 in the middle
    9      2    ``1 4 1 / 4 -20 4 / 1 4 1``, divided by 6
    ====== ==== ===================================================================

    All are second-order accurate. The error of the 9 points, :math:`\nabla^4 u / 12`, is the same in every direction;
    that of the others, :math:`\sum_a \partial_a^4 u / 12`, is not. Identity plus ``r`` times this kernel is one
    explicit step of diffusion with ``r = D dt / dx**2``.

    Parameters
    ----------
    points : {3, 5, 7, 9}, default 5
        Cells with a weight.

    Returns
    -------
    ndarray of float64
        Three cells along each axis, sum 0 (to rounding for 9 points).

    Raises
    ------
    TypeError, ValueError
        If points is none of these.

    References
    ----------
    .. [1] L. Collatz, "The Numerical Treatment of Differential Equations", 3rd ed., Springer (1960).
    .. [2] M. Patra and M. Karttunen, "Stencils with isotropic discretization error for differential operators",
       Numer. Methods Partial Differ. Equ. 22 (2006) 936-953.

    Examples
    --------
    >>> dc.kernels.laplacian()
    array([[ 0.,  1.,  0.],
           [ 1., -4.,  1.],
           [ 0.,  1.,  0.]])
    """
    points = _checks.count("points", points)
    if points not in (3, 5, 7, 9):
        raise ValueError(f"points must be 3, 5, 7 or 9, got {points}")
    if points == 9:
        return np.array([[1.0, 4.0, 1.0], [4.0, -20.0, 4.0], [1.0, 4.0, 1.0]]) / 6
    return _sum_over_axes(np.array([1.0, -2.0, 1.0]), np.array([0.0, 1.0, 0.0]), points // 2)


def _sum_over_axes(along: Kernel, across: Kernel, ndim: int) -> Kernel:
    """Add up, for every axis, the kernel that is `along` on this axis and `across` on the others."""
    return np.asarray(sum(_outer([along if a == axis else across for a in range(ndim)]) for axis in range(ndim)))


def laplacian_of_gaussian(sigma: float = 1.0, ndim: int = 2, *, truncate: float = 8.0) -> Kernel:
    r"""Build the Laplacian of a Gaussian (the negative of the "Mexican hat"): the Laplacian of a blurred picture.

    .. math:: \nabla^2 g = \sum_a \frac{2 (d_a^2 - m_2)}{m_4 - m_2^2}\, g(d)

    with :math:`m_2, m_4` the moments of the *sampled* Gaussian `g`. In continuous space :math:`m_2 = \sigma^2` and
    :math:`m_4 = 3\sigma^4`, which is the textbook's :math:`(|d|^2/\sigma^4 - n/\sigma^2)\, g`; with the samples' own
    moments the sum is exactly 0 and a parabola gets its exact Laplacian. The plain samples miss both for small sigma.
    For sigma towards 0 it becomes the five-point Laplacian.

    Parameters
    ----------
    sigma : float, default 1.0
        Standard deviation of the Gaussian in cells, at least 0.05.
    ndim : int, default 2
        Number of axes, 1 to 3.
    truncate : float, default 8.0
        As in `gaussian`.

    Returns
    -------
    ndarray of float64
        Sum 0 to rounding, negative in the middle.

    Raises
    ------
    TypeError, ValueError
        If sigma is less than 0.05, or truncate not above 0, or ndim not 1, 2 or 3.

    References
    ----------
    .. [1] D. Marr and E. Hildreth, "Theory of edge detection", Proc. R. Soc. Lond. B 207 (1980) 187-217.

    Examples
    --------
    >>> dc.kernels.laplacian_of_gaussian(0.05, ndim=1)
    array([ 1., -2.,  1.])
    """
    sigma, ndim = _checks.number("sigma", sigma, least=0.05), _ndim(ndim)
    truncate = _checks.number("truncate", truncate, above=0.0)
    _bell_fits((sigma,) * ndim, truncate)
    g = _sampled(sigma, truncate, least_radius=1)
    square = _displacements(g.size // 2) ** 2
    m2, m4 = g @ square, g @ square**2
    return _sum_over_axes(2 * (square - m2) * g / (m4 - m2**2), g, ndim)


def edge_detector() -> Kernel:
    """Build the 3x3 edge detector: the middle cell's excess over its eight neighbours.

    ``-1 -1 -1 / -1 8 -1 / -1 -1 -1``, nine times (cell minus the mean of its 3x3 box): minus a Laplacian, with
    coefficient 3. Flat parts give 0, edges a pair of positive and negative lines.

    Returns
    -------
    ndarray of float64
        Sum 0.

    References
    ----------
    .. [1] R. C. Gonzalez and R. E. Woods, "Digital Image Processing", 3rd ed., Pearson (2008), fig. 3.37.

    Examples
    --------
    >>> dc.kernels.edge_detector()
    array([[-1., -1., -1.],
           [-1.,  8., -1.],
           [-1., -1., -1.]])
    """
    kernel = np.full((3, 3), -1.0)
    kernel[1, 1] = 8.0
    return kernel


def sharpen(amount: float = 1.0) -> Kernel:
    """Build the 3x3 sharpener: identity minus `amount` times the five-point Laplacian.

    ``0 -1 0 / -1 5 -1 / 0 -1 0`` for `amount` 1. It is an explicit step of diffusion with ``r = -amount``: diffusion
    run backward, which magnifies the finest waves by up to ``1 + 8 * amount``.

    Parameters
    ----------
    amount : float, default 1.0
        How much of the Laplacian to subtract, at least 0.

    Returns
    -------
    ndarray of float64
        Sum 1.

    Raises
    ------
    TypeError, ValueError
        If amount is negative.

    References
    ----------
    .. [1] R. C. Gonzalez and R. E. Woods, "Digital Image Processing", 3rd ed., Pearson (2008), eq. (3.6-7).

    Examples
    --------
    >>> dc.kernels.sharpen()
    array([[ 0., -1.,  0.],
           [-1.,  5., -1.],
           [ 0., -1.,  0.]])
    """
    return identity() - _amount(amount) * laplacian()


def unsharp_mask(sigma: float = 1.0, amount: float = 1.0, *, truncate: float = 8.0) -> Kernel:
    r"""Build the unsharp mask: add what a Gaussian blur removes.

    .. math:: k = \delta + a\,(\delta - g_\sigma)

    To leading order the identity minus :math:`a \sigma^2/2` times the Laplacian: diffusion run backward, but waves are
    magnified by no more than ``1 + amount``.

    Parameters
    ----------
    sigma : float, default 1.0
        Standard deviation of the blur in cells, above 0.
    amount : float, default 1.0
        How much of the lost detail to add, at least 0.
    truncate : float, default 8.0
        As in `gaussian`.

    Returns
    -------
    ndarray of float64
        Sum 1.

    Raises
    ------
    TypeError, ValueError
        If sigma is not above 0, amount negative or truncate not above 0.

    References
    ----------
    .. [1] R. C. Gonzalez and R. E. Woods, "Digital Image Processing", 3rd ed., Pearson (2008), eqs. (3.6-8), (3.6-9).

    Examples
    --------
    >>> float(dc.kernels.unsharp_mask(2.0, amount=0.5).sum().round(12))
    1.0
    """
    blur = gaussian(_checks.number("sigma", sigma, above=0.0), truncate=truncate)
    amount = _amount(amount)
    return (1 + amount) * identity(len(blur)) - amount * blur


def emboss(angle: float = 135.0) -> Kernel:
    r"""Build the emboss kernel: identity plus the slope away from a lamp, as if brightness were height.

    ``2 1 0 / 1 1 -1 / 0 -1 -2`` for a lamp at the upper left (135 degrees). At any angle

    .. math:: k = \delta + \sqrt{2}\,(\sin\alpha\, P_0 - \cos\alpha\, P_1)

    with the Prewitt kernels :math:`P_0, P_1`. Slopes that face the lamp get brighter.

    Parameters
    ----------
    angle : float, default 135.0
        Where the light comes from, in degrees anticlockwise on the screen from the right.

    Returns
    -------
    ndarray of float64
        Sum 1: even parts keep their brightness.

    Raises
    ------
    TypeError, ValueError
        If angle is not finite.

    Examples
    --------
    >>> dc.kernels.emboss()
    array([[ 2.,  1.,  0.],
           [ 1.,  1., -1.],
           [ 0., -1., -2.]])
    """
    angle = math.remainder(_checks.number("angle", angle), 360)
    # Two unit vectors 45 degrees to either side add up to the root of 2 times one: exact at 45, 135, ...
    down, right = np.add(_direction(angle - 45), _direction(angle + 45))
    return np.asarray(identity() - (down * prewitt(0) + right * prewitt(1)))


def sobel(axis: int = -1, ndim: int = 2) -> Kernel:
    """Build the Sobel kernel: the slope along one axis, smoothed by ``1 2 1`` across it.

    ``1 2 1 / 0 0 0 / -1 -2 -1`` for axis 0 in 2-D. Not normalised, as is usual: divide by ``2 * 4**(ndim - 1)``
    (8 in 2-D) for the slope per cell. `scipy.ndimage.sobel` gives the same field.

    Parameters
    ----------
    axis : int, default -1
        Along which the slope is computed.
    ndim : int, default 2
        Number of axes, 1 to 3.

    Returns
    -------
    ndarray of float64
        Three cells along each axis, sum 0.

    Raises
    ------
    TypeError, ValueError
        If axis is not one of the `ndim` axes.

    References
    ----------
    .. [1] R. O. Duda and P. E. Hart, "Pattern Classification and Scene Analysis", Wiley (1973), p. 271.

    Examples
    --------
    >>> dc.kernels.sobel(0)
    array([[ 1.,  2.,  1.],
           [ 0.,  0.,  0.],
           [-1., -2., -1.]])
    """
    return _slope(axis, ndim, 1.0, 2.0)


def scharr(axis: int = -1, ndim: int = 2) -> Kernel:
    """Build the Scharr kernel: the slope along one axis, smoothed by ``3 10 3`` across it.

    ``3 10 3 / 0 0 0 / -3 -10 -3`` for axis 0 in 2-D. The weights make the direction of the slope truer than Sobel's.
    Not normalised: divide by ``2 * 16**(ndim - 1)`` (32 in 2-D) for the slope per cell.

    Parameters
    ----------
    axis, ndim : int
        As in `sobel`; so are the shape, the sum and the errors.

    Returns
    -------
    ndarray of float64

    References
    ----------
    .. [1] H. Scharr, "Optimale Operatoren in der digitalen Bildverarbeitung", thesis, Heidelberg (2000).

    Examples
    --------
    >>> dc.kernels.scharr(1)
    array([[  3.,   0.,  -3.],
           [ 10.,   0., -10.],
           [  3.,   0.,  -3.]])
    """
    return _slope(axis, ndim, 3.0, 10.0)


def prewitt(axis: int = -1, ndim: int = 2) -> Kernel:
    """Build the Prewitt kernel: the slope along one axis, averaged over three cells across it.

    ``1 1 1 / 0 0 0 / -1 -1 -1`` for axis 0 in 2-D. Not normalised: divide by ``2 * 3**(ndim - 1)`` (6 in 2-D) for
    the slope per cell. `scipy.ndimage.prewitt` gives the same field.

    Parameters
    ----------
    axis, ndim : int
        As in `sobel`; so are the shape, the sum and the errors.

    Returns
    -------
    ndarray of float64

    References
    ----------
    .. [1] J. M. S. Prewitt, "Object enhancement and extraction", in Picture Processing and Psychopictorics, Academic
       Press (1970) 75-149.

    Examples
    --------
    >>> dc.kernels.prewitt(0)
    array([[ 1.,  1.,  1.],
           [ 0.,  0.,  0.],
           [-1., -1., -1.]])
    """
    return _slope(axis, ndim, 1.0, 1.0)


def _slope(axis: int, ndim: int, side: float, middle: float) -> Kernel:
    """Compute the difference ``u[i + 1] - u[i - 1]`` along one axis weighted ``side middle side`` across it."""
    ndim = _ndim(ndim)
    axis = _checks.count("axis", axis, least=-ndim, most=ndim - 1) % ndim
    along, across = np.array([1.0, 0.0, -1.0]), np.array([side, middle, side])
    return _outer([along if a == axis else across for a in range(ndim)])


def roberts(diagonal: int = 0) -> Kernel:
    """Build the Roberts cross: the difference of two diagonal neighbours.

    ``1 0 / 0 -1`` for diagonal 0: ``u[i+1, j+1] - u[i, j]``, the slope down to the right.
    ``0 1 / -1 0`` for diagonal 1: ``u[i+1, j] - u[i, j+1]``, the slope down to the left.
    Both act half a cell below and to the right of the origin. Divide by the square root of 2 for the slope per cell.

    Parameters
    ----------
    diagonal : {0, 1}, default 0
        Which of the two.

    Returns
    -------
    ndarray of float64
        Shape (2, 2), sum 0.

    Raises
    ------
    TypeError, ValueError
        If diagonal is neither.

    References
    ----------
    .. [1] L. G. Roberts, "Machine perception of three-dimensional solids", thesis, MIT (1963).

    Examples
    --------
    >>> dc.kernels.roberts(0)
    array([[ 1.,  0.],
           [ 0., -1.]])
    """
    kernel = np.array([[1.0, 0.0], [0.0, -1.0]])
    return kernel if _checks.count("diagonal", diagonal, most=1) == 0 else kernel[:, ::-1].copy()


def gabor(
    wavelength: float = 6.0,
    angle: float = 0.0,
    *,
    sigma: float | None = None,
    phase: float = 0.0,
    aspect: float = 1.0,
    truncate: float = 4.0,
) -> Kernel:
    r"""Build a Gabor kernel: a wave in a Gaussian window, which answers to stripes of one width and direction.

    .. math:: k[d] = \frac{w(d)}{\sum w} \cos\left(\frac{2\pi s}{\lambda} + \varphi\right), \quad
        w = \exp\left(-\frac{s^2 + \gamma^2 t^2}{2\sigma^2}\right)

    with `s` the displacement along the wave's direction and `t` across it. The sum is not quite 0:
    :math:`\cos\varphi\; e^{-2\pi^2\sigma^2/\lambda^2}`, 0.002 for the default window.

    Parameters
    ----------
    wavelength : float, default 6.0
        From crest to crest, in cells, at least 2 (shorter waves look longer on a lattice).
    angle : float, default 0.0
        Where the wave runs to, in degrees anticlockwise on the screen from the right; 0 makes upright stripes.
    sigma : float, optional
        Standard deviation of the window along the wave, in cells; 0.56 wavelengths (one octave) by default.
    phase : float, default 0.0
        In degrees: 0 is even (a line in the middle), 90 is odd (an edge).
    aspect : float, default 1.0
        The window is ``sigma / aspect`` wide across the wave.
    truncate : float, default 4.0
        The kernel reaches this many standard deviations (the larger one) to every side.

    Returns
    -------
    ndarray of float64
        Two axes of the same odd size.

    Raises
    ------
    TypeError, ValueError
        If wavelength is less than 2, sigma, aspect or truncate not above 0, or an angle not finite.

    References
    ----------
    .. [1] J. G. Daugman, "Uncertainty relation for resolution in space, spatial frequency, and orientation optimized by
       two-dimensional visual cortical filters", J. Opt. Soc. Am. A 2 (1985) 1160-1169.

    Examples
    --------
    >>> dc.kernels.gabor(4.0, sigma=1.0, truncate=2.0)[2].round(3)
    array([-0.022,  0.   ,  0.162,  0.   , -0.022])
    """
    wavelength = _checks.number("wavelength", wavelength, least=2.0)
    angle, phase = _checks.number("angle", angle), _checks.number("phase", phase)
    sigma = 0.56 * wavelength if sigma is None else _checks.number("sigma", sigma, above=0.0)
    aspect = _checks.number("aspect", aspect, above=0.0)
    truncate = _checks.number("truncate", truncate, above=0.0)
    down, right = _direction(angle)
    reach = truncate * sigma * max(1.0, 1 / aspect)
    widest = max((sigma, "sigma"), (1 / aspect, "aspect"), (truncate, "truncate"))
    _fits(widest[1], reach, reach)
    move = _displacements(int(reach + 0.5))
    y, x = move[:, None], move[None, :]
    along, across = down * y + right * x, right * y - down * x
    with np.errstate(over="ignore"):  # squares last: sigma may be as small as numbers go
        window = np.exp(-0.5 * ((along / sigma) ** 2 + (aspect * (across / sigma)) ** 2))
    wave = np.cos(2 * math.pi * along / wavelength + math.radians(math.remainder(phase, 360)))
    return np.asarray(window / window.sum() * wave)
