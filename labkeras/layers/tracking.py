"""Lists and dicts of layers as attributes: `self.blocks = [Dense(8), Dense(8)]` makes both the layer's own.

torch finds modules only where they are attributes themselves, or in its own containers. A tracked list (or dict) is an
ordinary list whose modules are also registered in a holder module beside it, kept in step through every change, so that
`parameters()`, `state_dict()` and `.to()` see them as "blocks.0.kernel".
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch

__all__ = ["Holder", "TrackedDict", "TrackedList", "holds_modules", "track"]


class Holder(torch.nn.Module):
    """Owns the modules of one container; never called."""

    def __init__(self) -> None:
        super().__init__()
        # Inference is the resting state.
        self.training = False


class TrackedList(list[Any]):
    """A list whose modules belong to a layer."""

    def __init__(self, items: Any = ()) -> None:
        super().__init__(track(item) for item in items)
        self._holder = Holder()
        _register(self._holder, enumerate(self))


class TrackedDict(dict[Any, Any]):
    """A dict whose modules belong to a layer."""

    def __init__(self, items: Any = ()) -> None:
        super().__init__((key, track(value)) for key, value in dict(items).items())
        self._holder = Holder()
        _register(self._holder, self.items())


class _TrackedTuple(tuple[Any, ...]):
    """A tuple whose modules belong to a layer."""

    _holder: Holder


def track(value: Any) -> Any:
    """`value`, or if it is a list, dict or tuple with modules in it or room for some, its tracked twin."""
    if isinstance(value, TrackedList | TrackedDict | _TrackedTuple):
        return value
    if type(value) is list:
        return TrackedList(value)
    if type(value) is dict:
        return TrackedDict(value)
    if type(value) is tuple and holds_modules(value):
        tracked = _TrackedTuple(track(item) for item in value)
        tracked._holder = Holder()
        _register(tracked._holder, enumerate(tracked))
        return tracked
    return value


def holder_of(value: Any) -> torch.nn.Module | None:
    """The module that owns a tracked container's modules; None for anything else."""
    return getattr(value, "_holder", None) if isinstance(value, TrackedList | TrackedDict | _TrackedTuple) else None


def holds_modules(value: Any) -> bool:
    """Whether a module is anywhere in nested lists, tuples and dicts."""
    if isinstance(value, torch.nn.Module):
        return True
    if isinstance(value, dict):
        return any(map(holds_modules, value.values()))
    return isinstance(value, list | tuple) and any(map(holds_modules, value))


def _register(holder: Holder, items: Iterator[tuple[Any, Any]] | Any) -> None:
    holder._modules.clear()
    for key, value in items:
        module = value if isinstance(value, torch.nn.Module) else holder_of(value)
        if module is not None:
            holder._modules[str(key).replace(".", "_")] = module.train(holder.training)


def _following(method: Callable[..., Any], is_list: bool) -> Callable[..., Any]:
    """A container's method that also keeps the holder in step."""

    def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = method(self, *(track(arg) for arg in args), **{name: track(arg) for name, arg in kwargs.items()})
        holder = self.__dict__.setdefault("_holder", Holder())  # absent while a copy is being filled
        _register(holder, enumerate(self) if is_list else self.items())
        return result

    changed.__name__ = method.__name__
    return changed


for _name in (
    "append",
    "extend",
    "insert",
    "pop",
    "remove",
    "clear",
    "sort",
    "reverse",
    "__setitem__",
    "__delitem__",
    "__iadd__",
    "__imul__",
):
    setattr(TrackedList, _name, _following(getattr(list, _name), is_list=True))
for _name in ("__setitem__", "__delitem__", "__ior__", "pop", "popitem", "clear", "update", "setdefault"):
    setattr(TrackedDict, _name, _following(getattr(dict, _name), is_list=False))
