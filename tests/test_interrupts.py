"""Ctrl-C: every long call comes in batches of at most half a second, with the same bits, or runs in a thread aside."""

import _thread
import subprocess
import sys
import threading
import time

import numba
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv import _colours, _composition, _fft, _foreign, _linalg, _threads, matching, runs
from diffuseconv._jit import measurement as loops
from diffuseconv.convolution import direct, repeated
from diffuseconv.diffusion import shifted, steady
from diffuseconv.interpretation.moments import ROUNDINGS
from diffuseconv.measurement import _streams, scattering

HALF_A_SECOND = 500_000_000  # nanoseconds


@given(st.data(), st.integers(10**4, 10**6))
def test_measurement_in_small_batches_has_the_same_bits(data, at_once):
    """Batches of draws, of blocks, and of pixels within a block; grains of few and of many in a cell."""
    shape = data.draw(strategies.shapes(data.draw(st.integers(1, 3)), most=12))
    u, rng = data.draw(strategies.fields(shape)), data.draw(strategies.SEEDS)
    kernel = data.draw(strategies.kernels([3, 2, 4][: len(shape)]))
    p = dc.Propagator.normalized(np.abs(kernel) + 0.1)
    counts = np.random.default_rng(rng).choice([0, 3, scattering.FEW * p.density.size, 10**6], shape)

    def results():
        yield from (dc.measure(u, kernel, draws, rng=rng) for draws in (1, 7, 10**5))
        yield dc.measurement_variance(u, kernel)
        yield dc.scatter(counts, p, rng=rng)

    whole = list(results())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_streams, "LONGEST", at_once)
        for batched, once in zip(results(), whole, strict=True):
            np.testing.assert_array_equal(batched, once)


def test_taps_without_draws_use_no_words(monkeypatch):
    """Where all draws of a group are on the first taps, later ones are not asked, or in calls of their own."""
    u, kernel = np.arange(450.0), np.array([0.6, 0.4, 1e-12, 1e-13])
    whole = dc.measure(u, kernel, 1000, rng=1)
    monkeypatch.setattr(_streams, "LONGEST", 10**4)
    np.testing.assert_array_equal(dc.measure(u, kernel, 1000, rng=1), whole)


@pytest.mark.parametrize("side", [3, 9, 131])
@np.errstate(all="ignore")  # nothing is summed, and sums are what was in memory
def test_no_call_measures_or_scatters_longer_than_half_a_second(side, monkeypatch):
    """By what a draw costs: two nanoseconds for single ones, about fifty a tap for a binomial count."""
    calls = []  # what is called, on how many blocks

    def only_count(work, blocks):
        calls.extend((work, last - first) for first, last in blocks)

    u, taps = np.ones((1024, 1024)), side**2
    kernel = np.full((side, side), 1 / taps)
    monkeypatch.setattr(_threads, "run", only_count)
    for draws in {min(2000, 40 * taps), 40 * taps}:
        calls.clear()
        dc.measure(u, kernel, draws, rng=1)
        parts = [(work.args[-3], blocks) for work, blocks in calls]  # how many draws, or from which to which
        spent = [2 * int(np.diff(np.append(0, part))[-1]) * blocks * _streams.BLOCK for part, blocks in parts]
        assert sum(spent) == 2 * draws * u.size
        assert max(spent) <= HALF_A_SECOND
    for verb in (lambda: dc.measure(u, kernel, 10**9, rng=1), lambda: dc.scatter(u.astype(int), kernel, rng=1)):
        calls.clear()
        verb()
        cells = [blocks * (work.args[-2][1] - work.args[-2][0]) for work, blocks in calls]
        assert sum(cells) == u.size
        assert max(cells) * 50 * taps <= HALF_A_SECOND


@np.errstate(all="ignore")
def test_no_call_takes_long_for_a_million_taps(monkeypatch):
    """Groups of 256 pixels are cut too, by taps and by grains: a draw misses the caches, at up to 140 nanoseconds."""
    calls = []
    monkeypatch.setattr(_threads, "run", lambda work, blocks: calls.extend((work, b - a) for a, b in blocks))
    u, kernel = np.ones((16, 16)), np.full((1000, 1000), 1e-6)
    dc.measure(u, kernel, 10**9, rng=1)
    dc.scatter(np.full((16, 16), 10**7), kernel, rng=1)
    taps = [work.args[-3] if work.args[0] is loops.sum_many else work.args[-3][1] for work, _ in calls]
    grains = [work.args[-3][0] for work, _ in calls if work.args[0] is loops.move_grains]
    for parts, amount, cost in ((taps, 2 * 10**6, 256 * 50), (grains, 256 * 10**7, 140)):
        assert sum(high - low for low, high in parts) == amount * _streams.BLOCK // loops.GROUP
        assert max(high - low for low, high in parts) * cost <= HALF_A_SECOND
    calls.clear()
    dc.measure(np.ones((64, 64)), kernel, 10**4, rng=1)
    assert max(blocks * _streams.BLOCK * np.diff(work.args[-3]) for work, blocks in calls) * 60 <= HALF_A_SECOND


U, K = np.random.default_rng(1).random((60, 70)), np.random.default_rng(2).random((5, 5))
P, COUNTS = dc.Propagator.normalized(K), np.full((60, 70), 10**9)
LINE = dc.Propagator.normalized(U[0])
KNOWN = U > 0.3
VERBS = {
    "measure, few draws": lambda: dc.measure(U, K, 100, rng=1),
    "measure, many draws": lambda: dc.measure(U, K, 10**9, rng=1),
    "measure_until": lambda: dc.measure_until(U, K / K.sum(), 0.5, rng=1).mean,
    "variance": lambda: dc.measurement_variance(U, K),
    "scatter": lambda: dc.scatter(COUNTS, P, rng=1),
    "random_walk": lambda: list(dc.random_walk(COUNTS, P, 2, rng=1))[-1],
    "direct": lambda: dc.convolve(U, K, method="direct"),
    "direct, masked": lambda: dc.convolve(U, K, method="direct", mask=KNOWN),
    "fft, masked": lambda: dc.convolve(U, np.pad(K, 20), method="fft", mask=KNOWN & (np.arange(70) > 50)),
    "feature_maps": lambda: dc.feature_maps(U, np.stack([K, K])),
    "find": lambda: [match.score for match in matching.find(np.where(KNOWN, U, 1e9 * U), K)],
    "score": lambda: matching.score(U, K),
    "compose": lambda: LINE.compose(LINE).density,
    "power": lambda: LINE.power(20).density,
}


@pytest.mark.parametrize("name", VERBS)
def test_ctrl_c_ends_a_call_between_two_batches(name, monkeypatch):
    """On one thread, where the second batch is told of an interrupt and none comes after it; the next call is right."""
    expected = VERBS[name]()
    for module, limit in (
        (_streams, "LONGEST"),
        (direct, "WORTH_THREADS"),
        (direct, "LONGEST"),
        (repeated, "LARGEST"),
        (matching, "_AT_ONCE"),
        (_composition, "AT_ONCE"),
    ):
        monkeypatch.setattr(module, limit, 1)
    monkeypatch.setattr(repeated, "_calls", {})
    batches = []
    stop_at = 2

    def watched(work):
        def batch(*given):
            batches.append(1)
            if len(batches) == stop_at:
                _thread.interrupt_main()
            return work(*given)

        return batch

    run, convolve = _threads.run, np.convolve
    monkeypatch.setattr(_threads, "run", lambda work, blocks: run(watched(work), blocks))
    monkeypatch.setattr(np, "convolve", watched(convolve))
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        with pytest.raises(KeyboardInterrupt):
            VERBS[name]()
        assert len(batches) == stop_at
        stop_at = 0
        np.testing.assert_allclose(VERBS[name](), expected, rtol=1e-13)
        assert len(batches) > 2 * 2
    finally:
        numba.set_num_threads(threads)


FIRST_CALL = """
import _thread, sys, time
import numpy as np
import diffuseconv as dc

stopped = []

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "numba.core.config":
            stopped.append(name)
            _thread.interrupt_main()
            time.sleep(0.1)

sys.meta_path.insert(0, Finder())
try:
    dc.measure(np.ones(9), [1.0], rng=1)
except KeyboardInterrupt:
    stopped.append("interrupted")
assert stopped == ["numba.core.config", "interrupted"], stopped
dc.measure(np.ones(9), [1.0], rng=1)
"""


def interrupted_first_call(_):
    """Run a program whose first call is interrupted while it imports."""
    return subprocess.run([sys.executable, "-c", FIRST_CALL], capture_output=True, text=True, timeout=120)


@pytest.mark.aside(call=interrupted_first_call)
def test_ctrl_c_while_a_first_call_imports_numba_leaves_it_whole(done):
    assert done.returncode == 0, done.stderr


def test_what_cannot_be_imported_again_is_imported_whole(monkeypatch):
    asked = []
    for room in (_colours, runs):
        monkeypatch.setattr(room, "import_whole", asked.append)
    _colours.table("gray")
    runs._engine()
    assert asked == ["matplotlib.colors", "xarray", "zarr"]


@pytest.mark.parametrize("call", [_foreign.interruptible, _foreign.Made])
def test_ctrl_c_does_not_wait_for_foreign_code(call):
    begun, over = threading.Event(), threading.Event()

    def work():
        begun.set()
        _thread.interrupt_main()
        assert over.wait(60)

    with pytest.raises(KeyboardInterrupt):
        call(work)
    assert begun.is_set()
    over.set()


def test_what_foreign_code_returns_and_raises_comes_through():
    assert _foreign.interruptible(lambda: 3) == _foreign.Made(lambda: 3).value == 3
    for call in (_foreign.interruptible, _foreign.Made):
        with pytest.raises(ZeroDivisionError):
            call(lambda: 1 // 0)


def test_what_is_made_is_dropped_in_the_thread_that_made_it():
    """SuperLU loses the memory of factors that another thread drops: 140 MB an evolve of 128 x 128 cells."""
    dropped, threads = threading.Event(), []

    class Factors:
        def __init__(self):
            threads.append(threading.get_ident())

        def __del__(self):
            threads.append(threading.get_ident())
            dropped.set()

    made = _foreign.Made(Factors)
    assert isinstance(made.value, Factors)
    assert not dropped.is_set()
    del made
    assert dropped.wait(60)
    maker, dropper = threads
    assert maker == dropper != threading.get_ident()


def test_threads_of_factorisations_end():
    """With their factors, and where there are none."""
    before = threading.active_count()
    eq = dc.DiffusionEquation(np.eye(4) + 1, boundary="absorbing", source=1.0)
    eq.evolve(np.ones((4, 4)), 1.0, "rational")
    eq.steady_state()
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            _foreign.Made(lambda: 1 // 0)
    end = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.001)
    assert threading.active_count() <= before


@pytest.mark.parametrize("room", [steady, shifted])
def test_factorisations_run_where_ctrl_c_ends_them(room, monkeypatch):
    aside = []
    monkeypatch.setattr(room, "Made", lambda work, **more: aside.append(more) or _foreign.Made(work, **more))
    eq = dc.DiffusionEquation(np.eye(4) + 1, boundary="absorbing", source=1.0)
    if room is steady:
        eq.steady_state()
    else:
        monkeypatch.setattr(shifted, "BRIEF", 10)
        eq.evolve(np.ones((4, 4)), 1.0, "rational")
    assert aside
    assert not any(more.get("brief") for more in aside)


NEARLY = np.ones((8, 8))  # a product but for what is as large as rounding may be: neither bound tells
NEARLY[1, 1] += 8 * 8 * ROUNDINGS * np.finfo(float).eps
DECOMPOSED = {
    "interpret": lambda: dc.interpret(NEARLY),
    "fit_ar": lambda: dc.timeseries.fit_ar(U.ravel(), 3, method="least-squares"),
    "whiten": lambda: dc.timeseries.whiten(U),
    "fit_kernel": lambda: dc.learning.fit_kernel(U, dc.convolve(U, K), (3, 3)),
    "fit_propagator": lambda: dc.learning.fit_propagator(U, dc.convolve(U, P), (3, 3)),
}


@pytest.mark.parametrize("name", DECOMPOSED)
def test_large_matrices_are_decomposed_where_ctrl_c_ends_it(name, monkeypatch):
    aside = []
    monkeypatch.setattr(_linalg, "interruptible", lambda work: aside.append(1) or work())
    DECOMPOSED[name]()
    assert not aside
    monkeypatch.setattr(_linalg, "LONG", 1)
    DECOMPOSED[name]()
    assert aside


def test_the_end_waits_for_what_was_interrupted():
    """Native code that a daemon thread is in when the interpreter ends would crash: a mark tells until it is out."""
    begun, over = threading.Event(), threading.Event()

    def work():
        begun.set()
        _thread.interrupt_main()
        over.wait(60)

    with pytest.raises(KeyboardInterrupt):
        _foreign.interruptible(work)
    assert len(_foreign._inside) == 1
    over.set()
    while _foreign._inside:
        time.sleep(0.001)


def test_long_transforms_run_where_ctrl_c_ends_them(monkeypatch):
    aside = []

    def interruptible(work):
        aside.append(1)
        return work()

    u, k = np.random.default_rng(1).random((64, 64)), np.ones((9, 9))
    solid = u.reshape(16, 16, 16), np.ones((3, 3, 3))  # planes are transformed in pieces, by no library
    eq = dc.DiffusionEquation()
    expected = dc.convolve(*solid, method="fft"), eq.evolve(u, 1.0, "spectral")
    monkeypatch.setattr(_fft, "interruptible", interruptible)
    dc.convolve(*solid, method="fft")
    assert not aside
    monkeypatch.setattr(_fft, "LONG", u.size)
    np.testing.assert_array_equal(dc.convolve(*solid, method="fft"), expected[0])
    assert aside
    aside.clear()
    np.testing.assert_array_equal(eq.evolve(u, 1.0, "spectral"), expected[1])
    assert aside
    for padded in (lambda: _fft.rfftn(k, u.shape), lambda: _fft.rfft(k[0], n=u.size), lambda: _fft.fftn(k, s=u.shape)):
        aside.clear()
        padded()
        assert aside


def test_powers_of_spectra_in_batches_have_the_same_bits(monkeypatch):
    monkeypatch.setattr(_composition, "DIRECT_PRODUCTS", 0)
    expected = P.power(5).density
    monkeypatch.setattr(_composition, "POWERS_AT_ONCE", 7)
    np.testing.assert_array_equal(P.power(5).density, expected)
