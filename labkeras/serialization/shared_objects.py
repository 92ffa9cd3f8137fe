"""Layers that stand in several places of one model: written once each, with an id, and one layer again when read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Written", "read_objects", "sharing", "written_objects"]


class Written:
    """What was written so far: each object, so that its id stays its own, with its config."""

    def __init__(self) -> None:
        self._configs: dict[int, tuple[Any, dict[str, Any]]] = {}

    def note(self, obj: Any, config: dict[str, Any]) -> None:
        """Notes the config of an object; from the second one on, all of them get the object's number."""
        known = self._configs.setdefault(id(obj), (obj, config))[1]
        if known is not config:
            number = known.setdefault("shared_object_id", 1 + list(self._configs).index(id(obj)))
            config["shared_object_id"] = number


class _Scope(threading.local):
    """What is being written, or read, in this thread."""

    written: Written | None = None
    read: dict[Any, Any] | None = None


_scope = _Scope()


@contextmanager
def sharing() -> Iterator[None]:
    """Within it, an object that is written, or read, at several places is one object; scopes do not nest."""
    before = _scope.written, _scope.read
    if _scope.written is None:
        _scope.written, _scope.read = Written(), {}
    try:
        yield
    finally:
        _scope.written, _scope.read = before


def written_objects() -> Written | None:
    """What was written in the scope, if there is one."""
    return _scope.written


def read_objects() -> dict[Any, Any] | None:
    """What was read in the scope, by its id, if there is one."""
    return _scope.read
