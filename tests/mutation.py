"""Break the code in one place at a time, and see whether a test notices.

``python tests/mutation.py ROOM [COUNT [SEED]]``: Cosmic Ray lists every mutant of a room (an operator or a constant
changed, a condition turned round). There are thousands, so COUNT places are drawn and one mutant at each of them; the
same SEED draws the same. One run of the room's tests notes which test runs through which line and how long it takes.
Then each mutant meets the tests that run through its statement, the quickest first, until one fails or exceeds several
times its own time (of processors, so that other work on the machine changes nothing). What survives is printed, and the
share killed with its 95 % interval (Clopper and Pearson 1934).

Mutants live in forked processes alone, which read a copy of the repository; no file is changed. The loops of `_jit` are
rooms too: they run as plain Python, under the tests that finish so. Left out is what no test can tell or should:
annotations, decorators, the words of errors, `strict=` of `zip`, `is` for `==`, and what says how long a thing takes
(`SPEED`).
"""

from __future__ import annotations

import ast
import difflib
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from importlib.machinery import SourceFileLoader

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = {  # the tests that must notice, beside the examples in docstrings
    "boundary": "boundary laws_convolution convolution spectral diffusion",
    "propagator": "propagator heat_kernel mixing composition laws_propagator notebook",
    "convolution": "convolution masked_convolution convolution_extremes laws_convolution boundary repeated",
    "diffusion": "refusals diffusion walls_and_sources diagnostics run steady tensor chebyshev rkl2 stiff transport "
    "uniformization inward_drift transport_axes spectral schedule sweeps laws convergence verification boundary "
    "exponential",
    "measurement": "measurement scattering measurement_extremes streams convergence_measurement laws boundary notebook "
    "interrupts",
    "interop/_dask_evolve": "interop_dask",
    "matching": "matching matching_extremes interrupts",
    "convolution/repeated": "repeated convolution masked_convolution convolution_extremes laws_convolution",
    "_jit/convolution": "convolution masked_convolution convolution_extremes laws_convolution",
    "_jit/diffusion": "diffusion walls_and_sources diagnostics compiled",
    "_jit/faces": "diffusion transport sweeps",
    "_jit/sums": "in_pieces stiff",
    "_jit/binomial": "measurement scattering streams convergence_measurement",
    "_jit/matrix": "spectral",
    "_jit/fourier": "planes convolution",
    "convolution/planes": "planes convolution",
    "_jit/product": "convolution convolution_extremes laws_convolution repeated",
    "_jit/random": "measurement scattering streams convergence_measurement",
    "_jit/thresholds": "measurement scattering streams convergence_measurement",
    "_jit/rounds": "threads",
    "_jit/measurement": "measurement scattering measurement_extremes streams convergence_measurement laws",
}
# Files of these names and statements that name one say how long a thing takes or how much it needs, not what comes out.
SPEED = """
cost costs fits_memory check_updates lru_cache workers threads within_blocks portions pieces quickest
is_cheaper LONGEST LONG WORTH_THREADS WORTH_WORKERS _WORTH _LARGEST_KEPT PARTS PIECE SMALL_PIECE
KERNELS_A_PIECE A_PIECE AT_ONCE LIBRARY PLANE PLANE_WAVE AROUND LANES FEW PIXEL PASS WAVE NEAR CALL COST SINGLE
MOST_ZEROS TILE LEAST_SHARE SUM_COST MOST_SHARED MOST_UPDATES
MOST_SWEEPS MOST_PRODUCTS MOST_EVENTS MOST_CELLS MOST_ITERATIONS FEW_ITERATIONS FACTORISED POOLED SMALLEST_SHARE
BATCH EXCHANGE DEPTH DEEP SEGMENT PLANES PLANES_BYTES CACHE SPENT BETTER SETTLING WAVES_AT_ONCE STEPS
least_growth memory _pace is_other_cheaper draw_cost
"""
SECONDS = 40  # of processors: a mutant that so much testing did not kill has survived
SLOWEST = 30  # a test that takes longer is left out
AT_ONCE = 2
MEMORY = 8 << 30


class Suite:
    """Tests with the same examples each time, and no search for smaller ones."""

    def pytest_configure(self):
        import hypothesis

        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        suite = hypothesis.settings.get_profile("suite")
        quick = hypothesis.settings(suite, phases=phases, derandomize=True, database=None)
        hypothesis.settings.register_profile("mutants", quick)
        hypothesis.settings.load_profile("mutants")


class Notes(Suite):
    """What the unchanged code tells: how long each test that passes takes, and by `coverage` the lines that it runs."""

    def __init__(self, coverage):
        self.coverage, self.times = coverage, {}

    def pytest_runtest_setup(self, item):
        self.coverage.switch_context(item.nodeid)
        self.began = spent()
        signal.setitimer(signal.ITIMER_PROF, SLOWEST)

    def pytest_runtest_logreport(self, report):
        if report.when == "setup" and report.passed:
            return  # the call is to come
        signal.setitimer(signal.ITIMER_PROF, 0)
        if report.when == "call" and report.passed:
            self.times[report.nodeid] = spent() - self.began


class Chosen(Suite):
    """Some of the tests, the quickest first, each with several times its own time."""

    def __init__(self, times):
        self.times = times

    def pytest_collection_modifyitems(self, items):
        chosen = [item for item in items if item.nodeid in self.times]
        items[:] = sorted(chosen, key=lambda item: self.times[item.nodeid])

    def pytest_runtest_setup(self, item):
        seconds = 10 + 5 * self.times[item.nodeid]
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, resource.RLIM_INFINITY))
        signal.alarm(int(10 * seconds))  # what waits for ever uses no time


def spent():
    """Return the seconds that this process and the children that it waited for have spent on processors."""
    return sum(os.times()[:4])


def run_tests(files, plugin, output):
    """Run pytest, quietly; return its exit code."""
    import pytest

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with open(output, "w") as sink:
        os.dup2(sink.fileno(), 1)
    # plain: a module that is itself an argument, for its examples, would be rewritten from its file, without the mutant
    options = "-q -x --tb=line -p no:cacheprovider --assert=plain"
    return pytest.main([*options.split(), *files], plugins=[plugin])


def note_lines(files, sources):
    """Return the time of each test, and for each source and line the tests that ran it."""
    import coverage

    def stop(*_):
        raise TimeoutError

    signal.signal(signal.SIGPROF, stop)
    recorder = coverage.Coverage(data_file=None, include=[str(source) for source in sources])
    notes = Notes(recorder)
    recorder.start()
    run_tests(["--maxfail=1000", *files], notes, f"notes-{os.getpid()}.txt")
    recorder.stop()
    data = recorder.get_data()
    return notes.times, {str(source): data.contexts_by_lineno(str(source)) for source in sources}


def mutants_of(source):
    """Yield place, operator and occurrence of every mutant of a file that a test could tell."""
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    text = source.read_text()
    left_out = [
        ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)) for node in unspoken(ast.parse(text))
    ]
    nodes = list(ast_nodes(get_ast(text)))
    for name in operator_names():
        operator = get_operator(name)
        if not operator.arguments() and not name.endswith(("RemoveDecorator", "_Eq_Is", "_NotEq_IsNot")):
            places = (place for node in nodes for place in operator().mutation_positions(node))
            for occurrence, (start, _) in enumerate(places):
                if not any(low <= start < high for low, high in left_out):
                    yield (str(source), *start), name, occurrence


def unspoken(tree):
    """Yield the parts of a module whose change no test should notice."""
    speed = set(SPEED.split())
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign) and node.annotation:
            yield node.annotation
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield from node.decorator_list
        if isinstance(node, ast.FunctionDef) and node.returns:
            yield node.returns
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield from node.exc.args
        if isinstance(node, ast.keyword) and node.arg == "strict":
            yield node.value
        if isinstance(node, ast.FunctionDef) and node.name in speed:
            yield node
        if isinstance(node, ast.stmt):
            head = [getattr(node, name) for name in ("test", "iter") if hasattr(node, name)]
            for part in head if hasattr(node, "body") else [node]:
                named = {getattr(n, "id", getattr(n, "attr", getattr(n, "arg", None))) for n in ast.walk(part)}
                if named & speed:
                    yield part


def statement_lines(source, line):
    """Return the lines of the innermost statement around a line; of a compound one its head alone."""
    best = range(line, line + 1)
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            lines = range(node.lineno, body[0].lineno if body else node.end_lineno + 1)
            if line in lines:
                best = lines
    return best


def meet(source, mutant, times, output):
    """Run tests on a mutant, in this process; return the exit code of pytest."""
    plain = SourceFileLoader.get_code

    def get_code(self, name):
        path = self.get_filename(name)
        return compile(mutant, path, "exec") if path == str(source) else plain(self, name)

    SourceFileLoader.get_code = get_code
    return run_tests(sorted({name.partition("::")[0] for name in times}), Chosen(times), output)


def forked(function, *arguments):
    """Start a function in a child, whose exit status is what it returns; return the child's number."""
    child = os.fork()
    if not child:
        code = 3
        try:
            os.setsid()
            code = int(function(*arguments))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def baseline(files, sources):
    """Note lines in children, some files in each, so that nothing of the package is imported here."""
    import pickle

    def note(part):
        pathlib.Path(f"notes-{part}.pickle").write_bytes(pickle.dumps(note_lines(files[part::AT_ONCE], sources)))
        return 0

    times, tests = {}, {str(source): {} for source in sources}
    for part, child in enumerate([forked(note, part) for part in range(AT_ONCE)]):
        os.waitpid(child, 0)
        some, lines = pickle.loads(pathlib.Path(f"notes-{part}.pickle").read_bytes())
        times.update(some)
        for source, (line, through) in ((s, item) for s in lines for item in lines[s].items()):
            tests[source].setdefault(line, set()).update(through)
    return times, tests


def main():
    room, count, seed = (sys.argv[1:] + ["", "60", "1"][len(sys.argv) - 1 :])[:3]
    if room not in ROOMS:
        raise SystemExit(f"ROOM must be one of {', '.join(ROOMS)}, got {room!r}")
    with tempfile.TemporaryDirectory() as folder:
        listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True)
        for name in listed.split():
            target = pathlib.Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        os.chdir(folder)
        # the package is imported from the copy, here and in processes that tests start
        sys.path[:] = [folder, *(path for path in sys.path if path != str(ROOT))]
        os.environ.update(PYTHONPATH=folder, HYPOTHESIS_STORAGE_DIRECTORY=f"{folder}/.hypothesis")
        os.environ.setdefault("NUMBA_CACHE_DIR", f"{folder}/compiled")
        if room.startswith("_jit"):
            os.environ["NUMBA_DISABLE_JIT"] = "1"
        import hypothesis.extra.numpy  # noqa: F401
        import numba  # noqa: F401
        import scipy.fft
        import scipy.ndimage
        import scipy.signal
        import scipy.stats

        where = pathlib.Path(folder, "diffuseconv", room)
        sources = sorted(where.glob("*.py")) if where.is_dir() else [where.with_suffix(".py")]
        files = [f"tests/test_{name}.py" for name in ROOMS[room].split()]
        if not room.startswith("_jit"):
            files += [os.path.relpath(source) for source in sources]  # the examples in docstrings
        began = time.monotonic()
        times, tests = baseline(files, sources)
        print(f"{len(times)} tests take {time.monotonic() - began:.0f} s", flush=True)
        places = {}
        for source in sources:
            for place, *mutant in mutants_of(source):
                if source.stem not in SPEED.split():
                    places.setdefault(place, []).append(mutant)
        rng = random.Random(int(seed))
        drawn = [
            (place, rng.choice(places[place])) for place in rng.sample(sorted(places), min(int(count), len(places)))
        ]
        survivors = list(compete(drawn, times, tests))
    killed = len(drawn) - len(survivors)
    low = scipy.stats.beta.ppf(0.025, killed, len(drawn) - killed + 1) if killed else 0
    high = scipy.stats.beta.ppf(0.975, killed + 1, len(drawn) - killed) if survivors else 1
    print(
        f"{room}: {killed} of {len(drawn)} mutants killed, {killed / len(drawn):.0%} ({low:.0%} to {high:.0%}), "
        f"drawn from {len(places)} places; {time.monotonic() - began:.0f} s"
    )


def compete(drawn, times, tests):
    """Try mutants, some at once; print and yield those that survive."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    running, todo = {}, list(enumerate(drawn))
    while todo or running:
        if todo and len(running) < AT_ONCE:
            number, ((path, line, _), (name, occurrence)) = todo.pop(0)
            source = pathlib.Path(path)
            text = source.read_text()
            mutant = mutate_code(text, get_operator(name)(), occurrence)
            chosen = choose(times, set().union(*(tests[path].get(at, ()) for at in statement_lines(source, line))))
            diff = difflib.unified_diff(
                text.split("\n"), mutant.split("\n"), os.path.relpath(path), name, lineterm="", n=1
            )
            child = forked(meet, source, mutant, chosen, f"mutant-{number}.txt")
            running[child] = "\n".join(diff), f"survived {len(chosen)} tests of {sum(chosen.values()):.0f} s"
        else:
            ended, status = os.wait()
            diff, end = running.pop(ended)
            if os.waitstatus_to_exitcode(status) in (0, 5):  # all passed, or there were none
                print(diff, end, sep="\n", end="\n\n", flush=True)
                yield diff


def choose(times, through):
    """Return the quickest of the tests that run a statement, with their times; all tests run what an import runs."""
    chosen, total = {}, 0.0
    for test in sorted(times, key=times.get):
        if (test in through or "" in through) and total + times[test] <= SECONDS:
            chosen[test] = times[test]
            total += times[test]
    return chosen


if __name__ == "__main__":
    main()
