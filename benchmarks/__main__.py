"""Measure ours and every installed peer in one interleaved run, results first checked equal."""

import argparse
import importlib
import json
import os
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # or PyTorch's idle threads spin while the others are timed

from ._limits import machine
from ._timing import Case, Growth, check, cold, exponent, interleaved, once, peak_memory

SUBJECTS = ("convolution", "diffusion", "drift", "schemes", "measurement", "matching", "gpu")


def measure(case: Case, rounds: int, limits: dict) -> dict:
    """Return the row of one case, and print it."""
    ours = next(iter(case.contenders))
    first = {name: once(call) for name, call in case.contenders.items()}
    differences = check(case)
    warm = {name: took * case.scale.get(name, 1) for name, took in interleaved(case.contenders, rounds).items()}
    single = cold(case.contenders, rounds) if case.single else {}
    row = {
        "title": case.title,
        "seconds": warm,
        "cold_seconds": single,
        "first_seconds": first,
        "ratio": {name: took / warm[ours] for name, took in warm.items()},
        "difference": differences,
        "peak_bytes": peak_memory(case.contenders[ours]),
        "note": case.note,
    }
    shares = {
        "compute": case.multiply_adds / limits["multiply_adds_per_second"] / warm[ours],
        "memory": case.bytes_moved / limits["bytes_per_second"] / warm[ours],
    }
    row["share"] = {name: share for name, share in shares.items() if share}
    print(f"\n{case.title}{'; ' + case.note if case.note else ''}")
    for name, took in sorted(warm.items(), key=lambda item: item[1]):
        line = f"  {name:<48} {1e3 * took:12.3f} ms {row['ratio'][name]:9.2f} x"
        line += f"   cold {1e3 * single[name]:.3f} ms" if single else ""
        print(line + (f"   differs by {differences[name]:.0e}" if name in differences else ""))
    share = "".join(f", {100 * part:.0f} % of the {name} limit" for name, part in row["share"].items())
    print(f"  (x: time over that of {ours}; peak {row['peak_bytes'] / 2**20:.1f} MiB{share})", flush=True)
    return row


def fit(growth: Growth, rounds: int) -> dict:
    """Return the times and the exponent of one growth, and print them."""
    seconds = list(interleaved({str(value): growth.call(value) for value in growth.values}, rounds).values())
    slope = exponent(growth.values, seconds)
    times = "".join(f"  {value:g}: {1e3 * took:.3f} ms" for value, took in zip(growth.values, seconds, strict=True))
    print(f"\n{growth.title}: exponent {slope:.2f} {times}", flush=True)
    return {"title": growth.title, "values": list(growth.values), "seconds": seconds, "exponent": slope}


def main(arguments: list[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SUBJECTS, default=SUBJECTS, metavar="NAME", help=str(SUBJECTS))
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    parser.add_argument("--rounds", type=int, default=7, help="timed rounds; the median counts (default 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"argument --rounds: must be at least 1, got {options.rounds}")
    if options.json:
        try:
            options.json.open("a").close()  # a folder is refused too
        except OSError as error:
            parser.error(f"argument --json: must be a file that can be written, got {error}")
    limits = machine()
    print(*(f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in limits.items()))
    report: dict = {"machine": limits, "rounds": options.rounds, "rows": [], "growth": []}
    for subject in options.only:
        for item in importlib.import_module(f".{subject}", __package__).cases(options.quick):
            if isinstance(item, Case):
                report["rows"].append({"subject": subject} | measure(item, options.rounds, limits))
            else:
                report["growth"].append({"subject": subject} | fit(item, options.rounds))
    if options.json:
        options.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
