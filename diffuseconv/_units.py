"""Lengths, times and diffusivities as people write them: ``1mm``, ``2h``, ``1.6e-9``, ``0.5mm2/s``."""

from __future__ import annotations

import re

LENGTHS = {"nm": 1e-9, "um": 1e-6, "µm": 1e-6, "μm": 1e-6, "mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3}
TIMES = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
DIFFUSIVITIES = {
    f"{length}{square}/{time}": metres**2 / seconds
    for length, metres in LENGTHS.items()
    for square in ("2", "²", "^2")
    for time, seconds in TIMES.items()
}
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*")


def length(text: str) -> float:
    """Return a length in metres.

    Examples
    --------
    >>> length("2.5mm"), length("3")
    (0.0025, 3.0)
    """
    return _quantity(text, LENGTHS, "m")


def time(text: str) -> float:
    """Return a time in seconds.

    Examples
    --------
    >>> time("2h"), time("1.5 min")
    (7200.0, 90.0)
    """
    return _quantity(text, TIMES, "s")


def diffusivity(text: str) -> float:
    """Return a diffusivity in square metres per second.

    Examples
    --------
    >>> diffusivity("1.6e-9"), diffusivity("2m2/min")
    (1.6e-09, 0.03333333333333333)
    """
    return _quantity(text, DIFFUSIVITIES, "m2/s")


def _quantity(text: str, units: dict[str, float], default: str) -> float:
    """Read a number with a unit; raise ValueError naming the units known."""
    found = _NUMBER.fullmatch(text)
    if found is None or (found[2] or default) not in units:
        some = ", ".join(list(units)[:8])
        raise ValueError(f"must be a number with a unit (such as {some}; none means {default}), got {text!r}")
    return float(found[1]) * units[found[2] or default]
