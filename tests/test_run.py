"""Runs: frames, their times, precision, and what is left untouched."""

import math

import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv.diffusion import run

STILL = np.ones((4, 4))


def test_frames_are_fresh_exact_and_checked_at_the_call():
    u = np.random.default_rng(0).random((12, 9))
    kept = u.copy()
    eq = dc.DiffusionEquation(barriers=[np.zeros((11, 9), dtype=bool), None])
    for method in ("spectral", "explicit", "auto"):
        plain = dc.DiffusionEquation() if method == "spectral" else eq
        frames = plain.frames(u, (t for t in (0.0, 0.1, 1.7, 1.7)), method)
        seen = []
        for time, field in frames:
            seen.append((time, field.copy()))
            field[:] = np.nan  # what a caller does with a frame is its own business
        assert [time for time, _ in seen] == [0.0, 0.1, 1.7, 1.7]
        np.testing.assert_array_equal(seen[0][1], u)
        np.testing.assert_allclose(seen[2][1], dc.DiffusionEquation().evolve(u, 1.7), rtol=0, atol=0.01)
        np.testing.assert_array_equal(seen[2][1], seen[3][1])
    np.testing.assert_array_equal(u, kept)
    assert list(eq.frames(u, [])) == []
    with pytest.raises(ValueError, match="times must not decrease"):
        eq.frames(u, [1.0, 0.5])


def test_progress_counts_frames(capsys):
    frames = list(dc.DiffusionEquation().frames(np.ones(4), [1.0, 2.0], progress=True))
    assert len(frames) == 2
    assert capsys.readouterr().err == ""  # not a terminal


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"diffusivity": (1.0, 2.0)}, {"boundary": dc.Dirichlet(1.0)}, {"source": 1.0}])
def test_precision_is_kept_and_input_untouched(dtype, options):
    u = np.random.default_rng(0).random((16, 24)).astype(dtype)[::2, ::-1]
    kept = u.copy()
    eq = dc.DiffusionEquation(**options)
    for method in ("spectral", "explicit"):
        after = eq.evolve(u, 0.5, method)
        assert after.dtype == dtype
        exact = eq.evolve(u.astype(np.float64), 0.5, method)
        np.testing.assert_allclose(after, exact, rtol=0, atol=100 * np.finfo(dtype).eps)
        assert eq.evolve(u, 0.0, method) is not u
    np.testing.assert_array_equal(u, kept)
    assert eq.evolve(np.ones((3, 3), dtype=int), 0.5).dtype == np.float64


def test_nothing_moves_where_nothing_can():
    eq = dc.DiffusionEquation(0.0)
    assert eq.stable_time_step((3, 3)) == math.inf
    u = np.random.default_rng(0).random((5, 6))
    for method in ("explicit", "spectral", "chebyshev", "auto"):
        np.testing.assert_array_equal(eq.evolve(u, 5.0, method), u)
    np.testing.assert_allclose(eq.explicit_steps(u, 5), u, rtol=0, atol=1e-15)


def test_single_precision_stays_and_huge_values_do_not_overflow():
    u = np.random.default_rng(0).random((4, 4))
    assert [flux.dtype for flux in dc.DiffusionEquation().flux(u.astype(np.float32))] == [np.float32] * 2
    for method, diffusivity in (("explicit", 1.0), ("spectral", 1.0), ("chebyshev", 1 + u)):
        eq = dc.DiffusionEquation(diffusivity)
        np.testing.assert_allclose(eq.evolve(2.0**1000 * u, 1.0, method) / 2.0**1000, eq.evolve(u, 1.0, method), 1e-12)


@pytest.mark.parametrize("method", [*run.METHODS, "explicit_steps"])
def test_single_precision_near_its_end(method):
    """Squares of 1e33 leave its range: a power of two in the field is one in the result."""
    u, scale = np.random.default_rng(0).random((4, 5), np.float32), np.float32(2.0**110)
    eq = dc.DiffusionEquation(source=(lambda t: 0.0) if method in ("rkl2", "implicit") else None)

    def later(u):
        return eq.explicit_steps(u, 9) if method == "explicit_steps" else eq.evolve(u, 1.0, method)

    result = later(scale * u)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result / scale, later(u), rtol=4 * np.finfo(np.float32).eps)


def test_arguments_are_copied():
    diffusivity = np.ones((4, 4))
    eq = dc.DiffusionEquation(diffusivity)
    diffusivity[:] = -1
    assert eq.evolve(STILL, 1.0).max() == 1


DOORS = dc.Barrier(np.ones(3, dtype=bool), lifted_at=[1.0, 9.0, 2.0])


def test_a_caller_may_overwrite_the_field_at_which_a_barrier_is_lifted():
    """The run goes on from a copy of its own."""
    eq, u, times = dc.DiffusionEquation(barriers=[DOORS]), np.array([1.0, 0.0, 4.0, 0.0]), [0.5, 1.0, 2.0, 3.0]
    for method in ("chebyshev", "explicit"):
        expected = [field for _, field in eq.frames(u, times, method)]
        for (_, field), right in zip(eq.frames(u, times, method), expected, strict=True):
            np.testing.assert_array_equal(field, right)
            field.fill(np.nan)


@pytest.mark.parametrize("method", run.METHODS)
def test_a_caller_may_overwrite_the_field_and_frames(method):
    """Frames are those of the field at the call, whatever becomes of it: ``for time, u[...] in frames`` is natural."""
    changing = method in ("rkl2", "implicit")
    eq = dc.DiffusionEquation((1.0, 0.5), source=(lambda t: 0.1) if changing else 0.1)
    u, times = np.random.default_rng(0).random((4, 5)), [0.0, 1e-3, 0.1, 1.0, 2.0, 30.0]
    expected = [field for _, field in eq.frames(u, times, method)]
    frames = eq.frames(u, times, method)
    u.fill(-5.0)
    for (_, field), right in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(field, right)
        field.fill(np.nan)
        u += 1.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", run.METHODS)
def test_a_field_that_leaves_the_range_of_numbers_is_refused(method, dtype):
    """Neither infinity nor NaN comes out of finite numbers, and no warning."""
    u, source = np.zeros(3, dtype), float(np.finfo(dtype).max) / 40
    changing = method in ("rkl2", "implicit")
    eq = dc.DiffusionEquation(source=(lambda t: source) if changing else source)
    with pytest.raises(ValueError, match=r"source|duration"):
        eq.evolve(u, 1e3, method)


@pytest.mark.parametrize("method", ["auto", "spectral", "chebyshev", "rational", "uniformization", "explicit"])
@pytest.mark.parametrize("walls", ["reflecting", ((dc.Robin(0.0, 1.0, 0.0), "zero"),)])
@pytest.mark.parametrize("varied", [False, True])
def test_units_do_not_matter(varied, walls, method):
    """Other units of time are other exponents of two, which round nothing: every product stays in range."""
    rng = np.random.default_rng(0)
    u, source, d = rng.random(5), rng.random(5), 0.5 + rng.random(5) if varied and method != "spectral" else 0.7
    expected = dc.DiffusionEquation(d, boundary=walls, source=source).evolve(u, 3.0, method)
    for power in (-900, -300, 400):
        unit = 2.0**power
        eq = dc.DiffusionEquation(np.multiply(d, unit), boundary=walls, source=source * unit)
        np.testing.assert_allclose(eq.evolve(u, 3.0 / unit, method), expected, rtol=0, atol=1e-9)


def test_the_smallest_numbers_are_a_field():
    """Sources and walls as small as numbers can be: no quotient of the error control is 0 / 0."""
    eq = dc.DiffusionEquation([[1.0, 2.0]], boundary=("zero", (dc.Dirichlet(0.0), "zero")), source=2.0**-1022)
    evolved = eq.evolve(np.full((1, 2), 2.0**-1022), 3.0, "chebyshev")
    assert 0 <= evolved.min() <= evolved.max() <= 4 * 2.0**-1022


def test_a_drift_that_multiplies_salt_without_end_is_refused():
    """Through the wall of given flux comes in what the lone cell holds: it grows by `e` per time."""
    eq = dc.DiffusionEquation(0.3, velocity=1.0, boundary=((dc.Neumann(0.0), "reflecting"),))
    assert eq.evolve([1.0], 100.0)[0] == pytest.approx(math.exp(100.0), rel=1e-9)
    for u in (np.ones(1), np.ones(1, np.float32)):
        with pytest.raises(ValueError, match="must leave a field below"):
            eq.evolve(u, 800.0)


def test_a_tolerance_is_shared_out_among_the_segments(monkeypatch):
    given, solve = [], run.chebyshev.solve

    def recorded(*arguments, tolerance, **options):
        given.append(tolerance)
        return solve(*arguments, tolerance=tolerance, **options)

    monkeypatch.setattr(run.chebyshev, "solve", recorded)
    dc.DiffusionEquation(barriers=[DOORS]).evolve(np.ones(4), 3.0, "chebyshev", tolerance=3e-6)
    assert len(given) >= 3
    np.testing.assert_allclose(given, 1e-6, rtol=1e-15)


@pytest.mark.parametrize(
    ("size", "duration", "tolerance"),
    [(5e-324, 1.0, None), (1.0, 5e-324, None), (1.0, 1.0, 1e-17), (1.0, 1.0, 1e-300)],
)
def test_steps_of_controlled_error_end_at_both_ends_of_the_numbers(size, duration, tolerance):
    u = size * np.array([0.0, 1.0, 3.0])
    decay = dc.DiffusionEquation(source=lambda t, u: -u)
    expected = np.exp(-duration) * dc.DiffusionEquation().evolve(u, duration)
    accuracy = 1e-4 if tolerance is None else 1e-13  # a finer one is taken for 1e-14
    np.testing.assert_allclose(
        decay.evolve(u, duration, tolerance=tolerance), expected, rtol=0, atol=3 * accuracy * size + 1e-320
    )
