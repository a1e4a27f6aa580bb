"""The operations of `vector` on arrays: what they mean, and what takes their place where nothing is compiled."""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.machine import MACHINE


def lanes_of(array):
    """Return how many numbers of an array a vector holds."""
    return np.uintp(MACHINE.bytes // array.itemsize)


def load(array, index):
    """Load the vector that begins at ``array[index]``."""
    return array[index : int(index) + MACHINE.bytes // array.itemsize].copy()


def load_as(other, array, index):
    """Load as many numbers as a vector of the `other` array holds, as such a vector."""
    return array[index : int(index) + MACHINE.bytes // other.itemsize].astype(other.dtype)


def store(array, index, vector):
    """Store a vector from ``array[index]`` on."""
    array[index : int(index) + MACHINE.bytes // array.itemsize] = vector


def spread(number):
    """Return a vector of one number."""
    return np.full(MACHINE.bytes // number.itemsize, number)


def after_last(left, right):
    """Return the last lane of the left vector, then all but the last of the right one."""
    return np.concatenate([left[-1:], right[:-1]])


def from_second(left, right):
    """Return all but the first lane of the left vector, then the first of the right one."""
    return np.concatenate([left[1:], right[:1]])


def loaded_after_last(array, index, left, right):
    """Return what `after_last` does, where the right vector is the one at ``array[index]``."""
    return after_last(left, right)


def loaded_from_second(array, index, left, right):
    """Return what `from_second` does, where the right vector is the one at ``array[index]``."""
    return from_second(left, right)


def _chosen(of):
    """Return a function that takes the lane ``of(i, group)`` of a vector to lane i; a group is 4 lanes, or all."""
    return lambda vector: vector[[of(lane, min(4, len(vector))) % len(vector) for lane in range(len(vector))]]


turned = _chosen(lambda lane, group: lane // group * group + (lane - 1) % group)
lane_0, lane_1, lane_2, lane_3 = (
    _chosen(lambda lane, group, number=number: lane // group * group + number) for number in range(4)
)
swapped_fours, swapped_eights = _chosen(lambda lane, group: lane ^ 4), _chosen(lambda lane, group: lane ^ 8)


def plus_product(vector, left, right):
    """Add a product to a vector."""
    return vector + left * right


def product_minus(left, right, vector):
    """Subtract a vector from a product."""
    return left * right - vector


def upwind(drift, before, after):
    """Take the lanes of the vector before a face where the drift is positive, of that after it elsewhere."""
    return np.where(drift > 0, before, after)
