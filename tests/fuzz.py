"""Call every public function with hostile arguments: ``python tests/fuzz.py SECONDS [ROOM ...]``.

Each call starts from arguments that make sense and replaces one or two of them by wrong types, shapes, sizes, arrays of
other libraries and extreme numbers. A call may return finite numbers or raise a documented error in one line; anything
else is a finding: other errors, warnings, more than a few seconds, NaN or infinity made of finite numbers.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
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

SLOW = 10  # seconds
FIELD = np.arange(12.0).reshape(3, 4) % 5
NINE = np.full((3, 3), 1 / 9)
DOCUMENTED = (ValueError, TypeError)
ALSO = {"measure_until": RuntimeError}  # errors that a function documents besides
UNTOUCHED = {"load_image", "save_image", "write_movie", "record", "open_run", "resume"}  # they read and write files

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
    "velocity": 0.1,
    "capacity": 1.0,
    "decay": 0.1,
    "coordinates": "cartesian",
    "spacing": (np.ones(3), np.ones(4)),
    "axes": (0, 1),
    "max_step": 0.5,
    "index": np.arange(-2, 5),
    "boundary": "reflecting",
    "template": np.arange(9.0).reshape(3, 3) % 4,
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
    10**6,
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
]
try:  # where torch is installed, its tensors are hostile too
    import torch

    HOSTILE += [torch.ones(3, 4, requires_grad=True), torch.ones(3, 4, dtype=torch.bfloat16), [torch.ones(1)] * 2]
except ImportError:
    pass


def functions(rooms: tuple[str, ...] = ()) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield every public function and class, and the methods of `Propagator`, under their full names."""
    for name in dc.__all__:
        value = getattr(dc, name)
        if isinstance(value, types.ModuleType):
            if name != "interop":
                pairs = [(f"{name}.{inner}", getattr(value, inner)) for inner in value.__all__]
                yield from (pair for pair in pairs if callable(pair[1]) and (not rooms or name in rooms))
        elif callable(value) and name not in UNTOUCHED and (not rooms or value.__module__.split(".")[1] in rooms):
            yield name, value
    if not rooms or "propagator" in rooms:
        p = dc.Propagator(NINE)
        for name in ("softmax", "normalized", "heat", "compose", "power", "drift", "diffusivity", "steps_to_mix"):
            yield f"Propagator.{name}", getattr(p, name)


def arguments(function: Callable[..., Any], rng: np.random.Generator) -> dict[str, Any] | None:
    """Return sensible arguments of which one or two are hostile, None where there is nothing to pass."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return None
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    if not named:
        return None
    chosen = {p.name: SENSIBLE.get(p.name, 1.0) for p in named if p.default is p.empty}
    for _ in range(int(rng.integers(1, 3))):
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
    raise TimeoutError(f"no answer in {SLOW} seconds")


def finding(name: str, function: Callable[..., Any], chosen: dict[str, Any]) -> str | None:
    """Call a function, and return what is wrong with what it did."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            signal.alarm(SLOW)
            result = function(**chosen)
            if isinstance(result, Iterator):
                result = list(itertools.islice(result, 2))
            signal.alarm(0)
    except (*DOCUMENTED, ALSO.get(name, ValueError)) as error:
        text = str(error)
        foreign = "\n" in text or not text or "unexpected keyword" in text
        return f"{type(error).__name__} in many lines, or empty: {text!r}" if foreign else None
    except AssertionError as error:
        return None if name.startswith("testing.") else f"AssertionError: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    whole = name.rpartition(".")[2]
    if any(not np.isfinite(a).all() for v in chosen.values() for a in numbers(v)) or whole in {"ensemble"}:
        return None
    bad = any(not np.isfinite(a).all() for a in numbers(result))
    return "NaN or infinity from finite numbers" if bad and whole != "steps_to_mix" else None


def search(rng: np.random.Generator, calls: float, seconds: float, rooms: tuple[str, ...] = ()) -> dict[str, str]:
    """Return the findings of so many calls, or of so many seconds, one for each function and kind."""
    signal.signal(signal.SIGALRM, _too_slow)
    pool, found, end = list(functions(rooms)), {}, time.monotonic() + seconds
    for number in itertools.count():
        if number >= calls or time.monotonic() > end:
            return found
        name, function = pool[rng.integers(len(pool))]
        chosen = arguments(function, rng)
        if chosen is None:
            continue
        wrong = finding(name, function, chosen)
        if wrong is not None:
            shown = ", ".join(f"{key}={_checks.got(value)}" for key, value in chosen.items())
            found.setdefault(f"{name}: {wrong[:60]}", f"{name}({shown})\n    {wrong[:200]}")
    raise AssertionError("unreachable")


if __name__ == "__main__":
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))  # what asks for more is refused, not the machine
    seed = int(time.time())
    results = search(np.random.default_rng(seed), np.inf, float(sys.argv[1]), tuple(sys.argv[2:]))
    print(*results.values(), f"{len(results)} findings with seed {seed}", sep="\n")
    sys.exit(bool(results))
