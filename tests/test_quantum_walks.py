"""Quantum and classical walks against Bessel functions, and measurement by Born's rule."""

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from quantum_checks import FALSE_ALARM, SMALL, distance
from scipy import stats
from scipy.linalg import expm
from scipy.special import ive, jv

import diffuseconv as dc
from diffuseconv import quantum

# --- walks


@pytest.mark.parametrize("rate_time", [0.0, 0.3, 5.0, 40.0])
def test_the_two_walks_are_bessel_functions(rate_time):
    """J_d(2rt)^2 with variance 2 (rt)^2, beside exp(-2rt) I_d(2rt) with variance 2rt."""
    d = np.arange(-128, 128)
    start = np.eye(1, 256, 128)[0]
    fast = quantum.quantum_walk(start, [0.5, 0.0, 0.5], rate_time, rate=2.0)
    slow = quantum.classical_walk(start, [0.5, 0.0, 0.5], rate_time, rate=2.0)
    np.testing.assert_allclose(fast, jv(d, 2 * rate_time) ** 2, rtol=0, atol=1e-13)
    np.testing.assert_allclose(slow, ive(d, 2 * rate_time), rtol=0, atol=1e-13)
    assert fast @ d**2 == pytest.approx(2 * rate_time**2, abs=1e-9)
    assert slow @ d**2 == pytest.approx(2 * rate_time, abs=1e-9)
    wave = quantum.evolve(start, rate_time, mass=0.5, boundary="periodic")
    np.testing.assert_allclose(np.abs(wave) ** 2, fast, rtol=0, atol=1e-13)
    salt = dc.DiffusionEquation(boundary="periodic").evolve(start, rate_time)
    np.testing.assert_allclose(salt, slow, rtol=0, atol=1e-13)


@given(st.data())
def test_walks_are_exponentials_of_the_stencil(data):
    ndim = data.draw(st.integers(1, 2))
    stencil = data.draw(strategies.mirrored_densities(ndim))
    psi = data.draw(strategies.waves(strategies.shapes(ndim, most=5)))
    duration, rate = data.draw(st.floats(0, 5)), data.draw(st.floats(0, 2))
    hop = naive.matrix(lambda u: naive.convolve(u, stencil, ("periodic",) * ndim), psi.shape)
    lost = rate * duration * (np.eye(psi.size) - hop)
    quick = np.abs(expm(-1j * lost) @ psi.ravel()) ** 2
    found = quantum.quantum_walk(psi, stencil, duration, rate)
    np.testing.assert_allclose(found.ravel(), quick, rtol=0, atol=1e-12 * np.linalg.norm(psi) ** 2)
    density = np.abs(psi) ** 2
    found = quantum.classical_walk(density, stencil, duration, rate)
    np.testing.assert_allclose(found.ravel(), expm(-lost) @ density.ravel(), rtol=0, atol=1e-12 * density.sum())


@pytest.mark.parametrize("rest", [0.0, 0.3, 1.0])
def test_weight_at_rest_turns_the_phase_alone(rest):
    """exp(-i g t (1 - p)) of p = rest + (1 - rest) q is exp(-i g t (1 - rest) (1 - q)), and so are its squares."""
    q, start = np.array([0.5, 0.0, 0.5]), np.eye(1, 33, 16)[0]
    lazy = quantum.quantum_walk(start, rest * np.eye(1, 3, 1)[0] + (1 - rest) * q, 5.0, rate=2.0)
    np.testing.assert_allclose(lazy, quantum.quantum_walk(start, q, 5.0, rate=2.0 * (1 - rest)), rtol=0, atol=1e-14)
    hop = naive.matrix(lambda u: naive.convolve(u, rest * np.eye(1, 3, 1)[0] + (1 - rest) * q, ("periodic",)), (33,))
    np.testing.assert_allclose(lazy, np.abs(expm(10j * hop) @ start) ** 2, rtol=0, atol=1e-13)  # no 1 in it: a phase


@given(strategies.densities(), st.data(), st.floats(0, 5))
def test_a_classical_walker_may_have_a_direction(stencil, data, hops):
    density = np.abs(data.draw(strategies.waves(strategies.shapes(stencil.ndim, most=4)))) ** 2
    hop = naive.matrix(lambda u: naive.convolve(u, stencil, ("periodic",) * u.ndim), density.shape)
    expected = expm(hops * (hop - np.eye(density.size))) @ density.ravel()
    found = quantum.classical_walk(density, stencil, hops)
    np.testing.assert_allclose(found.ravel(), expected, rtol=0, atol=1e-12 * density.sum())


@given(strategies.mirrored_densities(1, most=7), st.floats(0, 6))
def test_variances_of_any_stencil(stencil, hops):
    """Classical: hops E[d^2]; quantum: hops^2 sum p^2 d^2. The ring is wide enough for nobody to meet himself."""
    d, start = np.arange(-128, 128), np.eye(1, 256, 128)[0]
    moves = np.arange(len(stencil)) - len(stencil) // 2
    slow = quantum.classical_walk(start, stencil, hops) @ d**2
    fast = quantum.quantum_walk(start, stencil, hops) @ d**2
    assert slow == pytest.approx(hops * stencil @ moves**2, abs=1e-9)
    assert fast == pytest.approx(hops**2 * stencil**2 @ moves**2, abs=1e-9)


@given(st.floats(-200, 200), st.floats(0, 2))
def test_propagator_is_bessels_and_unitary(duration, rate):
    kernel = quantum.propagator(duration, rate)
    d = np.arange(len(kernel)) - len(kernel) // 2
    assert len(kernel) % 2 == 1
    z = 2 * rate * duration
    np.testing.assert_allclose(kernel, np.exp(-1j * z) * 1j**d * jv(d, z), rtol=0, atol=1e-12)
    assert abs(np.sum(np.abs(kernel) ** 2) - 1) <= 1e-12


@given(strategies.waves((64,)), st.floats(-10, 10))
def test_evolution_convolves_with_the_propagator(psi, duration):
    kernel = quantum.propagator(duration)
    by_parts = [
        dc.convolve(np.ascontiguousarray(field), np.ascontiguousarray(weights), boundary="periodic")
        for field in (psi.real, psi.imag)
        for weights in (kernel.real, kernel.imag)
    ]
    expected = by_parts[0] - by_parts[3] + 1j * (by_parts[1] + by_parts[2])
    assert distance(quantum.evolve(psi, duration, boundary="periodic"), expected) <= 1e-12 * np.linalg.norm(psi)


@given(strategies.waves((2, 7)), st.integers(0, 9), st.floats(0, 6.3), st.floats(0, 6.3))
def test_coined_walk_follows_every_path(state, steps, angle, phase):
    coin = [[np.cos(angle), np.sin(angle)], [np.exp(1j * phase) * np.sin(angle), -np.exp(1j * phase) * np.cos(angle)]]
    kept = [state, *quantum.coined_walk(state, steps, coin)]
    assert len(kept) == steps + 1
    expected = naive.coined_walk(state, coin, steps)
    np.testing.assert_allclose(kept[-1], expected, rtol=0, atol=1e-13 * np.linalg.norm(state))


def test_the_hadamard_walk_spreads_at_konnos_rate():
    d = np.arange(-450, 451)
    start = np.zeros((2, 901), complex)
    start[:, 450] = np.array([1, 1j]) / np.sqrt(2)
    gaps = {}
    for step, state in enumerate(quantum.coined_walk(start, 400), start=1):
        density = (np.abs(state) ** 2).sum(axis=0)
        gaps[step] = density @ d**2 / step**2 - (1 - 0.5**0.5)
    assert abs(density.sum() - 1) <= 1e-12
    assert abs(gaps[400]) < abs(gaps[100]) / 3  # the gap falls as 1/t
    assert abs(gaps[400]) < 0.01


# --- measurement


def outlying(counts, probability):
    """The chance of counts at least as unlikely, in the least likely cell: exact binomial tails."""
    shots = int(counts.sum())
    low, high = stats.binom.cdf(counts, shots, probability), stats.binom.sf(counts - 1, shots, probability)
    return float(2 * np.minimum(low, high).min())


def test_collapse_obeys_borns_rule():
    """Each of two times 24 exact tails is allowed to fail once in 1e12; a wave taken for a probability is caught."""
    chance = np.random.default_rng(1)
    psi = chance.normal(size=(4, 6)) + 1j * chance.normal(size=(4, 6))
    squares, sizes = np.abs(psi) ** 2, np.abs(psi)
    for shots in (50, 10**6):
        counts = quantum.sample_positions(psi, shots, rng=7)
        assert outlying(counts, squares / squares.sum()) > FALSE_ALARM
    assert outlying(counts, sizes / sizes.sum()) < FALSE_ALARM


@given(strategies.waves(SMALL), st.integers(0, 10**9), strategies.SEEDS)
def test_collapse_counts_every_shot_where_the_wave_is(psi, shots, seed):
    psi = np.where(np.abs(psi) < 0.5, 0, psi)
    counts = quantum.sample_positions(psi, shots, rng=seed)
    assert counts.dtype == np.int64
    assert counts.shape == psi.shape
    assert counts.sum() == shots
    assert not counts[psi == 0].any()
    assert np.array_equal(counts, quantum.sample_positions(psi, shots, rng=seed))
    assert np.array_equal(counts, quantum.sample_positions(-0.25j * psi, shots, rng=np.random.default_rng(seed)))


@pytest.mark.parametrize(
    ("shape", "states"),
    [
        ((2, 5), lambda wave: dc.quantum.coined_walk(wave, 2)),
        ((5,), lambda wave: (psi for _, psi in dc.quantum.frames(wave, [0.0, 1.0, 2.0]))),
        ((5,), lambda wave: (psi for _, psi in dc.quantum.frames(wave, [1.0, 2.0], potential=np.arange(5.0)))),
    ],
)
def test_waves_are_those_of_the_call(shape, states):
    """What a caller writes to its array before a state is asked for changes none."""
    wave = np.ones(shape, complex)
    wave[..., 2] = 2j
    expected, later = [psi.tolist() for psi in states(wave)], states(wave)
    wave[...] = 0
    assert [psi.tolist() for psi in later] == expected
