"""What may be taken of memory, where machine, containers and the process itself set limits."""

import subprocess
import sys

import pytest

from diffuseconv import _memory

GIB = 2**30


def system(root, monkeypatch, group, files):
    """Write what a system tells of its memory, 8 GiB of which are free."""
    proc, groups = root / "proc", root / "groups"
    given = {proc / "meminfo": "MemTotal: 9 kB\nMemAvailable: 8388608 kB\n", proc / "self" / "cgroup": group}
    for path, text in (given | {groups / name: text for name, text in files.items()}).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(_memory, "PROC", proc)
    monkeypatch.setattr(_memory, "CGROUPS", groups)


@pytest.mark.parametrize(
    ("group", "files", "expected"),
    [
        ("", {}, 8),
        ("0::/\n", {"memory.max": "max\n", "memory.current": f"{GIB}\n"}, 8),
        ("0::/\n", {"memory.max": f"{4 * GIB}\n", "memory.current": f"{GIB}\n"}, 3),
        (
            "0::/jobs/mine\n",
            {
                "jobs/mine/memory.max": f"{4 * GIB}",
                "jobs/mine/memory.current": f"{3 * GIB}",
                "jobs/mine/memory.stat": f"anon 7\ninactive_file {GIB}\n",
                "jobs/memory.max": f"{6 * GIB}",
                "jobs/memory.current": f"{3 * GIB}",
            },
            2,
        ),
        (
            "3:cpu:/\n4:memory:/of/the/host\n",
            {"memory/memory.limit_in_bytes": f"{2 * GIB}", "memory/memory.usage_in_bytes": f"{3 * GIB}"},
            0,
        ),
    ],
)
def test_limits_of_containers_count(group, files, expected, tmp_path, monkeypatch):
    """Both kinds of control groups, seen from within and from without."""
    system(tmp_path, monkeypatch, group, files)
    monkeypatch.setattr(_memory, "_of_process", lambda: _memory.PLAINLY)
    assert _memory.free_memory() == expected * GIB


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of addresses hold on Linux")
def test_the_limit_of_a_process_counts():
    """A process that may have 4 GiB of addresses, of which Python and NumPy take some."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))\n"
        "from diffuseconv import _memory; print(_memory._of_process())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert 0 < int(found.stdout) < 2**32
