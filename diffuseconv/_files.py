"""Files that appear whole or not at all: written under a temporary name in the folder of their target, then renamed."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from diffuseconv import _checks

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows: stale files stay, nothing else changes
    fcntl = None

_MARK = ".diffuseconv-"  # short, so that a target may have the longest name that the system allows


def target(name: str, value: object, suffixes: tuple[str, ...]) -> Path:
    """Check the path of a file to be written: a known suffix, in a folder that exists."""
    if not isinstance(value, (str, os.PathLike)) or isinstance(fspath := os.fspath(value), bytes):
        raise TypeError(f"{name} must be a path, got {_checks.got(value)}")
    path = Path(fspath)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{name} must end in one of {', '.join(suffixes)}, got {str(path)!r}")
    if "\0" in fspath:
        raise ValueError(f"{name} must not hold a null character, got {fspath!r}")
    with suppress(FileNotFoundError, NotADirectoryError):
        os.lstat(path)  # a name too long or a forbidden folder raises before the work begins
    if not Path(os.path.realpath(path)).parent.is_dir():
        raise FileNotFoundError(f"{name} must lie in a folder that exists, got {str(path)!r}")
    if path.is_dir():
        raise IsADirectoryError(f"{name} must be a file, not a folder, got {str(path)!r}")
    return path


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Yield a temporary path; rename it to `path` at the end, or delete it if anything fails.

    A symbolic link stays and its target is replaced, an existing file's mode is kept, and the folder may cease to be
    reachable by a relative path meanwhile. What a killed process left behind is deleted.
    """
    final = Path(os.path.realpath(path))
    remove_stale(final.parent)
    temporary = final.with_name(f"{_MARK}{secrets.token_hex(6)}{path.suffix.lower()}")
    with _locked(temporary, final):  # a folder that cannot be written to is found out before the work begins
        try:
            yield temporary
            with suppress(FileNotFoundError):
                temporary.chmod(stat.S_IMODE(final.stat().st_mode))
            temporary.replace(final)
        except BaseException:  # Ctrl-C too
            temporary.unlink(missing_ok=True)
            raise


def remove_stale(folder: Path) -> None:
    """Delete the temporary files of ours in a folder that no process holds locked any more."""
    if fcntl is None:
        return
    for leftover in folder.glob(f"{_MARK}*"):
        with suppress(OSError):  # another user's, or locked by the process that is writing it
            descriptor = os.open(leftover, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                leftover.unlink()
            finally:
                os.close(descriptor)


@contextmanager
def _locked(path: Path, final: Path) -> Generator[None]:
    """Create a file and hold it locked, by which other processes know that it is in use."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(final)) from None
        if fcntl is None:
            break
        with suppress(OSError):  # file systems without locks: stale files stay
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            break
        os.close(descriptor)  # deleted as stale between the two calls: once more
    if fcntl is None:
        os.close(descriptor)  # an open file cannot be renamed there
        yield
        return
    try:
        yield
    finally:
        os.close(descriptor)


def sibling(path: Path) -> Path:
    """Return the temporary name, in the parent of a folder to be made, always the same one."""
    return path.with_name(_MARK + hashlib.sha256(path.name.encode()).hexdigest()[:16])


@contextmanager
def locked_folder(folder: Path) -> Generator[bool]:
    """Hold a folder locked, or yield False if another process or another caller holds it."""
    if fcntl is None:
        yield True
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
