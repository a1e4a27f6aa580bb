"""What the page asks and what Python answers: every number on the page comes from the package's functions.

A request is a dict with ``"ask"``, the name of one of the functions below, and its options. Fields travel as text:
float32, little-endian, base64. `answer` is all that a server or a notebook needs.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffuseconv import kernels, spectrum
from diffuseconv._checks import all_finite, choice, count, got, number
from diffuseconv._colours import table
from diffuseconv._typing import Array
from diffuseconv.convolution import convolve
from diffuseconv.diffusion import DiffusionEquation
from diffuseconv.interpretation import interpret
from diffuseconv.measurement import measure, scatter
from diffuseconv.propagator import Propagator

__all__ = [
    "Session",
    "answer",
    "clear",
    "filtered",
    "grains",
    "kernel",
    "measured",
    "paint",
    "photograph",
    "run",
    "start",
    "waves",
]

SIZE = 256  # cells of the tank along each axis
LARGEST = 1024  # cells of a picture along each axis
FASTEST = 50.0  # cells a second that salt drifts
GRAINS = 10_000
WALLS = ("reflecting", "periodic", "absorbing")
CATALOGUE = {
    "identity": kernels.identity,
    "box": kernels.box,
    "gaussian": kernels.gaussian,
    "sharpen": kernels.sharpen,
    "edge_detector": kernels.edge_detector,
    "laplacian": kernels.laplacian,
    "sobel": kernels.sobel,
    "emboss": kernels.emboss,
    "motion_blur": kernels.motion_blur,
    "disc": kernels.disc,
}


@dataclass
class Session:
    """What one page works on: a tank of salt with walls in it, a picture, and the sum of its measurements."""

    salt: Array = field(default_factory=lambda: np.zeros((SIZE, SIZE)))
    water: Array = field(default_factory=lambda: np.ones((SIZE, SIZE), bool))  # False where a wall stands
    time: float = 0.0
    equation: DiffusionEquation | None = None  # of the last run, which knows what it has worked out
    asked: tuple[object, ...] = ()  # what it was made for
    picture: Array = field(default_factory=lambda: _test_card())
    measured: Array | None = None
    draws: int = 0


def answer(session: Session, request: Any) -> dict[str, Any]:
    """Return the answer to a request, or ``{"error": one line}``.

    Parameters
    ----------
    session : Session
        What the page works on; some requests change it.
    request : dict
        ``"ask"`` and the options of that question.

    Returns
    -------
    dict
        Ready for JSON.

    Examples
    --------
    >>> answer(Session(), {"ask": "kernel", "name": "sharpen"})["summary"]
    'Sharpens: the identity minus diffusion, which is diffusion run backward.'
    """
    try:
        if not isinstance(request, dict):
            raise TypeError(f"request must be an object, got {got(request)}")
        options = {key: value for key, value in request.items() if key != "ask"}
        ask = choice("ask", request.get("ask"), tuple(QUESTIONS))
        return QUESTIONS[ask](session, **options)
    except (TypeError, ValueError, KeyError, OverflowError, MemoryError) as error:
        return {"error": " ".join(str(error).split())[:300]}


def start(session: Session) -> dict[str, Any]:
    """Return what the page needs to begin: sizes, colours, the names of kernels and walls."""
    return {
        "size": SIZE,
        "colours": {name: table(name).reshape(-1).tolist() for name in ("viridis", "gray")},
        "kernels": list(CATALOGUE),
        "walls": list(WALLS),
        "picture": _packed(session.picture),
        **_tank(session, DiffusionEquation()),
    }


def paint(session: Session, strokes: list[dict[str, Any]], flux: bool = False) -> dict[str, Any]:
    """Add salt, build walls and lift them, in discs of cells."""
    rows, columns = np.ogrid[:SIZE, :SIZE]
    checked = [
        (
            number("y", stroke.get("y")),
            number("x", stroke.get("x")),
            number("radius", stroke.get("radius"), least=0.5),
            choice("tool", stroke.get("tool"), ("salt", "water", "wall", "lift")),
        )
        for stroke in _objects("strokes", strokes)
    ]  # all of them before the first is drawn
    for y, x, radius, tool in checked:
        where = np.hypot(rows - y, columns - x) <= radius
        if tool in ("salt", "water"):
            session.salt[where & session.water] = 1.0 if tool == "salt" else 0.0
        else:
            session.water[where] = tool == "lift"
            session.salt[~session.water] = 0.0
            session.asked = ()
    return _tank(session, DiffusionEquation(), flux)


def clear(session: Session) -> dict[str, Any]:
    """Empty the tank and remove its walls."""
    session.salt[...], session.water[...], session.time, session.asked = 0.0, True, 0.0, ()
    return _tank(session, DiffusionEquation())


def run(
    session: Session,
    duration: float,
    diffusivity: float,
    wall: str = "reflecting",
    flux: bool = False,
    drift: Any = (0.0, 0.0),
) -> dict[str, Any]:
    """Evolve the salt for a time; lengths are in cells, and the drift is how many it goes down and across a second."""
    duration = number("duration", duration, least=0.0)
    mask = None if session.water.all() else session.water
    diffusivity = number("diffusivity", diffusivity, least=0.0)
    if not isinstance(drift, (list, tuple)) or len(drift) != 2:
        raise TypeError(f"drift must be two numbers, down and across, got {got(drift)}")
    down, across = (number("drift", part, least=-FASTEST, most=FASTEST) for part in drift)
    velocity = (down, across) if down or across else None
    asked = (diffusivity, choice("wall", wall, WALLS), velocity)
    if session.equation is None or asked != session.asked:
        session.equation = DiffusionEquation(diffusivity, boundary=wall, mask=mask, velocity=velocity)
        session.asked = asked
    eq = session.equation
    session.salt = np.nan_to_num(eq.evolve(session.salt, duration))
    session.time += duration
    return _tank(session, eq, flux)


def kernel(
    session: Session, name: str | None = None, weights: list[list[float]] | None = None, temperature: float = 1.0
) -> dict[str, Any]:
    """Return a kernel, its softmax, what it does in words, and where one step of it carries a grain."""
    taps = _kernel(name, weights)
    words = interpret(taps)
    p = Propagator.softmax(taps, number("temperature", temperature, above=0.0))
    return {
        "weights": taps.tolist(),
        "softmax": p.density.tolist(),
        "summary": words.summary,
        "words": str(words),
        "drift": p.mean.tolist(),
        "entropy": float(p.entropy),
    }


def grains(
    session: Session,
    name: str | None = None,
    weights: list[list[float]] | None = None,
    temperature: float = 1.0,
    uses: int = 1,
) -> dict[str, Any]:
    """Move the grains of one cell by the softmax of a kernel, so many times; return where they are."""
    p = Propagator.softmax(_kernel(name, weights), number("temperature", temperature, above=0.0))
    tank = np.zeros((65, 65), np.int64)
    tank[32, 32] = GRAINS
    for _ in range(count("uses", uses, least=1, most=100)):
        tank = scatter(tank, p)
    rows, columns = np.abs(np.argwhere(tank) - 32).max(axis=0)
    reach = max(4, int(rows), int(columns))
    shown = slice(32 - reach, 33 + reach)  # no wider than the cloud
    return {"grains": _packed(tank[shown, shown].astype(np.float64)), "total": int(tank.sum())}


def filtered(
    session: Session, name: str | None = None, weights: list[list[float]] | None = None, uses: int = 1
) -> dict[str, Any]:
    """Return the picture convolved with a kernel, so many times, and forget its measurements."""
    session.measured, session.draws = None, 0
    taps, picture = _kernel(name, weights), session.picture
    for _ in range(count("uses", uses, least=1, most=100)):
        picture = convolve(picture, taps)
    if np.abs(picture).max() > np.finfo(np.float32).max:
        raise ValueError(f"uses must keep the picture within what can be drawn, got {uses}")
    return {"picture": _packed(picture)}


def measured(
    session: Session, name: str | None = None, weights: list[list[float]] | None = None, draws: int = 1
) -> dict[str, Any]:
    """Measure the picture some more, and return the average of all measurements with its error."""
    taps = _kernel(name, weights)
    draws = count("draws", draws, least=1, most=10_000)
    fresh = measure(session.picture, taps, draws)
    before = np.zeros_like(fresh) if session.measured is None else session.measured
    session.draws += draws
    session.measured = before + (fresh - before) * (draws / session.draws)
    exact = convolve(session.picture, taps)
    error = float(np.sqrt(np.mean((session.measured - exact) ** 2)))
    return {"picture": _packed(session.measured), "draws": session.draws, "error": error}


def photograph(session: Session, picture: dict[str, Any]) -> dict[str, Any]:
    """Set the picture to the page's own photograph; it stays on this machine."""
    session.picture = _unpacked(picture)
    session.measured, session.draws = None, 0
    return {"picture": _packed(session.picture)}


def waves(session: Session, dots: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the picture whose spectrum has these dots, and its spectrum."""
    size = 128
    edits = [
        spectrum.Dot(
            (count("y", dot.get("y"), least=-size // 2), count("x", dot.get("x"), least=-size // 2)),
            number("amplitude", dot.get("amplitude", 1.0)),
        )
        for dot in _objects("dots", dots)
    ]
    painted = spectrum.paint_spectrum(np.zeros((size, size)), edits) if edits else np.zeros((size, size))
    return {"picture": _packed(painted), "spectrum": _packed(spectrum.log_spectrum(painted))}


QUESTIONS: dict[str, Callable[..., dict[str, Any]]] = {
    question.__name__: question
    for question in (start, paint, clear, run, kernel, grains, filtered, measured, photograph, waves)
}


def _objects(name: str, value: Any) -> list[dict[str, Any]]:
    """Return a list of objects, checked."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise TypeError(f"{name} must be a list of objects, got {got(value)}")
    return value


def _tank(session: Session, eq: DiffusionEquation, flux: bool = False) -> dict[str, Any]:
    """Return the tank as the page shows it, with its mass and, if asked for, the strength of the flux in its cells."""
    shown = {
        "salt": _packed(session.salt),
        "water": base64.b64encode(session.water.astype(np.uint8).tobytes()).decode(),
        "mass": float(eq.total_mass(session.salt)),
        "largest": float(session.salt.max()),
        "time": session.time,
    }
    if flux:
        down, across = eq.flux(session.salt)
        strength = np.hypot((across[:, 1:] + across[:, :-1]) / 2, (down[1:] + down[:-1]) / 2)
        shown["flux"] = _packed(np.where(session.water, strength, 0.0))
    return shown


def _kernel(name: str | None, weights: list[list[float]] | None) -> Array:
    """Return a kernel of the catalogue, or the one that was typed."""
    if weights is None:
        return np.asarray(CATALOGUE[choice("name", name, tuple(CATALOGUE))]())  # type: ignore[operator]
    try:
        typed = np.array(weights, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"weights must be rows of as many numbers each, got {got(weights)}") from None
    if typed.ndim != 2 or not 1 <= typed.size <= 31 * 31:
        raise ValueError(f"weights must be rows of at most 31 × 31 numbers, got shape {typed.shape}")
    return typed


def _packed(values: Array) -> dict[str, Any]:
    """Return a field as text."""
    return {"shape": list(values.shape), "data": base64.b64encode(values.astype("<f4").tobytes()).decode()}


def _unpacked(packed: dict[str, Any]) -> Array:
    """Return a field from text."""
    rows, columns = (count("shape", size, least=1, most=LARGEST) for size in packed["shape"])
    values = np.frombuffer(base64.b64decode(packed["data"], validate=True), "<f4")
    if values.size != rows * columns:
        raise ValueError(f"data must hold {rows * columns} numbers, got {values.size}")
    all_finite("data", values)
    return values.reshape(rows, columns).astype(np.float64)


def _test_card() -> Array:
    """Return a picture with edges, a slope, stripes and a disc."""
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE
    card: Array = 0.25 + 0.5 * x
    card[(y > 0.55) & (x < 0.5)] = np.where(np.sin(2 * np.pi * 24 * x**2) > 0, 0.9, 0.1)[(y > 0.55) & (x < 0.5)]
    card[(y - 0.28) ** 2 + (x - 0.28) ** 2 < 0.03] = 1.0
    card[(abs(y - 0.75) < 0.15) & (abs(x - 0.75) < 0.15)] = 0.0
    return card
