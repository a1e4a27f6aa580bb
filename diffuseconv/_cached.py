"""What is computed once and kept: attributes of an object, and all else that lives as long as the object does.

Neither takes a lock: a child of `fork` could inherit it locked, as that of `functools.cached_property` in Python 3.11.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

if sys.version_info >= (3, 12):
    from functools import cached_property
else:

    class cached_property:  # noqa: N801 (it stands for the one of functools)
        """Compute an attribute when it is first read, and keep it in the object's dictionary."""

        def __init__(self, compute: Callable[[Any], Any]) -> None:
            self._compute = compute
            self.__doc__ = compute.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name = name

        def __get__(self, instance: Any, owner: type | None = None) -> Any:
            if instance is None:
                return self
            return vars(instance).setdefault(self._name, self._compute(instance))


__all__ = ["already_kept", "cached_property", "kept"]

T = TypeVar("T")


class _Cache(dict[Any, Any]):
    """What is kept with an object: no part of it, so that pickles and copies of it have an empty one."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _Cache, ()


def kept(owner: Any, key: Any, make: Callable[[], T], most: int = 8) -> T:
    """Return what `make` returns under a key, made once while the owner lives (and is no part of it: never pickled).

    At most so many keys are kept; one more, and all are made anew. It lies with the owner, not in a table of weak
    references: an interrupt within the callback of one would be lost.
    """
    cache: dict[Any, Any] = vars(owner).setdefault("_kept", _Cache())
    found: T = cache.get(key, cache)  # another thread may empty the cache at any time
    if found is not cache:
        return found
    found = make()
    if len(cache) >= most:
        cache.clear()
    cache[key] = found
    return found


def already_kept(owner: Any, key: Any) -> Any:
    """Return what is kept under a key, None if nothing is."""
    return vars(owner).get("_kept", {}).get(key)
