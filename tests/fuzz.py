"""Call every public function and method with hostile arguments: ``python tests/fuzz.py SECONDS [ROOM ...]``.

Each call starts from arguments that make sense to most functions, all that are required and some that are not, and
replaces one or two by wrong types, shapes, sizes, arrays of other libraries and extreme numbers. A call may return
finite numbers or raise a documented error in one line; anything else is a finding: other errors, warnings, more than a
few seconds, NaN or infinity made of finite numbers. Files are written to a temporary folder.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import itertools
import os
import signal
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import diffuseconv as dc
from diffuseconv import _checks

SLOW = 30  # seconds of the processor
HANGS = 120  # seconds of the clock
FIELD = np.arange(12.0).reshape(3, 4) % 5
NINE = np.full((3, 3), 1 / 9)
SERIES = np.sin(np.arange(40.0))
IMAGE = np.arange(64.0).reshape(8, 8) % 7
MAPS = np.random.default_rng(0).normal(size=(4, 8, 8))
BLOBS = np.add.outer(np.arange(20.0) ** 2 % 7, np.arange(20.0) % 5)
DOCUMENTED: tuple[type[Exception], ...] = (ValueError, TypeError)
if importlib.util.find_spec("array_api_compat") is None:  # arrays on a device are refused in one line
    DOCUMENTED += (ImportError,)
FILES = (OSError, KeyError)  # of verbs that read and write files
ALSO: dict[str, tuple[type[Exception], ...]] = {
    "measure_until": (RuntimeError,),
    "lcu_circuit": (ImportError,),
    "write_movie": (*FILES, RuntimeError),
}  # errors that they document besides
ALSO |= dict.fromkeys(("load_image", "save_image", "record", "open_run", "resume"), (*FILES, ImportError))
NOT_FINITE = {"compression", "ensemble", "steps_to_mix"}  # whose results may be infinite or NaN, as those of masks may
RECORDS = {  # results, made by functions and not by users: nothing of them is checked
    "learning": {"DiffusivityFit", "Estimate", "KernelFit", "PropagatorFit", "TrainingState"},
    "timeseries": {"ARFit", "Forecast", "Whitened"},
    "spectrum": {"Compression", "ContinuousTheorem", "DiscreteTheorem", "FilterKind"},
    "quantum": {"LCU", "GateCounts", "Readout"},
    "matching": {"Match"},
    "testing": {"Verdict"},
    "boundary": {"Boundary", "Modes"},
}


class Fresh(os.PathLike[str]):
    """A path that is another one each time it is asked for: runs are never written over."""

    def __init__(self, name: str) -> None:
        self.name, self.count = name, itertools.count()

    def __fspath__(self) -> str:
        return f"{self.name}{next(self.count)}.zarr"


EQUATION = {  # arguments of a `DiffusionEquation` on FIELD, of which a few are chosen
    "diffusivity": [
        0.3,
        (0.1, 0.2),
        1.0 + FIELD,
        (np.ones((4, 4)), np.ones((3, 5))),
        np.array([[2.0, 0.5], [0.5, 1.0]]),
    ],
    "spacing": [0.5, (np.ones(3), np.arange(1.0, 5.0))],
    "boundary": [
        "periodic",
        "absorbing",
        "zero",
        ((dc.Dirichlet(1.0), dc.Neumann(0.5)), "reflecting"),
        ((dc.Dirichlet(lambda t: t), dc.Robin(1.0, 2.0, 3.0)), "reflecting"),
        dc.Dirichlet(dc.Schedule([0.0, 0.5], [1.0, 2.0])),
    ],
    "barriers": [(FIELD[:-1] > 2, None), (None, dc.Barrier(FIELD[:, 1:] > 2, 0.1, 0.5))],
    "source": [1.0, FIELD, lambda t: t, lambda t, u: -(u**3), dc.Schedule([0.0, 0.5], [1.0, 0.0], period=1e4)],
    "mask": [FIELD > 0],
    "velocity": [0.1, (np.full((4, 4), 0.2), np.full((3, 5), -0.3))],
    "capacity": [2.0, 1.0 + FIELD],
    "decay": [0.1, FIELD],
    "coordinates": ["cylindrical"],
    "inner_radius": [1.0],
}

SENSIBLE: dict[str, Any] = {
    "field": FIELD,
    "kernel": NINE,
    "bank": np.stack([NINE, NINE]),
    "counts": np.arange(12).reshape(3, 4),
    "propagator": NINE,
    "density": NINE,
    "other": dc.Propagator(NINE),
    "tolerance": 0.5,
    "steps": 2,
    "n": 2,
    "draws": 3,
    "shape": (3, 4),
    "diffusivity": 0.3,
    "duration": 1.0,
    "size": 3,
    "sigma": 1.0,
    "axis": 0,
    "radius": 2.0,
    "angle": 30.0,
    "variance": 1.0,
    "span": 1.0,
    "total": 1.0,
    "expectation": 1.0,
    "first": FIELD,
    "second": FIELD,
    "chances": 0.5,
    "false_alarm": 1e-6,
    "deviations": FIELD,
    "proxy": 9.0,
    "fourth": 99.0,
    "sampler": lambda draws: np.ones(3),
    "series": np.sin(np.arange(40.0)),
    "image": np.arange(64.0).reshape(8, 8) % 7,
    "index": np.arange(-2, 5),
    "boundary": "reflecting",
    "template": np.arange(9.0).reshape(3, 3) % 4,
    "u": FIELD,
    "times": [0.0, 0.5, 1.0],
    "values": [1.0, 2.0, 3.0],
    "start": 0.0,
    "stop": 1.0,
    "weights": [0.25, 0.5, 0.25],
    "coefficients": [0.5, -0.2],
    "autocovariance": [4.0, 2.0, 1.0],
    "order": 1,
    "lags": 3,
    "noise": SERIES,
    "zi": [0.0],
    "model": dc.timeseries.ARIMA([0.5], [0.3], 0, 0.1, 2.0),
    "count": 5,
    "data": MAPS.reshape(-1, 8),
    "confidence": 0.9,
    "f": [0.25, 0.5, 0.25],
    "g": [0.5, 0.5, 1.0],
    "x": [0.0, 1.0, 3.0],
    "y": [0.0, 2.0, 2.5],
    "at": [0.5, 1.5],
    "starts": (1.0, 2.0),
    "inputs": MAPS,
    "outputs": MAPS,
    "maps": MAPS,
    "targets": MAPS,
    "initial": np.stack([NINE, -NINE]),
    "patch": 4,
    "momentum": 0.5,
    "rate": 0.1,
    "ridge": 0.1,
    "before": IMAGE,
    "after": dc.DiffusionEquation(0.5).evolve(IMAGE, 1.0),
    "before_noise": 0.1,
    "psi": np.array([1.0, 1j, 0.5, 0.0]),
    "potential": [0.0, 1.0, 0.5, 0.0],
    "hbar": 2.0,
    "mass": 0.5,
    "time_step": 0.1,
    "state": np.eye(2, 5),
    "coin": np.array([[0.6, 0.8], [0.8, -0.6]]),
    "stencil": [0.5, 0.0, 0.5],
    "centre": 1.5,
    "width": 1.0,
    "wavenumber": 0.5,
    "shots": 10,
    "frequency": (1, 2),
    "edits": [dc.spectrum.Dot((1, 1))],
    "frequencies": np.linspace(-1, 1, 9),
    "positions": np.linspace(-2, 2, 17),
    "transform": np.ones(9),
    "padding": 8,
    "rotated": np.rot90(IMAGE),
    "edge": 0.1,
    "norm": "ortho",
    "workers": 1,
    "widths": [(1, 2), (0, 1)],
    "field_shape": (64, 64),
    "kernel_shape": (5, 5),
    "length": 5.0,
    "truncate": 4.0,
    "wavelength": 3.0,
    "phase": 30.0,
    "aspect": 0.5,
    "amount": 0.5,
    "points": 9,
    "diagonal": 1,
    "mode": "same",
    "method": "auto",
    "axes": (0, 1),
    "mask": FIELD > 0,
    "rng": 7,
    "members": 3,
    "max_draws": 1000,
    "minimum": 0.1,
    "separation": 2.0,
    "rounding": 1e-12,
    "independent": False,
    "path": "picture.png",
    "frames": [FIELD, FIELD / 2, FIELD / 4],
    "fps": 5,
    "limits": (0.0, 5.0),
    "scale": 2,
    "bits": 16,
    "colormap": "viridis",
    "gray": False,
    "max_pixels": 100,
    "progress": False,
    "dtype": "float32",
    "shut": FIELD[:-1] > 2,
    "permeability": 0.1,
    "lifted_at": 0.5,
    "period": 4.0,
    "kind": "linear",
    "value": 1.0,
    "flux": 0.5,
    "a": 1.0,
    "b": 2.0,
    "c": 3.0,
    "ndim": 2,
    "temperature": 0.5,
    "max_step": 0.5,
    "jumps": [0.25],
    "max_terms": 10,
    "velocity": 0.1,
}
SENSIBLE_FOR: dict[str, dict[str, Any]] = {  # where a name means something else
    "basis": {"size": 5, "count": 3},
    "copies": {"mirrored": True, "sign": 1},
    "images_per_axis": {"ndim": 2},
    "extend": {"boundary": ["reflecting", "periodic"]},
    "transform": {"boundary": ["reflecting", "periodic"]},
    "halved_axis": {"boundary": ["reflecting", "periodic"]},
    "inverse_transform": {"modes": FIELD[:, :3], "boundary": ["reflecting", "periodic"]},
    "ARIMA": {"ar": [0.5], "ma": [0.3], "differences": 1, "intercept": 0.5, "noise_variance": 2.0},
    "moving_average": {"mask": SERIES > 0},
    "autocovariance": {"mask": SERIES > -0.9},
    "fit_ar": {"mask": SERIES > -0.9, "method": "least-squares"},
    "whiten": {"method": "zca", "tolerance": 0.01},
    "forecast": {"steps": 3},
    "impulse_response": {"count": 7},
    "fit_kernel": {"shape": (3, 3), "inputs": IMAGE, "outputs": IMAGE},
    "fit_propagator": {"shape": (3, 3)},
    "train_bank": {"shape": (3, 3), "inputs": IMAGE, "targets": np.stack([IMAGE, -IMAGE]), "rate": 0.01},
    "bank_gradient": {"targets": np.stack([FIELD, -FIELD])},
    "wave_packet": {"shape": 16},
    "classical_walk": {"density": [0.2, 0.5, 0.3]},
    "coined_walk": {"steps": 3},
    "read_out": {"counts": np.array([3, 0, 5]), "scale": 0.5},
    "lcu_convolve": {"image": np.arange(4.0), "kernel": [0.5, 0.5]},
    "lcu_circuit": {"image": np.arange(4.0), "kernel": [0.5, 0.5]},
    "frames": {"times": [0.0, 0.5]},
    "kernels": {},
    "box": {"size": (3, 5)},
    "band_pass": {"radius": (1.0, 2.0)},
    "fourier_transform": {"values": np.cos(np.linspace(-2, 2, 17))},
    "continuous_theorem": {"f": np.ones(17), "g": np.exp(-(np.linspace(-2, 2, 17) ** 2))},
    "rotation_between": {"image": BLOBS, "rotated": np.rot90(BLOBS)},
    "assert_converges": {"expectation": np.ones(3)},
    "assert_frequencies": {"counts": 5, "draws": 10},
    "assert_independent": {"first": np.array([0.5, -0.5, 0.5, -0.5]), "second": np.array([0.5, 0.5, -0.5, -0.5])},
    "assert_variance": {"first": np.array([0.5, -0.5, 0.5, -0.5]), "second": np.array([0.5, 0.5, -0.5, -0.5])},
    "write_movie": {"path": "film.gif"},
    "record": {"path": Fresh("run"), "frames": [(0.0, FIELD), (0.5, FIELD)], "rng": np.random.default_rng(2)},
    "open_run": {"path": "run.zarr"},
    "resume": {"path": "run.zarr"},
    "load_image": {"shape": (2, 2)},
    "Schedule": {"times": [0.0, 1.0], "values": [1.0, 2.0]},
    "Line": {"start": (0, 1), "stop": (2, 3)},
    "heat": {"tolerance": 1e-12},
    "steps_to_mix": {"tolerance": 0.1, "shape": (3, 4)},
    "stable_time_step": {"ndim_or_shape": (3, 4)},
    "explicit_steps": {"steps": 3, "time_step": 0.01},
    "evolve": {"tolerance": 1e-3},
}
HOSTILE: list[Any] = [
    None,
    True,
    "x",
    b"x",
    object(),
    {},
    [],
    [[1], [2, 3]],
    (),
    -1,
    0,
    1,
    7,
    10**5,
    10**12,
    10**30,
    10**5000,
    -0.5,
    0.0,
    0.3,
    1e-300,
    1e300,
    np.nan,
    np.inf,
    1j,
    np.complex64(1 + 2j),
    np.array("2.5"),
    np.ones(0),
    np.ones((0, 3)),
    np.ones((2, 2)),
    np.ones((2, 2, 2)),
    np.ones((2, 2, 2, 2)),
    np.ones((3, 4), np.float32) * 3e38,
    FIELD * 1e307,
    FIELD * 1e-310,
    FIELD.astype(np.float16),
    FIELD.astype(np.longdouble),
    FIELD.astype(object),
    FIELD * 1j,
    np.where(FIELD == 1, np.nan, FIELD),
    np.ma.masked_equal(FIELD, 1),
    np.array([["a", "b"]]),
    np.array(["2020"], "datetime64[D]"),
    np.broadcast_to(1.0, (3, 4)),
    np.arange(5),
    np.random.default_rng(1),
    "reflecting",
    ("zero", "periodic"),
    (0, 0),
    slice(3),
    float,
    itertools.count(),
]
try:  # where torch is installed, its tensors are hostile too
    import torch

    HOSTILE += [torch.ones(3, 4, requires_grad=True), torch.ones(3, 4, dtype=torch.bfloat16), [torch.ones(1)] * 2]
except ImportError:
    pass


METHODS = {
    "propagator": ("softmax", "normalized", "heat", "compose", "power", "drift", "diffusivity", "steps_to_mix"),
    "diffusion": (
        "evolve",
        "frames",
        "explicit_steps",
        "steady_state",
        "propagator",
        "operator",
        "flux",
        "total_mass",
        "mass_balance",
        "entropy",
        "energy",
        "stable_time_step",
        "cell_peclet",
    ),
}


def functions(rooms: tuple[str, ...] = ()) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function and class, and the methods of `Propagator`, under their full names."""
    for name in dc.__all__:
        value = getattr(dc, name)
        if isinstance(value, types.ModuleType):
            if name != "interop":
                pairs = [(f"{name}.{inner}", getattr(value, inner)) for inner in value.__all__]
                made = RECORDS.get(name, set())
                yield from (
                    pair
                    for pair in pairs
                    if callable(pair[1]) and pair[0].rpartition(".")[2] not in made and (not rooms or name in rooms)
                )
        elif callable(value) and (not rooms or value.__module__.split(".")[1] in rooms):
            yield name, value
    if not rooms or "images" in rooms:
        yield "images.resize", dc.images.resize
    if not rooms or "propagator" in rooms:
        p = dc.Propagator(NINE)
        for name in METHODS["propagator"]:
            yield f"Propagator.{name}", getattr(p, name)


def equation(rng: np.random.Generator, hostile: bool) -> Callable[..., Any]:
    """Return a method of some equation, of which one argument may be hostile."""
    options = list(EQUATION)
    chosen: dict[str, Any] = {}
    for name in rng.permutation(options)[: rng.integers(4)]:
        chosen[str(name)] = EQUATION[str(name)][rng.integers(len(EQUATION[str(name)]))]
    if "inner_radius" in chosen:
        chosen.setdefault("coordinates", "cylindrical")  # which alone have one
    if hostile:
        chosen[options[rng.integers(len(options))]] = HOSTILE[rng.integers(len(HOSTILE))]
    names = METHODS["diffusion"]
    method = names[0] if rng.random() < 0.4 else names[rng.integers(len(names))]

    def call(**given: Any) -> Any:
        return getattr(dc.DiffusionEquation(**chosen), method)(**given)

    call.__signature__ = inspect.signature(  # type: ignore[attr-defined]
        lambda *_: None
    ).replace(parameters=list(inspect.signature(getattr(dc.DiffusionEquation, method)).parameters.values())[1:])
    call.__doc__ = f"DiffusionEquation({shown(chosen)}).{method}"
    call.equation = chosen  # type: ignore[attr-defined]
    return call


def shown(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_checks.got(value)}" for name, value in arguments.items())


def arguments(name: str, function: Callable[..., Any], rng: np.random.Generator, hostile: int) -> dict[str, Any] | None:
    """Return sensible arguments, so many of which are hostile; None where there is nothing to pass."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return None
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not named:
        return None
    sensible = SENSIBLE | SENSIBLE_FOR.get(name.rpartition(".")[2], {})
    chosen = {p.name: sensible.get(p.name, 1.0) for p in named if p.default is p.empty}
    often = 0.8 if name.endswith("steady_state") else 0.2  # without a field most equations have no steady state
    chosen |= {p.name: sensible[p.name] for p in named if p.name in sensible and rng.random() < often}
    for _ in range(hostile):
        for step in ("time_step", "max_step"):  # of which a long duration rightly takes many
            chosen.pop(step, None)
        chosen[named[rng.integers(len(named))].name] = HOSTILE[rng.integers(len(HOSTILE))]
    return chosen


def numbers(value: Any, depth: int = 3) -> Iterator[np.ndarray]:
    """Yield the arrays of floating-point numbers in a result."""
    if isinstance(value, (float, complex, np.ndarray, np.inexact)):
        array = np.asarray(value)
        if array.dtype.kind in "fc":
            yield array
    elif depth and isinstance(value, (list, tuple)):
        for item in value:
            yield from numbers(item, depth - 1)
    elif depth and dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from numbers(getattr(value, field.name), depth - 1)


def _too_slow(*_: object) -> None:
    raise TimeoutError(f"no answer in {SLOW} seconds of the processor, or {HANGS} of the clock")


def _timed(seconds: float, hangs: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, hangs)


def finding(name: str, function: Callable[..., Any], chosen: dict[str, Any]) -> str | None:
    """Call a function, and return what is wrong with what it did."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _timed(SLOW, HANGS)
            result = function(**chosen)
            if isinstance(result, Iterator):
                result = list(itertools.islice(result, 2))
            _timed(0, 0)
    except (*DOCUMENTED, *ALSO.get(name.rpartition(".")[2], ())) as error:
        text = str(error)
        foreign = "\n" in text or not text or "unexpected keyword" in text
        return f"{type(error).__name__} in many lines, or empty: {text!r}" if foreign else None
    except AssertionError as error:
        return None if name.startswith("testing.") else f"AssertionError: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        _timed(0, 0)
    if (
        name.rpartition(".")[2] in NOT_FINITE
        or chosen.get("mask") is not None
        or not all(map(_is_finite, chosen.values()))
    ):
        return None
    given = getattr(function, "equation", {})
    if not all(map(_is_finite, given.values())):
        return None
    infinite_by_right = "cell_peclet" in name or "stable_time_step" in name
    return None if infinite_by_right or _is_finite(result) else "NaN or infinity from finite numbers"


def _is_finite(value: Any) -> bool:
    return all(np.isfinite(a).all() for a in numbers(value))


def search(rng: np.random.Generator, calls: float, seconds: float, rooms: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the findings of so many calls, or of so many seconds, one for each function and kind."""
    for alarm in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(alarm, _too_slow)
    pool, found, end = list(functions(rooms)), {}, time.monotonic() + seconds
    equations = 0.4 * (not rooms or "diffusion" in rooms)
    for number in itertools.count():
        if number >= calls or time.monotonic() > end:
            return found
        if rng.random() < equations:
            hostile = int(rng.integers(0, 2))
            function = equation(rng, hostile == 0)
            name = str(function.__doc__)
            chosen = arguments(f"DiffusionEquation.{name.rpartition('.')[2]}", function, rng, hostile)
        else:
            name, function = pool[rng.integers(len(pool))]
            chosen = arguments(name, function, rng, int(rng.integers(1, 3)))
        if chosen is None:
            continue
        wrong = finding(name, function, chosen)
        if wrong is not None:
            kind = name if "(" not in name else f"DiffusionEquation.{name.rpartition('.')[2]}"
            found.setdefault(f"{kind}: {wrong[:60]}", f"{name}({shown(chosen)})\n    {wrong[:200]}")
    raise AssertionError("unreachable")


if __name__ == "__main__":
    import resource
    import tempfile

    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))  # what asks for more is refused, not the machine
    seed = int(time.time())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        dc.save_image("picture.png", FIELD)  # what is read must be there
        if importlib.util.find_spec("zarr") is not None and importlib.util.find_spec("xarray") is not None:
            dc.record("run.zarr", [(0.0, FIELD), (0.5, FIELD / 2)])
        results = search(np.random.default_rng(seed), np.inf, float(sys.argv[1]), tuple(sys.argv[2:]))
        os.chdir("/")
    print(*results.values(), f"{len(results)} findings with seed {seed}", sep="\n")
    sys.exit(bool(results))
