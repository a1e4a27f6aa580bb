"""Arrays on a GPU against the same work on the CPU; nothing to measure where no GPU is at hand."""

from collections.abc import Callable, Iterator

import numpy as np

import diffuseconv as dc

from ._timing import Call, Case


def devices() -> dict[str, tuple[Callable[[np.ndarray], object], Callable[[], object]]]:
    """Return, for each library that sees a GPU, how to send an array there and how to wait for it."""
    found = {}
    try:
        import torch
    except ImportError:
        pass
    else:
        if torch.cuda.is_available():
            name = f"torch on {torch.cuda.get_device_name()}"
            found[name] = (lambda values: torch.from_numpy(values).cuda(), torch.cuda.synchronize)
    try:
        import cupy
    except ImportError:
        pass
    else:
        name = f"cupy on {cupy.cuda.runtime.getDeviceProperties(0)['name'].decode()}"
        found[name] = (cupy.asarray, cupy.cuda.Device().synchronize)
    return found


def compare(title: str, field: np.ndarray, work: Callable[[object], object]) -> Case:
    """Build one piece of work on the CPU and on each device, the field already there."""
    contenders: dict[str, Call] = {"diffuseconv, NumPy": lambda: work(field)}
    for name, (send, wait) in devices().items():

        def on_device(there: object = send(field), wait: Callable[[], object] = wait) -> object:
            result = work(there)
            wait()
            return result

        contenders[name] = on_device
    return Case(title, contenders)


def cases(quick: bool) -> Iterator[Case]:
    """Yield late times, many explicit steps, and a wide kernel, in both precisions."""
    if not devices():
        return
    rng = np.random.default_rng(0)
    kernel = dc.kernels.gaussian(20.0)
    eq = dc.DiffusionEquation(source=0.1)
    for size in (1024,) if quick else (1024, 4096):
        for dtype in (np.float32, np.float64):
            field = rng.random((size, size)).astype(dtype)
            where = f"{size} x {size}, {field.dtype}"
            yield compare(f"evolve to t = 100, {where}", field, lambda u: eq.evolve(u, 100.0, "spectral"))
            yield compare(f"1000 explicit steps, {where}", field, lambda u: eq.explicit_steps(u, 1000))
            yield compare(
                f"convolve, {kernel.shape[0]} x {kernel.shape[1]}, {where}",
                field,
                lambda u: dc.convolve(u, kernel, method="fft"),
            )
