"""The Schrödinger equation: every evolution against dense matrices, and what is refused."""

import itertools
import math

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from quantum_checks import SMALL, distance
from scipy.linalg import expm

from diffuseconv import quantum


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
    (lambda: quantum.frames([1.0], itertools.count()), ValueError, "times must come to an end"),
    (lambda: quantum.frames([1.0], 2.0), TypeError, "times must be an iterable of numbers, got 2.0"),
    (lambda: quantum.frames([1.0], [0.0], progress="yes"), TypeError, "progress must be True or False"),
    (lambda: quantum.energy([0.0, 0.0]), ValueError, "psi must not be zero everywhere"),
    (lambda: quantum.wave_packet(8, 1e9, 1.0), ValueError, "centre must lie in reach"),
    (lambda: quantum.wave_packet((8, 8), 1.0, 0.0), ValueError, "width must be greater than 0"),
    (lambda: quantum.propagator(1.0, rate=-1.0), ValueError, "rate must be at least 0"),
    (lambda: quantum.propagator(1e9), ValueError, "duration must be at most 300000"),
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
    (lambda: quantum.read_out([-1], 1, 1.0), ValueError, "counts must not be negative"),
    (lambda: quantum.read_out([2], 1, 1.0), ValueError, "counts must sum to at most shots, 1, got 2"),
    (lambda: quantum.read_out([1], 1, 0.0), ValueError, "scale must be greater than 0"),
    (lambda: quantum.read_out([1], 1, 1.0, confidence=1.0), ValueError, "confidence must be less than 1"),
]


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED)
def test_bad_input_is_refused_in_one_line(call, kind, message):
    with pytest.raises(kind, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)
