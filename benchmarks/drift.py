"""Drift on a periodic square: the exact solution, explicit steps and Poisson-weighted ones against py-pde.

py-pde solves the same equation by the same central differences where the velocity is constant; where it varies, by
differences at cell centres that conserve no mass, so that results agree only to a few per cent and are not compared.
Its loops are timed with all threads and with one: which is quicker depends on what else the machine does.
"""

from collections.abc import Callable, Iterator

import numba
import numpy as np

import diffuseconv as dc
from diffuseconv.diffusion.uniformization import poisson_weights

from ._timing import Call, Case

STEP = 0.1  # of all explicit contenders


def swirl(size: int) -> tuple[np.ndarray, ...]:
    """Return the velocity on the faces of two vortices and their opposites, from a stream function on corners."""
    corner = 2 * np.pi * np.arange(size + 1) / size
    stream = size / 5 * np.outer(np.sin(corner), np.sin(corner))
    velocity = np.diff(stream, axis=1), -np.diff(stream, axis=0)
    for axis, along in enumerate(velocity):  # the first and the last face of a periodic axis are one
        np.moveaxis(along, axis, 0)[-1] = np.moveaxis(along, axis, 0)[0]
    return velocity


def py_pde(u: np.ndarray, velocity: tuple, threads: int) -> Callable[[int], np.ndarray] | None:
    """Return py-pde's compiled stepper, or None where it is not installed."""
    try:
        import pde
    except ImportError:
        return None
    grid = pde.CartesianGrid([[0, n] for n in u.shape], u.shape, periodic=True)
    rule = "laplace(c) - x_drift * d_dx(c) - y_drift * d_dy(c)"
    names = "x_drift", "y_drift"
    if np.ndim(velocity[0]):
        centred = ((np.moveaxis(v, axis, 0)[1:] + np.moveaxis(v, axis, 0)[:-1]) / 2 for axis, v in enumerate(velocity))
        fields = (pde.ScalarField(grid, np.moveaxis(v, 0, axis)) for axis, v in enumerate(centred))
        constants = dict(zip(names, fields, strict=True))
    else:
        constants = dict(zip(names, velocity, strict=True))
    field = pde.ScalarField(grid, u)
    equation = pde.PDE({"c": rule}, consts=constants, bc="auto_periodic_neumann")

    def with_threads(call: Callable[[], object]) -> object:
        before = numba.get_num_threads()
        numba.set_num_threads(min(threads, before))
        try:
            return call()
        finally:
            numba.set_num_threads(before)

    stepper = with_threads(lambda: pde.EulerSolver(equation, backend="numba").make_stepper(field, dt=STEP))

    def run(steps: int) -> np.ndarray:
        state = field.copy()
        with_threads(lambda: stepper(state, 0, steps * STEP))
        return state.data

    return run


def compare(size: int, steps: int, varying: bool, duration: float) -> Case:
    """Build one problem; py-pde takes a few of the steps, and its time is scaled up."""
    u = np.random.default_rng(0).random((size, size))
    velocity = swirl(size) if varying else (0.3, 0.2)
    eq = dc.DiffusionEquation(boundary="periodic", velocity=velocity)
    part = {
        f"py-pde (numba, warm), {word}": stepper
        for word, threads in (("one thread", 1), ("all threads", 1 << 10))
        if (stepper := py_pde(u, velocity, threads)) is not None
    }
    few = 20
    peers: dict[str, Call] = {name: (lambda stepper=stepper: stepper(few)) for name, stepper in part.items()}
    if not varying:
        expected = (lambda: eq.evolve(u, few * STEP, "explicit", STEP)), 1e-12
        return Case(
            f"{size} x {size}, constant velocity, periodic, to t = {duration:g}",
            {"diffuseconv spectral": lambda: eq.evolve(u, duration)} | peers,
            dict.fromkeys(peers, expected),
            scale=dict.fromkeys(peers, duration / STEP / few),
        )
    rate = float(eq.lattice(u.shape).outflow().max())
    first, weights = poisson_weights(steps, 1e-12)
    terms = first + len(weights)
    contenders: dict[str, Call] = {
        "diffuseconv explicit": lambda: eq.evolve(u, steps * STEP, "explicit", STEP),
        "diffuseconv uniformization, as many terms": lambda: eq.evolve(u, steps / rate, "uniformization"),
    }
    scale = dict.fromkeys(peers, steps / few) | {"diffuseconv uniformization, as many terms": steps / terms}
    return Case(f"{size} x {size}, varying velocity, {steps} steps", contenders | peers, scale=scale)


def cases(quick: bool) -> Iterator[Case]:
    """Yield a constant and a varying velocity."""
    size, steps = (64, 100) if quick else (256, 1000)
    yield compare(size, steps, False, 100.0 if quick else 2000.0)
    yield compare(size, steps, True, 0.0)
