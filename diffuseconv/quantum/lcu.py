r"""Convolution on a quantum computer: a linear combination of unitaries.

A cyclic shift is unitary; a convolution, :math:`k * x = \sum_j k_j S^{d_j} x`, is a weighted sum of shifts and is not.
With the weights in a few ancilla qubits it becomes part of a unitary (Childs and Wiebe 2012):

1. load: the image becomes amplitudes, :math:`|x\rangle = \sum_i x_i |i\rangle / \lVert x \rVert`;
2. prepare: the ancilla becomes :math:`\sum_j \sqrt{|k_j| / \lVert k \rVert_1}\, |j\rangle`;
3. select: where the ancilla is :math:`|j\rangle`, shift by :math:`d_j` and multiply with the phase of :math:`k_j`;
4. unprepare: the inverse of 2;
5. measure the ancilla. Where it is 0 the image register holds :math:`k * x`, up to its length.

.. math:: \langle 0| U |0\rangle |x\rangle = \frac{k * x}{\lVert k \rVert_1 \lVert x \rVert}, \qquad
          P(\text{success}) = \frac{\lVert k * x \rVert^2}{\lVert k \rVert_1^2 \lVert x \rVert^2}
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv._scaling import exponent, times_power, unscaled
from diffuseconv._typing import Array
from diffuseconv.propagator import Propagator
from diffuseconv.quantum._registers import angles, registers
from diffuseconv.quantum.gates import GateCounts, count_gates

__all__ = ["LCU", "lcu_convolve"]


@dataclass(frozen=True, eq=False)
class LCU:
    r"""The result of the circuit; arrays are those of the simulated state vector.

    Attributes
    ----------
    image : ndarray
        The post-selected amplitudes times `scale`: the periodic convolution.
    success_probability : float
        The chance that the ancilla is found to be 0.
    scale : float
        ``sum(abs(kernel)) * norm(image)``: what amplitudes are multiplied with to be grey values.
    state : ndarray, shape (2\*\*ancilla_qubits, \*image.shape)
        All amplitudes before the measurement; ``state[0]`` belongs to success.
    ancilla_qubits, image_qubits : int
        The logarithms of what they hold: taps and pixels.
    gates : GateCounts
    """

    image: Array
    success_probability: float
    scale: float
    state: Array
    ancilla_qubits: int
    image_qubits: int
    gates: GateCounts

    @property
    def qubits(self) -> int:
        """Ancilla and image qubits, all of them."""
        return self.ancilla_qubits + self.image_qubits


def lcu_convolve(image: ArrayLike, kernel: ArrayLike | Propagator) -> LCU:
    r"""Convolve an image with a kernel as a quantum computer would, by simulating its state vector.

    The outcome is ``convolve(image, kernel, boundary="periodic")`` to rounding, found without it: every amplitude of
    ancilla and image register is carried through the circuit described in this module.

    Parameters
    ----------
    image : array_like of 1 to 3 dimensions
        Real or complex; every side a power of two.
    kernel : array_like of as many dimensions, or Propagator
        Real or complex, with any number of taps; origin at ``shape // 2``. Taps that are zero cost nothing.

    Returns
    -------
    LCU
        The image (dtype as for `convolve`; complex where one of the inputs is), the chance of success, qubits, gates.

    Raises
    ------
    TypeError, ValueError
        If an input is not of the kind above or zero everywhere, or if the state would have over 2**26 amplitudes.

    References
    ----------
    .. [1] A. M. Childs and N. Wiebe, "Hamiltonian simulation using linear combinations of unitary operations",
       Quantum Inf. Comput. 12 (2012) 901.
    .. [2] M. Möttönen et al., "Transformation of quantum states using uniformly controlled rotations", Quantum Inf.
       Comput. 5 (2005) 467.

    Examples
    --------
    >>> done = dc.quantum.lcu_convolve([0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 1.0])
    >>> done.image.round(12) + 0, round(done.success_probability, 12), done.qubits
    (array([ 0., -1.,  0.,  1.]), 0.5, 3)
    """
    x, plan = registers(image, kernel)
    power = exponent(x)
    unit = times_power(x.astype(np.result_type(x.dtype, np.float64)), -power)
    length = float(np.linalg.norm(unit))
    total = math.fsum(plan.weights)
    kind = np.result_type(x.dtype, plan.phases.dtype, np.float64)

    state = np.zeros((1 << plan.ancillas, *x.shape), kind)
    state[0] = unit / length
    levels = list(enumerate(angles(plan)))
    for level, rotations in levels:
        _rotate(state, level, rotations)
    for j, (phase, move) in enumerate(zip(plan.phases, plan.moves, strict=True)):
        state[j] = phase * np.roll(state[j], move, axis=tuple(range(x.ndim)))
    for level, rotations in reversed(levels):
        _rotate(state, level, -rotations)

    kind = np.result_type(x.dtype, np.complex64) if kind.kind == "c" else x.dtype
    scaled = np.asarray(total * length * state[0])
    with np.errstate(over="ignore"):
        result = unscaled("image", times_power(scaled, power + plan.power).astype(kind), 0, "the convolution")
    scale = float(unscaled("image", np.array(total * length), power + plan.power, "scale"))
    chance = float(np.vdot(state[0], state[0]).real)
    return LCU(result, chance, scale, state, plan.ancillas, x.size.bit_length() - 1, count_gates(plan, x.shape))


def _rotate(state: Array, level: int, angles: Array) -> None:
    """Rotate the ancilla below `level` others by the angle that belongs to their value."""
    pairs = state.reshape(1 << level, 2, -1)
    cosine, sine = np.cos(angles / 2)[:, None], np.sin(angles / 2)[:, None]
    zero, one = pairs[:, 0].copy(), pairs[:, 1].copy()
    pairs[:, 0], pairs[:, 1] = cosine * zero - sine * one, sine * zero + cosine * one
