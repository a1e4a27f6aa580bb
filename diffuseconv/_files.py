"""Files that appear whole or not at all: written beside their target, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from diffuseconv import _checks


def target(name: str, value: object, suffixes: tuple[str, ...]) -> Path:
    """Take the path of a file to be written: a known suffix, in a folder that exists."""
    if not isinstance(value, (str, os.PathLike)) or isinstance(fspath := os.fspath(value), bytes):
        raise TypeError(f"{name} must be a path, got {_checks.got(value)}")
    path = Path(fspath)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{name} must end in one of {', '.join(suffixes)}, got {str(path)!r}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{name} must lie in a folder that exists, got {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"{name} must be a file, not a folder, got {str(path)!r}")
    return path


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Lend a temporary path with the same suffix; rename it to `path` at the end, or delete it if anything fails."""
    temporary = path.with_name(f".{path.stem[:100]}-{secrets.token_hex(6)}{path.suffix}")
    temporary.touch(exist_ok=False)  # a folder that cannot be written to is found out before the work begins
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:  # Ctrl-C too
        temporary.unlink(missing_ok=True)
        raise
