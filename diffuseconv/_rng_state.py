"""The whole state of a random generator in JSON, and back, without pickles."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffuseconv import _checks

_BIT_GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")


def state_of(rng: np.random.Generator | None) -> dict[str, Any] | None:
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


def generator_in(state: Any) -> np.random.Generator | None:
    """Return a generator in a recorded state."""
    if state is None:
        return None
    try:
        kind = state["state"]["bit_generator"]
        if kind not in _BIT_GENERATORS:
            raise ValueError(f"path must name a bit generator of NumPy, got {_checks.got(kind)}")
        seeds = None if state["seeds"] is None else np.random.SeedSequence(**state["seeds"])
        bits = getattr(np.random, kind)(seeds)
        bits.state = _arrays(state["state"])
    except (KeyError, TypeError, OverflowError):  # not what `state_of` wrote
        raise ValueError(f"path must hold the state of a random generator, got {_checks.got(state)}") from None
    return np.random.Generator(bits)
