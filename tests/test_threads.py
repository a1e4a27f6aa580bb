"""Threads: helpers join, callers at once do not disturb each other, and a forked child starts anew."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv import _threads
from diffuseconv._jit import crew
from diffuseconv._jit.atomic import add, published

linux = pytest.mark.skipif(sys.platform != "linux", reason="crews sleep on semaphores of Linux")


@numba.njit(nogil=True)
def meet(arrived, wanted):
    """Wait for others, but not for ever."""
    add(arrived, 0, 1)
    for _ in range(10**9):
        if published(arrived, 0) >= wanted:
            return


share_meeting = crew.shared(meet)


@numba.njit(nogil=True)
def meet_together(words, seats, arrived, wanted):
    share_meeting(words, seats, (arrived, wanted))


@linux
@pytest.mark.parametrize("helpers", [1, 3])
def test_helpers_join(helpers, monkeypatch):
    """All come at once, for the job ends only when all have met; a second job finds them awake, a third asleep."""
    monkeypatch.setattr(numba, "get_num_threads", lambda: helpers + 1)
    for pause in (0, 0, 0.02):
        time.sleep(pause)
        arrived = np.zeros(1, np.int64)
        _threads.together(meet_together, meet, arrived, helpers + 1)
        assert arrived[0] == helpers + 1


def test_a_dismissed_helper_leaves():
    words = _threads._empty()
    assert crew.found(words) == sys.platform.startswith("linux")
    words[crew.DISMISSED] = 1
    crew.serve(words)


def test_who_finds_the_crew_busy_works_alone():
    words = _threads._empty()
    words[crew.BUSY] = 1
    arrived = np.zeros(1, np.int64)
    meet_together(words, 1, arrived, 1)
    assert arrived[0] == 1
    assert words[crew.BUSY] == 1


def test_without_a_crew_the_pool_shares_the_work(monkeypatch):
    rng = np.random.default_rng(0)
    u, k = rng.random((300, 310)), rng.random((7, 7))
    expected = dc.convolve(u, k, method="direct")
    monkeypatch.setattr(numba, "get_num_threads", lambda: 3)
    monkeypatch.setattr(sys, "platform", "elsewhere")
    np.testing.assert_array_equal(dc.convolve(u, k, method="direct"), expected)


def test_callers_at_once_do_not_disturb_each_other(monkeypatch):
    rng = np.random.default_rng(1)
    fields, k = rng.random((6, 260, 250)), rng.random((7, 7))
    eq = dc.DiffusionEquation(0.5 + fields[0])

    def work(u):
        evolved = [eq.evolve(u, 4.0, method) for method in ("explicit", "chebyshev")]
        return np.array([dc.convolve(u, k, method="direct"), *evolved])

    monkeypatch.setattr(numba, "get_num_threads", lambda: 1)
    expected = [work(u) for u in fields]
    monkeypatch.setattr(numba, "get_num_threads", lambda: 3)
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            np.testing.assert_array_equal(list(pool.map(work, fields)), expected)
    assert threading.active_count() < 50


FORK = """
import os
import numpy as np
import diffuseconv as dc

u, k = np.random.default_rng(2).random((300, 300)), np.ones((9, 9))
eq = dc.DiffusionEquation(0.5 + u)
work = lambda: np.array([dc.convolve(u, k, method="direct"), eq.evolve(u, 3.0, "explicit"), eq.evolve(u, 3.0)])
expected = work()
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(work(), expected) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert np.array_equal(work(), expected)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_starts_anew():
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=120)
