"""Diffusion on a square: explicit steps, one by one and in one transform, against py-pde, Devito, NumPy, scipy.ndimage.

All contenders reach the same time. Those that would take too long run fewer steps, and their time is scaled up.
"""

from collections.abc import Callable, Iterator

import numpy as np
import scipy.ndimage

import diffuseconv as dc

from ._timing import Call, Case


def slices(u: np.ndarray, r: float, steps: int) -> np.ndarray:
    """Apply explicit steps with NumPy slices, behind mirrors."""
    padded = np.pad(u, 1, mode="edge")
    for _ in range(steps):
        inner = padded[1:-1, 1:-1]
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        inner += r * (around - 4 * inner)
        padded[0], padded[-1] = padded[1], padded[-2]
        padded[:, 0], padded[:, -1] = padded[:, 1], padded[:, -2]
    return padded[1:-1, 1:-1]


def laplace(u: np.ndarray, r: float, steps: int) -> np.ndarray:
    """Apply explicit steps with scipy.ndimage, behind mirrors."""
    for _ in range(steps):
        u = u + r * scipy.ndimage.laplace(u, mode="reflect")
    return u


def py_pde(u: np.ndarray, step: float, diffusivity: np.ndarray | None = None) -> Callable[[int], np.ndarray] | None:
    """Return py-pde's compiled stepper, or None where it is not installed."""
    try:
        import pde
    except ImportError:
        return None
    grid = pde.CartesianGrid([[0, n] for n in u.shape], u.shape, periodic=False)
    if diffusivity is None:
        equation = pde.DiffusionPDE(1.0, bc={"derivative": 0})
    else:
        constants = {"D": pde.ScalarField(grid, diffusivity)}
        rule = "D * laplace(c) + dot(gradient(D), gradient(c))"
        equation = pde.PDE({"c": rule}, consts=constants, bc={"derivative": 0})
    field = pde.ScalarField(grid, u)
    solver = pde.EulerSolver(equation, backend="numba")
    stepper = solver.make_stepper(field, dt=step)

    def run(steps: int) -> np.ndarray:
        state = field.copy()
        stepper(state, 0, steps * step)
        return state.data

    return run


def devito(u: np.ndarray, step: float, diffusivity: np.ndarray | None) -> Callable[[int], object] | None:
    """Return Devito's generated code with OpenMP (Dirichlet edges, arithmetic means), or None without Devito."""
    try:
        from devito import Eq, Function, Grid, Operator, TimeFunction, configuration
    except ImportError:
        return None
    configuration["log-level"], configuration["language"] = "ERROR", "openmp"
    grid = Grid(shape=u.shape, extent=[n - 1 for n in u.shape], dtype=u.dtype.type)
    c = TimeFunction(name="c", grid=grid, space_order=2)
    d = Function(name="d", grid=grid, space_order=2)
    d.data[:] = 1.0 if diffusivity is None else diffusivity
    change = 0
    for axis in grid.dimensions:
        for move in (axis - axis.spacing, axis + axis.spacing):
            rate = 1 if diffusivity is None else (d + d.subs(axis, move)) / 2
            change += rate * (c.subs(axis, move) - c)
    operator = Operator(Eq(c.forward, c + step * change, subdomain=grid.interior))

    def run(steps: int) -> None:
        c.data[:] = u
        operator.apply(time_M=steps - 1)

    return run


def compare(size: int, steps: int, varied: bool) -> Case:
    """Build one problem; a step rounds to a few units in the last place, and py-pde's varied D is another scheme."""
    rng = np.random.default_rng(0)
    u = rng.random((size, size))
    diffusivity = 0.5 + rng.random((size, size)) if varied else None
    eq = dc.DiffusionEquation(1.0 if diffusivity is None else diffusivity)
    step = eq.stable_time_step(u.shape) / 2
    few = max(1, steps // 20)
    contenders: dict[str, Call] = {"diffuseconv explicit": lambda: eq.evolve(u, steps * step, "explicit", step)}
    part: dict[str, Call] = {}
    if diffusivity is None:
        contenders["diffuseconv spectral"] = lambda: eq.evolve(u, steps * step, "spectral")
        contenders["diffuseconv explicit_steps (the same steps at once)"] = lambda: eq.explicit_steps(u, steps, step)
        part["NumPy slices"] = lambda: slices(u, step, few)
        part["scipy.ndimage.laplace"] = lambda: laplace(u, step, few)
    stepper = py_pde(u, step, diffusivity)
    if stepper is not None:
        part["py-pde (numba, warm)"] = lambda: stepper(few)
    generated = devito(u, step, diffusivity)
    if generated is not None:
        contenders["devito (OpenMP)"] = lambda: generated(steps)
    expected = (lambda: eq.evolve(u, few * step, "explicit", step)), 16 * few * float(np.finfo(float).eps)
    return Case(
        f"{size} x {size}, {'varied' if varied else 'constant'} D, {steps} steps, float64",
        contenders | part,
        {} if varied else dict.fromkeys(part, expected),
        scale=dict.fromkeys(part, steps / few),
        multiply_adds=(9 if varied else 5) * u.size * steps,
    )


def cases(quick: bool) -> Iterator[Case]:
    """Yield constant and varied diffusivity."""
    for varied in (False, True):
        yield compare(64 if quick else 256, 200 if quick else 2000, varied)
