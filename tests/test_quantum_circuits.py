"""Convolution by a linear combination of unitaries: circuits against plain loops and Qiskit."""

import math
import sys

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from quantum_checks import FALSE_ALARM, distance
from scipy import stats

import diffuseconv as dc
from diffuseconv import quantum

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
