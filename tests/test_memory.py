"""Memory of runs, in fields of the dtype beside what goes in and comes out (see the table in docs/limits.md)."""

import functools
import platform
import subprocess
import sys
import tracemalloc
from collections import deque

import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv import _checks
from diffuseconv.convolution import fourier
from diffuseconv.diffusion import costs, implicit, rational, switching


def peak(call, u, most=-1.0):
    """Return the most fields that NumPy holds at once during ``call(u)``, less its result.

    The first call, which may compile and import, is not the last where it takes more than what is allowed.
    """
    for _ in range(2):
        tracemalloc.start()
        call(u)
        taken = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        fields = (taken - 2e5) / u.nbytes - 1  # tables and slabs
        if fields <= most:
            break
    return fields


@pytest.mark.parametrize(
    ("boundary", "source", "velocity", "duration", "double", "single"),
    [
        ("reflecting", False, None, 1.0, 0, 0),
        ("periodic", False, None, 1.0, 1, 1),
        ("reflecting", False, None, 1e4, 0, 0),
        ("absorbing", True, None, 0.01, 1.2, 1.4),
        ("absorbing", True, None, 1e4, 1.2, 2),
        ("periodic", False, 0.3, 1.0, 1, 1),
        ("periodic", True, 0.3, 1.0, 1.5, 2.2),
    ],
)
@pytest.mark.parametrize("shape", [(512, 400), (60, 62, 56)])
def test_spectral_runs(shape, boundary, source, velocity, duration, double, single):
    """Rates, walls and sources are in float64, whatever the field is."""

    def evolve(u):
        given = np.ones(u.shape) / 3 if source else None
        eq = dc.DiffusionEquation(boundary=boundary, source=given, velocity=velocity)
        return eq.evolve(u, duration, "spectral")

    u = np.random.default_rng(0).random(shape)
    made = 2 * source  # the source, and the copy that the equation and its problem share
    for field, most in ((u, double + made + 0.1), (u.astype(np.float32), single + 2 * made + 0.1)):
        assert peak(evolve, field, most) <= most


def tanks(shape, rough):
    """Return for each scheme a run of it on a tank whose diffusivity is rough or not; what sources return is made."""
    rng, place, still = np.random.default_rng(2), np.empty(shape), np.ones(shape)
    still.flags.writeable = False  # the equation holds it as it is
    diffusivity = 0.5 + rng.random(shape) if rough else 0.7

    def decay(t, u):
        return np.multiply(u, -0.1, out=place)

    def run(method, **given):
        return lambda u: dc.DiffusionEquation(diffusivity, **given).evolve(u, 0.004, method)

    def last_of(method, **given):
        def last(u):
            frames = dc.DiffusionEquation(diffusivity, **given).frames(u, [0.001, 0.003, 0.004], method)
            return deque(frames, maxlen=1)[0][1]

        return last

    return {
        "explicit": run("explicit"),
        "explicit, source": run("explicit", source=decay),
        "chebyshev": run("chebyshev"),
        "chebyshev, source": run("chebyshev", source=still),
        "chebyshev, wall": run("chebyshev", boundary=dc.Dirichlet(1.0)),
        "uniformization": run("uniformization"),
        "rkl2": run("rkl2", source=decay),
        "rkl2, wall": run("rkl2", boundary=dc.Dirichlet(np.sin)),
        "rkl2, drift": run("rkl2", source=decay, velocity=0.1),
        "auto, source": run("auto", source=decay),
        "auto, wall": run("auto", boundary=dc.Dirichlet(np.sin)),
        "frames, auto": last_of("auto", source=decay),
        "frames, rkl2": last_of("rkl2", source=decay),
        "frames, explicit": last_of("explicit"),
        "frames, chebyshev": last_of("chebyshev"),
    }


BOUNDS = {
    "explicit": (1, 1),
    "explicit, source": (2, 4),  # a slope of the reaction in float64, from fields of it
    "chebyshev": (1, 3),
    "chebyshev, source": (2, 5),
    "chebyshev, wall": (2, 5),
    "uniformization": (1, 3),
    "rkl2": (3, 7),  # field, slope and two stages in float64, of which one gives way to the result
    "rkl2, wall": (3, 8),
    "rkl2, drift": (3, 7),
    "auto, source": (4, 9),  # two fields of stages and one of errors beside field and slope
    "auto, wall": (4, 9),
    "frames, auto": (6, 11),
    "frames, rkl2": (5, 9),
    "frames, explicit": (3, 3),
    "frames, chebyshev": (4, 7),
}  # documented in limits.md: with constant coefficients, in fields of float64 and float32


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize("shape", [(512, 400), (60, 62, 56)])
def test_schemes_keep_to_their_bounds(shape, rough, name, monkeypatch):
    """A diffusivity per cell adds its copy in the equation and the rates of each axis, a drift as many again.

    Of the last axis a row of faces takes a whole number of vectors, up to 8 more (16 of float32).
    """
    monkeypatch.setattr(switching, "LARGE", 1 << 17)
    u, call = np.random.default_rng(0).random(shape), tanks(shape, rough)[name]
    more = (1 + (len(shape) + 8 / shape[-1]) * (1 + ("drift" in name))) * rough
    copies = (len(shape) + 16 / shape[-1]) * rough * ("explicit" in name)  # of rates, in the field's dtype
    rest = (8 * 2 * 4096 + (1 << 16)) / u.nbytes  # what arrays that begin with a page have to spare; Python's objects
    double, single = BOUNDS[name]
    for field, most in (
        (u, double + more + rest + 0.4),  # pieces
        (u.astype(np.float32), single + 2 * more + copies + 2 * rest + 0.8),
    ):
        little = (3,) * len(shape)
        tanks(little, rough)[name](np.ones(little, field.dtype))  # compiled and imported
        assert peak(call, field, most) <= most


def test_what_nothing_can_write_to_is_not_copied():
    """An equation holds it as it is; it copies what is written to later, be it through a view or not."""
    held, given = 0.5 + np.random.default_rng(2).random((512, 400)), np.ones((512, 400))
    held.flags.writeable = False
    view = given.view()
    view.flags.writeable = False
    eq = dc.DiffusionEquation(held, source=given, decay=view)
    assert eq.diffusivity is held
    assert dc.DiffusionEquation(eq.diffusivity).diffusivity is held
    assert dc.DiffusionEquation(held[:, ::2]).diffusivity.flags.c_contiguous
    before = eq.evolve(np.eye(512, 400), 0.1)
    given[:] = 7.0
    assert (eq.source == 1).all()
    assert (eq.decay == 1).all()
    np.testing.assert_array_equal(eq.evolve(np.eye(512, 400), 0.1), before)
    assert peak(lambda u: dc.DiffusionEquation(held).evolve(u, 0.02, "chebyshev"), np.eye(512, 400)) <= 3.5


def test_what_does_not_fit_is_refused_by_what_each_scheme_takes(monkeypatch):
    """With room for so many bytes a cell, those schemes alone that need no more can begin."""
    u = np.random.default_rng(0).random((128, 100))
    monkeypatch.setattr(_checks, "SMALL", 0)
    steady, source = dc.DiffusionEquation(0.7), dc.DiffusionEquation(0.7, source=lambda t, v: -v)
    needed = {"spectral": 16, "explicit": 16, "chebyshev": 16, "uniformization": 16, "rkl2": 40, "implicit": 576}
    for method, each in needed.items():
        eq = source if method in ("rkl2", "implicit") else steady
        monkeypatch.setattr(_checks, "free_memory", lambda each=each: u.size * each)
        assert np.isfinite(eq.evolve(u, 1e-3, method)).all()
        monkeypatch.setattr(_checks, "free_memory", lambda each=each: u.size * each - 1)
        with pytest.raises(ValueError, match=r"^u must need no more memory than .* got "):
            eq.evolve(u, 1e-3, method)


def stated_and_taken(call, monkeypatch):
    """Return the most bytes that were held at a check and asked for by it, and the most that were held at once."""
    seen = []
    with monkeypatch.context() as patch:
        patch.setattr(
            _checks, "fits_memory", lambda what, amount, way: seen.append(tracemalloc.get_traced_memory()[0] + amount)
        )
        tracemalloc.start()
        call()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return max(seen), most


PLACE = np.random.default_rng(3).random((300, 280))
STATED = {
    "cells": {"diffusivity": 0.5 + PLACE},
    "tensor": {"diffusivity": np.array([[1.0, 0.3], [0.3, 0.7]]), "source": PLACE},
    "steep tensor": {"diffusivity": np.array([[2.0, 0.6], [0.6, 0.3]]), "boundary": "periodic"},
    "graded": {"spacing": (1 + PLACE[:, 0], 1 + PLACE[0])},
    "capacity": {"capacity": 0.5 + PLACE, "decay": 0.1},
    "decay": {"decay": PLACE, "boundary": dc.Dirichlet(1.0)},
    "walls": {"boundary": dc.Robin(1.0, 2.0, 3.0)},
    "drift": {"diffusivity": 0.5 + PLACE, "velocity": 0.1},
}


@pytest.mark.parametrize("name", STATED)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("frames", [False, True])
def test_what_a_run_states_beforehand_is_what_it_takes(name, dtype, frames, monkeypatch):
    """What was held at one of the checks, and what that check asked for, are enough but for pieces."""
    u = PLACE.astype(dtype)

    def call():
        eq = dc.DiffusionEquation(**STATED[name])
        return deque(eq.frames(u, [0.02, 0.05, 0.07]), maxlen=1) if frames else eq.evolve(u, 0.07)

    call()
    stated, taken = stated_and_taken(call, monkeypatch)
    assert taken <= stated + 2e5 + PLACE.nbytes


@pytest.mark.parametrize("shape", [(300, 280), (60, 50, 40), (900,)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("frames", [False, True])
@pytest.mark.parametrize("wall", ["periodic", "Robin"])
def test_modes_and_frames_are_stated_as_they_are(shape, dtype, frames, wall, monkeypatch):
    """Of walls that were never seen before; neither more nor less but for pieces."""
    u = np.random.default_rng(0).random(shape).astype(dtype)

    def call(size):
        eq = dc.DiffusionEquation(boundary=dc.Robin(1.0, size, 3.0) if wall == "Robin" else wall)
        times = [0.02, 0.05, 0.07]
        return deque(eq.frames(u, times, "spectral"), maxlen=1) if frames else eq.evolve(u, 0.07, "spectral")

    call(2.0)
    stated, taken = stated_and_taken(lambda: call(2.0 + len(shape) + u.itemsize / 16 + frames / 4), monkeypatch)
    assert taken - 2e5 <= stated <= 1.07 * taken


@pytest.mark.parametrize("shape", [(20000,), (200, 190), (30, 25, 20)])
@pytest.mark.parametrize("given", [{"boundary": dc.Dirichlet(1.0), "source": 1.0}, {}], ids=["held", "closed"])
def test_what_a_steady_state_states_is_what_it_takes(shape, given, monkeypatch):
    """But for factors, of which Python does not know: they have 12 bytes an entry, on a line and in the plane here."""
    u, eq = np.random.default_rng(0).random(shape), dc.DiffusionEquation(**given)
    eq.steady_state(u)
    stated, taken = stated_and_taken(lambda: eq.steady_state(u), monkeypatch)
    factors = 12 * costs.entries(eq.lattice(shape)) * u.size if given and len(shape) < 3 else 0.0
    assert taken - 2e5 <= stated - factors <= 1.3 * taken


def test_a_steady_state_that_does_not_fit_is_refused(monkeypatch):
    """Factors of 60 by 50 cells have some 37 entries a cell, which are counted before they are made."""
    u, eq = np.ones((60, 50)), dc.DiffusionEquation(boundary="absorbing", source=1.0)
    monkeypatch.setattr(_checks, "SMALL", 0)
    monkeypatch.setattr(_checks, "free_memory", lambda: u.size * 600.0)
    with pytest.raises(ValueError, match=r"^u must need no more memory than .*evolve for a long time.*, got "):
        eq.steady_state(u)
    monkeypatch.setattr(_checks, "free_memory", lambda: u.size * 900.0)
    assert np.isfinite(eq.steady_state(u)).all()


def test_draws_and_grains_that_do_not_fit_are_refused(monkeypatch):
    """A density needs a field and the sum in float64, grains two and a half fields and a copy."""
    p, u = dc.Propagator.normalized(np.ones((3, 3))), np.ones((40, 30))
    monkeypatch.setattr(_checks, "SMALL", 0)
    for call, least, most in (
        (lambda: dc.measure(u, p, rng=0), 20, 24),
        (lambda: dc.scatter(u.astype(int), p, rng=0), 28, 28),
    ):
        monkeypatch.setattr(_checks, "free_memory", lambda most=most: 42 * 32 * most)
        assert call().sum() == u.sum()
        monkeypatch.setattr(_checks, "free_memory", lambda least=least: u.size * least - 1)
        with pytest.raises(ValueError, match=r"^(field|counts) must need no more memory than .* got "):
            call()


def test_tensors_are_made_in_little_more_than_their_matrix():
    """Its entries are 12 bytes each, 3 a cell; two fields in a sum and a product come on top."""
    u = np.random.default_rng(0).random((512, 400))
    tensor = np.array([[1.0, 0.3], [0.3, 0.7]])
    most = 3 * 12 / 8 + 0.5 + 2 + 0.8
    assert peak(lambda u: dc.DiffusionEquation(tensor).evolve(u, 0.1), u, most) <= most


# Field, slope, rates of change and of the reaction: 6. A system in the plane: 8 of conjugate gradients, 6 of
# transforms. Stages: 5; where they are iterated 10 more, of the step before and of residuals, and in float32 5 for the
# last move and its step and for each of up to five before them. The rest is for pieces.
@pytest.mark.parametrize(
    ("given", "most"),
    [
        ({"boundary": dc.Dirichlet(np.sin)}, 27),
        ({"source": lambda t, u: u * (1 - u)}, 52),
        ({"source": lambda t, u: -50 * (u - u.mean()) * (1 + u**2)}, 72),
    ],
    ids=["wall", "reaction", "nonlocal"],
)
def test_implicit_steps(given, most):
    """The second reaction couples all cells and takes many iterations."""
    evolve = dc.DiffusionEquation(0.7, **given).evolve
    assert peak(lambda u: evolve(u, 0.02, "implicit"), np.eye(128, 100), most) <= most


@pytest.mark.parametrize(("shape", "most"), [((5000,), 24), ((64, 60), 36)])
def test_rational_functions(shape, most):
    """A line: 8.5 of factors and 6 of complex fields. In the plane a matrix as it is made, twice 5 entries of 16 bytes.

    A field, a start, a sum and what the equation holds of a rough diffusivity come on top: 3, and one more than axes.
    """
    u, rough = np.random.default_rng(0).random(shape), 10 ** np.random.default_rng(1).random(shape)
    assert peak(lambda u: dc.DiffusionEquation(rough).evolve(u, 1e3, "rational"), u, most) <= most


def test_auto_takes_implicit_steps_where_there_is_memory_for_them(monkeypatch):
    """A decay at a rate of 1e4 is stiff; with room for rkl2 alone the run takes its many stages."""
    u, seen, stages = np.ones((12, 10)), [], implicit.Steps.stages
    monkeypatch.setattr(_checks, "SMALL", 0)
    monkeypatch.setattr(implicit.Steps, "stages", lambda *given: seen.append(1) or stages(*given))
    for room in (None, u.size * 40):
        if room is not None:
            monkeypatch.setattr(_checks, "free_memory", lambda room=room: room)
        seen.clear()
        got = dc.DiffusionEquation(source=lambda t, v: -1e4 * (v - 2)).evolve(u, 1.0)
        np.testing.assert_allclose(got, 2.0, rtol=0, atol=1e-3)
        assert bool(seen) == (room is None)


def test_auto_takes_rational_functions_where_there_is_memory_for_them(monkeypatch):
    """Of a line whose rates differ by 1000; with room for a polynomial alone the run takes its many terms."""
    u, seen, solve = np.where(np.arange(50) < 13, 1.0, 0.0), [], rational.solve
    monkeypatch.setattr(_checks, "SMALL", 0)
    monkeypatch.setattr(rational, "solve", lambda *given, **options: seen.append(1) or solve(*given, **options))
    eq = dc.DiffusionEquation(np.where(np.arange(50) < 25, 1.0, 1e3))
    for room in (2**30, u.size * 24):
        monkeypatch.setattr(_checks, "free_memory", lambda room=room: room)
        seen.clear()
        assert abs(eq.evolve(u, 1e3).sum() - 13) <= 1e-8
        assert bool(seen) == (room == 2**30)


def test_whole_transforms_of_wide_kernels(monkeypatch):
    """Four of the field continued to twice its sides, held no longer than their transforms, and one of the kernel."""
    monkeypatch.setattr(fourier, "LIBRARY", 0)  # with short vectors planes would be cut in pieces
    monkeypatch.setattr(fourier, "_how", functools.lru_cache(fourier._how.__wrapped__))
    k = np.random.default_rng(1).random((200, 200))

    def convolve(u):
        return dc.convolve(u, k[: u.shape[0] // 2, : u.shape[1] // 2], method="fft")

    assert peak(convolve, np.random.default_rng(0).random((300, 300)), 8) <= 8


@pytest.mark.parametrize("boundary", ["reflecting", "zero", "periodic"])
def test_wide_kernels_are_refused_before_they_are_transformed(boundary, monkeypatch):
    """In the second call too, and not far above what is held."""
    u, k = np.random.default_rng(0).random((300, 300)), np.ones((200, 200))

    def convolve(u):
        return dc.convolve(u, k, boundary=boundary, method="fft")

    held = (peak(convolve, u) + 1) * u.nbytes
    monkeypatch.setattr(_checks, "SMALL", 0)
    monkeypatch.setattr(_checks, "free_memory", lambda: 1.25 * held)
    convolve(u)
    monkeypatch.setattr(_checks, "free_memory", lambda: 0.95 * held)
    with pytest.raises(ValueError, match=r"field must need no more memory .* narrower kernel"):
        convolve(u)


FAULTS = """
import resource
import numpy as np
import diffuseconv as dc

u, k = np.ones((256, 256)), np.ones((63, 62))
for call in range(12):
    if call == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    dc.convolve(u, k, method="fft")
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_freed_memory_is_kept_for_the_next_call():
    """Its arrays, of 128 pages and more each, come from the heap that the call before has left, in a fresh process."""
    result = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 128
