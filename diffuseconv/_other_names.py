"""What other libraries and books call a boundary."""

from __future__ import annotations

from collections.abc import Iterable

_ELSEWHERE = {
    "wrap": ["periodic"],
    "grid-wrap": ["periodic"],
    "circular": ["periodic"],
    "cyclic": ["periodic"],
    "reflect": ["reflecting", "mirror"],  # scipy.ndimage's, and numpy.pad's
    "symmetric": ["reflecting"],
    "no-flux": ["reflecting"],
    "neumann": ["reflecting"],
    "dirichlet": ["absorbing"],
    "edge": ["nearest"],
    "replicate": ["nearest"],
    "constant": ["zero"],
}


def hint(value: object, among: Iterable[str]) -> str:
    """Return the advice where a boundary goes by the name of another library, or is written in capitals."""
    ours = _ELSEWHERE.get(value.lower(), [value.lower()]) if isinstance(value, str) else []
    fitting = [repr(name) for name in ours if name in among]
    return f"; write {' or '.join(fitting)}" if fitting else ""
