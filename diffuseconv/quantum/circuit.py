"""The convolution of `lcu` as a circuit for real machines, with Qiskit (the optional extra ``quantum``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._scaling import exponent, times_power
from diffuseconv.propagator import Propagator
from diffuseconv.quantum._registers import Plan, angles, increments, registers

__all__ = ["lcu_circuit"]


def lcu_circuit(image: ArrayLike, kernel: ArrayLike | Propagator, *, load: bool = True, measure: bool = False) -> Any:
    r"""Build the circuit that `lcu_convolve` simulates, as a `qiskit.QuantumCircuit`.

    Registers: one for each axis of the image (``axis0`` is the first; its lowest qubit is the lowest binary digit of
    the index) and ``tap``, the ancilla. Axes are added last first and ``tap`` at the end, so the circuit's state
    vector, reshaped to ``(2**tap, *image.shape)``, is ``LCU.state``. The circuit can be exported by
    ``qiskit.qasm3.dumps`` (OpenQASM 3, which does not tell the global phase; to spell out Qiskit's own gates, transpile
    first).

    Loading an image takes about as many gates as the image has pixels.

    Parameters
    ----------
    image, kernel : array_like
        As for `lcu_convolve`.
    load : bool, default True
        Begin by loading the image into the registers; otherwise they are expected to hold it.
    measure : bool, default False
        End with a measurement of all qubits into the classical registers ``place`` (axes, last first) and ``outcome``
        (ancilla, where there is one).

    Returns
    -------
    qiskit.QuantumCircuit

    Raises
    ------
    ImportError
        If Qiskit is not installed.
    TypeError, ValueError
        As `lcu_convolve`, or if the image has one pixel only.

    Examples
    --------
    ::

        circuit = dc.quantum.lcu_circuit(image, kernel, measure=True)
        print(qiskit.qasm3.dumps(circuit))
    """
    load, measure = _checks.flag("load", load), _checks.flag("measure", measure)
    x, plan = registers(image, kernel)
    if x.size == 1:
        raise ValueError(f"image must have at least 2 pixels to need a qubit, got shape {x.shape}")
    try:
        from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
        from qiskit.circuit.library import StatePreparation
    except ImportError:
        raise ImportError('lcu_circuit needs Qiskit: pip install "diffuseconv[quantum]"') from None

    bits = [n.bit_length() - 1 for n in x.shape]
    axes = [QuantumRegister(count, f"axis{axis}") for axis, count in enumerate(bits)]
    tap = QuantumRegister(plan.ancillas, "tap")
    circuit = QuantumCircuit(*[register for register in (*reversed(axes), tap) if len(register)])
    if load:
        unit = times_power(x.astype(np.complex128).ravel(), -exponent(x))
        circuit.append(StatePreparation(unit / np.linalg.norm(unit)), circuit.qubits[: sum(bits)])
    prepare = _prepare(plan)
    circuit.compose(prepare, tap, inplace=True)
    for j, move in enumerate(plan.moves):
        _select(circuit, plan, j, move, axes, tap)
    circuit.compose(prepare.inverse(), tap, inplace=True)
    if measure:
        place, outcome = ClassicalRegister(sum(bits), "place"), ClassicalRegister(plan.ancillas, "outcome")
        circuit.add_register(*[register for register in (place, outcome) if len(register)])
        circuit.measure(range(circuit.num_qubits), range(circuit.num_qubits))
    return circuit


def _prepare(plan: Plan) -> Any:
    """Return the circuit from ancilla 0 to the square roots of the weights: one rotation for each node of their tree.

    A rotation that depends on the qubits above is as many plain ones with CX between them, in the order of a Gray code
    (Möttönen et al. 2005).
    """
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(plan.ancillas, name="prepare")
    for level, rotations in enumerate(angles(plan)):
        target = plan.ancillas - 1 - level
        above = np.arange(len(rotations))
        gray = above ^ above >> 1
        signs = [[(-1) ** int(i & j).bit_count() for j in above] for i in gray]
        for place, angle in enumerate(np.array(signs) @ rotations / len(rotations)):
            circuit.ry(angle, target)
            changed = int(gray[place] ^ gray[(place + 1) % len(rotations)])
            if changed:
                circuit.cx(target + changed.bit_length(), target)
    return circuit


def _select(circuit: Any, plan: Plan, j: int, move: tuple[int, ...], axes: list[Any], tap: Any) -> None:
    """Add tap `j`: where the ancilla holds `j`, shift every axis and multiply by the phase."""
    angle = float(np.angle(plan.phases[j]))
    zeros = [qubit for digit, qubit in enumerate(tap) if not j >> digit & 1]
    if not any(move) and angle == 0:
        return
    if zeros:
        circuit.x(zeros)
    for register, d in zip(axes, move, strict=True):
        for low in increments(d, len(register)):
            for qubit in reversed(range(low, len(register))):  # from the top: each reads the digits before the change
                controls = [*tap, *register[low:qubit]]
                circuit.mcx(controls, register[qubit]) if controls else circuit.x(register[qubit])
    if angle and len(tap) == 0:
        circuit.global_phase += angle
    elif angle and len(tap) == 1:
        circuit.p(angle, tap[0])
    elif angle:
        circuit.mcp(angle, list(tap[:-1]), tap[-1])
    if zeros:
        circuit.x(zeros)
