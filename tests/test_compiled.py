"""Compiled loops: kept on disk, for other processors, and run as plain Python."""

import os
import platform
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
import warnings
import zipfile
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba.core.compiler_lock import global_compiler_lock
from numba.core.errors import TypingError

import diffuseconv as dc
from diffuseconv._jit import kept, machine, plain_vector
from diffuseconv._jit.borrowed import borrow
from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.vector import (
    BYTES,
    after_last,
    from_second,
    lane_0,
    lane_1,
    lane_2,
    lane_3,
    load,
    loaded_after_last,
    loaded_from_second,
    plus_product,
    product_minus,
    spread,
    store,
    swapped_eights,
    swapped_fours,
    turned,
)
from diffuseconv._typing import frozen

ROOT = Path(dc.__file__).parents[1]


def run_python(code, cwd=ROOT, **settings):
    """Return what a program prints under other settings of numba."""
    environment = {**os.environ, **settings}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "default::DeprecationWarning", "-c", textwrap.dedent(code)],
        env=environment, cwd=cwd, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def twice(values):
    """Add a vector to itself."""
    for x in range(values.size):
        values[x] += values[x]


def run_twice():
    """Compile `twice`, or load it, run it, and return whether it was loaded."""
    loop, values = compiled(twice), np.arange(3.0)
    loop(values)
    assert values.tolist() == [0.0, 2.0, 4.0]
    return bool(loop.stats.cache_hits)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Keep loops in a folder of the test."""
    monkeypatch.setattr(kept, "folders", lambda: (tmp_path / "missing" / "yet", tmp_path / "second"))
    return tmp_path / "missing" / "yet"


def test_loops_are_kept(folder):
    """What one call compiled another one loads."""
    assert not run_twice()
    assert len(list(folder.glob("*.loop"))) == 1
    assert run_twice()


@pytest.mark.parametrize("damage", ["empty", "cut", "one bit", "text"])
def test_damaged_files_are_rebuilt(folder, damage):
    """A file that is not what was written counts as missing, and is written anew."""
    run_twice()
    (file,) = folder.glob("*.loop")
    data = bytearray(file.read_bytes())
    if damage == "one bit":
        data[len(data) // 2] ^= 1
    file.write_bytes({"empty": b"", "cut": data[:-100], "text": b"x" * 5000}.get(damage, bytes(data)))
    assert not run_twice()
    assert run_twice()


def test_loops_of_other_sources_are_forgotten(folder, monkeypatch):
    """An edit of any file of loops makes all of them new, and removes the old ones."""
    run_twice()
    monkeypatch.setattr(kept, "_sources", lambda: "edited")
    kept._forget_older.cache_clear()
    assert not run_twice()
    (file,) = folder.glob("*.loop")
    assert file.name.startswith("edited")


def test_digest_covers_every_file_of_loops():
    """No file of loops is left out of the name of what is kept."""
    digest = kept._sources.__wrapped__()
    assert digest == kept._sources()
    names = {path.name for path in Path(machine.__file__).parent.glob("*.py")}
    assert {"tile.py", "vector.py", "convolution.py", "measurement.py"} <= names


def test_loops_are_kept_in_the_next_place(monkeypatch, tmp_path):
    """Where the first place cannot be written the second one is used, and without any nothing is kept."""
    (tmp_path / "file").write_text("")
    closed, opened = tmp_path / "file" / "below", tmp_path / "second"
    monkeypatch.setattr(kept, "folders", lambda: (closed, opened))
    assert not run_twice()
    assert run_twice()
    monkeypatch.setattr(kept, "folders", lambda: (closed,))
    assert not run_twice()
    assert not run_twice()


def test_every_loop_is_compiled_alike():
    """One file of loops calls numba's compiler, and one line of it touches what numba keeps to itself."""
    files = {path.name: path.read_text() for path in Path(machine.__file__).parent.glob("*.py")}
    assert [name for name, text in files.items() if "njit(" in text or "@njit" in text] == ["compiled.py"]
    private = re.compile(r"\b(?!self\b)\w+\._(?!jit)[a-z]\w*")
    assert {name: private.findall(text) for name, text in files.items() if private.search(text)} == {
        "compiled.py": ["loop._cache"]
    }


def test_loops_close_over_nothing():
    """Two loops of one name would be taken for each other."""
    number = 3

    def loop(values):
        values[0] = number

    with pytest.raises(TypeError, match="must not close over variables"):
        compiled(loop)


def run_from_a_zip(folder):
    """Return what a loop says when the package lies in an archive, without a home to write to."""
    archive = folder / "package.zip"
    with zipfile.ZipFile(archive, "w") as target:
        for path in (ROOT / "diffuseconv").rglob("*.py"):
            target.write(path, path.relative_to(ROOT))
    code = """
        import numpy as np
        from diffuseconv._jit import finite
        assert "package.zip" in finite.__file__, finite.__file__
        print(finite.sum_of_zeros(np.ones(3)))
    """
    nowhere = str(archive / "home")
    settings = {"HOME": nowhere, "XDG_CACHE_HOME": nowhere, "NUMBA_CACHE_DIR": "", "PYTHONPATH": str(archive)}
    return run_python(code, folder, **settings)


@pytest.mark.aside(call=run_from_a_zip)
def test_works_from_a_zip_with_nothing_writable(done):
    """The package runs out of an archive."""
    assert done == "0.0\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_while_another_thread_compiles():
    """The child finds numba's lock free."""
    held = threading.Event()

    def hold():
        with global_compiler_lock:
            held.set()
            time.sleep(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
        child = os.fork()
    if child == 0:
        signal.alarm(10)
        with global_compiler_lock:
            os._exit(0)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def operations(values, out, lanes, number):
    """Apply every operation on vectors once."""
    left, right, all_one = load(values, lanes - lanes), load(values, lanes), spread(number)
    store(out, lanes - lanes, after_last(left, right))
    store(out, lanes, from_second(left, right))
    store(out, lanes + lanes, plus_product(left, right, all_one))
    store(out, lanes + lanes + lanes, product_minus(left, all_one, right))
    store(out, lanes + lanes + lanes + lanes, (left + right) * (left - all_one))
    fifth = lanes + lanes + lanes + lanes + lanes
    store(out, fifth, turned(left))
    store(out, fifth + lanes, lane_0(left) + lane_1(right))
    store(out, fifth + lanes + lanes, lane_2(left) - lane_3(right))
    store(out, fifth + lanes + lanes + lanes, swapped_fours(left) - swapped_eights(right))
    loaded = loaded_after_last(values, lanes, left, right) - loaded_from_second(values, lanes, left, right)
    store(out, fifth + lanes + lanes + lanes + lanes, loaded)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_vectors_do_as_plain_ones(dtype, folder):
    """Compiled operations on vectors are those of their plain twins, but for the rounding that fusing spares."""
    lanes = BYTES // np.dtype(dtype).itemsize
    values = np.random.default_rng(1).uniform(-1, 1, 2 * lanes).astype(dtype)
    outs = np.zeros((2, 10 * lanes), dtype)
    compiled(operations)(values, outs[0], np.uintp(lanes), values[3])
    types.FunctionType(operations.__code__, vars(plain_vector))(values, outs[1], np.uintp(lanes), values[3])
    np.testing.assert_allclose(*outs, rtol=0, atol=2 * np.finfo(dtype).eps)  # a product and a sum of at most 2


TILES = """
    import itertools
    import numpy as np
    from diffuseconv._jit import machine, tile
    rng, index = np.random.default_rng(1), np.uintp
    for dtype in (np.float64, np.float32):
        lanes = tile.FLAT_BYTES // np.dtype(dtype).itemsize
        source, weights = (rng.uniform(-1, 1, n).astype(dtype) for n in (2000 + 4 * lanes, 200))
        cases = (0, 1, 1, 1), (0, tile.ROWS, 5, 0), (0, 3, 3, 1), (1, 1, 4, 1), (1, 1, 2, 0)
        for (flat, height, width, fresh), step in itertools.product(cases, (index(1), index(3))):
            sums = np.ones((2, 2000 + 2 * lanes), dtype)
            for add, out in zip((tile.add_taps, tile.add_taps_plainly), sums):
                taps = tile.Taps(index(2), index(1), index(height), index(width))
                band = tile.Band(index(3), index(2 * lanes + 5), index(2), bool(flat))
                add(source, tile.Source(index(1), index(90), index(0)), weights, taps, step, out, band, bool(fresh))
            terms = height * width + 1  # each of them and each sum at most so large, and rounded twice at most
            np.testing.assert_allclose(*sums, rtol=0, atol=2 * terms**2 * np.finfo(dtype).eps)
            assert np.count_nonzero(sums[0] != 1) >= lanes
    print(machine.MACHINE.name)
"""
FEATURES = {
    "AVX2": "+avx2,+fma,+avx,+sse4.2,+sse4.1,+ssse3,+sse3,+sse2,+sse,+bmi,+bmi2,+popcnt,+lzcnt",
    "plain": "",
}


def sum_of_pairs(pairs):
    """Sum the products of two arrays in a tuple of tuples, which compiled loops read by address."""
    ((left, right), count), total = borrow(pairs), 0.0
    for x in range(count):
        total += left[x] * right[x]
    return total


def test_arrays_in_order_are_borrowed_and_no_others(folder):
    """Numbers in a tuple stay what they are; steps between numbers would be lost with the array."""
    loop, values = compiled(sum_of_pairs), np.arange(6.0)
    assert loop(((values, values), 6)) == 55.0
    with pytest.raises(TypingError, match="only an array in C order can be borrowed"):
        loop(((values[::2], values[::2]), 3))


def test_tiles_do_as_plain_loops():
    """Tiles of this processor add what plain loops add."""
    exec(textwrap.dedent(TILES), {})


def tiles_of(name, folder):
    """Run tiles as another processor has them, and return for which they were made."""
    if name == "AVX2" and not llvm.get_host_cpu_features().get("avx2"):
        pytest.skip("this processor has no AVX2")
    model = {"AVX2": "haswell", "plain": "generic"}[name]
    settings = {"NUMBA_CPU_NAME": model, "NUMBA_CPU_FEATURES": FEATURES[name], "NUMBA_CACHE_DIR": str(folder)}
    return run_python(TILES, **settings).strip()


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="of x86")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.aside(name, call=tiles_of)) for name in FEATURES]
)
def test_tiles_of_other_processors(name, done):
    """Tiles for registers that x86 processors have or had do as plain loops do."""
    assert done == name


VERBS = """
    import numpy as np
    import diffuseconv as dc
    from diffuseconv import matching, timeseries
    u, k = given(np.random.default_rng(1).random((9, 11))), given(np.arange(9.0).reshape(3, 3) / 36)
    p, counts, cube = dc.Propagator(k), given((10 * u).astype(int)), given(np.arange(60.0).reshape(3, 4, 5))
    eq, varied = dc.DiffusionEquation(), dc.DiffusionEquation(1 + u)
    drifting = dc.DiffusionEquation(velocity=(0.3, 0.1))
    reacting = dc.DiffusionEquation(source=lambda t, u: -(u**2))
    results = {
        "direct": dc.convolve(u, k, method="direct"),
        "single": dc.convolve(u.astype(np.float32), k, method="direct"),
        "colours": dc.convolve(cube, k, axes=(0, 1), method="direct"),
        "bytes": dc.convolve(given((10 * u).astype(np.uint8)), k, method="direct"),
        "separable": dc.convolve(u, np.ones((3, 3)), method="separable"),
        "box": dc.convolve(u, np.ones((9, 8)), method="separable"),
        "planes": dc.convolve(u, k, method="fft"),
        "planes, single": dc.convolve(u.astype(np.float32), k, method="fft"),
        "masked": dc.convolve(u, k, mask=u > 0.1),
        "solid": dc.convolve(cube, np.ones((2, 3, 3))),
        "bank": dc.feature_maps(u, np.ones((2, 3, 3))),
        "measure": dc.measure(u, k, rng=1),
        "measure often": dc.measure(u, k, 10**5, rng=1),
        "variance": dc.measurement_variance(u, k),
        "scatter": dc.scatter(counts, p, rng=1),
        "scatter many": dc.scatter(counts * 10**6, p, rng=1),
        "explicit": eq.evolve(u, 1.0, "explicit"),
        "explicit, varied": varied.evolve(u, 1.0, "explicit"),
        "explicit, solid": eq.evolve(cube, 1.0, "explicit"),
        "chebyshev": varied.evolve(u, 1.0, "chebyshev"),
        "uniformization": drifting.evolve(u, 1.0, "uniformization"),
        "rkl2": reacting.evolve(u, 0.1, "rkl2"),
        "score": matching.score(u, u[2:6, 3:7]),
        "irregular": timeseries.convolve_irregular([0.0, 1, 2], [0.0, 1, 0], [0.0, 1, 2], [1.0, 1, 1])[1],
    }
"""


def run_uncompiled(folder):
    """Return what every verb gives as plain Python."""
    code = "from numpy import asarray as given\n" + textwrap.dedent(VERBS) + "np.savez(sys.argv[1], **results)"
    run_python(f"import sys; sys.argv[1:] = [{str(folder / 'plain.npz')!r}]\n" + code, NUMBA_DISABLE_JIT="1")
    return np.load(folder / "plain.npz")


@pytest.mark.aside(call=run_uncompiled)
def test_every_verb_runs_uncompiled(done):
    """Python runs every loop as the processor does, for debuggers and coverage."""
    here = {"given": np.asarray}
    exec(textwrap.dedent(VERBS), here)
    for name, result in here["results"].items():
        precision = 1e-5 if result.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(done[name], result, rtol=0, atol=precision * np.abs(result).max(), err_msg=name)


def unaligned(values):
    """Return a copy that begins one byte beyond a multiple of eight."""
    room = np.zeros(values.nbytes + 1, np.uint8)[1:].view(values.dtype).reshape(values.shape)
    room[...] = values
    return room


def test_each_loop_compiles_once_whatever_the_flags():
    """Read-only, unaligned, Fortran-ordered and reversed arrays find the loops that plain ones compiled."""
    code = compile(textwrap.dedent(VERBS), "verbs", "exec")
    exec(code, {"given": np.asarray})
    loops = [
        (name, loop)
        for module in [sys.modules[name] for name in sys.modules if name.startswith("diffuseconv._jit.")]
        for name, loop in vars(module).items()
        if hasattr(loop, "signatures")
    ]
    before = [(name, len(loop.signatures)) for name, loop in loops]
    for given in (frozen, unaligned, np.asfortranarray, lambda values: values[::-1, ::-1].copy()[::-1, ::-1]):
        exec(code, {"given": given})
        assert [(name, len(loop.signatures)) for name, loop in loops] == before
