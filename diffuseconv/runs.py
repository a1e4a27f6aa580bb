"""Runs on disk: frames are appended to a Zarr store that survives being killed, and go on bitwise from its last frame.

A frame is written in this order: its chunks, the shapes of the arrays, then the root's metadata (consolidated, with the
state of the random generator), which are renamed into place. Readers see what the root says: all of a frame or nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffuseconv import _checks, _files
from diffuseconv._typing import Array

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Run", "open_run", "record", "resume"]

_FORMAT = 1
_LARGEST_CHUNK = 2**26  # bytes
_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")
_METADATA = "zarr.json"


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
        with _writing(self.path):
            root = _root(self.path)
            count = root["attributes"]["frames"]
            if count != self.frames:
                raise ValueError(f"path must be as it was when resumed, with {self.frames} frames, got {count}")
            _delete_leftovers(self.path)
            _Writer(self.path, root, self.rng).append(_timed(frames, self.frames, progress), self)


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
        Pairs ``(time, field)`` as `DiffusionEquation.frames` yields, times increasing, or fields alone, whose times
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

    A run goes on *bitwise* if each frame is made from the one before alone (and `rng`), as a loop over
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
    if not _is_name(name) or name == "time":
        raise ValueError(f"name must be an identifier other than 'time', got {_checks.got(name)}")
    if rng is not None and not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng must be the numpy Generator that the frames are drawn from, got {_checks.got(rng)}")
    attributes = {
        "diffuseconv_run": _FORMAT,
        "frames": 0,
        "name": name,
        "parameters": _json("parameters", {} if parameters is None else parameters),
        "versions": _versions(),
        "rng": _state(rng),
    }
    _engine()
    timed = _timed(frames, 0, progress)
    with _making(final) as folder:
        try:
            first = next(timed)
        except StopIteration:
            raise ValueError("frames must hold at least one frame, got none") from None
        root = _create(folder, attributes, first[1], dims, spacing, units)
        _Writer(folder, root, rng).write(*first)
        if final.exists():
            raise FileExistsError(f"path must be new, got {str(final)!r}, which was made meanwhile")
        folder.rename(final)
        _Writer(final, root, rng).append(timed, None, last=first[0])


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

    _root(folder)
    options: dict[str, Any] = {"chunks": None, "mask_and_scale": False, "decode_times": False}
    return xr.open_zarr(_checked_store(folder), consolidated=True, **options)


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
    with _writing(folder):
        attributes = _root(folder)["attributes"]
        last = open_run(folder).isel(time=-1).load()
    rng = _generator(attributes["rng"])
    field = np.array(last[attributes["name"]].values)
    return Run(folder, attributes["frames"], float(last.time), field, rng, attributes["parameters"])


class _Writer:
    """The arrays of a store that is being written."""

    def __init__(self, folder: Path, root: dict[str, Any], rng: np.random.Generator | None) -> None:
        import zarr

        self.folder, self.root, self.rng = folder, root, rng
        self.name: str = root["attributes"]["name"]
        with zarr.config.set({"array.write_empty_chunks": True}):  # a frame of zeros is no hole
            group: Any = zarr.open_group(folder, mode="r+", use_consolidated=False)
            self.arrays = {name: group[name] for name in (self.name, "time")}

    def append(self, frames: Iterator[tuple[float, Array]], run: Run | None, last: float = -np.inf) -> None:
        """Write frames, which must go on from the last one."""
        array = self.arrays[self.name]
        if run is not None:
            last = run.time
        for time, field in frames:
            if run is not None and last == run.time and time < last:
                continue
            if run is not None and time == run.time:
                if field.shape != run.field.shape or field.tobytes() != run.field.tobytes():
                    raise ValueError(f"frames must hold the run's last field at its time, got another at {time:g}")
                continue
            if field.shape != array.shape[1:] or field.dtype != array.dtype:
                wanted = f"shape {array.shape[1:]} and dtype {array.dtype}"
                raise ValueError(f"frames must all have {wanted}, got {field.shape} and {field.dtype} at time {time:g}")
            if not time > last:
                raise ValueError(f"frames must have increasing times, got {time} after {last}")
            self.write(time, field)
            last = time

    def write(self, time: float, field: Array) -> None:
        """Write one frame: all of it, or none."""
        attributes, metadata = self.root["attributes"], self.root["consolidated_metadata"]["metadata"]
        number = attributes["frames"]
        for name, value in ((self.name, field), ("time", time)):
            array = self.arrays[name]
            array.resize((number + 1, *array.shape[1:]))
            array[number] = value
            metadata[name]["shape"][0] = number + 1
        attributes["frames"] = number + 1
        attributes["rng"] = _state(self.rng)
        with _files.replacing(self.folder / _METADATA) as temporary:
            temporary.write_text(json.dumps(self.root))


def _create(
    folder: Path, attributes: dict[str, Any], field: Array, dims: Any, spacing: Any, units: Any
) -> dict[str, Any]:
    """Make a store for fields like the first one; return its root's metadata."""
    import zarr
    from zarr.codecs import Crc32cCodec, ZstdCodec

    name = attributes["name"]
    axes = _dims(dims, field.ndim, name)
    widths = _checks.spacing(spacing, field.ndim)
    labels = _units(units, (name, "time", *axes))
    group = zarr.create_group(folder)
    codecs = (ZstdCodec(level=1), Crc32cCodec())
    lines = max(1, int(_LARGEST_CHUNK // max(field[:1].nbytes, 1)))
    arrays: dict[str, Any] = {
        name: ((0, *field.shape), (1, min(len(field), lines), *field.shape[1:]), field.dtype, ("time", *axes)),
        "time": ((0,), (1,), np.dtype(float), ("time",)),
        **{axis: ((size,), (size,), np.dtype(float), (axis,)) for axis, size in zip(axes, field.shape, strict=True)},
    }
    metadata = {}
    for key, (shape, chunks, dtype, names) in arrays.items():
        array = group.create_array(
            key, shape=shape, chunks=chunks, dtype=dtype, dimension_names=names, compressors=codecs,
            attributes={"units": labels[key]} if key in labels else {},
        )  # fmt: skip
        if key in axes:
            array[:] = (np.arange(shape[0]) + 0.5) * widths[axes.index(key)]
        metadata[key] = json.loads((folder / key / _METADATA).read_text())
    consolidated = {"kind": "inline", "must_understand": False, "metadata": metadata}
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes, "consolidated_metadata": consolidated}


def _timed(frames: Iterable[Any], start: int, progress: bool) -> Iterator[tuple[float, Array]]:
    """Yield times and fields, checked."""
    if progress:
        from tqdm.auto import tqdm

        frames = tqdm(frames, desc="run", unit="frame", disable=None)
    for number, item in enumerate(frames, start):
        timed = isinstance(item, tuple) and len(item) == 2 and np.ndim(item[0]) == 0
        time, field = item if timed else (number, item)
        values = _checks.plain(f"frames[{number}]", field)
        storable = values.dtype.kind in "biufc" and values.dtype.itemsize <= (16 if values.dtype.kind == "c" else 8)
        if not storable or values.ndim == 0:
            raise TypeError(f"frames[{number}] must be an array of numbers, got {_checks.got(values)}")
        yield _checks.number(f"time of frames[{number}]", time), np.ascontiguousarray(values)


def _is_name(value: object) -> bool:
    """Return whether a value may name an array of a store."""
    return isinstance(value, str) and value.isidentifier() and len(value) < 100


def _dims(dims: Any, ndim: int, name: str) -> tuple[str, ...]:
    """Check the names of a field's axes."""
    names = ("z", "y", "x")[-ndim:] if dims is None else dims
    if not isinstance(names, (list, tuple)) or not all(map(_is_name, names)):
        raise ValueError(f"dims must be a sequence of identifiers, got {_checks.got(dims)}")
    if len(names) != ndim or len({name, "time", *names}) != ndim + 2:
        rule = f"dims must name the {ndim} axes of the frames, none of them 'time' or {name!r}"
        raise ValueError(f"{rule}, got {_checks.got(dims)}")
    return tuple(names)


def _units(units: Any, names: tuple[str, ...]) -> dict[str, str]:
    """Check units by name."""
    if units is None:
        return {}
    if not isinstance(units, Mapping) or not all(isinstance(unit, str) for unit in units.values()):
        raise TypeError(f"units must be a mapping of names to strings, got {_checks.got(units)}")
    for key in units:
        if key not in names:
            raise ValueError(f"units must be of {', '.join(map(repr, names))}, got {key!r}")
    return dict(units)


def _json(name: str, value: Any) -> Any:
    """Return what JSON makes of a value; arrays become lists."""

    def plain(item: Any) -> Any:
        if isinstance(item, (np.ndarray, np.generic)):
            return item.tolist()
        if isinstance(item, os.PathLike):
            return os.fspath(item)
        raise TypeError(f"got {_checks.got(item)}")

    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a mapping, got {_checks.got(value)}")
    try:
        return json.loads(json.dumps(dict(value), default=plain, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must hold finite numbers, strings, lists and mappings only: {error}") from None


def _versions() -> dict[str, str]:
    """Return the versions that make the numbers."""
    ours: str = sys.modules["diffuseconv"].__version__
    return {"diffuseconv": ours, "numpy": np.__version__, "python": sys.version.split()[0]}


def _state(rng: np.random.Generator | None) -> dict[str, Any] | None:
    """Return the whole state of a generator in JSON, that of its children's seeds too."""
    if rng is None:
        return None
    bits: Any = rng.bit_generator
    kind = type(bits).__name__
    if kind not in _BIT_GENERATORS:
        raise TypeError(f"rng must use one of {', '.join(_BIT_GENERATORS)}, got {kind}")
    seeds = bits.seed_seq if isinstance(bits.seed_seq, np.random.SeedSequence) else None
    return {"state": _lists(bits.state), "seeds": None if seeds is None else _lists(seeds.state)}


def _lists(value: Any) -> Any:
    """Return nested states with arrays as lists, which say their dtype."""
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "values": value.tolist()}
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return value.item() if isinstance(value, np.generic) else value


def _arrays(value: Any) -> Any:
    """Return nested states with lists that say their dtype as arrays."""
    if not isinstance(value, dict):
        return value
    if set(value) == {"dtype", "values"}:
        return np.array(value["values"], dtype=value["dtype"])
    return {key: _arrays(item) for key, item in value.items()}


def _generator(state: Any) -> np.random.Generator | None:
    """Return a generator in a recorded state."""
    if state is None:
        return None
    kind = state["state"]["bit_generator"]
    if kind not in _BIT_GENERATORS:
        raise ValueError(f"path must name a bit generator of NumPy, got {_checks.got(kind)}")
    seeds = None if state["seeds"] is None else np.random.SeedSequence(**state["seeds"])
    bits = getattr(np.random, kind)(seeds)
    bits.state = _arrays(state["state"])
    return np.random.Generator(bits)


def _engine() -> None:
    """Check that the extra is installed."""
    try:
        import xarray  # noqa: F401
        import zarr  # noqa: F401
    except ImportError as error:
        raise ImportError(f"runs on disk need zarr and xarray: pip install 'diffuseconv[io]' ({error})") from None


def _check_iterable(frames: object, progress: object) -> None:
    """Check what is checked before any work."""
    if not isinstance(frames, Iterable):
        raise TypeError(f"frames must be an iterable of arrays, got {_checks.got(frames)}")
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


def _root(folder: Path) -> dict[str, Any]:
    """Read a run's root metadata."""
    try:
        root: dict[str, Any] = json.loads((folder / _METADATA).read_text())
        attributes, metadata = root["attributes"], root["consolidated_metadata"]["metadata"]
        known = attributes["diffuseconv_run"] == _FORMAT
        known = known and metadata[attributes["name"]]["shape"][0] == attributes["frames"] >= 1
    except (ValueError, KeyError, TypeError, IndexError, FileNotFoundError, NotADirectoryError):
        known = False
    if not known:
        raise ValueError(f"path must be a run that record wrote, of format {_FORMAT}, got {str(folder)!r}")
    return root


def _checked_store(folder: Path) -> Any:
    """Return a store to be read that reports missing and damaged chunks."""
    from zarr.storage import LocalStore

    try:
        from google_crc32c import value as checksum  # what zarr requires
    except ImportError:
        from crc32c import crc32c as checksum  # what it required before 3.1.5

    class CheckedStore(LocalStore):  # type: ignore[misc, unused-ignore]
        """A folder whose chunks all exist and end in their checksum."""

        async def get(self, key: str, prototype: Any = None, byte_range: Any = None) -> Any:
            """Return a chunk's bytes, or raise OSError."""
            value = await super().get(key, prototype, byte_range)
            if "/c/" not in key or byte_range is not None:
                return value
            if value is None:
                raise OSError(f"chunk {key} of the run {str(folder)!r} is missing")
            data = value.to_bytes()
            if len(data) < 4 or checksum(data[:-4]) != int.from_bytes(data[-4:], "little"):
                raise OSError(f"chunk {key} of the run {str(folder)!r} is damaged")
            return value

    return CheckedStore(folder, read_only=True)


@contextmanager
def _writing(folder: Path) -> Generator[None]:
    """Hold a run locked; a second writer is refused."""
    with _files.locked_folder(folder) as held:
        if not held:
            raise BlockingIOError(f"path must not be written by two at once, got {str(folder)!r}, which is in use")
        yield


@contextmanager
def _making(final: Path) -> Generator[Path]:
    """Lend a locked folder beside a run that is not there yet; delete it if it is not renamed."""
    folder = _files.sibling(final)
    with suppress(FileExistsError):
        folder.mkdir()
    with _writing(folder):
        _delete_contents(folder)  # of a process that was killed before its first frame
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # nothing, if renamed


def _delete_contents(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _delete_leftovers(folder: Path) -> None:
    """Delete the partial files of a process that was killed."""
    for leftover in folder.rglob("*.partial"):
        leftover.unlink(missing_ok=True)
