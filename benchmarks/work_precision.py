"""Draw work-precision diagrams: error in time against processor time and against calls, eight problems on 100 cells.

``python -m benchmarks.work_precision FOLDER`` writes two pictures and prints the figures. All contenders solve the same
system of ordinary equations; the reference is SciPy's Radau at 1e-12 on a right-hand side written here with NumPy.
Peers get that right-hand side and its sparsity, are restarted at known jumps, and ours builds its equation anew in
every run. A call is one of the function that the user gives (a wall's value or a source); a peer's right-hand side
makes one, and the calls for its Jacobian count too.
"""

import argparse
import dataclasses
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse
from scipy.integrate import solve_ivp

import diffuseconv as dc

CELLS = 100
X = (np.arange(CELLS) + 0.5) / CELLS
TOLERANCES = (1e-3, 1e-6, 1e-9)
FINEST = {
    "rkl2": 1e-3,
    "BDF": 1e-11,
    "LSODA": 1e-11,
}  # rkl2 would take minutes; the two reach 1e-9 at no more than 1e-11
ROUNDS, LONGEST = 3, 0.3  # longer runs are timed once
OURS, PEERS = ("auto", "implicit", "rkl2", "chebyshev", "rational"), ("BDF", "Radau", "LSODA")
LEVEL = 1.25  # times within this factor are level
MARKS = {  # Okabe and Ito's colours, which every kind of colour vision distinguishes
    "auto": ("#D55E00", "o", "-"),
    "implicit": ("#E69F00", "s", "--"),
    "rkl2": ("#CC79A7", "^", "--"),
    "chebyshev": ("#000000", "P", "--"),
    "rational": ("#999999", "X", "--"),
    "BDF": ("#0072B2", "v", "-"),
    "Radau": ("#56B4E9", "D", "-"),
    "LSODA": ("#009E73", "<", "-"),
    "py-pde": ("#7A5C00", "*", ":"),
}


@dataclass(frozen=True)
class Problem:
    """Diffusion on [0, 1]: a Dirichlet wall (or none) at the low end, a source (or none), a closed high end."""

    title: str
    u: np.ndarray
    duration: float
    diffusivity: float | np.ndarray = 1.0
    wall: Callable | None = None
    source: Callable | None = None
    jumps: tuple[float, ...] = ()
    sensor: bool = False  # the source in every cell reads the last one
    ours: tuple[str, ...] = ("auto", "implicit")
    rule: str = ""  # the source in py-pde's words


def sine(t: float) -> float:
    """Return the value of the smooth wall."""
    return math.sin(2 * math.pi * t)


def thermostat(t: float, u: np.ndarray) -> np.ndarray:
    """Return a heater on the low fifth that is switched off as the far end reaches 1/2, and a loss everywhere."""
    return 20 * (X < 0.2) / (1 + math.exp(min((u[-1] - 0.5) * 50, 700))) - u


def problems() -> list[Problem]:
    """Return the eight problems."""
    empty, drop = np.zeros(CELLS), np.exp(-((X / 0.1) ** 2))
    rough = 0.1 * np.cos(7 * X) + 0.5 * np.sin(20 * X)
    day = dc.Schedule([0, 0.5], [1.0, 0.0], period=1.0)
    layers = np.where(X < 0.5, 1e-3, 1e3)
    steep = ("auto", "implicit", "rkl2")
    return [
        Problem("smooth wall", empty, 2.3, wall=sine, ours=steep),
        Problem("day/night wall", empty, 2.3, wall=day, jumps=(0.5, 1.0, 1.5, 2.0), ours=OURS[:1] + OURS[3:]),
        Problem("Fisher, k = 1", drop, 10.0, 1e-3, source=lambda t, u: u * (1 - u), ours=steep, rule="c * (1 - c)"),
        Problem(
            "Fisher, k = 100",
            drop,
            0.3,
            1e-3,
            source=lambda t, u: 100 * u * (1 - u),
            ours=steep,
            rule="100 * c * (1 - c)",
        ),
        Problem("Allen-Cahn", rough, 2.0, 1e-3, source=lambda t, u: 10 * (u - u**3), ours=steep),
        Problem("thermostat", empty, 10.0, 0.1, source=thermostat, sensor=True, ours=steep),
        Problem("layered D, 1:10⁶", empty, 2.3, layers, wall=sine),
        Problem("long time", np.exp(-(((X - 0.3) / 0.1) ** 2)), 1e6, source=lambda t, u: 5e-6 * u * (1 - u)),
    ]


class Calls:
    """Count the calls of a function."""

    def __init__(self, function: Callable) -> None:
        self.function, self.count = function, 0

    def __call__(self, *arguments: object) -> object:
        """Count and pass on."""
        self.count += 1
        return self.function(*arguments)


def right_hand_side(problem: Problem) -> Callable:
    """Return du/dt as a NumPy user writes it: fluxes through faces (harmonic mean of D), the wall half a cell away."""
    d = np.broadcast_to(problem.diffusivity, CELLS).astype(float)
    inner, low = CELLS**2 * 2 * d[1:] * d[:-1] / (d[1:] + d[:-1]), CELLS**2 * 2 * d[0]

    def rhs(t: float, u: np.ndarray) -> np.ndarray:
        flux = inner * np.diff(u)
        change = np.empty_like(u)
        change[:-1] = flux
        change[-1] = 0
        change[1:] -= flux
        if problem.wall is not None:
            change[0] += low * (problem.wall(t) - u[0])
        return change if problem.source is None else change + problem.source(t, u)

    return rhs


def held(rhs: Callable, last: float, t: float, u: np.ndarray) -> np.ndarray:
    """Return du/dt at a time, or at the last time of a piece."""
    return rhs(min(t, last), u)


def peer(problem: Problem, method: str, rtol: float, atol: float) -> np.ndarray:
    """Return the last field by SciPy, restarted at known jumps, with the sparsity that the user knows."""
    rhs, u, begin = right_hand_side(problem), problem.u, 0.0
    sparsity = scipy.sparse.diags_array([np.ones(CELLS - abs(k)) for k in (-1, 0, 1)], offsets=(-1, 0, 1)).tolil()
    if problem.sensor:
        sparsity[:, -1] = 1
    bands = {} if problem.sensor else {"lband": 1, "uband": 1}
    options = bands if method == "LSODA" else {"jac_sparsity": sparsity.tocsc()}
    for end in (*problem.jumps, problem.duration):
        last = math.nextafter(end, 0) - 1e-12 if problem.jumps else math.inf  # at its end a piece keeps its own value
        piece = partial(held, rhs, last)
        run = solve_ivp(piece, (begin, end), u, method, t_eval=[end], rtol=rtol, atol=atol, **options)
        if not run.success:
            raise ArithmeticError(f"{method}: {run.message}")
        u, begin = run.y[:, -1], end
    return u


def ours(problem: Problem, method: str, tolerance: float) -> np.ndarray:
    """Return the last field by this package, from an equation built anew."""
    wall = "reflecting" if problem.wall is None else dc.Dirichlet(problem.wall)
    per_cell = np.ndim(problem.diffusivity) > 0
    eq = dc.DiffusionEquation(
        (problem.diffusivity,) if per_cell else problem.diffusivity,
        spacing=1 / CELLS,
        boundary=((wall, "reflecting"),),
        source=problem.source,
    )
    return eq.evolve(problem.u, problem.duration, method, tolerance=tolerance)


def py_pde(problem: Problem, tolerance: float) -> Callable[[Problem], np.ndarray] | None:
    """Return a run of py-pde's adaptive Runge-Kutta solver, compiled before it is timed; None if not installed."""
    try:
        import pde
    except ImportError:
        return None
    grid = pde.CartesianGrid([[0, 1]], CELLS, periodic=False)
    equation = pde.PDE({"c": f"{problem.diffusivity} * laplace(c) + {problem.rule}"}, bc={"derivative": 0})
    field = pde.ScalarField(grid, problem.u)
    solver = pde.RungeKuttaSolver(equation, adaptive=True, tolerance=tolerance, backend="numba")
    stepper = solver.make_stepper(field, dt=1e-4)

    def run(_: Problem) -> np.ndarray:
        state = field.copy()
        stepper(state, 0, problem.duration)
        return state.data

    return run


@dataclass(frozen=True)
class Point:
    """One run: its error relative to the field's range, seconds, and calls of the user's function (0: not known)."""

    error: float
    seconds: float
    calls: int


def measure(problem: Problem, run: Callable[[Problem], np.ndarray], exact: np.ndarray, scale: float) -> Point:
    """Return the error, the best time, and the calls counted in a first run, which also compiles."""
    functions = {name: getattr(problem, name) for name in ("wall", "source")}
    counted = {name: Calls(f) for name, f in functions.items() if callable(f) and not isinstance(f, dc.Schedule)}
    run(dataclasses.replace(problem, **counted))
    took: list[float] = []
    while len(took) < ROUNDS and (not took or took[0] < LONGEST):
        start = time.process_time()
        u = run(problem)
        took.append(time.process_time() - start)
    error = float(np.abs(u - exact).max()) / scale
    return Point(max(error, 1e-16), min(took), sum(each.count for each in counted.values()))


def contenders(problem: Problem, tolerance: float, scale: float) -> dict[str, Callable[[Problem], np.ndarray]]:
    """Return who runs at a tolerance."""
    mine = [method for method in problem.ours if tolerance >= FINEST.get(method, TOLERANCES[-1])]
    theirs = [method for method in PEERS if tolerance >= FINEST.get(method, TOLERANCES[-1])]
    runs: dict[str, Callable] = {method: partial(ours, method=method, tolerance=tolerance) for method in mine}
    runs |= {method: partial(peer, method=method, rtol=tolerance, atol=tolerance * scale) for method in theirs}
    compiled = py_pde(problem, tolerance) if problem.rule and tolerance >= TOLERANCES[-1] else None
    return runs if compiled is None else runs | {"py-pde": compiled}


def curves(problem: Problem) -> dict[str, list[Point]]:
    """Return each contender's points, and print them."""
    exact = peer(problem, "Radau", 1e-12, 1e-13)
    scale = max(np.ptp(problem.u), np.ptp(exact), np.abs(exact - problem.u).max())
    found: dict[str, list[Point]] = {}
    for tolerance in (*TOLERANCES, 1e-11):
        for name, run in contenders(problem, tolerance, scale).items():
            point = measure(problem, run, exact, scale)
            found.setdefault(name, []).append(point)
            print(
                f"{problem.title:18} {tolerance:.0e} {name:10} error {point.error:.1e} "
                f"{1e3 * point.seconds:9.2f} ms {point.calls:7d} calls",
                flush=True,
            )
    return found


def work_at(points: list[Point], error: float, field: str) -> float:
    """Return the work that an error takes: log-log between points, at most a decade beyond the last, then infinite."""
    order = sorted(points, key=lambda point: -point.error)
    logs = np.log([(point.error, getattr(point, field)) for point in order])
    goal = math.log(error)
    if goal >= logs[0, 0]:
        return float(getattr(order[0], field))
    if len(order) == 1 or goal < logs[-1, 0] - math.log(10):
        return math.inf
    index = min(int(np.searchsorted(-logs[:, 0], -goal)), len(order) - 1)
    (e0, w0), (e1, w1) = logs[index - 1], logs[index]
    return math.exp(w0 + (w1 - w0) * (goal - e0) / (e1 - e0))


def verdict(found: dict[str, list[Point]], field: str) -> str:
    """Return, for each error, where `auto` stands against the best peer, and each peer's work over that of `auto`."""
    words = []
    peers = [name for name in found if name not in OURS and getattr(found[name][0], field)]
    for error in TOLERANCES:
        ratios = {name: work_at(found[name], error, field) / work_at(found["auto"], error, field) for name in peers}
        least = min(ratios.values())
        word = "ahead" if least > LEVEL else "behind" if least < 1 / LEVEL else "level"
        words.append(f"{error:.0e} {word} (" + ", ".join(f"{name} {ratio:.2f}" for name, ratio in ratios.items()) + ")")
    return "; ".join(words)


def draw(results: dict[str, dict[str, list[Point]]], field: str, label: str, path: Path) -> None:
    """Write one picture: a panel per problem, error across, work upwards."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, (len(results) + 1) // 2, figsize=(12, 6.4), layout="constrained", squeeze=False)
    shown: dict[str, object] = {}
    for axis in axes.flat[len(results) :]:
        axis.set_visible(False)
    for axis, (title, found) in zip(axes.flat, results.items(), strict=False):
        for name, points in found.items():
            if not all(getattr(point, field) for point in points):
                continue
            colour, marker, line = MARKS[name]
            work = [getattr(point, field) * (1e3 if field == "seconds" else 1) for point in points]
            shown[name] = axis.loglog(
                [point.error for point in points],
                work,
                color=colour,
                marker=marker,
                linestyle=line,
                markersize=6 if name == "auto" else 4.5,
                linewidth=2.2 if name == "auto" else 1.2,
                zorder=3 if name == "auto" else 2,
            )[0]
        axis.invert_xaxis()
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
    names = [name for name in MARKS if name in shown]
    figure.supxlabel("largest error at the end, relative to the field's range (smaller to the right)", fontsize=10)
    figure.supylabel(label, fontsize=10)
    figure.legend([shown[n] for n in names], names, loc="outside upper center", ncols=len(names), frameon=False)
    figure.savefig(path, dpi=80)
    pyplot.close(figure)


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.work_precision", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the two pictures go")
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")  # of a peer about its own step
    results = {problem.title: curves(problem) for problem in problems()}
    called = {title: found for title, found in results.items() if found["auto"][0].calls}
    for field, among in (("seconds", results), ("calls", called)):
        for title, found in among.items():
            print(f"{field:8} {title:18} {verdict(found, field)}")
    draw(results, "seconds", "processor time [ms]", options.folder / "work_precision_time.png")
    draw(called, "calls", "calls of the wall's or source's function", options.folder / "work_precision_calls.png")


if __name__ == "__main__":
    main()
