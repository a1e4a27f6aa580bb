"""Break the code in one place at a time, and see whether a test notices.

``python tests/mutation.py ROOM [COUNT [SEED]]``: Cosmic Ray lists every mutant of a room (an operator or a constant
changed, a condition turned round) and runs the room's tests on each. There are thousands, so COUNT places are drawn and
one mutant at each of them. All happens in a copy of the repository. What survives is printed, and the share killed.

Left out is ``|``, which stands in annotations alone; compiled loops (`_jit`) are not mutated.
"""

from __future__ import annotations

import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = {  # what is mutated, and the tests that must notice
    "boundary": ["test_boundary.py", "test_laws_convolution.py"],
    "propagator": [
        "test_propagator.py",
        "test_heat_kernel.py",
        "test_mixing.py",
        "test_composition.py",
        "test_laws_propagator.py",
        "test_notebook.py",
        "test_transport.py::test_the_skellam_kernel",
    ],
    "convolution": [
        "test_masked_convolution.py",
        "test_convolution.py",
        "test_convolution_extremes.py",
        "test_laws_convolution.py",
    ],
    "diffusion": [
        "test_refusals.py",
        "test_diffusion.py",
        "test_walls_and_sources.py",
        "test_diagnostics.py",
        "test_run.py",
        "test_steady.py",
        "test_tensor.py",
        "test_chebyshev.py",
        "test_rkl2.py",
        "test_stiff.py",
        "test_transport.py",
    ],
    "measurement": [
        "test_measurement.py",
        "test_scattering.py",
        "test_measurement_extremes.py",
        "test_streams.py",
        "test_convergence_measurement.py",
    ],
}


def sample(session, count, rng):
    """Keep one mutant at each of so many places, drawn at random."""
    with sqlite3.connect(session) as rows:
        places: dict[tuple[str, int, int], list[str]] = {}
        for path, name, row, column, job in rows.execute(
            "SELECT module_path, operator_name, start_pos_row, start_pos_col, job_id FROM mutation_specs"
        ).fetchall():
            if "BitOr" not in name:
                places.setdefault((path, row, column), []).append(job)
        drawn = rng.sample(sorted(places), min(count, len(places)))
        kept = [(rng.choice(sorted(places[place])),) for place in drawn]
        rows.execute("CREATE TEMP TABLE kept (job_id)")
        rows.executemany("INSERT INTO kept VALUES (?)", kept)
        for table in ("mutation_specs", "work_items"):
            rows.execute(f"DELETE FROM {table} WHERE job_id NOT IN (SELECT job_id FROM kept)")
    return len(places)


def main():
    room, count, seed = (sys.argv[1:] + ["", "60", "1"][len(sys.argv) - 1 :])[:3]
    if room not in ROOMS:
        raise SystemExit(f"ROOM must be one of {', '.join(ROOMS)}, got {room!r}")
    with tempfile.TemporaryDirectory() as folder:
        for name in subprocess.check_output(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True
        ).split():
            target = pathlib.Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target)
        tests = " ".join(f"tests/{name}" for name in ROOMS[room])
        where = room if (ROOT / "diffuseconv" / room).is_dir() else f"{room}.py"
        pathlib.Path(folder, "settings.toml").write_text(
            f'[cosmic-ray]\nmodule-path = "diffuseconv/{where}"\ntimeout = 300.0\nexcluded-modules = []\n'
            f'test-command = "{sys.executable} -m pytest -x -q -p no:cacheprovider {tests}"\n'
            '[cosmic-ray.distributor]\nname = "local"\n'
        )
        session = pathlib.Path(folder, "session.sqlite")
        for step in ("init", "exec"):
            subprocess.run(
                [sys.executable, "-m", "cosmic_ray.cli", step, "settings.toml", session], cwd=folder, check=True
            )
            if step == "init":
                places = sample(session, int(count), random.Random(int(seed)))
        with sqlite3.connect(session) as rows:
            ends = rows.execute("SELECT test_outcome, diff FROM work_results").fetchall()
    survivors = [diff for outcome, diff in ends if "KILLED" not in outcome]
    print(*survivors, sep="\n")
    killed = len(ends) - len(survivors)
    print(f"{room}: {killed} of {len(ends)} mutants killed ({killed / len(ends):.0%}), drawn from {places} places")


if __name__ == "__main__":
    main()
