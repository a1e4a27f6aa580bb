"""Threads: workers share calls, callers at once do not disturb each other; fork, signals and exit at any moment."""

import os
import queue
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import Future, ThreadPoolExecutor

import numba
import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv import _threads
from diffuseconv._jit.rounds import NOTHING, OVER, SPACING, Rounds, end_round, next_part

unix = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
several = pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="needs two threads")

PRELUDE = """
import atexit, os, signal, sys, threading, time
import numpy as np
import diffuseconv as dc

u, k = np.random.default_rng(2).random((300, 300)), np.ones((9, 9))
eq = dc.DiffusionEquation(0.5 + u)
def work():
    return np.array([
        dc.convolve(u, k, method="direct"), dc.convolve(u, k, method="fft"),
        eq.evolve(u, 3.0, "explicit"), eq.evolve(u, 3.0), dc.measure(u, k / 81, draws=50, rng=1),
    ])
expected = work()
def check():
    assert np.array_equal(work(), expected)
"""


def run_program(code, _):
    """Run a program in a fresh process, with as many threads of BLAS as users have."""
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(command, check=False, timeout=120, capture_output=True, text=True, env=environment)


def program(code, first=""):
    """Mark a test with a program, which must end well, say nothing on stderr and so much on stdout."""
    return pytest.mark.aside(first + PRELUDE + code, call=run_program)


def report(done):
    """Return all that tells how a program ended."""
    return done.returncode, done.stderr, done.stdout.split()


def in_time(call):
    """Make a call in a thread aside, for half a minute at most; raise what it raises."""
    ended = Future()

    def aside():
        try:
            ended.set_result(call())
        except BaseException as error:
            ended.set_exception(error)

    threading.Thread(target=aside, daemon=True).start()
    return ended.result(30)


@several
def test_workers_join():
    """A worker joins, for both blocks end only when both have begun; at once, soon after, and from sleep."""
    for pause in (0, 0, 0.02):
        time.sleep(pause)
        meeting = threading.Barrier(2, timeout=30)
        _threads.run(lambda meeting=meeting: meeting.wait(), [(), ()])


def test_every_block_is_done_once():
    done = []
    _threads.run(done.append, [(i,) for i in range(1000)])
    assert sorted(done) == list(range(1000))


@pytest.mark.parametrize(
    "neighbours", [[[-1, -1]], [[0, 0]], [[-1, 1], [0, 2], [1, -1]], [[3, 1], [0, 2], [1, 3], [2, 0]]]
)
def test_no_part_runs_ahead_of_its_neighbours(neighbours, monkeypatch):
    """When an even part begins round k its neighbours have ended k rounds, and k + 1 when an odd one does."""
    monkeypatch.setattr(_threads, "count", lambda: 3)
    begun, ended = np.zeros((2, SPACING * len(neighbours)), np.int64)
    rounds, wrong = Rounds(begun, ended, np.zeros(1, np.int64), np.array(neighbours), 200), []

    def take(thread):
        part = next_part(rounds, thread % len(neighbours))
        if part >= 0:
            near = [int(ended[n * SPACING]) for n in neighbours[part] if n >= 0 and n != part]
            if any(n != ended[part * SPACING] + part % 2 for n in near):
                wrong.append((part, near))
            time.sleep(1e-5)
            end_round(rounds, part)
        return part

    in_time(lambda: _threads.in_rounds(take, lambda: rounds.stopped.fill(1), 3))
    assert wrong == []
    assert (ended[::SPACING] == 200).all()
    assert (begun == ended).all()


def test_rounds_end_early():
    """Once they are stopped there is no more to do."""
    rounds = Rounds(*np.zeros((2, SPACING), np.int64), np.ones(1, np.int64), np.array([[-1, -1]]), 9)
    assert next_part(rounds, 0) == OVER


def test_who_finds_nothing_to_do_waits_until_all_is_over():
    rounds = Rounds(*np.zeros((2, SPACING), np.int64), np.zeros(1, np.int64), np.array([[-1, -1]]), 1)
    assert [next_part(rounds, 0) for _ in range(3)] == [0, NOTHING, NOTHING]
    end_round(rounds, 0)
    assert next_part(rounds, 0) == OVER != NOTHING


@pytest.mark.parametrize("shared", ["run", "in_rounds"])
def test_errors_of_workers_reach_the_caller(shared):
    """At once, and never a call that waits for what a worker no longer does."""

    def share():
        caller = threading.get_ident()

        def work(*_):
            if threading.get_ident() != caller:
                raise ZeroDivisionError("from a worker")
            time.sleep(0.01)
            return left.pop()

        left = [OVER, *[0] * 500]
        if shared == "run":
            _threads.run(work, [()] * 500)
        else:
            _threads.in_rounds(work, lambda: left.extend([OVER] * 9), 2)

    if _threads.count() > 1:
        with pytest.raises(ZeroDivisionError, match="from a worker"):
            in_time(share)
    else:
        in_time(share)


def test_a_call_returns_after_its_last_worker(monkeypatch):
    """Nothing writes to the caller's arrays once a call has returned."""
    monkeypatch.setattr(_threads, "count", lambda: 4)
    caller, begun, ended = threading.get_ident(), threading.Barrier(4, timeout=20), []

    def work():
        begun.wait()
        if threading.get_ident() != caller:
            time.sleep(0.1)
            ended.append(True)

    _threads.run(work, [()] * 4)
    assert len(ended) == 3


def test_a_withdrawn_call_holds_nothing(monkeypatch):
    """What no worker had time for stays in the queue, but not the arrays that it was to work on."""
    monkeypatch.setattr(_threads, "_tasks", queue.SimpleQueue())  # which no worker reads
    monkeypatch.setattr(_threads, "_workers", dict.fromkeys(range(64)))
    monkeypatch.setattr(_threads, "count", lambda: 3)
    array = np.zeros(9)
    alive = weakref.ref(array)
    _threads.run(lambda place, held=array: held.put(place, 1), [(i,) for i in range(9)])
    assert array.all()
    del array
    assert _threads._tasks.qsize() == 2
    assert alive() is None
    assert _threads._active == {}


def test_errors_of_the_caller_end_the_call():
    stopped = []

    def share(call, *arguments):
        caller = threading.get_ident()

        def work(*_):
            if threading.get_ident() == caller:
                raise KeyError("here")
            time.sleep(0.001)
            return OVER if stopped else NOTHING

        call(work, *arguments)

    with pytest.raises(KeyError):
        in_time(lambda: share(_threads.run, [()] * 10**5))
    with pytest.raises(KeyError):
        in_time(lambda: share(_threads.in_rounds, lambda: stopped.append(True), 2))


@several
def test_callers_at_once_do_not_disturb_each_other():
    rng = np.random.default_rng(1)
    fields, k = rng.random((6, 260, 250)), rng.random((7, 7))
    eq = dc.DiffusionEquation(0.5 + fields[0])

    def work(u):
        evolved = [eq.evolve(u, 4.0, method) for method in ("explicit", "chebyshev")]
        return np.array([dc.convolve(u, k, method="direct"), *evolved])

    before = len(_threads._workers)  # other tests may have asked for more threads than there are
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        expected = [work(u) for u in fields]
    finally:
        numba.set_num_threads(threads)
    with ThreadPoolExecutor(6) as pool:
        for _ in range(3):
            np.testing.assert_array_equal(list(pool.map(work, fields)), expected)
    assert len(_threads._workers) <= max(before, numba.config.NUMBA_NUM_THREADS - 1)


def test_idle_workers_sleep():
    dc.convolve(np.ones((400, 400)), np.ones((9, 9)), method="direct")
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1


@unix
@program("""
child = os.fork()
if child == 0:
    check()
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
check()
""")
def test_a_forked_child_starts_anew(done):
    assert report(done) == (0, "", [])


@unix
@program("""
stop = threading.Event()
def keep_working():
    while not stop.is_set():
        check()
thread = threading.Thread(target=keep_working)
thread.start()
for _ in range(10):
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        check()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
stop.set()
thread.join()
""")
def test_fork_while_another_thread_works(done):
    assert report(done) == (0, "", [])


@unix
@program("""
children = []
def handler(*_):
    child = os.fork()
    if child:
        children.append(child)
    else:
        signal.alarm(60)
        children.clear()
        os.environ["CHILD"] = "1"
signal.signal(signal.SIGUSR1, handler)
for delay in (0.001, 0.003, 0.01):
    threading.Timer(delay, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
    try:
        long = eq.evolve(u, 300.0, "explicit")
    except RuntimeError:
        assert "CHILD" in os.environ
    if "CHILD" in os.environ:
        check()
        os._exit(0)
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
""")
def test_a_child_forked_within_a_call_does_not_hang(done):
    """A signal handler forks while a worker helps: the child has lost the worker and gets an error, or the result."""
    assert report(done) == (0, "", [])


@unix
@several
@program("""
from diffuseconv import _threads
forked, begun, deadline = threading.Event(), [], time.monotonic() + 60
caller, parent, children, done = threading.get_ident(), os.getpid(), [], []
def block():
    if threading.get_ident() != caller:
        begun.append(1)
        assert forked.wait(60)
    elif not children:
        while len(begun) < min(_threads.count(), 100) - 1:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        _threads._tasks.put(_threads._Task(None))  # for which no worker has time
        children.append(os.fork())
        if children[0] == 0:
            signal.alarm(60)
            assert (_threads._workers, _threads._active, _threads._tasks.qsize()) == ({}, {}, 0)
        forked.set()
    done.append(1)
try:
    _threads.run(block, [()] * 100)
    assert os.getpid() == parent and len(done) == 100
except RuntimeError as error:
    assert os.getpid() != parent and "must not fork" in str(error) and len(done) == 1
if os.getpid() != parent:
    meeting = threading.Barrier(2, timeout=30)
    _threads.run(meeting.wait, [(), ()])
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
""")
def test_a_forked_child_has_workers_of_its_own_and_no_records_of_its_parent(done):
    """Forked by the caller while a worker is within its block: that call cannot end, and says so; others can."""
    assert report(done) == (0, "", [])


@unix
@program("""
calls = []
def handler(*_):
    check()
    calls.append(1)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.2)
end = time.monotonic() + 1
while time.monotonic() < end:
    check()
signal.setitimer(signal.ITIMER_REAL, 0)
assert calls
""")
def test_a_signal_handler_may_call(done):
    assert report(done) == (0, "", [])


@program("""
def later():
    threading.main_thread().join()
    check()
    print("thread")
def last():
    check()
    print("atexit")
atexit.register(last)
threading.Thread(target=later).start()
""")
def test_atexit_and_threads_that_outlive_the_main_thread_may_call(done):
    assert report(done) == (0, "", ["thread", "atexit"])


@program(
    """
def last():
    check()
    dc.convolve(np.stack([u] * 8), k, axes=(1, 2), method="fft")
    print("last")
threading.Thread(target=work, daemon=True).start()
""",
    first="import atexit; atexit.register(lambda: last())",
)
def test_what_was_registered_first_may_call_last_of_all(done):
    """When daemon threads, workers among them, begin nothing more."""
    assert report(done) == (0, "", ["last"])


AT_WORK = """
def keep_working():
    while True:
        work(), dc.DiffusionEquation().evolve(u, 3.0, "spectral")
for _ in range(3):
    threading.Thread(target=keep_working, daemon=True).start()
"""


@pytest.mark.parametrize(
    "delay", [pytest.param(delay, marks=program(f"{AT_WORK}time.sleep({delay})")) for delay in (0.0, 0.003, 0.02)]
)
def test_exit_while_daemon_threads_work(delay, done):
    """In our loops, and in SciPy's, whose transforms abort in a daemon thread that outlives the interpreter."""
    assert report(done) == (0, "", [])


@program("""
from scipy.sparse import eye_array
from scipy.sparse.linalg import splu
from diffuseconv import _foreign
matrix = eye_array(9).tocsc()
kept = [_foreign.Made(lambda: splu(matrix)) for _ in range(3)]
del kept[0]
""")
def test_exit_with_factors_at_hand(done):
    """SciPy leaves an error behind where a thread ends before the factors that it has made, which the exit meets."""
    assert report(done) == (0, "", [])


@unix
@program("""
for delay in (0.002, 0.01, 0.03):
    try:
        threading.Timer(delay, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        eq.evolve(u, 1e5, "explicit")
        raise SystemExit("not interrupted")
    except KeyboardInterrupt:
        pass
    check()
from diffuseconv import _threads
caller, ended = threading.get_ident(), []
def block(interrupt, begun):
    begun.wait()
    if threading.get_ident() != caller:
        time.sleep(0.05)  # until the caller waits
        interrupt(signal.SIGINT)
        time.sleep(0.05)
        ended.append(interrupt)
for interrupt in (signal.raise_signal, lambda number: signal.pthread_kill(caller, number)) * (_threads.count() > 1):
    try:
        _threads.run(block, [(interrupt, threading.Barrier(2, timeout=20))] * 2)
        raise SystemExit("not interrupted")
    except KeyboardInterrupt:
        assert ended.pop() is interrupt
""")
def test_ctrl_c_ends_a_call_and_the_next_one_works(done):
    """Also while the caller waits for its last worker: with that one, whichever thread the signal comes to."""
    assert report(done) == (0, "", [])
