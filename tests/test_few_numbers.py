"""Functions of time in runs of few numbers of a clock, beside exact integrals of waves that jump."""

import math
import re

import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv.diffusion import clock, numbers

START = 2.0**31
TICK = math.ulp(START)


def of_numbers(value, count):
    """Return a source of time whose integral over a run of so many numbers is that of `value` over 0 to 1."""
    return lambda t: value((t - START) / TICK) / (count * TICK)


def exact(count, places, heights, size, turns=1.0):
    """Integrate the function that `wavy` returns up to each number."""
    n, angle = np.arange(count + 1), 2 * math.pi * turns / count
    wave = size * 2 * np.sin(angle * n / 2) ** 2 / angle
    return (wave + sum(h * np.maximum(n - p, 0) for p, h in zip(places, heights, strict=True))) / count


def wavy(count, places, heights, size, turns=1.0):
    """Return a function of the number: a wave that jumps."""
    angle = 2 * math.pi * turns / count
    return lambda n: size * math.sin(angle * n) + sum(h for p, h in zip(places, heights, strict=True) if n >= p)


@pytest.mark.parametrize("method", ["auto", "implicit"])
@pytest.mark.parametrize(
    ("count", "places", "heights", "size", "tolerance"),
    [
        (600, [200], [0.05], 5.0, 1e-6),  # less than the wave changes in two numbers
        (400, [90, 130, 340], [0.7, -0.02, 0.4], 1.0, 1e-6),
        (1000, [300], [0.02], 3.0, 1e-6),
        (120, [60], [1.0], 0.3, 1e-6),
    ],
)
def test_jumps_are_told_from_a_wave_where_numbers_are_few(method, count, places, heights, size, tolerance):
    eq = dc.DiffusionEquation(source=of_numbers(wavy(count, places, heights, size), count))
    run = exact(count, places, heights, size)
    got = eq.evolve(np.zeros(3), count * TICK, method, start=START, tolerance=tolerance)
    np.testing.assert_allclose(got, run[-1], rtol=0, atol=2 * tolerance * max(np.ptp(run), 1e-9))


@pytest.mark.parametrize("seed", range(9))
def test_where_numbers_are_few_a_run_is_right_or_refused(seed):
    """Jumps anywhere, also side by side, in waves of any size."""
    rng = np.random.default_rng(seed)
    count = int(10 ** rng.uniform(0.5, 3))
    places = sorted(rng.choice(np.arange(2, count + 4), 2, replace=False).tolist())
    given = count, places, rng.normal(size=2), 10 ** rng.uniform(-3, 1), rng.choice([0.3, 1.0, 3.0])
    tolerance, run = rng.choice([1e-4, 1e-6, 1e-8]), exact(*given)
    eq = dc.DiffusionEquation(source=of_numbers(wavy(*given), count))
    try:
        got = eq.evolve(np.zeros(3), count * TICK, start=START, tolerance=tolerance)
    except ValueError as error:
        if re.match("duration must span more numbers of the clock", str(error)):
            return
        raise
    assert np.abs(got - run[-1]).max() <= 10 * tolerance * np.ptp(run)


def test_a_function_that_few_numbers_do_not_tell_is_refused_and_a_clock_from_0_is_the_way_out():
    def value(n):
        return math.sin(0.06 * n) + (40 <= n < 42)

    with pytest.raises(
        ValueError,
        match=r"^duration must span more numbers of the clock where functions of time change so fast, got 101 of them "
        r"from 2147483648 to 2147483648\.0000477, which do not tell jumps from waves: let the clock begin at 0",
    ):
        dc.DiffusionEquation(source=of_numbers(value, 100)).evolve(np.zeros(3), 100 * TICK, start=START)
    early = dc.DiffusionEquation(source=lambda t: value(t / TICK) / (100 * TICK))
    got = early.evolve(np.zeros(3), 100 * TICK, tolerance=1e-6, jumps=[40 * TICK, 42 * TICK])
    np.testing.assert_allclose(got, ((1 - math.cos(6.0)) / 0.06 + 2) / 100, rtol=0, atol=1e-6)


@pytest.mark.parametrize("count", [2, 3, 9, 40])
def test_tables_of_lines_are_known_however_few_numbers_there_are(count):
    table = dc.Schedule([START, START + count * TICK], [1.0, 3.0], "linear")
    got = dc.DiffusionEquation(source=lambda t: table(t) / (count * TICK)).evolve(
        np.zeros(3), count * TICK, start=START, tolerance=1e-8
    )
    np.testing.assert_allclose(got, 2.0, rtol=0, atol=1e-8)


@pytest.mark.parametrize("place", [12, 40, 85])
@pytest.mark.parametrize("columns", [1, 3])
def test_jumps_and_kinks_among_numbers(place, columns):
    """A small jump beside a large wave is seen, in any cell; a kink is none; of two side by side the height is told."""
    n = np.arange(100.0)
    rows = np.zeros((100, columns))
    rows[:, -1] = 50 * np.sin(0.06 * n)
    wave, smooth = rows.copy(), 50 * 0.06**3 / 16  # of third differences, for what cubics leave out
    assert numbers.jumps_among(wave) == ([], pytest.approx(smooth, rel=0.1))
    rows[:, -1] = wave[:, -1] + 0.1 * (n > place)
    found, unseen = numbers.jumps_among(rows)
    assert found == [place]
    assert unseen <= smooth
    for kink in (place, place + 0.3):
        rows[:, -1] = wave[:, -1] + np.maximum(0.0, n - kink)
        assert numbers.jumps_among(rows)[0] == []
    rows[:, -1] = wave[:, -1] + 1.0 * (n > place) - 1.0 * (n > place + 2)
    found, unseen = numbers.jumps_among(rows)
    assert found == []
    assert unseen >= 1.0


@pytest.mark.parametrize("beyond", [0, 1, 3])
def test_what_jumps_at_an_end_belongs_to_another_run(beyond):
    """The numbers before are judged by those inside."""
    n = np.arange(60.0)
    rows = (np.sin(0.05 * n) + 2.0 * (n < beyond) - 3.0 * (n > 59 - beyond))[:, None]
    low, high, off = numbers.margins(rows, (4, 4))
    assert (low, high) == (beyond, beyond)
    assert off <= max(1, beyond**3) * 0.05**2


def test_numbers_of_a_clock():
    assert numbers.between(START - TICK, START + TICK) == [START - TICK, START - TICK / 2, START, START + TICK]
    many = numbers.around(START, START + TICK, START - TICK, START + 4 * TICK)
    assert many == numbers.between(START - TICK, START + 4 * TICK)


@pytest.mark.parametrize("ticks", [0.3, 0.5, 1.2, 4.75, 8.6, 9.5, 9.9])
def test_cubics_are_followed_between_numbers(ticks):
    """Up to the ends, beyond which lines go on; rounding takes 4 eps of what is up to 1000."""
    side = clock.Clock(START, 10 * TICK, 3, (0, 0))
    moment = side.at(ticks * TICK)
    assert all(START <= number <= START + 10 * TICK for number in moment.through)

    def cubic(t):
        n = (t - START) / TICK
        return np.array([n**3 - 7 * n, 1.0])

    np.testing.assert_allclose(clock.interpolated(cubic, moment), [ticks**3 - 7 * ticks, 1.0], rtol=0, atol=4e-12)
    assert clock.interpolated(
        lambda t: [t - START], moment, lambda one, other, share: [(1 - share) * one[0] + share * other[0]]
    )[0] == pytest.approx(ticks * TICK, rel=1e-12)


def test_a_wave_in_few_numbers_is_followed_where_the_tolerance_is_fine():
    """Of 775 numbers; by lines, or with its bends taken for noise, it was off by 17 tolerances."""
    given = 775, [], [], 5.0, 1.3
    eq, run = dc.DiffusionEquation(source=of_numbers(wavy(*given), 775)), exact(*given)
    got = eq.evolve(np.zeros(3), 775 * TICK, start=START, tolerance=1e-8)
    assert np.abs(got - run[-1]).max() <= 1e-8 * np.ptp(run)
