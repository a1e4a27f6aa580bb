"""How much memory can be had: by the machine, by the container that we may run in, and by the process's own limit."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["free_memory"]

PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")
PLAINLY = 2**36  # bytes, where the system tells nothing


def free_memory() -> int:
    """Return the bytes that can be had without swapping: the least that machine, containers and process allow."""
    return max(0, min(_of_machine(), *_of_containers(), _of_process()))


def _of_machine() -> int:
    """Return what is free; where the system does not tell, what it has in all."""
    for line in _lines(PROC / "meminfo"):
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else PLAINLY


def _of_containers() -> list[int]:
    """Return what is left of the limits of each control group that holds us, which files in memory may give up."""
    left = []
    for line in _lines(PROC / "self" / "cgroup"):
        _, controllers, place = line.rstrip("\n").split(":", 2)
        if controllers == "":
            root, names = CGROUPS, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root, names = (
                CGROUPS / "memory",
                (
                    "memory.limit_in_bytes",
                    "memory.usage_in_bytes",
                    "total_inactive_file",
                ),
            )
        else:
            continue
        inside = root / place.lstrip("/")
        for group in (inside, *inside.parents):  # within a container the path may be one of the host: its root counts
            limit, used = (_number(group / name) for name in names[:2])
            if limit is not None and used is not None:
                files = [int(each.split()[1]) for each in _lines(group / "memory.stat") if each.startswith(names[2])]
                left.append(limit - used + sum(files))
            if group == root:
                break
    return left


def _of_process() -> int:
    """Return what the limit of addresses leaves."""
    try:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit == resource.RLIM_INFINITY:
            return PLAINLY**2
        pages = int(_lines(PROC / "self" / "statm")[0].split()[0])
        return limit - pages * resource.getpagesize()
    except (ImportError, IndexError):  # not everywhere
        return PLAINLY**2


def _lines(path: Path) -> list[str]:
    """Return the lines of a file, none where it cannot be read."""
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _number(path: Path) -> int | None:
    """Return the number that a file holds, None where there is none (or "max")."""
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None
