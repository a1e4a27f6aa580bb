"""Quantum mechanics: every evolution against dense matrices and Bessel functions, every circuit against plain loops."""

import math
import sys

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import expm
from scipy.special import ive, jv

import diffuseconv as dc
from diffuseconv import quantum

FALSE_ALARM = 1e-12
SMALL = strategies.shapes((1, 3), most=4)


@st.composite
def boxes(draw, shapes=SMALL):
    """Draw a wave, its box (walls, spacing, mass, hbar) and a potential."""
    psi = draw(strategies.waves(shapes))
    box = {
        "mass": draw(st.floats(0.5, 2.0)),
        "hbar": draw(st.floats(0.5, 2.0)),
        "spacing": draw(st.tuples(*[st.floats(0.7, 2.0)] * psi.ndim)),
        "boundary": draw(strategies.boundaries(psi.ndim)),
    }
    return psi, box, draw(strategies.fields(psi.shape, size=5.0))


def dense(shape, box, potential):
    """H over hbar as a matrix, from plain loops."""
    laplacian = naive.matrix(lambda u: naive.laplacian(u, box["spacing"], box["boundary"]), shape)
    over = 0 if potential is None else np.diag(potential.ravel()) / box["hbar"]
    return -box["hbar"] / (2 * box["mass"]) * laplacian + over


def distance(left, right):
    return float(np.linalg.norm(np.ravel(left - right)))


# --- the Schrödinger equation


@given(boxes(), st.floats(-3, 3), st.booleans())
def test_evolution_is_the_exponential_of_the_dense_matrix(drawn, duration, free):
    psi, box, potential = drawn
    potential = None if free else potential
    expected = expm(-1j * duration * dense(psi.shape, box, potential)) @ psi.ravel()
    for method in ("auto", "chebyshev"):
        found = quantum.evolve(psi, duration, potential=potential, method=method, **box)
        assert distance(found.ravel(), expected) <= 1e-12 * np.linalg.norm(psi)


@given(boxes(), st.floats(-300, 300), st.sampled_from(["spectral", "chebyshev", "split-step"]))
def test_probability_is_kept(drawn, duration, method):
    psi, box, potential = drawn
    physics = {"potential": None if method == "spectral" else potential, "method": method, **box}
    if method == "split-step":
        physics["time_step"] = 1.0
    found = quantum.evolve(psi, duration, **physics)
    assert abs(np.linalg.norm(found) / np.linalg.norm(psi) - 1) <= 1e-12


@given(boxes(), st.floats(-20, 20), st.floats(-20, 20), st.booleans())
def test_durations_add_and_time_runs_backwards(drawn, first, second, free):
    psi, box, potential = drawn
    physics = {"potential": None if free else potential, **box}
    twice = quantum.evolve(quantum.evolve(psi, first, **physics), second, **physics)
    assert distance(twice, quantum.evolve(psi, first + second, **physics)) <= 1e-12 * np.linalg.norm(psi)
    back = quantum.evolve(quantum.evolve(psi, first, **physics), -first, **physics)
    assert distance(back, psi) <= 1e-12 * np.linalg.norm(psi)


@given(boxes(), st.floats(-50, 50))
def test_energy_is_that_of_the_matrix_and_is_kept(drawn, duration):
    psi, box, potential = drawn
    matrix, flat = dense(psi.shape, box, potential), psi.ravel()
    hops = sum(box["hbar"] / box["mass"] / dx**2 for dx in box["spacing"])  # on a ring of one cell they cancel
    spread = np.abs(np.linalg.eigvalsh(matrix)).max() + hops
    energy = quantum.energy(psi, potential=potential, **box)
    expected = box["hbar"] * np.vdot(flat, matrix @ flat).real / np.vdot(flat, flat).real
    later = quantum.energy(quantum.evolve(psi, duration, potential=potential, **box), potential=potential, **box)
    assert abs(energy - expected) <= 1e-12 * box["hbar"] * spread
    assert abs(energy - later) <= 1e-12 * box["hbar"] * spread


def test_long_chebyshev_sums_stay_unitary_and_reversible():
    """Half a spread of 2500: three sums. There and back, phases up to 5 * 1000 are known to their rounding."""
    psi = quantum.wave_packet((16, 16), (8, 8), 2.0, (1.0, 0.5))
    potential = np.random.default_rng(0).random((16, 16))
    later = quantum.evolve(psi, 1000.0, potential=potential)
    assert abs(np.linalg.norm(later) - 1) <= 1e-12
    back = quantum.evolve(later, -1000.0, potential=potential)
    assert distance(back, psi) <= 2 * 5 * 1000 * np.finfo(float).eps


def test_split_step_is_of_second_order():
    psi = quantum.wave_packet(64, 24.0, 4.0, 0.7)
    potential = 0.3 * np.cos(2 * np.pi * np.arange(64) / 64)
    exact = quantum.evolve(psi, 8.0, potential=potential, boundary="periodic")
    errors = [
        distance(quantum.evolve(psi, 8.0, potential=potential, boundary="periodic", time_step=8.0 / n), exact)
        for n in (20, 40, 80)
    ]
    # the next term of the error is of fourth order: (dt)^2 (1 + c dt^2), c about 1
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.05)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.0125)


@given(boxes(strategies.shapes((1, 2), most=5)), st.floats(-1, 1))
def test_the_default_split_step_keeps_its_bound(drawn, duration):
    psi, box, potential = drawn
    exact = quantum.evolve(psi, duration, potential=potential, **box)
    found = quantum.evolve(psi, duration, potential=potential, method="split-step", **box)
    assert distance(found, exact) <= 1e-3 * np.linalg.norm(psi)


def test_without_a_potential_split_step_is_exact():
    psi = quantum.wave_packet((8, 9), (4, 4), 2.0, (1.0, 0.0))
    assert np.array_equal(quantum.evolve(psi, 5.0, method="split-step"), quantum.evolve(psi, 5.0))


@given(boxes(), st.lists(st.floats(-10, 10), max_size=4), st.booleans())
def test_frames_are_evolutions_and_fresh(drawn, times, free):
    psi, box, potential = drawn
    physics = {"potential": None if free else potential, **box}
    kept = list(quantum.frames(psi, [0.0, *times], **physics))
    assert [time for time, _ in kept] == [0.0, *times]
    assert np.array_equal(kept[0][1], psi)
    assert not any(np.shares_memory(a, b) for _, a in kept for b in (psi, *(b for _, b in kept if b is not a)))
    for time, found in kept:
        assert distance(found, quantum.evolve(psi, time, **physics)) <= 1e-12 * np.linalg.norm(psi)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, np.float64, np.complex128, np.int64, ">c8"])
@pytest.mark.parametrize("potential", [None, np.arange(12.0).reshape(3, 4)])
def test_precision_is_kept_and_real_becomes_complex(dtype, potential):
    psi = np.arange(12).reshape(3, 4).astype(dtype)
    before = psi.copy()
    single = np.dtype(dtype) in (np.float32, np.complex64, np.dtype(">c8"))
    exact = quantum.evolve(psi.astype(np.complex128), 2.0, potential=potential)
    for method in ["chebyshev", "split-step"] if potential is not None else ["spectral", "chebyshev"]:
        step = 1e-3 if method == "split-step" else None
        found = quantum.evolve(psi, 2.0, potential=potential, method=method, time_step=step)
        assert found.dtype == (np.complex64 if single else np.complex128)
        # single: two thousand steps of about twenty roundings that add as a walk does; split: its own error
        allowed = 2e-4 if method == "split-step" else 1e-5 if single else 1e-12
        assert distance(found, exact) <= allowed * np.linalg.norm(exact)
    assert np.array_equal(psi, before)


def lattice_velocity(psi, rate):
    """Mean and variance of the velocity 2 r sin(k) of a wave on a ring, from its Fourier transform."""
    weights = np.abs(np.fft.fft(psi)) ** 2
    velocity = 2 * rate * np.sin(2 * np.pi * np.fft.fftfreq(len(psi)))
    mean = np.average(velocity, weights=weights)
    return mean, np.average((velocity - mean) ** 2, weights=weights)


@given(st.floats(-3, 3), st.floats(1, 5), st.floats(0, 20), st.floats(0.5, 2))
def test_free_motion_is_ehrenfests(wavenumber, width, duration, mass):
    """The mean moves at the mean velocity and the variance grows by its variance times t squared: no wave wraps."""
    cells = np.arange(256) - 128.0
    psi = quantum.wave_packet(256, 128.0, width, wavenumber)
    velocity, spread = lattice_velocity(psi, 1 / (2 * mass))
    density = np.abs(quantum.evolve(psi, duration, mass, boundary="periodic")) ** 2
    mean = density @ cells
    assert mean == pytest.approx(velocity * duration, abs=1e-10)
    assert velocity == pytest.approx(np.sin(wavenumber) * math.exp(-1 / (8 * width**2)) / mass, abs=1e-3)
    # the packet starts as a real envelope times a plane wave: position and velocity are uncorrelated
    start = np.abs(psi) ** 2 @ cells**2
    assert density @ (cells - mean) ** 2 == pytest.approx(start + spread * duration**2, abs=1e-9)


@pytest.mark.parametrize(("name", "extra"), [("absorbing", 0), ("zero", 1)])
def test_the_infinite_well_has_its_textbook_energies(name, extra):
    """E_1 = (pi hbar / L)^2 / 2m with L from wall to wall; the lattice is below by (pi dx / L)^2 / 12."""
    cells = 64
    length = (cells + extra) * 0.1
    state = np.sin(np.pi * (np.arange(cells) + (1 + extra) / 2) / (cells + extra))
    energy = quantum.energy(state, mass=2.0, hbar=3.0, spacing=0.1, boundary=name)
    textbook = (np.pi * 3.0 / length) ** 2 / (2 * 2.0)
    assert 1 - energy / textbook == pytest.approx((np.pi * 0.1 / length) ** 2 / 12, rel=1e-3)
    later = quantum.evolve(state, 7.0, 2.0, 3.0, spacing=0.1, boundary=name)
    assert distance(later, state * np.exp(-1j * energy * 7.0 / 3.0)) <= 1e-12 * np.linalg.norm(state)


def test_si_units():
    """An electron in a box of 1 nm: 0.376 eV."""
    cells = np.arange(200) + 0.5
    energy = quantum.energy(
        np.sin(np.pi * cells / 200), 9.1093837e-31, 1.054571817e-34, spacing=5e-12, boundary="absorbing"
    )
    assert energy / 1.602176634e-19 == pytest.approx(0.37603, rel=1e-4)


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


# --- convolution by a linear combination of unitaries


@st.composite
def pictures(draw, most_bits=4):
    """Draw an image with sides that are powers of two, and a kernel of up to three taps a side, none of them zero."""
    image = draw(strategies.fields(strategies.registers(most_bits), size=1.0))
    kernel = draw(strategies.kernels(strategies.shapes(image.ndim, most=3), size=1.0))
    image[(0,) * image.ndim], kernel[(-1,) * kernel.ndim] = 1.0, -1.0
    return image, kernel


@given(pictures())
def test_lcu_is_the_periodic_convolution(drawn):
    image, kernel = drawn
    done = quantum.lcu_convolve(image, kernel)
    expected = naive.convolve(image, kernel, ("periodic",) * image.ndim)
    weight = np.abs(kernel).sum()
    assert distance(done.image, expected) <= 1e-12 * weight * np.linalg.norm(image)
    chance = (np.linalg.norm(expected) / weight / np.linalg.norm(image)) ** 2
    assert abs(done.success_probability - chance) <= 1e-12
    assert abs(np.linalg.norm(done.state) - 1) <= 1e-12
    assert done.scale == pytest.approx(weight * np.linalg.norm(image), rel=1e-13)
    assert 2**done.image_qubits == image.size
    taps = np.count_nonzero(kernel)
    assert done.ancilla_qubits == math.ceil(math.log2(taps))
    assert done.qubits == done.ancilla_qubits + done.image_qubits
    assert done.state.shape == (2**done.ancilla_qubits, *image.shape)


@given(pictures(), st.floats(-3, 3), st.floats(-3, 3))
def test_lcu_of_complex_numbers(drawn, image_phase, kernel_phase):
    """Phases of image and kernel come out multiplied; a kernel of two phases is the sum of its parts."""
    image, kernel = drawn
    plain = quantum.lcu_convolve(image, kernel)
    turned = quantum.lcu_convolve(image * np.exp(1j * image_phase), kernel * np.exp(1j * kernel_phase))
    allowed = 1e-12 * plain.scale
    assert distance(turned.image, plain.image * np.exp(1j * (image_phase + kernel_phase))) <= allowed
    assert abs(turned.success_probability - plain.success_probability) <= 1e-12
    flipped = np.flip(kernel)
    names = ("periodic",) * image.ndim
    expected = naive.convolve(image, kernel, names) + 1j * naive.convolve(image, flipped, names)
    assert distance(quantum.lcu_convolve(image, kernel + 1j * flipped).image, expected) <= 2 * allowed


def test_lcu_keeps_single_precision():
    image = np.ones((2, 4), np.float32)
    assert quantum.lcu_convolve(image, [[1.0]]).image.dtype == np.float32
    assert quantum.lcu_convolve(image, [[1.0j]]).image.dtype == np.complex64
    assert quantum.lcu_convolve(image.astype(np.complex64), [[1.0]]).image.dtype == np.complex64
    kernel = dc.Propagator.heat(1.0, 0.1)
    assert np.array_equal(quantum.lcu_convolve(image, kernel).state, quantum.lcu_convolve(image, kernel.density).state)
    assert quantum.lcu_convolve(np.ones((2, 2), int), [[2]]).image.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_gates_of_a_small_circuit_counted_by_hand():
    """Eight cells, taps at -1, 0 and 1: two ancillas. -1 is 7 = 4 + 2 + 1: three increments, of 1, 2 and 3 qubits."""
    gates = quantum.lcu_convolve(np.arange(8.0), [-1.0, 2.0, 1.0]).gates
    assert (gates.shifts, gates.increments, gates.phases) == (2, 1 + 3, 1)
    assert gates.flips == {1: 1, 2: 1 + 3, 3: 1 + 2, 4: 1 + 1}  # the phase; then for +1 and for -1
    assert gates.rotations == 2 * 3
    assert gates.cx == 2 * 2 + 1 * 1 + 4 * 6 + 3 * 18 + 2 * 30
    assert gates.work_qubits == 2


def test_readout_bounds_are_clopper_and_pearsons():
    counts = np.array([0, 3, 400, 1000])
    seen = quantum.read_out(counts[:3], 1000, 2.0, confidence=0.9)
    for n, magnitude, low, high in zip(counts, seen.magnitude, seen.lower, seen.upper, strict=False):
        interval = stats.binomtest(int(n), 1000).proportion_ci(1 - 0.1 / 3, "exact")
        assert magnitude == 2 * math.sqrt(n / 1000)
        assert low == pytest.approx(2 * math.sqrt(interval.low), rel=1e-9)
        assert high == pytest.approx(2 * math.sqrt(interval.high), rel=1e-9)
    assert seen.successes == 403
    everything = quantum.read_out(counts[3:], 1000, 2.0)
    assert everything.upper == 2.0


def test_shots_show_the_image_within_their_bounds():
    """All bounds hold but once in 1e12; the image moved by one cell is found out."""
    image = np.random.default_rng(2).random((8, 8))
    done = quantum.lcu_convolve(image, dc.kernels.sobel(0))
    for shots in (1, 100, 10**8):
        counts = quantum.sample_positions(done.state, shots, rng=shots)[0]
        seen = quantum.read_out(counts, shots, done.scale, confidence=1 - FALSE_ALARM)
        assert np.all((seen.lower <= abs(done.image)) & (abs(done.image) <= seen.upper))
        assert np.all((seen.lower <= seen.magnitude) & (seen.magnitude <= seen.upper))
    moved = np.roll(abs(done.image), 1, axis=1)
    assert np.any((seen.lower > moved) | (moved > seen.upper))


# --- Qiskit builds and runs the same circuit


@pytest.fixture(scope="module")
def qiskit():
    return pytest.importorskip("qiskit")


CIRCUITS = [
    (np.arange(16.0).reshape(4, 4) - 3, dc.kernels.edge_detector()),
    (np.arange(8.0), [1.0, -2.0, 0.5, 0.0, 3.0]),
    (np.arange(16.0).reshape(2, 1, 8) + 1j, np.array([[[1.0, -1j]]])),
    (np.arange(4.0), [0.0, 0.0, -2.0]),
    (np.arange(4.0), [1j]),
]


@pytest.mark.peer
@pytest.mark.parametrize(("image", "kernel"), CIRCUITS)
def test_qiskits_state_is_ours(qiskit, image, kernel):
    from qiskit.quantum_info import Statevector

    done = quantum.lcu_convolve(image, kernel)
    circuit = quantum.lcu_circuit(image, kernel)
    assert circuit.num_qubits == done.qubits
    theirs = Statevector(circuit).data.reshape(done.state.shape)
    np.testing.assert_allclose(theirs, done.state, rtol=0, atol=1e-12)
    start = np.zeros(done.state.shape, complex)
    start[0] = image / np.linalg.norm(image)
    unloaded = Statevector(start.ravel()).evolve(quantum.lcu_circuit(image, kernel, load=False))
    np.testing.assert_allclose(unloaded.data, theirs.ravel(), rtol=0, atol=1e-12)


@pytest.mark.peer
@pytest.mark.parametrize(("image", "kernel"), CIRCUITS)
def test_qiskits_gates_are_those_counted(qiskit, image, kernel):
    gates = quantum.lcu_convolve(image, kernel).gates
    circuit = quantum.lcu_circuit(image, kernel, load=False)
    controls, phases = {}, 0
    for step in circuit.data:
        name, width = step.operation.name, len(step.qubits)
        phases += name in ("p", "mcphase", "cp")
        if name in ("cx", "ccx", "mcx"):
            controls[width - 1] = controls.get(width - 1, 0) + 1
    ancillas = [register for register in circuit.qregs if register.name == "tap"]
    a = len(ancillas[0]) if ancillas else 0
    counted = {c: n for c, n in gates.flips.items() if c}
    values = np.asarray(kernel)[np.asarray(kernel) != 0]
    for phase in values / np.abs(values):  # phases are phase gates there, flips by the counting rule
        if a and phase not in (1, -1):
            counted[a] -= 2
        elif a > 1 and phase == -1:
            counted[a - 1] -= 1
    counted[1] = counted.get(1, 0) + 2 * max(0, 2**a - 2)
    assert controls == {c: n for c, n in counted.items() if n}
    assert circuit.count_ops().get("ry", 0) == gates.rotations
    assert phases == (gates.phases if a else 0)


@pytest.mark.peer
def test_qiskits_shots_show_the_image(qiskit):
    """Its sampler's counts, too, lie within exact bounds, of which one in 1e12 fails."""
    from qiskit.primitives import StatevectorSampler
    from qiskit.qasm3 import dumps

    image, kernel = CIRCUITS[0]
    done = quantum.lcu_convolve(image, kernel)
    circuit = quantum.lcu_circuit(image, kernel, measure=True)
    shots = 20_000
    result = StatevectorSampler(seed=5).run([circuit], shots=shots).result()[0].data
    places, outcomes = (
        bits.array.astype(int) @ [1 << 8, 1][-bits.array.shape[1] :] for bits in (result.place, result.outcome)
    )
    counts = np.bincount(places[outcomes == 0], minlength=image.size).reshape(image.shape)
    seen = quantum.read_out(counts, shots, done.scale, confidence=1 - FALSE_ALARM)
    assert np.all((seen.lower <= abs(done.image)) & (abs(done.image) <= seen.upper))
    tail = stats.binom(shots, done.success_probability)
    assert min(tail.cdf(seen.successes), tail.sf(seen.successes - 1)) > FALSE_ALARM
    text = dumps(circuit)
    assert text.startswith("OPENQASM 3.0;")
    for line in ("qubit[2] axis0;", "qubit[2] axis1;", "qubit[4] tap;", "bit[4] place;", "bit[4] outcome;"):
        assert line in text


@pytest.mark.peer
def test_the_exported_circuit_is_the_circuit(qiskit):
    """Through OpenQASM 3 and back; the loader's global phase is not exported, so the image is left out."""
    pytest.importorskip("qiskit_qasm3_import")
    from qiskit import qasm3
    from qiskit.quantum_info import Statevector

    for image, kernel in CIRCUITS[:2]:
        circuit = quantum.lcu_circuit(image, kernel, load=False)
        again = qasm3.loads(qasm3.dumps(circuit))
        np.testing.assert_allclose(Statevector(again).data, Statevector(circuit).data, rtol=0, atol=1e-12)


def test_without_qiskit_the_circuit_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "qiskit", None)
    with pytest.raises(ImportError, match=r"diffuseconv\[quantum\]"):
        quantum.lcu_circuit([1.0, 2.0], [1.0])


# --- bad input

REFUSED = [
    (lambda: quantum.evolve([np.nan], 1.0), ValueError, "psi must be finite, got nan at index"),
    (lambda: quantum.evolve([1j, complex(0, np.inf)], 1.0), ValueError, "psi must be finite"),
    (lambda: quantum.evolve(["a"], 1.0), TypeError, "psi must hold"),
    (lambda: quantum.evolve(np.ones(3, np.clongdouble), 1.0), TypeError, "psi must hold complex64"),
    (lambda: quantum.evolve(np.ones((1, 1, 1, 1)), 1.0), ValueError, "psi must have 1, 2 or 3 dimensions, got 4"),
    (lambda: quantum.evolve(np.ones(0, complex), 1.0), ValueError, "psi must not be empty"),
    (lambda: quantum.evolve([1.0], "1"), TypeError, "duration must be a real number"),
    (lambda: quantum.evolve([1.0], 1.0, mass=0), ValueError, "mass must be greater than 0, got 0"),
    (lambda: quantum.evolve([1.0], 1.0, hbar=-1), ValueError, "hbar must be greater than 0, got -1"),
    (lambda: quantum.evolve([1.0], 1.0, spacing=0), ValueError, "spacing must be greater than 0"),
    (lambda: quantum.evolve([1.0], 1.0, mass=1e-300, spacing=1e-9), ValueError, "must be finite, got inf"),
    (lambda: quantum.evolve([1.0], 1.0, potential=[1.0, 2.0]), ValueError, "potential must have the shape of psi"),
    (lambda: quantum.evolve([1.0], 1.0, potential=[1j]), TypeError, "potential must hold float32"),
    (lambda: quantum.evolve([1.0], 1.0, hbar=1e-300, potential=[1e300]), ValueError, "potential / hbar must be finite"),
    (lambda: quantum.evolve([1.0], 1.0, boundary="mirror"), ValueError, "boundary must be one of"),
    (lambda: quantum.evolve([1.0], 1.0, method="euler"), ValueError, "method must be one of"),
    (lambda: quantum.evolve([1.0], 1.0, potential=[1.0], method="spectral"), ValueError, "method must be 'chebyshev'"),
    (lambda: quantum.evolve([1.0], 1.0, time_step=0), ValueError, "time_step must be greater than 0"),
    (lambda: quantum.evolve([1.0], 1.0, method="chebyshev", time_step=1), ValueError, "time_step must be None"),
    (lambda: quantum.frames([1.0], [0.0, np.inf]), ValueError, r"times\[1\] must be finite"),
    (lambda: quantum.energy([0.0, 0.0]), ValueError, "psi must not be zero everywhere"),
    (lambda: quantum.wave_packet(8, 1e9, 1.0), ValueError, "centre must lie in reach"),
    (lambda: quantum.wave_packet((8, 8), 1.0, 0.0), ValueError, "width must be greater than 0"),
    (lambda: quantum.propagator(1.0, rate=-1.0), ValueError, "rate must be at least 0"),
    (lambda: quantum.propagator(1e9), ValueError, "duration must be at most 1e"),
    (lambda: quantum.quantum_walk(np.ones(3), [0.0, 0.0, 1.0], 1.0), ValueError, "stencil must be unchanged by flip"),
    (lambda: quantum.quantum_walk([1.0], [[1.0]], 1.0), ValueError, "stencil must have as many dimensions"),
    (lambda: quantum.classical_walk([1.0], [1.0], -1.0), ValueError, "duration must be at least 0"),
    (lambda: quantum.coined_walk([1.0, 2.0], 1), ValueError, r"state must have shape \(2, n\)"),
    (lambda: quantum.coined_walk(np.ones((2, 3)), 1, [[1, 1], [1, 1]]), ValueError, "coin must be a unitary"),
    (lambda: quantum.coined_walk(np.ones((2, 3)), -1), ValueError, "steps must be at least 0"),
    (lambda: quantum.sample_positions([0.0]), ValueError, "psi must not be zero everywhere"),
    (lambda: quantum.sample_positions([1.0], -1), ValueError, "shots must be at least 0"),
    (lambda: quantum.sample_positions([1.0], 1, rng="x"), TypeError, "rng must be"),
    (lambda: quantum.lcu_convolve(np.ones(6), [1.0]), ValueError, "sides that are powers of two, got shape"),
    (lambda: quantum.lcu_convolve(np.ones(8), [[1.0]]), ValueError, "kernel must have as many dimensions"),
    (lambda: quantum.lcu_convolve(np.ones((1,) * 4), [1.0]), ValueError, "image must have 1, 2 or 3"),
    (lambda: quantum.lcu_convolve(np.zeros(8), [1.0]), ValueError, "image must not be zero everywhere"),
    (lambda: quantum.lcu_convolve(np.ones(8), [0.0]), ValueError, "kernel must not be zero everywhere"),
    (lambda: quantum.lcu_convolve(np.ones((2048, 2048)), np.ones((5, 5))), ValueError, r"at most 2\*\*26 amplitudes"),
    (lambda: quantum.lcu_convolve([np.nan, 1.0], [1.0]), ValueError, "image must be finite"),
    (lambda: quantum.lcu_circuit([1.0], [1.0]), ValueError, "image must have at least 2 pixels"),
    (lambda: quantum.read_out([0.5], 1, 1.0), TypeError, "counts must hold whole numbers"),
    (lambda: quantum.read_out([-1], 1, 1.0), ValueError, "counts must not be empty or negative"),
    (lambda: quantum.read_out([2], 1, 1.0), ValueError, "counts must sum to at most shots, 1, got 2"),
    (lambda: quantum.read_out([1], 1, 0.0), ValueError, "scale must be greater than 0"),
    (lambda: quantum.read_out([1], 1, 1.0, confidence=1.0), ValueError, "confidence must be less than 1"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED)
def test_bad_input_is_refused_in_one_line(call, kind, message):
    with pytest.raises(kind, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)
