"""A field on disk that is larger than the workers' memory: blurred by diffusion, convolved and measured, disk to disk.

`python -m benchmarks.larger_than_memory FOLDER` (needs the extras dask and io, and 9 GB of disk for 32768 cells).
`--weak` runs one worker on half the field first: weak scaling is its time over that of both workers on the whole.
"""

import argparse
import multiprocessing
import shutil
import time
from pathlib import Path

import numpy as np

import diffuseconv as dc

SLAB = 256  # rows of a chunk


def write(path: Path, rows: int, columns: int) -> None:
    """Write a random float32 field, slab by slab."""
    import zarr

    field = zarr.create_array(str(path), shape=(rows, columns), chunks=(SLAB, columns), dtype="float32", overwrite=True)
    rng = np.random.default_rng(0)
    for start in range(0, rows, SLAB):
        field[start : start + SLAB] = rng.random((SLAB, columns), np.float32)


def works() -> dict:
    """Return what is done to the field."""
    kernel = dc.kernels.box(7)
    eq = dc.DiffusionEquation()
    return {
        f"convolve, {kernel.shape[0]} x {kernel.shape[1]}": lambda u: dc.convolve(u, kernel),
        "measure, 3 x 3, one draw": lambda u: dc.measure(u, dc.kernels.box(3), rng=1),
        "evolve to a standard deviation of 10 cells": lambda u: eq.evolve(u, 50.0),
    }


def run(folder: Path, rows: int, columns: int, workers: int, memory: str) -> dict[str, tuple[float, float]]:
    """Return wall time (s) and largest memory of a worker (bytes) of each work."""
    import dask.array as da
    from distributed import Client, LocalCluster

    write(folder / "field.zarr", rows, columns)
    results = {}
    for name, work in works().items():
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, memory_limit=memory, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            client.run(_warm)
            result = work(da.from_zarr(str(folder / "field.zarr")))
            shutil.rmtree(folder / "result.zarr", ignore_errors=True)
            start = time.perf_counter()
            da.to_zarr(result, str(folder / "result.zarr"))
            took = time.perf_counter() - start
            results[name] = took, max(client.run(_peak).values())
            print(
                f"{rows} x {columns}, {workers} workers: {name}: {took:.1f} s, {results[name][1] / 1e9:.2f} GB",
                flush=True,
            )
    return results


def _warm() -> None:
    """Compile, or load what is compiled, before the clock runs."""
    for work in works().values():
        work(np.ones((SLAB, SLAB), np.float32))


def _peak() -> float:
    """Return the most memory that this process has had."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def in_memory(cells: int) -> dict[str, float]:
    """Return the seconds per cell of each work on a field in memory."""
    u = np.random.default_rng(0).random((cells, cells), np.float32)
    rates = {}
    for name, work in works().items():
        work(u[:SLAB])
        start = time.perf_counter()
        work(u)
        rates[name] = (time.perf_counter() - start) / u.size
    return rates


def main() -> None:
    """Run from the command line."""
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=Path)
    cli.add_argument("--cells", type=int, default=32768, help="along each side")
    cli.add_argument("--workers", type=int, default=2)
    cli.add_argument("--memory", default="2GB", help="limit of each worker")
    cli.add_argument("--weak", action="store_true")
    args = cli.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    cells = args.cells
    rates = in_memory(min(cells, 4096))
    single = run(args.folder, cells // args.workers, cells, 1, args.memory) if args.weak else {}
    print(f"{cells} x {cells} float32, {cells * cells * 4 / 1e9:.2f} GB; {args.workers} workers of {args.memory}")
    for name, (took, peak) in run(args.folder, cells, cells, args.workers, args.memory).items():
        slower = took / (rates[name] * cells * cells)
        scaling = f", weak scaling {100 * single[name][0] / took:.0f} %" if args.weak else ""
        print(f"{name}: {took:.1f} s, {peak / 1e9:.2f} GB a worker, {slower:.1f} times the time in memory{scaling}")


if __name__ == "__main__":
    multiprocessing.freeze_support()
    main()
