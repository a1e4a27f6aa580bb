"""Quantum mechanics as diffusion with an imaginary diffusivity: waves, walks, measurement, convolution by qubits."""

from diffuseconv.quantum.born import collapse
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
    "collapse",
    "energy",
    "evolve",
    "frames",
    "lcu_circuit",
    "lcu_convolve",
    "propagator",
    "quantum_walk",
    "read_out",
    "wave_packet",
]
