"""Quantum mechanics as diffusion with an imaginary diffusivity: waves, walks, measurement, convolution by qubits."""

from diffuseconv.quantum.born import sample_positions
from diffuseconv.quantum.circuit import lcu_circuit
from diffuseconv.quantum.gates import GateCounts
from diffuseconv.quantum.lcu import LCU, lcu_convolve
from diffuseconv.quantum.readout import Readout, read_out
from diffuseconv.quantum.schrodinger import energy, evolve, frames, wave_packet
from diffuseconv.quantum.walks import classical_walk, coined_walk, propagator, quantum_walk

__all__ = [
    "LCU",
    "GateCounts",
    "Readout",
    "classical_walk",
    "coined_walk",
    "energy",
    "evolve",
    "frames",
    "lcu_circuit",
    "lcu_convolve",
    "propagator",
    "quantum_walk",
    "read_out",
    "sample_positions",
    "wave_packet",
]
