"""Tables of times: the entry that holds at a time, in later turns and late on a clock too."""

import numpy as np
import pytest

import diffuseconv as dc


@pytest.mark.parametrize("start", [0.0, 7.3, 1e6])
@pytest.mark.parametrize("period", [0.1, 0.3, 1 / 7])
def test_the_times_of_later_turns_are_those_of_the_table(start, period):
    """They are sums, off by rounding: the entry that begins there holds for the whole piece of a run."""
    table = dc.Schedule([start, start + period / 3], [0.0, 1.0], period=period)
    turns = start + period * np.arange(100)
    assert [table(time) for time in turns] == [0.0] * 100
    assert [table(time + period / 3) for time in turns] == [1.0] * 100
    filled = dc.DiffusionEquation(source=table).evolve(np.zeros(3), 100 * period, start=start)
    # each of 200 jumps is off by some roundings of the clock
    np.testing.assert_allclose(filled, 100 * period * 2 / 3, rtol=0, atol=200 * 8 * np.spacing(start + 100 * period))
