"""What hypothesis may draw: fields, kernels, boundaries, all bounded to physical ranges."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import diffuseconv as dc
from diffuseconv import boundary

DTYPES = st.sampled_from([np.float64, np.float32])
BOUNDARIES = st.sampled_from(boundary.NAMES)
IMAGES = st.sampled_from([*boundary.RECORDS, boundary.Constant(-2.5)])  # what may continue a field beyond its edge
LEAST = 1e-15  # products of less would fall below the normal numbers of single precision, and lose digits by design
SEEDS = st.integers(0, 2**63 - 1)


def shapes(ndim: int | tuple[int, int] = (1, 3), most: int = 12) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw shapes of fields: `ndim` axes (or a range of them) with 1 to `most` cells."""
    low, high = (ndim, ndim) if isinstance(ndim, int) else ndim
    return hnp.array_shapes(min_dims=low, max_dims=high, min_side=1, max_side=most)


def numbers(size: float = 1e3, dtype: type = np.float64) -> st.SearchStrategy[float]:
    """Draw finite numbers up to `size` in magnitude, 0 or at least LEAST."""
    width = 32 if dtype == np.float32 else 64
    bound = float(np.float32(size)) if width == 32 else size
    return st.floats(-bound, bound, width=width).map(lambda x: x if abs(x) >= LEAST else 0.0)


def fields(
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]] | None = None,
    dtype: type = np.float64,
    size: float = 1e3,
) -> st.SearchStrategy[np.ndarray]:
    """Draw fields with values up to `size` in magnitude."""
    return hnp.arrays(dtype, shapes() if shape is None else shape, elements=numbers(size, dtype))


def kernels(
    shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]] | None = None, size: float = 10.0
) -> st.SearchStrategy[np.ndarray]:
    """Draw signed kernels, odd or even, often with zeros."""
    return hnp.arrays(np.float64, shapes(most=7) if shape is None else shape, elements=numbers(size))


@st.composite
def densities(draw: st.DrawFn, shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]] | None = None) -> np.ndarray:
    """Draw probability densities: weights >= 0 that sum to 1, often sparse."""
    drawn_shape = shapes(most=7) if shape is None else shape
    weights = draw(hnp.arrays(np.float64, drawn_shape, elements=st.just(0.0) | st.floats(1e-3, 1.0)))
    if weights.sum() == 0:
        weights[(0,) * weights.ndim] = 1.0
    return weights / weights.sum()


def boundaries(ndim: int) -> st.SearchStrategy[tuple[str, ...]]:
    """Draw one boundary for each axis."""
    return st.tuples(*[BOUNDARIES] * ndim)


def images(ndim: int) -> st.SearchStrategy[tuple[str | boundary.Constant, ...]]:
    """Draw what continues each axis, for verbs that only read a field beyond its edge."""
    return st.tuples(*[IMAGES] * ndim)


def tensors(ndim: int) -> st.SearchStrategy[np.ndarray]:
    """Draw positive definite tensors, some of them nearly singular."""
    sides = hnp.arrays(np.float64, (ndim, ndim), elements=numbers(1.0))
    return st.builds(lambda side, least: side @ side.T + least * np.eye(ndim), sides, st.sampled_from([1e-6, 0.1]))


def masks(shape: tuple[int, ...]) -> st.SearchStrategy[np.ndarray]:
    """Draw boolean arrays: True where a field is known."""
    return hnp.arrays(np.bool_, shape)


@st.composite
def mirrored_densities(draw: st.DrawFn, ndim: int, most: int = 5) -> np.ndarray:
    """Draw densities of odd size that flipping any one axis leaves unchanged."""
    weights = draw(densities(st.tuples(*[st.sampled_from(range(1, most + 1, 2))] * ndim)))
    for axis in range(ndim):
        weights = weights + np.flip(weights, axis)
    return weights / weights.sum()


@st.composite
def autoregressions(draw: st.DrawFn, most: int = 3) -> list[float]:
    """Draw coefficients of a stationary autoregression, by Levinson's recursion from partial autocorrelations."""
    coefficients: list[float] = []
    for partial in draw(st.lists(numbers(0.5), max_size=most)):
        mirrored = coefficients[::-1]
        coefficients = [c - partial * m for c, m in zip(coefficients, mirrored, strict=True)] + [partial]
    return coefficients


@st.composite
def polylines(draw: st.DrawFn, most: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Draw a piecewise-linear function: strictly increasing knots, gaps of very different widths, and its values."""
    gaps = draw(st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=most - 1))
    knots = draw(numbers(100.0)) + np.cumsum([0.0, *gaps])
    return knots, draw(fields(len(knots), size=10.0))


@st.composite
def stripes(draw: st.DrawFn, least: int = 16, most: int = 96) -> tuple[np.ndarray, float]:
    """Draw a wave on a rectangle, from one across the shorter side to 0.49 cycles per cell, and its angle."""
    rows, columns = draw(st.tuples(*[st.integers(least, most)] * 2))
    angle = draw(st.floats(0, 180, exclude_max=True))
    frequency = draw(st.floats(1 / min(rows, columns), 0.49))
    phase, offset, gain = draw(st.floats(0, 6.3)), draw(numbers(100)), draw(st.floats(1e-3, 1e3))
    down, right = np.mgrid[:rows, :columns]
    along = np.cos(np.deg2rad(angle)) * right - np.sin(np.deg2rad(angle)) * down
    return gain * (np.cos(2 * np.pi * frequency * along + phase) + offset), angle


def levels(shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]], most: int = 9) -> st.SearchStrategy[np.ndarray]:
    """Draw fields of a few whole grey levels, as photographs have them: equal values are common, and exact."""
    return hnp.arrays(np.float64, shape, elements=st.integers(-most, most).map(float))


@st.composite
def searches(draw: st.DrawFn, most: int = 7) -> tuple[np.ndarray, np.ndarray]:
    """Draw an image and a template that fits into it and is not constant, both of a few levels."""
    image = draw(levels(shapes(most=most).filter(lambda shape: max(shape) > 1)))
    widths = [draw(st.integers(1, n)) for n in image.shape]
    widths[int(np.argmax(image.shape))] = draw(st.integers(2, max(image.shape)))
    return image, draw(levels(tuple(widths)).filter(np.ptp))


@st.composite
def problems(draw: st.DrawFn, ndim: int | tuple[int, int] = (1, 3), most: int = 5, closed: bool = False) -> dict:
    """Draw a diffusion problem that does not depend on time, as `naive.diffusion` takes it.

    `closed` leaves out walls and sources through which salt comes or goes.
    """
    shape = draw(shapes(ndim, most))
    loss = draw(st.floats(0.1, 10))
    wall = st.just((0.0, 1.0, 0.0))  # glass
    if not closed:
        wall |= st.tuples(st.sampled_from([1.0, 0.0, loss]), st.sampled_from([1.0, loss]), numbers(10.0))  # leaky, flux
        wall |= st.tuples(st.just(1.0), st.just(0.0), numbers(10.0))  # held
    faces = [tuple(n - (a == axis) for a, n in enumerate(shape)) for axis in range(len(shape))]
    return {
        "shape": shape,
        "diffusivity": draw(hnp.arrays(np.float64, shape, elements=st.just(0.0) | st.floats(0.1, 10))),
        "spacing": draw(st.tuples(*[st.floats(0.3, 3)] * len(shape))),
        "walls": draw(st.tuples(*[st.just("periodic") | st.tuples(wall, wall)] * len(shape))),
        "barriers": draw(st.none() | st.tuples(*[hnp.arrays(np.bool_, face) for face in faces])),
        "permeability": draw(st.just(0.0) | st.floats(0.1, 10)),
        "mask": draw(st.none() | masks(shape)),
        "source": None if closed else draw(st.none() | fields(shape, size=10.0)),
    }


@st.composite
def tanks(
    draw: st.DrawFn, ndim: int | tuple[int, int] = (1, 3), most: int = 6, leaky: bool = True
) -> tuple[tuple[int, ...], dict]:
    """Draw a field's shape and the arguments of a diffusion equation without sources; `leaky` allows losing walls."""
    shape = draw(shapes(ndim, most))
    rate = st.floats(0.1, 10)
    per_cell = hnp.arrays(np.float64, shape, elements=st.just(0.0) | rate).map(lambda d: (d,) * len(shape))
    diffusivity = draw(rate | st.tuples(*[rate] * len(shape)) | per_cell)
    names = BOUNDARIES if leaky else st.sampled_from(["reflecting", "periodic"])
    closed = [hnp.arrays(np.bool_, tuple(n - (a == axis) for a, n in enumerate(shape))) for axis in range(len(shape))]
    return shape, {
        "diffusivity": diffusivity,
        "spacing": draw(st.tuples(*[st.floats(0.3, 3)] * len(shape))),
        "boundary": draw(st.tuples(*[names] * len(shape))),
        "barriers": draw(st.none() | st.tuples(*closed)),
        "mask": draw(st.none() | hnp.arrays(np.bool_, shape)),
    }


REACTIONS = {
    "decay": lambda k: lambda t, u: -k * u,
    "logistic": lambda k: lambda t, u: k * u * (1 - u),
    "bistable": lambda k: lambda t, u: k * u * (1 - u) * (u - 0.3),
}


@st.composite
def switched(draw: st.DrawFn) -> tuple:
    """Draw a line of 12 cells with a scheduled wall, a reaction and perhaps a drift, of any rate and duration.

    Returns the equation, a field, the duration, when it begins, the elapsed times of its jumps and the reaction's rate.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rate, duration = 10.0 ** draw(st.floats(-6, 6)), 10.0 ** draw(st.floats(-9, 9))
    start = draw(st.sampled_from([0.0, 1.0, 1e10]) | st.floats(0, 1e10))
    assume(duration / 6 > 64 * np.spacing(start + duration))  # else the pieces are lost in the digits of a clock
    cuts = duration * np.cumsum([0.0, *rng.dirichlet(np.full(draw(st.integers(1, 4)), 3.0))[:-1]])
    kinds = st.sampled_from(["step", "linear"])

    def table(size: float) -> dc.Schedule:
        return dc.Schedule(start + cuts, size * rng.standard_normal(len(cuts)), draw(kinds))

    size = 10.0 ** draw(st.floats(-3, 1))
    velocity = draw(st.sampled_from([None, "number", "table", "function"]))
    if velocity == "number":
        velocity = size * float(rng.standard_normal())
    elif velocity == "table":
        velocity = table(size)
    elif velocity == "function":
        turns = 2 * np.pi / duration
        velocity = lambda t: size * np.sin(turns * (t - start))  # noqa: E731
    wall = dc.Dirichlet(table(1.0))
    source = REACTIONS[draw(st.sampled_from(sorted(REACTIONS)))](rate)
    eq = dc.DiffusionEquation(boundary=((wall, "reflecting"),), source=source, velocity=velocity)
    return eq, rng.random(12), duration, start, [float(cut) for cut in cuts[1:]], rate


@st.composite
def waves(
    draw: st.DrawFn, shape: tuple[int, ...] | st.SearchStrategy[tuple[int, ...]], dtype: type = np.complex128
) -> np.ndarray:
    """Draw waves whose largest amplitude is about 1, and which are not zero everywhere."""
    sides = shape if isinstance(shape, tuple) else draw(shape)
    real = np.float32 if dtype == np.complex64 else np.float64
    parts = draw(fields((2, *sides), real, size=1.0))
    psi = (parts[0] + 1j * parts[1]).astype(dtype)
    psi[tuple(draw(st.integers(0, n - 1)) for n in sides)] = 1.0
    return psi


def registers(most_bits: int = 4) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw shapes whose sides are powers of two, with up to `most_bits` qubits in all."""
    bits = st.lists(st.integers(0, most_bits), min_size=1, max_size=3).filter(lambda drawn: sum(drawn) <= most_bits)
    return bits.map(lambda drawn: tuple(1 << bit for bit in drawn))
