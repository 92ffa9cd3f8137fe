"""Nested lists, tuples and dicts of tensors: flatten, rebuild, map. Dicts go in the order of their sorted keys, as in
Keras."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

__all__ = ["flatten", "map_structure", "pack", "same_structure"]


def flatten(structure: Any) -> list[Any]:
    """The leaves of a nested structure: what is no list, tuple or dict."""
    return list(_leaves(structure))


def map_structure(function: Callable[..., Any], structure: Any, *others: Any) -> Any:
    """`structure` with `function(leaf, …)` in place of each leaf; `others` have the same structure, or are deeper."""
    if isinstance(structure, dict):
        return type(structure)(
            (key, map_structure(function, value, *(other[key] for other in others))) for key, value in structure.items()
        )
    if isinstance(structure, list | tuple):
        parts = [map_structure(function, *items) for items in zip(structure, *others, strict=True)]
        return _sequence_like(structure, parts)
    return function(structure, *others)


def pack(structure: Any, leaves: Iterable[Any]) -> Any:
    """`structure` with its leaves, in the order of `flatten`, replaced by `leaves`."""
    return _pack(structure, iter(leaves))


def same_structure(a: Any, b: Any) -> bool:
    """Whether both are nested alike: the same containers, lengths and keys; a list is like a tuple."""
    if isinstance(a, dict) or isinstance(b, dict):
        return (
            isinstance(a, dict)
            and isinstance(b, dict)
            and a.keys() == b.keys()
            and all(same_structure(a[key], b[key]) for key in a)
        )
    if isinstance(a, list | tuple) or isinstance(b, list | tuple):
        return (
            isinstance(a, list | tuple)
            and isinstance(b, list | tuple)
            and len(a) == len(b)
            and all(same_structure(x, y) for x, y in zip(a, b, strict=True))
        )
    return True


def _leaves(structure: Any) -> Iterator[Any]:
    if isinstance(structure, dict):
        for key in sorted(structure):
            yield from _leaves(structure[key])
    elif isinstance(structure, list | tuple):
        for item in structure:
            yield from _leaves(item)
    else:
        yield structure


def _pack(structure: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(structure, dict):
        packed = {key: _pack(structure[key], leaves) for key in sorted(structure)}
        return type(structure)((key, packed[key]) for key in structure)
    if isinstance(structure, list | tuple):
        return _sequence_like(structure, [_pack(item, leaves) for item in structure])
    return next(leaves)


def _sequence_like(original: list[Any] | tuple[Any, ...], items: list[Any]) -> Any:
    if hasattr(original, "_fields"):
        return type(original)(*items)
    return items if isinstance(original, list) else tuple(items)
