"""The solver against closed forms: orders of convergence and errors, each stated and measured.

``python tests/test_verification.py`` prints every figure as a table and writes it to docs/verification.md.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import pytest
import scipy.special
import strategies
import transport_figures
from hypothesis import given
from hypothesis import strategies as st
from problems import equation

import diffuseconv as dc
from diffuseconv.diffusion import implicit, rkl2
from diffuseconv.diffusion.clock import Clock

TIGHT = 1e-13  # the tolerance in time where errors in space are measured


def centres(n: int, length: float = 1.0) -> np.ndarray:
    """Return the centres of n cells on a line."""
    return (np.arange(n) + 0.5) * length / n


def order(error: Callable[[int], float], n: int) -> float:
    """Return the order seen from n to 2n cells or steps."""
    return math.log2(error(n) / error(2 * n))


def rms(difference: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(difference))))


# --- manufactured solutions: u and D are given, the source and the walls follow ---------------------------------------


def profile(x):
    """A smooth function on each axis, with its first and second derivative."""
    return np.sin(1.7 * x + 0.4), 1.7 * np.cos(1.7 * x + 0.4), -(1.7**2) * np.sin(1.7 * x + 0.4)


def manufactured(ndim: int, wall: str, n: int) -> float:
    """Error of the steady state of u = product of profiles with D = exp(sum of x / 2), held on one side at least."""
    axes = np.meshgrid(*[centres(n)] * ndim, indexing="ij")
    parts = [profile(x) for x in axes]
    u = math.prod(part[0] for part in parts)
    d = np.exp(sum(axes) / 2)
    source = np.zeros_like(u)
    for part in parts:
        slope, bend = u / part[0] * part[1], u / part[0] * part[2]
        source -= d * (bend + slope / 2)

    def side(axis: int, high: bool) -> object:
        """Return what the given solution does on one face."""
        at, first, _ = profile(np.array(float(high)))
        rest = [np.take(part[0], 0, axis) for a, part in enumerate(parts) if a != axis]
        across = math.prod(rest) if rest else np.array(1.0)
        there = np.exp(sum((np.take(x, 0, axis) for a, x in enumerate(axes) if a != axis), float(high)) / 2)
        value, flux = at * across, (1 if high else -1) * there * first * across
        if wall == "Dirichlet" or (axis == 0 and not high):
            return dc.Dirichlet(value if ndim > 1 else float(value))
        if wall == "Neumann":
            return dc.Neumann(flux if ndim > 1 else float(flux))
        return dc.Robin(2.0, 0.5, 2.0 * value + 0.5 * flux if ndim > 1 else float(2.0 * value + 0.5 * flux))

    walls = tuple((side(axis, False), side(axis, True)) for axis in range(ndim))
    eq = dc.DiffusionEquation(d if ndim > 1 else (d,), 1 / n, walls, source=source)
    return rms(eq.steady_state() - u)


def tensor_wave(n: int) -> float:
    """Error on a periodic box with a rotated tensor and a wave along both axes."""
    tensor = np.array([[1.0, 0.45], [0.45, 0.6]])
    x, y = np.meshgrid(centres(n), centres(n), indexing="ij")
    k = 2 * np.pi * np.array([1, 2])
    wave = np.sin(k[0] * x + k[1] * y)
    t = 0.02
    eq = dc.DiffusionEquation(tensor, 1 / n, "periodic")
    return rms(eq.evolve(wave, t, tolerance=TIGHT) - math.exp(-t * float(k @ tensor @ k)) * wave)


def tensor_gauss(n: int) -> float:
    """Error of a Gaussian that a rotated tensor stretches: its covariance grows by 2 D t."""
    turn = np.deg2rad(30)
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    tensor = turned @ np.diag([1.0, 0.2]) @ turned.T
    tensor = (tensor + tensor.T) / 2
    x = np.stack(np.meshgrid(centres(n, 20.0) - 10, centres(n, 20.0) - 10, indexing="ij"), axis=-1)

    def gauss(t: float) -> np.ndarray:
        covariance = np.eye(2) + 2 * tensor * t
        shape = np.einsum("...i,ij,...j", x, np.linalg.inv(covariance), x)
        return np.exp(-shape / 2) / (2 * np.pi * math.sqrt(np.linalg.det(covariance)))

    eq = dc.DiffusionEquation(tensor, 20.0 / n, "periodic")
    return rms(eq.evolve(gauss(0.0), 1.0, tolerance=TIGHT) - gauss(1.0))


def tensor_walls(n: int) -> float:
    """Distance between n and 2n cells behind walls, in the largest norm: a wave that meets the walls askew."""
    tensor = np.array([[1.0, 0.45], [0.45, 0.6]])

    def run(m: int) -> np.ndarray:
        x, y = np.meshgrid(centres(m), centres(m), indexing="ij")
        return dc.DiffusionEquation(tensor, 1 / m).evolve(np.cos(np.pi * x) * np.cos(np.pi * y), 0.05, tolerance=TIGHT)

    fine = run(2 * n).reshape(n, 2, n, 2).mean(axis=(1, 3))
    return float(np.abs(run(n) - fine).max())


# --- closed forms -----------------------------------------------------------------------------------------------------


def heated_sine(n: int) -> float:
    """u_t - u_xx = sin x from 0, held at 0: (1 - exp(-t)) sin x."""
    x = centres(n, np.pi)
    eq = dc.DiffusionEquation(1.0, np.pi / n, "absorbing", source=np.sin(x))
    return rms(eq.evolve(np.zeros(n), 1.0, tolerance=TIGHT) - (1 - math.exp(-1)) * np.sin(x))


def erf_profile(n: int) -> float:
    """A held wall beside much fresh water: 1 - erf(x / 2 sqrt(D t))."""
    x = centres(n, 20.0)
    eq = dc.DiffusionEquation(1.0, 20.0 / n, ((dc.Dirichlet(1.0), "reflecting"),))
    return rms(eq.evolve(np.zeros(n), 2.0, tolerance=TIGHT) - scipy.special.erfc(x / math.sqrt(8)))


def sine_series(n: int) -> float:
    """exp(-36 pi^2 t) sin 6 pi x + 3 exp(-4 pi^2 t) sin 2 pi x between walls held at 0."""
    x, t = centres(n), 0.005
    start = np.sin(6 * np.pi * x) + 3 * np.sin(2 * np.pi * x)
    end = math.exp(-36 * np.pi**2 * t) * np.sin(6 * np.pi * x) + 3 * math.exp(-4 * np.pi**2 * t) * np.sin(2 * np.pi * x)
    return rms(dc.DiffusionEquation(1.0, 1 / n, "absorbing").evolve(start, t, tolerance=TIGHT) - end)


def images(n: int) -> float:
    """A drop in a closed box: Gaussians of the drop and of all its images in the walls."""
    t, at = 0.05, (0.25, 0.375)
    x = centres(n)

    def line(p: float) -> np.ndarray:
        mirrored = [2 * k + sign * p for k in range(-4, 5) for sign in (1, -1)]
        return sum(np.exp(-((x - q) ** 2) / (4 * t)) for q in mirrored) / math.sqrt(4 * np.pi * t)

    u = np.zeros((n, n))
    row, column = (round(p * n) for p in at)
    u[row - 1 : row + 1, column - 1 : column + 1] = n * n / 4  # the drop sits on a corner of four cells
    return rms(dc.DiffusionEquation(1.0, 1 / n).evolve(u, t, tolerance=TIGHT) - np.outer(line(at[0]), line(at[1])))


def layers(wall: object) -> float:
    """D = 1 | 0.1 | 1 in 3-D: straight in each layer."""
    n = 20
    d = np.repeat([1.0, 0.1, 1.0], n)[:, None, None] * np.ones((1, 3, 2))
    along = np.interp((np.arange(3 * n) + 0.5) / n, [0, 1, 2, 3], [0, 1, 11, 12])
    rise = 0.5 if isinstance(wall, dc.Neumann) else 0.25
    eq = dc.DiffusionEquation(d, 1 / n, ((dc.Dirichlet(1.0), wall), "reflecting", "periodic"))
    waited = eq.evolve(np.zeros(d.shape), 4000.0, tolerance=1e-12)
    straight = (1 + rise * along)[:, None, None]
    return float(max(np.abs(eq.steady_state() - straight).max(), np.abs(waited - straight).max()))


def rod() -> float:
    """A rod held at 0 and 1: straight."""
    eq = dc.DiffusionEquation(1.0, 0.02, ((dc.Dirichlet(0.0), dc.Dirichlet(1.0)),))
    return float(
        max(np.abs(u - centres(50)).max() for u in (eq.steady_state(np.zeros(50)), eq.evolve(np.ones(50), 50.0)))
    )


# --- orders in time ---------------------------------------------------------------------------------------------------


def pulsed(steps: int, method: str) -> float:
    """A source that goes up and down like a cosine: each mode's answer is known."""
    n, t = 10, 2.0
    x = centres(n)
    shape = np.exp(np.outer(x, x))
    eq = dc.DiffusionEquation(1 + np.outer(x, 1 - x), 1.0, "absorbing", source=lambda t: math.cos(t) * shape)
    rates, modes = np.linalg.eigh(eq.operator(shape.shape).matrix.toarray())
    swing = (-rates * math.cos(t) + math.sin(t) + rates * np.exp(rates * t)) / (rates**2 + 1)
    exact = (modes @ (swing * (modes.T @ shape.ravel()))).reshape(n, n)
    u, lattice, length = np.zeros((n, n)), eq.lattice((n, n)), t / steps
    if method == "explicit":
        return rms(eq.evolve(u, t, time_step=length) - exact)
    for k in range(steps):
        now, rate = k * length, lattice.largest_rate
        u, _ = rkl2.step(lattice, u, lattice.rhs(now, u), Clock(0.0, t), now, length, rate)
    return rms(u - exact)


def rising(steps: int) -> float:
    """A source that grows like exp(t) over slow diffusion, so that few steps of order 9 stay above rounding."""
    n, t = 10, 8.0
    x = centres(n)
    shape = np.exp(np.outer(x, x))
    eq = dc.DiffusionEquation(0.01 * (1 + np.outer(x, 1 - x)), 1.0, "absorbing", source=lambda t: math.exp(t) * shape)
    rates, modes = np.linalg.eigh(eq.operator(shape.shape).matrix.toarray())
    exact = modes @ ((math.exp(t) - np.exp(rates * t)) / (1 - rates) * (modes.T @ shape.ravel()))
    lattice, clock, length = eq.lattice((n, n)), Clock(0.0, t), t / steps
    u, method = np.zeros((n, n)), implicit.Steps(lattice, t)
    slope = lattice.rhs(0.0, u)
    for k in range(steps):
        u, slope, _ = method.attempt(clock, k * length, u, slope, length, 0.0)
        method.accept(clock, (k + 1) * length, u)
    return rms(u - exact.reshape(n, n))


def exactly(method: str) -> float:
    """Error of a scheme that is exact in time, at its own tolerance and over a short and a long time."""
    n = 12
    u, x = np.random.default_rng(0).random((n, n)), centres(n)
    d = 1.0 if method == "spectral" else 0.2 + np.outer(x, 1 - x)
    eq = dc.DiffusionEquation(d, 1.0, "absorbing", source=np.outer(x, x))
    op = eq.operator(u.shape)
    rates, modes = np.linalg.eigh(op.matrix.toarray())
    found = []
    for t in (0.3, 30.0):
        gained = np.expm1(rates * t) / rates * (modes.T @ op.b())
        exact = modes @ (np.exp(rates * t) * (modes.T @ u.ravel()) + gained)
        found.append(np.abs(eq.evolve(u, t, method).ravel() - exact).max())
    return float(max(found))


FIGURES: list[tuple[str, str, Callable[[], float], float]] = [
    *[
        (
            f"manufactured, {ndim}-D, D = exp(Σx/2), {wall} walls, source",
            "order",
            lambda ndim=ndim, wall=wall: order(lambda n: manufactured(ndim, wall, n), {1: 64, 2: 32, 3: 10}[ndim]),
            2.0,
        )
        for ndim in (1, 2, 3)
        for wall in ("Dirichlet", "Neumann", "Robin")
    ],
    ("tensor, periodic box, wave askew", "order", lambda: order(tensor_wave, 48), 2.0),
    ("tensor turned by 30°, Gaussian", "order", lambda: order(tensor_gauss, 64), 2.0),
    ("u_t - u_xx = sin x", "order", lambda: order(heated_sine, 64), 2.0),
    ("1 - erf(x / 2√(Dt)), held wall", "order", lambda: order(erf_profile, 200), 2.0),
    ("two sines on [0, 1], held walls", "order", lambda: order(sine_series, 128), 2.0),
    ("Green's function by images, closed box", "order", lambda: order(images, 48), 2.0),
    ("time: explicit, source cos t", "order", lambda: order(lambda n: pulsed(n, "explicit"), 256), 1.0),
    ("time: rkl2, source cos t", "order", lambda: order(lambda n: pulsed(n, "rkl2"), 128), 2.0),
    ("time: implicit, source exp t", "order", lambda: order(rising, 7), 9.0),
    *[
        (f"time: {method}, constant source", "error", lambda method=method: exactly(method), bound)
        for method, bound in (("spectral", 1e-12), ("chebyshev", 1e-10), ("rational", 1e-11), ("uniformization", 1e-10))
    ],
    ("layers D = 1, 0.1, 1, held walls", "error", lambda: layers(dc.Dirichlet(4.0)), 1e-8),
    ("layers D = 1, 0.1, 1, flux in", "error", lambda: layers(dc.Neumann(0.5)), 1e-8),
    ("rod held at 0 and 1", "error", rod, 1e-12),
    *transport_figures.FIGURES,
]


@pytest.mark.parametrize(("case", "kind", "measure", "stated"), FIGURES, ids=[figure[0] for figure in FIGURES])
def test_figure(case, kind, measure, stated):
    value = measure()
    holds = value <= stated if kind == "error" else abs(value - stated) <= 0.05
    assert holds, f"{case}: {kind} {value:.3g}, stated {stated:g}"


def test_tensors_behind_walls_are_at_least_first_order():
    assert order(tensor_walls, 32) >= 0.95


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # theirs, of their own names
def test_py_pde_takes_the_same_steps():
    """The same explicit steps on the same cells differ by rounding alone: D constant; held, flux and closed walls."""
    pde = pytest.importorskip("pde")
    u = np.random.default_rng(0).random((16, 12))
    grid = pde.CartesianGrid([[0, 8], [0, 6]], u.shape)
    sides = [[{"value": 1.0}, {"derivative": 0.3}], [{"derivative": 0}, {"value": 0.5}]]
    theirs = pde.DiffusionPDE(0.7, bc=sides).solve(
        pde.ScalarField(grid, u), t_range=2.0, dt=0.01, solver="euler", backend="numpy", tracker=None
    )
    walls = ((dc.Dirichlet(1.0), dc.Neumann(0.21)), ("reflecting", dc.Dirichlet(0.5)))
    ours = dc.DiffusionEquation(0.7, 0.5, walls).evolve(u, 2.0, time_step=0.01)
    np.testing.assert_allclose(ours, theirs.data, rtol=0, atol=1e-12)


@pytest.mark.peer
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")  # theirs, of their own names
def test_py_pde_takes_the_same_steps_on_round_grids_and_with_a_drift():
    """Cylindrical and spherical grids, and a drift of small cell Péclet number, differ by rounding alone."""
    pde = pytest.importorskip("pde")
    rng = np.random.default_rng(0)
    held = (("reflecting", dc.Dirichlet(1.0)),)
    ball = pde.SphericalSymGrid(8.0, 16), {"r-": {"derivative": 0}, "r+": {"value": 1.0}}
    shell = pde.SphericalSymGrid((2.0, 10.0), 16), ball[1]
    disc = pde.PolarSymGrid(8.0, 16), ball[1]
    can = pde.CylindricalSymGrid(8.0, (0.0, 6.0), (16, 12)), ball[1] | {"z": {"derivative": 0}}
    box = pde.CartesianGrid([[0, 8], [0, 6]], (16, 12), periodic=True), "auto_periodic_neumann"
    plain, carried = {"c": "0.7 * laplace(c)"}, {"c": "0.7 * laplace(c) - 0.9 * d_dx(c) + 1.1 * d_dy(c)"}
    for (grid, sides), rule, options in (
        (ball, plain, {"boundary": held, "coordinates": "spherical"}),
        (shell, plain, {"boundary": held, "coordinates": "spherical", "inner_radius": 2.0}),
        (disc, plain, {"boundary": held, "coordinates": "polar"}),
        (can, plain, {"boundary": (*held, "reflecting"), "coordinates": "cylindrical"}),
        (box, carried, {"boundary": "periodic", "velocity": (0.9, -1.1)}),
    ):
        u = rng.random(grid.shape)
        theirs = pde.PDE(rule, bc=sides).solve(
            pde.ScalarField(grid, u), t_range=1.0, dt=0.01, solver="euler", backend="numpy", tracker=None
        )
        ours = dc.DiffusionEquation(0.7, 0.5, **options).evolve(u, 1.0, time_step=0.01)
        np.testing.assert_allclose(ours, theirs.data, rtol=0, atol=1e-12)


# --- laws of any problem that does not depend on time -----------------------------------------------------------------

ROUNDING = 1e-13


def duration_of(lattice, z):
    """A time in units of the stable step."""
    return z * min(lattice.stable_time_step, 100.0)


@given(st.data(), strategies.problems(closed=True), st.floats(0, 200))
def test_closed_tanks_keep_their_salt_and_obey_the_maximum_principle(data, problem, z):
    u, v = (data.draw(strategies.fields(problem["shape"])) for _ in "uv")
    eq = equation(problem)
    t = duration_of(eq.lattice(u.shape), z)
    size = max(1.0, np.abs(u).max(), np.abs(v).max())
    ends = {}
    for method in ("chebyshev", "explicit"):
        ends[method] = one, other = eq.evolve(u, t, method), eq.evolve(v, t, method)
        slack = (1e-10 if method == "chebyshev" else ROUNDING) * size
        assert abs(one.sum() - u.sum()) <= ROUNDING * size * u.size
        assert u.min() - slack <= one.min()
        assert one.max() <= u.max() + slack
        assert np.abs(one - other).max() <= np.abs(u - v).max() + 2 * slack  # contraction
        assert np.linalg.norm(one - other) <= np.linalg.norm(u - v) + 2 * slack * math.sqrt(u.size)
        # e^(tL) is its own transpose: what u gives to v's places, v gives to u's
        assert abs(np.vdot(v, one) - np.vdot(u, other)) <= 4 * slack * size * u.size
    still = problem["diffusivity"] == 0
    for one, _ in ends.values():
        assert np.array_equal(one[still], u[still])


@given(st.data(), strategies.problems(), st.floats(1, 100), st.floats(0, 1))
def test_a_run_in_two_parts_is_the_same_run(data, problem, z, share):
    u = data.draw(strategies.fields(problem["shape"]))
    eq = equation(problem)
    t = duration_of(eq.lattice(u.shape), z)
    whole = eq.evolve(u, t, "chebyshev")
    parts = eq.evolve(eq.evolve(u, share * t, "chebyshev"), t - share * t, "chebyshev")
    size = max(1.0, np.abs(u).max(), np.abs(parts).max(), np.abs(whole).max())
    np.testing.assert_allclose(parts, whole, rtol=0, atol=3e-10 * 3 * size)


def test_barriers_keep_their_salt():
    """A ring of shut faces: what is inside stays inside, to rounding, for each method."""
    shut = [np.zeros((11, 12), dtype=bool), np.zeros((12, 11), dtype=bool)]
    shut[0][[3, 7], 4:8] = shut[1][4:8, [3, 7]] = True
    u = np.random.default_rng(0).random((12, 12))
    eq = dc.DiffusionEquation(0.5 + u, barriers=shut)
    for method in ("chebyshev", "explicit"):
        assert abs(eq.evolve(u, 300.0, method)[4:8, 4:8].sum() - u[4:8, 4:8].sum()) <= 1e-12


@pytest.mark.parametrize("method", ["chebyshev", "explicit", "spectral", "uniformization"])
def test_threads_change_no_bit(method, monkeypatch):
    u = np.random.default_rng(0).random((600, 500))
    drift = (np.zeros((601, 500)), 0.3 + np.pad(u, ((0, 0), (0, 1)))) if method == "uniformization" else None
    eq = dc.DiffusionEquation(1.0 if method == "spectral" else 0.5 + u, velocity=drift)
    ends = []
    for threads in (1, 2):
        monkeypatch.setattr(numba, "get_num_threads", lambda threads=threads: threads)
        ends.append(eq.evolve(u, 5.0, method))
    assert np.array_equal(*ends)


ABOUT_ORDERS = """\
A drift is solved with central differences, order 2, while the cell Péclet number |v|Δx/D is at
most 2, and with upwind differences beyond, which spread like a diffusivity of |v|Δx/2 instead of
`D`. There the error is c Δx + c' Δx², so the order seen between two grids is 1 + O(Δx): 0.8 to 1.0
on 12 to 24 cells, 0.97 to 1.0 on 128. The limiting order of the table is that to which three grids
tend, each with half the cells of the other (Richardson). As Δx falls to 2D/|v| the difference
(|v|Δx/2 − D) vanishes, and the order seen rises above 1 on its way to 2.
"""


def main() -> None:
    """Print the table, and write it to the docs."""
    lines = ["| problem | measured | stated |", "|---|---|---|"]
    for case, kind, measure, stated in FIGURES:
        value = measure()
        lines.append(
            f"| {case} | error {value:.1e} | {stated:.0e} |"
            if kind == "error"
            else f"| {case} | {kind} {value:.3f} | {stated:.0f} |"
        )
    lines.append(f"| tensor behind walls, largest norm | order {order(tensor_walls, 32):.3f} | 1 |")
    text = "\n".join(lines)
    print(text)
    page = Path(__file__).resolve().parent.parent / "docs" / "verification.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text(
        "# Verification\n\nEvery figure is measured by `python tests/test_verification.py` and asserted by the test "
        "suite\n(orders to 0.05).\n\n" + text + "\n\n" + ABOUT_ORDERS,
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
