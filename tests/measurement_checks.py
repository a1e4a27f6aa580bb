"""What must hold for any sampler with the signature of `dc.measure`, each with false-alarm probability ALARM.

The same checks are run by the tests (on the package and on samplers with a planted fault) and by the soak command.

The arithmetic of false alarms: the suite may fail by mistake once in a million runs, SUITE = 1e-6. Every random
assertion gets ALARM = 1e-12, so there is room for SUITE / ALARM = a million of them in one run; a test counts them.
"""

from collections.abc import Callable

import naive
import numpy as np
from scipy.special import gammaln
from scipy.stats import binom

import diffuseconv as dc
from diffuseconv import testing

SUITE = 1e-6
ALARM = 1e-12
Measure = Callable[..., np.ndarray]

LOPSIDED = np.array([[0.05, 0.0, 0.15], [0.25, 0.1, 0.02], [0.0, 0.4, 0.03], [0.0, 0.0, 0.0]])  # even, sparse, tilted
SIGNED = np.array([[-1.0, 0.0, 2.0], [0.5, -3.0, 1.0]])
NINE = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9.0]) / 45


def picture(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Make a field with contrast: whole numbers from -50 to 50 with one huge one."""
    field = np.random.default_rng(seed).integers(-50, 51, shape).astype(float)
    field.flat[field.size // 3] = 1000.0
    return field


def span_of(field: np.ndarray, kernel: np.ndarray) -> float:
    """Bound the range of one draw, whatever the walls and signs."""
    return 2 * float(np.abs(kernel).sum() * np.abs(field).max())


def convolution_and_variance(field: np.ndarray, kernel: np.ndarray, names: tuple[str, ...]) -> list[np.ndarray]:
    """Work out mean and variance of one draw by plain loops."""
    mean, square = np.zeros(field.shape), np.zeros(field.shape)
    norm = np.abs(kernel).sum()
    for i in np.ndindex(field.shape):
        draws = [
            (abs(kernel[j]) / norm, np.sign(kernel[j]) * norm * naive.value(field, source, names))
            for j in np.ndindex(kernel.shape)
            if kernel[j] != 0
            for source in [[a - (b - n // 2) for a, b, n in zip(i, j, kernel.shape, strict=True)]]
        ]
        mean[i] = sum(chance * value for chance, value in draws)
        square[i] = sum(chance * (value - mean[i]) ** 2 for chance, value in draws)
    return [mean, square]


def unbiased(measure: Measure, seed: int) -> None:
    """Means of few and of very many draws, for each wall, lopsided and signed kernels."""
    field = picture((11, 7), 1)
    for number, boundary in enumerate([*dc.boundary.NAMES, ("zero", "absorbing"), ("periodic", "reflecting")]):
        names = (boundary,) * 2 if isinstance(boundary, str) else boundary
        for kernel in (LOPSIDED, SIGNED):
            mean, variance = convolution_and_variance(field, kernel, names)
            for draws in (3, 10**12):
                span = span_of(field, kernel)
                testing.assert_converges(
                    lambda n, k=kernel, b=boundary, s=seed + number: measure(field, k, n, rng=s, boundary=b),
                    mean,
                    draws=draws,
                    variance=variance,
                    span=span,
                    false_alarm=ALARM,
                    rounding=1e-14 * span,
                )


def tap_counts(measure: Measure, kernel: np.ndarray, draws: int, rows: int, seed: int) -> np.ndarray:
    """Count how often each tap was drawn: one colour for each source pixel of a periodic line as long as the kernel."""
    size = kernel.size
    colours = np.broadcast_to(np.eye(size), (rows, size, size))
    shares = measure(colours, kernel[None, :], draws, rng=seed, boundary="periodic", axes=(0, 1))
    counts = np.rint(shares * draws).astype(np.int64).sum(axis=0)  # pixel, source
    pixel, source = np.indices(counts.shape)
    taps = (pixel - source + size // 2) % size
    return np.bincount(taps.ravel(), counts.ravel(), size).astype(np.int64)


def frequencies(measure: Measure, seed: int, plans: tuple[tuple[int, int], ...] = ()) -> None:
    """Every tap as often as its chance says: in single draws, in table draws, in binomial counts up to 10¹²."""
    kernels = (NINE, np.array([0.3, 0.0, 0.5, 0.2]), np.ones(9) / 9, np.array([1e-3, 0.999]))
    for kernel in kernels:
        for draws, rows in plans or ((1, 20_000), (200, 3_000), (1000, 300), (10**12, 3)):
            counts = tap_counts(measure, kernel, draws, rows, seed)
            total = draws * rows * kernel.size
            assert counts.sum() == total, "each draw takes one tap"
            testing.assert_frequencies(counts, kernel, draws=total, false_alarm=ALARM)


def every_tap(measure: Measure, seed: int) -> None:
    """Single draws, 4e8 of them: no tap of nine may be off by half a per cent of its chance."""
    size, rows, draws = NINE.size, 245_000, 200
    low, high = 256.0 ** np.arange(5), 256.0 ** np.arange(4)  # how often each source was read, one byte for each
    codes = np.zeros((size, 2))
    codes[:5, 0], codes[5:, 1] = low, high
    field = np.ascontiguousarray(np.broadcast_to(codes, (rows, size, 2)))
    shares = measure(field, NINE[None, :], draws, rng=seed, boundary="periodic", axes=(0, 1))
    read = np.rint(shares * draws).astype(np.int64)
    counts = np.zeros((size, size), np.int64)  # pixel, source
    for source in range(size):
        channel, byte = divmod(source, 5)
        counts[:, source] = (read[..., channel] >> 8 * byte & 255).sum(axis=0)
    pixel, source = np.indices(counts.shape)
    taps = np.bincount(((pixel - source + size // 2) % size).ravel(), counts.ravel(), size).astype(np.int64)
    total = draws * rows * size
    assert taps.sum() == total
    for tap, chance in enumerate(NINE):
        verdict = testing.assert_frequencies(taps[tap], chance, draws=total, false_alarm=ALARM)
        assert verdict.smallest_fault < 0.005 * chance


def alias_halves(measure: Measure, seed: int) -> None:
    """More taps than the table has entries: all draws go to the alias table, three of four to heavy taps."""
    kernel = np.tile([1.0, 3.0], 4500) / 18_000
    field = np.arange(200_000) % 2.0  # pixel i reads i - (j - 4500): an even tap keeps the parity of i
    read = measure(field, kernel, 1, rng=seed, boundary="periodic")
    heavy = int((np.rint(read) != field).sum())
    testing.assert_frequencies(heavy, 0.75, draws=field.size, false_alarm=ALARM)


def rare_counts(measure: Measure, seed: int) -> None:
    """A tap drawn ten times on average: counts beyond 24, one in twenty thousand, come as often as they should."""
    pixels, draws, chance = 1_000_000, 10**6, 9.9e-6
    shares = measure(np.arange(pixels) % 2.0, np.array([chance, 1 - chance]), draws, rng=seed, boundary="periodic")
    took = np.rint(shares * draws).astype(int)
    took[1::2] = draws - took[1::2]
    many = binom.sf(24, draws, chance)
    testing.assert_frequencies(int((took > 24).sum()), many, draws=pixels, false_alarm=ALARM)
    assert pixels * many > np.log(1 / ALARM)  # none at all would be an alarm


def counts_distribution(measure: Measure, seed: int) -> None:
    """How many of n draws of one pixel take a tap is binomial: draws of one pixel are independent."""
    pixels = 40_000
    for draws in (2, 13, 40, 100, 1000):
        for chance in (0.5, 0.13):
            shares = measure(
                np.arange(pixels) % 2.0, np.array([chance, 1 - chance]), draws, rng=seed, boundary="periodic"
            )
            took = np.rint(shares * draws).astype(int)
            took[1::2] = draws - took[1::2]  # odd pixels, themselves ones, read a one through the second tap
            k = np.arange(draws + 1)
            logs = gammaln(draws + 1) - gammaln(k + 1) - gammaln(draws - k + 1)
            expected = np.exp(logs + k * np.log(chance) + (draws - k) * np.log1p(-chance))
            seen = np.bincount(took, minlength=draws + 1)
            testing.assert_frequencies(seen, np.minimum(expected, 1.0), draws=pixels, false_alarm=ALARM)


def enumeration(measure: Measure, seed: int) -> None:
    """All outcomes of a tiny field: two draws at each of its two pixels, with the product of their chances."""
    rows, chance = 60_000, np.array([0.3, 0.7])
    field = np.broadcast_to([0.0, 1.0], (rows, 2))
    shares = measure(field, chance[None, :], 2, rng=seed, boundary="periodic")
    ones = np.rint(2 * shares).astype(int)
    # pixel i reads i + 1 through tap 0 and i through tap 1
    first, second = [[(1 - p) ** 2, 2 * p * (1 - p), p**2] for p in (chance[0], chance[1])]
    seen = np.bincount(3 * ones[:, 0] + ones[:, 1], minlength=9)
    testing.assert_frequencies(seen, np.outer(first, second).ravel(), draws=rows, false_alarm=ALARM)


COIN = np.array([[0.5, 0.5]])
SLANT = np.array([[-0.5, 1.0, 0.5]])


def coins(measure: Measure, seed: object, shape: tuple[int, int] = (512, 512), draws: int = 1) -> np.ndarray:
    """Toss one fair coin a pixel: -1 or 1."""
    field = np.broadcast_to(1.0 - 2 * (np.arange(shape[1]) % 2), shape)
    return measure(field, COIN, draws, rng=seed, boundary="periodic")


def variance(measure: Measure, seed: int, measurement_variance: Measure = dc.measurement_variance) -> None:
    """Exact variance, from pairs of measurements: of fair coins to better than 5 %, of others to 11 %."""
    plans = ((2, COIN, 1, 0.03), (7, NINE[None, :], 1, 0.06), (7, NINE[None, :], 3, 0.11), (7, SLANT, 1, 0.11))
    for values, kernel, draws, power in plans:
        field = np.broadcast_to(np.arange(512) % values, (512, 512))
        first, second = (measure(field, kernel, draws, rng=seed + i, boundary="periodic") for i in range(2))
        span = np.abs(kernel).sum() * (values - 1) * (1 + (kernel < 0).any())
        known = measurement_variance(field, kernel, draws, boundary="periodic")
        verdict = testing.assert_variance(first, second, known, span=span, false_alarm=ALARM)
        assert verdict.smallest_fault < power


def independence(measure: Measure, seed: int) -> None:
    """No pixel knows of its neighbours, of pixels one block or half the picture away, or of the next call."""
    generator = np.random.default_rng(seed)
    tossed, again = coins(measure, generator), coins(measure, generator)
    flat = tossed.ravel()
    pairs = {
        "beside": (tossed[:, 0::2], tossed[:, 1::2]),
        "below": (tossed[0::2], tossed[1::2]),
        "a block away": (flat.reshape(-1, 2, 2048)[:, 0], flat.reshape(-1, 2, 2048)[:, 1]),
        "half the picture away": (flat[: flat.size // 2], flat[flat.size // 2 :]),
        "mirrored": (flat[: flat.size // 2], flat[: flat.size // 2 - 1 : -1]),
        "the next call": (tossed, again),
    }
    for first, second in pairs.values():
        testing.assert_independent(first, second, variance=1.0, span=1.0, false_alarm=ALARM)


def colours(measure: Measure, seed: int) -> None:
    """One draw moves the whole colour of a pixel."""
    field = np.stack([np.arange(600.0).reshape(20, 30), 1000 - np.arange(600.0).reshape(20, 30)], axis=-1)
    for draws in (1, 10, 10**9):
        both = measure(field, LOPSIDED, draws, rng=seed, axes=(0, 1))
        assert np.abs(both.sum(axis=-1) - 1000).max() < 1e-9, "colours moved apart"


def slope(measure: Measure, seed: int) -> None:
    """The error falls as one over the square root of draws, over eight decades, in absolute size too."""
    errors = []
    for decade in range(9):
        error = coins(measure, seed + decade, (256, 256), 10**decade) * 10 ** (decade / 2)
        testing.assert_mean_square(error, 1.0, proxy=1.0, fourth=3.0, false_alarm=ALARM)
        errors.append(np.sqrt(np.mean(error**2)) / 10 ** (decade / 2))
    fitted = np.polyfit(np.arange(9), np.log10(errors), 1)[0]
    assert abs(fitted + 0.5) < 0.01  # follows from the bounds above: each log10 is within 0.012 of its line


def anything(measure: Measure, seed: int) -> None:
    """Random shapes, walls, kernels and numbers of draws, all from the seed."""
    rng = np.random.default_rng(seed)
    for _ in range(10):
        ndim = int(rng.integers(1, 4))
        field = picture(tuple(rng.integers(1, 6, ndim)), int(rng.integers(2**32)))
        kernel = rng.normal(size=rng.integers(1, 5, ndim)) * rng.integers(0, 2) + rng.random()
        names = tuple(rng.choice(dc.boundary.NAMES, ndim))
        draws, start = int(10 ** rng.uniform(0, 12)), int(rng.integers(2**60))
        mean, square = convolution_and_variance(field, kernel, names)
        span = span_of(field, kernel)
        testing.assert_converges(
            lambda n, f=field, k=kernel, s=start, b=names: measure(f, k, n, rng=s, boundary=b),
            mean,
            draws=draws,
            variance=square,
            span=span,
            false_alarm=ALARM,
            rounding=1e-13 * span,
        )


CHECKS = {
    check.__name__: check
    for check in (
        unbiased,
        frequencies,
        every_tap,
        alias_halves,
        rare_counts,
        counts_distribution,
        enumeration,
        variance,
        independence,
        colours,
        slope,
        anything,
    )
}


# --- scatter ---------------------------------------------------------------------------------------------------------

Scatter = Callable[..., np.ndarray]


def grains_spread(scatter: Scatter, seed: int) -> None:
    """Grains of one cell are multinomial: each tap by its exact binomial tail, from one grain to 10¹⁸."""
    for grains in (1, 7, 150, 10**4, 10**12, 10**18):
        start = np.zeros(40, np.int64)
        start[20] = grains
        landed = scatter(start, NINE, rng=seed)[16:25]
        assert landed.sum() == grains
        testing.assert_frequencies(landed, NINE, draws=grains, false_alarm=ALARM)


def grains_fluctuate(scatter: Scatter, seed: int) -> None:
    """Fluctuations fall as one over the square root of grains, from a dance of dots to a smooth drop."""
    for grains in (1, 10**2, 10**4, 10**8, 10**12):
        start = np.zeros(30_000, np.int64)
        start[1::3] = grains  # jumps to either side meet no other cell's grains
        left = scatter(start, [0.5, 0.0, 0.5], rng=seed, boundary="periodic")[0::3]
        testing.assert_mean_square(
            (left - grains / 2) / np.sqrt(grains / 4), 1.0, proxy=1.0, fourth=3.0, false_alarm=ALARM
        )


def grains_independent(scatter: Scatter, seed: int) -> None:
    """Grains of neighbouring cells, and of cells one block away, jump independently."""
    start = np.zeros((256, 384), np.int64)
    start[:, 1::3] = 1
    moved = (2 * scatter(start, [[0.5, 0.0, 0.5]], rng=seed)[:, 0::3] - 1).astype(float)
    flat = moved.ravel()
    for first, second in (
        (moved[:, 0::2], moved[:, 1::2]),
        (moved[0::2], moved[1::2]),
        (flat[: flat.size // 2], flat[flat.size // 2 :]),
        (moved.reshape(-1, 2, 16, 128)[:, 0], moved.reshape(-1, 2, 16, 128)[:, 1]),
    ):
        testing.assert_independent(first, second, variance=1.0, span=1.0, false_alarm=ALARM)


SCATTER_CHECKS = {check.__name__: check for check in (grains_spread, grains_fluctuate, grains_independent)}
