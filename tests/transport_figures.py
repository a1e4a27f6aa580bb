"""Figures of drift, graded and round grids for `test_verification.py`: each an order or an error beside a closed form.

Where the drift wins in every cell (upwind differences) the error is c h + c' h², and the order seen from h to h/2 is
1 + O(h): 0.9 on ten cells. `limiting_order` takes the O(h) out with a third grid.
"""

import decimal
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import scipy.special

import diffuseconv as dc

WALLS = ("reflecting", "periodic", "Dirichlet", "Neumann", "Robin")
VELOCITY = (1.0, -0.7, 0.5)
MIXED = {1: ("mixed",), 2: ("mixed", "periodic"), 3: ("mixed", "reflecting", "Robin")}

Error = Callable[[int], float]


def centres(n: int, length: float = 1.0) -> np.ndarray:
    """Return the centres of n cells on a line."""
    return (np.arange(n) + 0.5) * length / n


def order(error: Error, n: int) -> float:
    """Return the order seen from n to 2n cells."""
    return math.log2(error(n) / error(2 * n))


def limiting_order(error: Error, n: int) -> float:
    """Return the order that those seen from n to 2n and to 4n cells tend to (Richardson)."""
    few, more, most = (math.log2(error(m)) for m in (n, 2 * n, 4 * n))
    return 2 * (more - most) - (few - more)


# --- manufactured solutions -------------------------------------------------------------------------------------------


def profile(wall: str, x: np.ndarray | float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A smooth function between such walls, with its first and second derivative."""
    k, phase = {"reflecting": (np.pi, np.pi / 2), "periodic": (2 * np.pi, 0.3)}.get(wall, (2.0, 0.4))
    return 2 + np.sin(k * x + phase), k * np.cos(k * x + phase), -k * k * np.sin(k * x + phase)


def stream(wall: str, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A velocity along one axis, with its derivative; none through closed walls."""
    if wall == "reflecting":
        return np.sin(np.pi * x) ** 2, np.pi * np.sin(2 * np.pi * x)
    return 1 + 0.2 * np.sin(2 * np.pi * x), 0.4 * np.pi * np.cos(2 * np.pi * x)


def manufactured(walls: Sequence[str], diffusivity: float, duration: float, n: int) -> float:
    """Root mean square by which a product of profiles moves under the source that should hold it.

    D varies by 30 % along the diagonal, and each component of the velocity by 20 % along its axis.
    """
    ndim = len(walls)
    axes = np.meshgrid(*[centres(n)] * ndim, indexing="ij")
    parts = [profile(wall, x) for wall, x in zip(walls, axes, strict=True)]
    u = math.prod(part[0] for part in parts)
    d = diffusivity * (1 + 0.3 * np.cos(2 * np.pi * sum(axes)))
    steepness = -0.6 * np.pi * diffusivity * np.sin(2 * np.pi * sum(axes))
    source, velocity, sides = np.zeros_like(u), [], []
    for axis, wall in enumerate(walls):
        value, first, second = parts[axis]
        slope, bend = u / value * first, u / value * second
        carried, stretched = stream(wall, axes[axis])
        source += VELOCITY[axis] * (carried * slope + stretched * u) - d * bend - steepness * slope
        faces = VELOCITY[axis] * stream(wall, np.arange(n + 1) / n)[0]
        faces[-1] = faces[0] if wall == "periodic" else faces[-1]
        along = faces.reshape([-1 if a == axis else 1 for a in range(ndim)])
        velocity.append(np.broadcast_to(along, [n + (a == axis) for a in range(ndim)]))

        def side(high: bool, axis: int = axis, wall: str = wall) -> object:
            """Return what the given solution does on one face."""
            if wall == "mixed":
                wall = "Robin" if high else "Dirichlet"
            at, there = profile(wall, float(high)), float(high)
            across: np.ndarray | float = 1.0
            if ndim > 1:
                across = np.take(u / parts[axis][0], 0, axis)
                there = there + np.take(sum(axes) - axes[axis], 0, axis)
            value = at[0] * across
            flux = (1 if high else -1) * diffusivity * (1 + 0.3 * np.cos(2 * np.pi * there)) * at[1] * across
            if wall == "Dirichlet":
                return dc.Dirichlet(value)
            return dc.Neumann(flux) if wall == "Neumann" else dc.Robin(1.5, 0.7, 1.5 * value + 0.7 * flux)

        sides.append(wall if wall in ("reflecting", "periodic") else (side(False), side(True)))
    eq = dc.DiffusionEquation((d,) * ndim, 1 / n, tuple(sides), source=source, velocity=tuple(velocity))
    assert (eq.cell_peclet(u.shape) < 2) == (diffusivity == 1)
    return float(np.sqrt(np.mean((eq.evolve(u, duration) - u) ** 2)))


# --- closed forms with a drift ----------------------------------------------------------------------------------------


def boundary_layer(velocity: float, n: int) -> float:
    """(e^(vx/D) - 1) / (e^(v/D) - 1) between held walls."""
    eq = dc.DiffusionEquation(1.0, 1 / n, ((dc.Dirichlet(0.0), dc.Dirichlet(1.0)),), velocity=velocity)
    return float(np.abs(eq.steady_state(np.zeros(n)) - np.expm1(velocity * centres(n)) / np.expm1(velocity)).max())


def sediment(velocity: float, n: int) -> float:
    """What a drift presses against a closed wall: the steady state is e^(vx/D), as in the barometric formula."""
    steady = dc.DiffusionEquation(1.0, 1 / n, velocity=velocity).steady_state(np.ones(n))
    return float(np.abs(steady - np.exp(velocity * centres(n)) * velocity / np.expm1(velocity)).max())


def ogata_banks(n: int) -> float:
    """A step at the inlet of a column (Ogata and Banks, US Geol. Survey Prof. Paper 411-A, 1961)."""
    d, v, length, t = 1.0, 2.0, 20.0, 3.0
    x, wide = centres(n, length), 2 * math.sqrt(d * t)
    eq = dc.DiffusionEquation(d, length / n, ((dc.Dirichlet(1.0), dc.Neumann(0.0)),), velocity=v)
    ahead, mirrored = scipy.special.erfc((x - v * t) / wide), scipy.special.erfc((x + v * t) / wide)
    return float(np.abs(eq.evolve(np.zeros(n), t) - (ahead + np.exp(v * x / d) * mirrored) / 2).max())


@functools.cache
def skellam(onward: str, back: str, reach: int) -> tuple[decimal.Decimal, ...]:
    """Return the chances of the moves from -reach to reach: sums of products of Poisson's, to 60 digits."""
    with decimal.localcontext() as context:
        context.prec = 60
        a, b = decimal.Decimal(onward), decimal.Decimal(back)
        most = 40 + reach + 4 * int(a + b)

        def poisson(mean: decimal.Decimal) -> list[decimal.Decimal]:
            chances = [(-mean).exp()]
            for k in range(1, most + reach):
                chances.append(chances[-1] * mean / k)
            return chances

        ahead, behind = poisson(a), poisson(b)
        return tuple(
            sum((ahead[m + max(d, 0)] * behind[m + max(-d, 0)] for m in range(most)), decimal.Decimal(0))
            for d in range(-reach, reach + 1)
        )


SKELLAM = (("1.0", "0.5", 3), ("1.0", "-1.875", 8), ("0.125", "3.0", 5))  # D, v, t; exact in binary


def skellam_kernel() -> float:
    """Largest relative difference from sums to 60 digits, on every tap that holds more than 1e-12."""
    worst = 0.0
    for d, v, t in SKELLAM:
        p = dc.Propagator.heat(float(d), float(t), ndim=1, velocity=float(v))
        diffusivity, drift = decimal.Decimal(d), decimal.Decimal(v)
        rates = (max(diffusivity + s * drift / 2, s * drift, decimal.Decimal(0)) * t for s in (1, -1))
        exact = np.array(skellam(*map(str, rates), p.shape[0] // 2), dtype=float)
        seen = exact > 1e-12
        worst = max(worst, float(np.abs(p.density[seen] / exact[seen] - 1).max()))
    return worst


def skellam_semigroup() -> float:
    """Largest difference between the kernel of a time and the composition of those of its parts."""
    worst = 0.0
    for d, v, t in SKELLAM:
        whole, *parts = (
            dc.Propagator.heat(float(d), share * t, ndim=1, velocity=float(v)).density for share in (1.0, 0.3, 0.7)
        )
        composed = np.convolve(*parts)
        reach = min(whole.size, composed.size) // 2
        whole, composed = (p[p.size // 2 - reach : p.size // 2 + reach + 1] for p in (whole, composed))
        worst = max(worst, float(np.abs(whole - composed).max()))
    return worst


@functools.cache
def rotation() -> tuple[float, float]:
    """Relative loss of mass and excess over the range 0..1 of a cone that turns once round, D = 0."""
    n = 40
    across = (np.arange(n) + 0.5 - n / 2) / n
    velocity = (np.broadcast_to(across, (n + 1, n)).copy(), np.broadcast_to(-across[:, None], (n, n + 1)).copy())
    velocity[0][[0, -1]] = velocity[1][:, [0, -1]] = 0
    cone = np.maximum(0, 1 - np.hypot(across[:, None] - 0.2, across) / 0.15)
    eq = dc.DiffusionEquation(0.0, 1 / n, velocity=velocity)
    turned = [eq.evolve(cone, 2 * math.pi, method) for method in ("uniformization", "explicit")]
    lost = max(abs(math.fsum(u.ravel()) / math.fsum(cone.ravel()) - 1) for u in turned)
    return lost, float(max(0.0, *(max(-u.min(), u.max() - 1) for u in turned)))


# --- graded and round grids -------------------------------------------------------------------------------------------


def graded_front(n: int) -> float:
    """A held wall beside fresh water, on cells stretched 50:1: 1 - erf(x / 2 sqrt(D t))."""
    widths = 50 ** (np.arange(n) / (n - 1))
    widths *= 10 / widths.sum()
    x = widths.cumsum() - widths / 2
    eq = dc.DiffusionEquation(1.0, (widths,), ((dc.Dirichlet(1.0), "reflecting"),))
    return float(np.abs(eq.evolve(np.zeros(n), 0.5) - scipy.special.erfc(x / math.sqrt(2))).max())


UPTAKE_TIMES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)


def uptake(coordinates: str, n: int = 400) -> float:
    """Largest difference from the share that a cylinder or ball takes up by Dt/a² = 0.01 to 1, by their own roots.

    Crank, "The Mathematics of Diffusion" (1975), eq. 5.23 and 6.20; Carslaw and Jaeger (1959), sections 7.6 and 9.3.
    """
    eq = dc.DiffusionEquation(1.0, 1 / n, (("reflecting", dc.Dirichlet(1.0)),), coordinates=coordinates)
    roots = scipy.special.jn_zeros(0, 1000) if coordinates == "polar" else np.pi * np.arange(1, 1000)
    weight = 4 if coordinates == "polar" else 6
    worst = 0.0
    for t, u in eq.frames(np.zeros(n), UPTAKE_TIMES):
        share = eq.total_mass(u) / eq.total_mass(np.ones(n))
        worst = max(worst, abs(share - (1 - (weight / roots**2 * np.exp(-(roots**2) * t)).sum())))
    return worst


def round_mode(coordinates: str, number: int, n: int) -> float:
    """A mode that decays by itself: J0 on a disc, sin(r)/r in a ball, and J0 times a cosine in a can."""
    r, t = centres(n), 0.2 / number**2
    root = scipy.special.jn_zeros(0, number)[-1] if coordinates != "spherical" else number * np.pi
    mode, rate = np.sinc(root * r / np.pi) if coordinates == "spherical" else scipy.special.j0(root * r), root**2
    walls: object = (("reflecting", dc.Dirichlet(0.0)),)
    if coordinates == "cylindrical":
        walls = (("reflecting", dc.Dirichlet(0.0)), "reflecting")
        mode, rate = np.outer(mode, np.cos(np.pi * r)), rate + np.pi**2
    eq = dc.DiffusionEquation(1.0, 1 / n, walls, coordinates=coordinates)
    return float(np.abs(eq.evolve(mode, t) - mode * math.exp(-rate * t)).max())


# --- the table --------------------------------------------------------------------------------------------------------

CENTRAL, UPWIND = {1: 32, 2: 20, 3: 12}, {1: 64, 2: 32, 3: 12}
SETS = [(ndim, (wall,) * ndim, wall) for ndim in (1, 2, 3) for wall in WALLS]
SETS += [(ndim, walls, ", ".join(walls)) for ndim, walls in MIXED.items()]


def _named(ndim: int, name: str) -> str:
    return f"manufactured with drift, {ndim}-D, {name} walls"


FIGURES: list[tuple[str, str, Callable[[], float], float]] = [
    *[
        (
            f"{_named(ndim, name)}, cell Péclet ≤ 0.2",
            "order",
            lambda ndim=ndim, walls=walls: order(lambda n: manufactured(walls, 1.0, 0.05, n), CENTRAL[ndim]),
            2.0,
        )
        for ndim, walls, name in SETS
    ],
    *[
        (
            f"{_named(ndim, name)}, cell Péclet ≥ 1e6",
            "limiting order",
            lambda ndim=ndim, walls=walls: limiting_order(lambda n: manufactured(walls, 1e-9, 0.3, n), UPWIND[ndim]),
            1.0,
        )
        for ndim, walls, name in SETS
    ],
    *[
        (
            f"boundary layer between held walls, vL/D = {v:g}",
            "order",
            lambda v=v: order(lambda n: boundary_layer(v, n), 64),
            2.0,
        )
        for v in (5.0, -5.0)
    ],
    ("drift against a closed wall, vL/D = 5", "order", lambda: order(lambda n: sediment(5.0, n), 128), 2.0),
    ("Ogata and Banks: a step at the inlet of a column", "order", lambda: order(ogata_banks, 100), 2.0),
    ("Skellam kernel beside sums to 60 digits, relative", "error", skellam_kernel, 1e-13),
    ("Skellam kernel, semigroup", "error", skellam_semigroup, 1e-13),
    ("a cone in rotation, D = 0: mass lost", "error", lambda: rotation()[0], 1e-13),
    ("a cone in rotation, D = 0: beyond its range", "error", lambda: rotation()[1], 0.0),
    ("1 - erf(x / 2√(Dt)), cells graded 50:1", "order", lambda: order(graded_front, 100), 2.0),
    ("uptake of a cylinder, Dt/a² = 0.01 to 1", "error", lambda: uptake("polar"), 5e-5),
    ("uptake of a ball, Dt/a² = 0.01 to 1", "error", lambda: uptake("spherical"), 5e-5),
    *[
        (f"{name}, mode {k}", "order", lambda kind=kind, k=k: order(lambda n: round_mode(kind, k, n), 40), 2.0)
        for kind, name in (
            ("polar", "J₀ on a disc"),
            ("spherical", "sin(r)/r in a ball"),
            ("cylindrical", "J₀ cos z in a can"),
        )
        for k in (1, 2)
    ],
]
