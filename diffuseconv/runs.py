"""Runs on disk: frames are appended to a store that survives being killed, and go on bitwise from its last frame."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffuseconv import _checks, _frames, _notebook, _rng_state, _run_store
from diffuseconv._foreign import import_whole
from diffuseconv._typing import Array

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Run", "open_run", "record", "resume"]


@dataclass(frozen=True)
class Run:
    """Where a recorded run stopped: its last frame and what is needed to go on from it.

    Attributes
    ----------
    path : Path
        The store.
    frames : int
        How many frames it holds.
    time : float
        The last frame's time.
    field : ndarray
        The last frame.
    rng : numpy.random.Generator or None
        The generator passed to `record`, in the state in which it was when the last frame was written.
    parameters : dict
        What was passed to `record`.
    """

    path: Path
    frames: int
    time: float
    field: Array
    rng: np.random.Generator | None
    parameters: dict[str, Any]

    def _repr_html_(self) -> str:
        """Return the last frame as a picture with what is known of the run, for notebooks."""
        rows = {"store": self.path, "frames": self.frames, "time": self.time, **self.parameters}
        return _notebook.card("A run on disk", rows, self._repr_png_())

    def _repr_png_(self) -> bytes | None:
        """Return the last frame as a picture, None where it has more than three axes."""
        return _notebook.png(self.field) if 1 <= self.field.ndim <= 3 and self.field.size else None

    def record(self, frames: Iterable[Any], *, progress: bool = False) -> None:
        """Append frames.

        Parameters
        ----------
        frames : iterable
            As in `record`, made from `field`, `time` and `rng`, or the same frames from the start again. Pairs of
            earlier times are passed over; one of the last frame's time must hold its field, bit by bit.
        progress : bool, optional
            Show a progress bar, on a terminal or in a notebook.

        Raises
        ------
        ValueError, TypeError
            If a frame is not like those before, or the run has gone on meanwhile.
        OSError
            If the run is being written by another process, or cannot be written.
        """
        _check_iterable(frames, progress)
        _engine()
        with _run_store.writing(self.path):
            root = _run_store.root_of(self.path)
            count = root["attributes"]["frames"]
            if count != self.frames:
                raise ValueError(f"path must be as it was when resumed, with {self.frames} frames, got {count}")
            _run_store.delete_leftovers(self.path)
            _run_store.Writer(self.path, root, self.rng).append(
                _timed(frames, self.frames, progress), self.time, self.field
            )


def record(
    path: str | os.PathLike[str],
    frames: Iterable[Any],
    *,
    name: str = "u",
    dims: Sequence[str] | None = None,
    spacing: float | Sequence[float] = 1.0,
    units: Mapping[str, str] | None = None,
    parameters: Mapping[str, Any] | None = None,
    rng: np.random.Generator | None = None,
    progress: bool = False,
) -> None:
    """Write frames into a new Zarr store, each as it comes.

    Every frame is on disk before the next one is asked for: a run that is killed at any moment opens, and lacks at
    most the frame that was being made. `resume` goes on from there.

    Parameters
    ----------
    path : str or path-like
        The folder to be made. It appears with the first frame.
    frames : iterable
        Pairs ``(time, field)`` as `DiffusionEquation.frames` yields, times increasing, or only fields, whose times
        are 0, 1, 2, ...; all of one shape and dtype. Must have at least one frame.
    name : str, optional
        The name of the field.
    dims : sequence of str, optional
        The names of its axes; the last of "z", "y", "x" by default.
    spacing : float or one per axis, optional
        Cell width, in length: coordinates are those of cell centres.
    units : mapping of str to str, optional
        Units of the field, of ``"time"`` and of axes, by name.
    parameters : mapping, optional
        What else is needed to repeat the run: numbers, strings, lists and mappings (JSON).
    rng : numpy.random.Generator, optional
        The generator that the frames are drawn from. Its state is written with each frame.
    progress : bool, optional
        Show a progress bar, on a terminal or in a notebook.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above, or a frame is unlike the first. What was written before stays.
    FileExistsError
        If there is such a folder (go on with it by `resume`).
    OSError
        If another process is making it, or it cannot be written, as on a full disk.
    ImportError
        If the extra ``io`` (zarr, xarray) is not installed.

    Notes
    -----
    The store has Zarr format 3, one chunk a frame (of 64 MiB at most), each with a CRC-32C checksum. Nothing in it is
    pickled. Locks are those of POSIX; elsewhere a second writer is not refused.

    A run goes on *bitwise* if each frame is made only from the one before (and `rng`), as a loop over
    `DiffusionEquation.evolve`, `scatter` or `measure` does, or if the same frames are made from the start again, as
    `DiffusionEquation.frames` with the same field and times makes them.

    Examples
    --------
    >>> import diffuseconv as dc
    >>> propagator = dc.Propagator.heat(1.0, 1.0, ndim=1)
    >>> def walk(time, counts, rng, until):
    ...     while time <= until:
    ...         yield time, counts
    ...         time, counts = time + 1.0, dc.scatter(counts, propagator, rng=rng)
    >>> rng = np.random.default_rng(1)
    >>> dc.record("run", walk(0.0, np.full(50, 9), rng, until=3), rng=rng)  # doctest: +SKIP
    >>> run = dc.resume("run")  # doctest: +SKIP
    >>> run.record(walk(run.time, run.field, run.rng, until=5))  # doctest: +SKIP
    >>> dc.open_run("run").time.values  # doctest: +SKIP
    array([0., 1., 2., 3., 4., 5.])
    """
    final = _new_path(path)
    _check_iterable(frames, progress)
    if not _run_store.is_name(name) or name == "time":
        raise ValueError(f"name must be an identifier other than 'time', got {_checks.got(name)}")
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be the numpy Generator that the frames are drawn from, got {_checks.got(rng)}")
    _run_store.check_labels(name, dims, spacing, units)
    attributes = {
        "diffuseconv_run": _run_store.FORMAT,
        "frames": 0,
        "name": name,
        "parameters": _json("parameters", {} if parameters is None else parameters),
        "versions": _versions(),
        "rng": _rng_state.state_of(rng),
    }
    _engine()
    timed = _timed(frames, 0, progress)
    with _run_store.making(final) as folder:
        try:
            first = next(timed)
        except StopIteration:
            raise ValueError("frames must hold at least one frame, got none") from None
        root = _run_store.create(folder, attributes, first[1], dims, spacing, units)
        _run_store.Writer(folder, root, rng).write(*first)
        if final.exists():
            raise FileExistsError(f"path must be new, got {str(final)!r}, which was made meanwhile")
        folder.rename(final)
        _run_store.Writer(final, root, rng).append(timed, first[0])


def open_run(path: str | os.PathLike[str]) -> xr.Dataset:
    """Open a recorded run, lazily.

    Parameters
    ----------
    path : str or path-like
        The folder that `record` made; it may still be growing.

    Returns
    -------
    xarray.Dataset
        The frames so far, with their times and coordinates; parameters, versions and the state of the random generator
        are among its attributes. Values are read when they are used.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it is not a run.
    OSError
        Also later, when a chunk is read that is missing or damaged.
    ImportError
        If the extra ``io`` (zarr, xarray) is not installed.

    Notes
    -----
    ``xarray.open_zarr`` opens the folder too, and checks each chunk's checksum as well, but reads missing chunks as
    holes.
    """
    folder = _existing_path(path)
    _engine()
    import xarray as xr

    _run_store.root_of(folder)
    options: dict[str, Any] = {"chunks": None, "mask_and_scale": False, "decode_times": False}
    return xr.open_zarr(_run_store.checked_store(folder), consolidated=True, **options)


def resume(path: str | os.PathLike[str]) -> Run:
    """Return where a recorded run stopped, to go on from there bitwise as if it had never stopped.

    Parameters
    ----------
    path : str or path-like
        The folder that `record` made.

    Returns
    -------
    Run
        Make frames from its `field`, `time` and `rng`, and append them by ``run.record(frames)``.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it is not a run.
    OSError
        If another process is writing it, or its last frame is missing or damaged.
    ImportError
        If the extra ``io`` (zarr, xarray) is not installed.

    Examples
    --------
    See `record`.
    """
    folder = _existing_path(path)
    _engine()
    with _run_store.writing(folder):
        attributes = _run_store.root_of(folder)["attributes"]
        last = open_run(folder).isel(time=-1).load()
    rng = _rng_state.generator_in(attributes["rng"])
    field = np.array(last[attributes["name"]].values)
    return Run(folder, attributes["frames"], float(last.time), field, rng, attributes["parameters"])


def _timed(frames: Iterable[Any], start: int, progress: bool) -> Iterator[tuple[float, Array]]:
    """Yield times and fields, checked."""
    for number, item in enumerate(_frames.with_progress(frames, progress, "run"), start):
        time, field = item if _frames.is_timed(item) else (number, item)
        values = _checks.plain(f"frames[{number}]", field)
        storable = values.dtype.kind in "biufc" and values.dtype.itemsize <= (16 if values.dtype.kind == "c" else 8)
        if not storable or values.ndim == 0:
            raise TypeError(f"frames[{number}] must be an array of numbers, got {_checks.got(values)}")
        native = _checks.in_native_order(values)  # the store is, and the next frame is compared with it
        yield _checks.number(f"time of frames[{number}]", time), np.ascontiguousarray(native)


def _json(name: str, value: Any) -> Any:
    """Return what JSON makes of a value; arrays become lists."""

    def plain(item: Any) -> Any:
        if isinstance(item, (np.ndarray, np.generic)) and not isinstance(item, (np.longdouble, np.clongdouble)):
            return item.tolist()  # of longdouble that would be itself again
        if isinstance(item, os.PathLike):
            return os.fspath(item)
        raise TypeError(f"got {_checks.got(item)}")

    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, got {_checks.got(value)}")
    try:
        return json.loads(json.dumps(dict(value), default=plain, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{name} must hold finite numbers, strings, lists and mappings only: {error}") from None


def _versions() -> dict[str, str]:
    """Return the versions that make the numbers."""
    ours: str = sys.modules["diffuseconv"].__version__
    return {"diffuseconv": ours, "numpy": np.__version__, "python": sys.version.split()[0]}


def _engine() -> None:
    """Check that the extra is installed."""
    try:
        import_whole("xarray")
        import_whole("zarr")
    except ImportError as error:
        raise ImportError(f"runs on disk need zarr and xarray: pip install 'diffuseconv[io]' ({error})") from None


def _check_iterable(frames: object, progress: object) -> None:
    """Check what is checked before any work."""
    _checks.iterable("frames", frames, "arrays")
    _checks.flag("progress", progress)


def _path(value: object) -> Path:
    """Check a path."""
    if not isinstance(value, (str, os.PathLike)) or isinstance(fspath := os.fspath(value), bytes):
        raise TypeError(f"path must be a path, got {_checks.got(value)}")
    if "\0" in fspath or not fspath:
        raise ValueError(f"path must be a path, got {fspath!r}")
    return Path(os.path.realpath(fspath))


def _new_path(value: object) -> Path:
    """Check the path of a folder to be made."""
    path = _path(value)
    if os.path.lexists(path):
        raise FileExistsError(f"path must be new (go on with a run by resume), got {str(value)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"path must lie in a folder that exists, got {str(value)!r}")
    return path


def _existing_path(value: object) -> Path:
    """Check the path of a run."""
    path = _path(value)
    if not path.exists():
        raise FileNotFoundError(f"path must be a run, got {str(value)!r}, where there is nothing")
    return path
