"""Run every check of random results on fresh seeds: ``python tests/soak.py 1000``.

Each seed runs all of `measurement_checks` on `dc.measure` and `dc.scatter`, which takes a few seconds. What is done is
kept, a line a seed, in a file beside the outputs; the same command goes on where it was stopped. Each assertion fails
by mistake with a probability of at most 1e-12, so any failure is a fault: its seed repeats it.
"""

import argparse
import json
import secrets
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import measurement_checks  # noqa: E402
from tqdm import tqdm  # noqa: E402

import diffuseconv as dc  # noqa: E402


def failures(seed: int) -> list[str]:
    """Run all checks with a seed, and say what failed."""
    seen = []
    for checks, verb in ((measurement_checks.CHECKS, dc.measure), (measurement_checks.SCATTER_CHECKS, dc.scatter)):
        for name, check in checks.items():
            try:
                check(verb, seed)
            except AssertionError as error:
                seen.append(f"{name}: {error}")
    return seen


def main() -> int:
    """Run until so many seeds are done; give 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seeds", type=int, help="how many seeds in all, those of earlier runs included")
    parser.add_argument("--state", type=Path, default=ROOT / "outputs" / "soak.jsonl", help="what is done already")
    args = parser.parse_args()
    lines = args.state.read_text().splitlines() if args.state.exists() else []
    done = [json.loads(line) for line in lines if line.endswith("}")]
    with args.state.open("a") as state:
        if lines and len(done) < len(lines):
            state.write("\n")  # the last line was cut off
        for _ in tqdm(range(len(done), args.seeds), disable=None, unit="seed"):
            seed, begin = secrets.randbits(60), time.perf_counter()
            done.append({"seed": seed, "failed": failures(seed), "seconds": round(time.perf_counter() - begin, 2)})
            state.write(json.dumps(done[-1]) + "\n")
            state.flush()
    failed = [entry for entry in done if entry["failed"]]
    slowest = max((entry["seconds"] for entry in done), default=0)
    print(f"{len(done)} seeds, {len(failed)} failed, slowest {slowest} s")
    for entry in failed:
        print(entry["seed"], *entry["failed"], sep="\n  ")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
