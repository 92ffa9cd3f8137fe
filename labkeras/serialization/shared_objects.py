"""Layers that stand in several places of one model: written with a number each, and one layer again when read."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["number_of", "numbering", "read_objects", "sharing", "without_lone_numbers"]

_KEY = "shared_object_id"


class _Scope(threading.local):
    """What is being written, or read, in this thread: objects by their id or number."""

    written: dict[int, tuple[Any, int]] | None = None
    read: dict[Any, Any] | None = None


_scope = _Scope()


@contextmanager
def sharing() -> Iterator[None]:
    """Within it, configs with one `shared_object_id` are read as one object, wherever they stand.

    A scope within another one is the same scope.
    """
    before = _scope.read
    _scope.read = {} if before is None else before
    try:
        yield
    finally:
        _scope.read = before


def read_objects() -> dict[Any, Any] | None:
    """What was read in the scope, by its number, if there is a scope."""
    return _scope.read


@contextmanager
def numbering() -> Iterator[None]:
    """Within it, every layer that is written gets a number, the same one each time."""
    before, _scope.written = _scope.written, {}
    try:
        yield
    finally:
        _scope.written = before


def number_of(obj: Any) -> int | None:
    """The number of an object that is being written; None if nobody numbers them."""
    if _scope.written is None:
        return None
    # With the object itself, so that its id is not given to another one meanwhile.
    return _scope.written.setdefault(id(obj), (obj, len(_scope.written) + 1))[1]


def without_lone_numbers(config: Any) -> Any:
    """A config in which only those objects keep their numbers that stand in several places."""
    counts = Counter(one[_KEY] for one in _dicts(config) if _KEY in one)
    for one in _dicts(config):
        if counts.get(one.get(_KEY), 0) == 1:
            del one[_KEY]
    return config


def _dicts(config: Any) -> Iterator[dict[str, Any]]:
    pending = [config]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield value
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            pending.extend(value)
