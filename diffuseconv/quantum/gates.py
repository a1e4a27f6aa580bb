"""The cost of a convolution's circuit, counted gate by gate."""

from __future__ import annotations

from dataclasses import dataclass

from diffuseconv.quantum._registers import Plan, increments

__all__ = ["GateCounts", "count_gates"]


@dataclass(frozen=True)
class GateCounts:
    """Gates of the circuit by the textbook rule below; loading the image is not included.

    A register is shifted by +1 modulo 2**n by `n` gates, each flipping one qubit if all lower ones are 1; by
    ``d mod 2**n`` one such increment for each binary digit that is 1, of the qubits from that digit upwards. All gates
    of tap `j` are controlled by all ancillas (X gates around them where a digit of `j` is 0). A phase is one gate
    controlled likewise.

    A flip with `c` controls is 2c - 3 Toffoli gates on c - 2 clean work qubits (c >= 2), a Toffoli 6 CX (Nielsen and
    Chuang 2010, figs 4.9 and 4.10). A phase of -1 is a flip of one ancilla controlled by the others, between two
    Hadamard gates; another phase is a gate on a work qubit, between two flips of it by all ancillas. Preparing `a`
    qubits is 2**a - 1 rotations and 2**a - 2 CX (Möttönen et al. 2005), and unpreparing as many.

    Attributes
    ----------
    shifts : int
        Controlled shifts of an axis, one for each tap and each axis along which it moves.
    increments : int
        Increments that the shifts are made of.
    phases : int
        Controlled phases: taps that are not positive.
    flips : dict of int to int
        Number of flips by their number of controls (those of phases equal to -1 included).
    rotations : int
        One-qubit rotations of the preparation and its inverse.
    cx : int
        Two-qubit gates in all.
    work_qubits : int
        Clean qubits that this rule borrows.
    """

    shifts: int
    increments: int
    phases: int
    flips: dict[int, int]
    rotations: int
    cx: int
    work_qubits: int


def count_gates(plan: Plan, shape: tuple[int, ...]) -> GateCounts:
    """Count by the rule of `GateCounts`."""
    a, flips, shifts, steps = plan.ancillas, dict[int, int](), 0, 0
    phases = [complex(phase) for phase in plan.phases if phase != 1]

    def flip(controls: int, times: int = 1) -> None:
        flips[controls] = flips.get(controls, 0) + times

    for move in plan.moves:
        for d, n in zip(move, shape, strict=True):
            bits = n.bit_length() - 1
            lowest = increments(d, bits)
            shifts, steps = shifts + bool(d), steps + len(lowest)
            for low in lowest:
                for qubit in range(low, bits):
                    flip(a + qubit - low)
    for phase in phases if a else []:  # without ancillas the phase is global, and no gate
        flip(a - 1) if phase == -1 else flip(a, 2)
    flips = dict(sorted(flips.items()))
    rotations = 2 * ((1 << a) - 1)
    cx = 2 * max(0, (1 << a) - 2) + sum(number * _cx(controls) for controls, number in flips.items())
    borrowed = max([0, *(c - 2 for c in flips)]) + any(phase != -1 for phase in phases if a)
    return GateCounts(shifts, steps, len(phases), flips, rotations, cx, borrowed)


def _cx(controls: int) -> int:
    """Return the CX gates of a flip with so many controls."""
    return min(controls, 1) if controls < 2 else 6 * (2 * controls - 3)
