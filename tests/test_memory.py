"""Memory of runs, in fields of the dtype beside what goes in and comes out (see the table in docs/limits.md)."""

import platform
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

import diffuseconv as dc


def peak(call, u):
    """Return the most fields that NumPy holds at once during ``call(u)``, less its result."""
    call(u)  # compiled and imported
    tracemalloc.start()
    call(u)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (most - 2e5) / u.nbytes - 1  # tables and slabs


@pytest.mark.parametrize(
    ("boundary", "source", "velocity", "duration", "double", "single"),
    [
        ("reflecting", False, None, 1.0, 0, 0),
        ("periodic", False, None, 1.0, 1, 1),
        ("reflecting", False, None, 1e4, 0, 0),
        ("absorbing", True, None, 0.01, 2.2, 3.4),
        ("absorbing", True, None, 1e4, 2.2, 4),
        ("periodic", False, 0.3, 1.0, 1, 1),
        ("periodic", True, 0.3, 1.0, 2.5, 4.2),
    ],
)
@pytest.mark.parametrize("shape", [(512, 400), (60, 62, 56)])
def test_spectral_runs(shape, boundary, source, velocity, duration, double, single):
    """Rates, walls and sources are in float64, whatever the field is."""

    def evolve(u):
        given = np.ones(u.shape) / 3 if source else None
        eq = dc.DiffusionEquation(boundary=boundary, source=given, velocity=velocity)
        return eq.evolve(u, duration, "spectral")

    u = np.random.default_rng(0).random(shape)
    made = 2 * source  # the source, and the copy that the equation keeps
    assert peak(evolve, u) <= double + made + 0.1
    assert peak(evolve, u.astype(np.float32)) <= single + 2 * made + 0.1


def test_whole_transforms_of_wide_kernels():
    """Four of the field continued to twice its sides, held no longer than their transforms, and one of the kernel."""
    k = np.random.default_rng(1).random((200, 200))

    def convolve(u):
        return dc.convolve(u, k[: u.shape[0] // 2, : u.shape[1] // 2], method="fft")

    assert peak(convolve, np.random.default_rng(0).random((300, 300))) <= 8


FAULTS = """
import resource
import numpy as np
import diffuseconv as dc

u, k = np.ones((256, 256)), np.ones((63, 62))
for call in range(12):
    if call == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    dc.convolve(u, k, method="fft")
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) // 10)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left as they are")
def test_freed_memory_is_kept_for_the_next_call():
    """Its arrays, of 128 pages and more each, come from the heap that the call before has left, in a fresh process."""
    result = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(result.stdout) < 128
