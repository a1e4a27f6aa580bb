"""A short and repeatable part of the fuzz harness; ``python tests/fuzz.py 600`` is the long one."""

import fuzz
import numpy as np
import pytest


@pytest.mark.parametrize("room", ["measurement", "propagator", "testing"])
def test_hostile_arguments(room):
    """Documented errors in one line, finite numbers, no warning and no hang."""
    assert not fuzz.search(np.random.default_rng(1), calls=700, seconds=60, rooms=(room,))
