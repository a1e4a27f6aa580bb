"""The Zarr store of a run: written frame by frame, each all or nothing, by one writer at a time.

A frame is written in this order: its chunks, the shapes of the arrays, then the root's metadata (consolidated, with the
state of the random generator), which are renamed into place. Readers see what the root says.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from diffuseconv import _checks, _files, _rng_state
from diffuseconv._typing import Array

FORMAT = 1
_LARGEST_CHUNK = 2**26  # bytes
_METADATA = "zarr.json"


class Writer:
    """The arrays of a store that is being written."""

    def __init__(self, folder: Path, root: dict[str, Any], rng: np.random.Generator | None) -> None:
        import zarr

        self.folder, self.root, self.rng = folder, root, rng
        self.name: str = root["attributes"]["name"]
        with zarr.config.set({"array.write_empty_chunks": True}):  # a frame of zeros is no hole
            group: Any = zarr.open_group(folder, mode="r+", use_consolidated=False)
            self.arrays = {name: group[name] for name in (self.name, "time")}

    def append(self, frames: Iterator[tuple[float, Array]], last: float, known: Array | None = None) -> None:
        """Write frames, which must go on from the last time; those before it are passed over if the field is known."""
        array = self.arrays[self.name]
        for time, field in frames:
            if known is not None and time < last:
                continue
            if known is not None and time == last:
                if field.shape != known.shape or field.tobytes() != known.tobytes():
                    raise ValueError(f"frames must hold the run's last field at its time, got another at {time:g}")
                continue
            if field.shape != array.shape[1:] or field.dtype != array.dtype:
                wanted = f"shape {array.shape[1:]} and dtype {array.dtype}"
                raise ValueError(f"frames must all have {wanted}, got {field.shape} and {field.dtype} at time {time:g}")
            if not time > last:
                raise ValueError(f"frames must have increasing times, got {time} after {last}")
            self.write(time, field)
            last, known = time, None

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
        attributes["rng"] = _rng_state.state_of(self.rng)
        with _files.replacing(self.folder / _METADATA) as temporary:
            temporary.write_text(json.dumps(self.root))


def check_labels(name: str, dims: Any, spacing: Any, units: Any) -> None:
    """Check what can be checked before the first frame tells how many axes there are."""
    axes = ("z", "y", "x") if dims is None else dims
    if dims is not None:
        _dims(dims, len(dims) if isinstance(dims, (list, tuple)) else 1, name)
    _checks.spacing(spacing, len(spacing) if isinstance(spacing, (list, tuple)) else 1)
    _units(units, (name, "time", *axes))


def create(
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


def is_name(value: object) -> bool:
    """Return whether a value may name an array of a store."""
    return isinstance(value, str) and value.isidentifier() and len(value) < 100


def _dims(dims: Any, ndim: int, name: str) -> tuple[str, ...]:
    """Check the names of a field's axes."""
    names = ("z", "y", "x")[-ndim:] if dims is None else dims
    if not isinstance(names, (list, tuple)) or not all(map(is_name, names)):
        raise ValueError(f"dims must be a sequence of identifiers, got {_checks.got(dims)}")
    if dims is None and name in names:
        raise ValueError(f"name must be none of the axes' names, {', '.join(names)} (see dims=), got {name!r}")
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


def root_of(folder: Path) -> dict[str, Any]:
    """Read a run's root metadata."""
    try:
        root: dict[str, Any] = json.loads((folder / _METADATA).read_text())
        attributes, metadata = root["attributes"], root["consolidated_metadata"]["metadata"]
        known = attributes["diffuseconv_run"] == FORMAT
        known = known and metadata[attributes["name"]]["shape"][0] == attributes["frames"] >= 1
    except (ValueError, KeyError, TypeError, IndexError, FileNotFoundError, NotADirectoryError):
        known = False
    if not known:
        raise ValueError(f"path must be a run that record wrote, of format {FORMAT}, got {str(folder)!r}")
    return root


def checked_store(folder: Path) -> Any:
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
def writing(folder: Path) -> Generator[None]:
    """Hold a run locked; a second writer is refused."""
    with _files.locked_folder(folder) as acquired:
        if not acquired:
            raise BlockingIOError(f"path must not be written by two at once, got {str(folder)!r}, which is in use")
        yield


@contextmanager
def making(final: Path) -> Generator[Path]:
    """Yield a locked folder next to a run that is not there yet; delete it if it is not renamed."""
    folder = _files.sibling(final)
    with suppress(FileExistsError):
        folder.mkdir()
    with writing(folder):
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


def delete_leftovers(folder: Path) -> None:
    """Delete the partial files of a process that was killed."""
    for leftover in folder.rglob("*.partial"):
        leftover.unlink(missing_ok=True)
