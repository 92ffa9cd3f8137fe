"""Type hints as rules for the values of a config: does a value fit, and in which words does one ask for another?"""

import enum
import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from labkeras.ranges import Range

__all__ = ["choices_of", "describe", "fits", "is_path", "to_argument"]

_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a string",
    type(None): "null",
}
# Classes of arrays: a config gives their values as numbers and lists.
_ARRAY_PACKAGES = ("numpy", "torch")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value as YAML has it (null, booleans, numbers, strings, lists, mappings) may stand where `hint` is.

    An integer is a number, a boolean is not; a list fits a tuple of its length; a string fits a path and, as a name, an
    object that a registry can make.
    """
    return any(_fits(value, alternative) for alternative in _alternatives(hint))


def describe(hint: Any) -> str:
    """What fits a hint, in words: "an integer or null"."""
    words = [_describe(alternative) for alternative in _alternatives(hint)]
    return " or ".join(dict.fromkeys(words))


def choices_of(hint: Any) -> list[str]:
    """The strings that a hint lists, in `Literal` or as names of an `Enum`; those of all members of a union."""
    found: list[str] = []
    for alternative in _alternatives(hint):
        if get_origin(alternative) is Literal:
            found += [choice for choice in get_args(alternative) if isinstance(choice, str)]
        elif _is_class(alternative, enum.Enum):
            found += [member.name for member in alternative]
    return found


def is_path(hint: Any) -> bool:
    """Whether a hint admits paths of files, not only strings."""
    return any(_is_class(alternative, os.PathLike) for alternative in _alternatives(hint))


def to_argument(value: Any, hint: Any) -> Any:
    """A fitting value as Python code would give it: a list becomes a tuple where only a tuple is asked for."""
    if not isinstance(value, list):
        return value
    sequences = [_origin(alternative) for alternative in _alternatives(hint)]
    items = tuple(to_argument(item, Any) for item in value)
    return items if tuple in sequences and list not in sequences else list(items)


def _alternatives(hint: Any) -> Iterator[Any]:
    """The members of a union, or the hint itself; aliases and annotations are seen through, except for bounds."""
    hint = getattr(hint, "__value__", hint)  # `type X = …`
    if get_origin(hint) is Annotated:
        hint, *notes = get_args(hint)
        bounds = next((note for note in notes if isinstance(note, Range)), None)
        for alternative in _alternatives(hint):
            yield Annotated[alternative, bounds] if bounds and alternative in (int, float) else alternative
    elif get_origin(hint) in (Union, types.UnionType):
        for member in get_args(hint):
            yield from _alternatives(member)
    else:
        yield type(None) if hint is None else hint


def _origin(hint: Any) -> Any:
    return get_origin(hint) or hint


def _is_class(hint: Any, base: type) -> bool:
    """Whether a hint is a class, plain or with parameters, derived from `base`."""
    origin = _origin(hint)
    return isinstance(origin, type) and issubclass(origin, base)


def _fits(value: Any, hint: Any) -> bool:
    origin, arguments = _origin(hint), get_args(hint)
    if origin is Annotated:
        return _fits(value, arguments[0]) and value in arguments[1]
    if origin in (Any, object) or isinstance(origin, TypeVar):
        return True
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if origin in (bool, str, type(None)):
        return isinstance(value, origin)
    if _is_class(hint, enum.Enum):
        return value in [member.name for member in origin] or value in [member.value for member in origin]
    if origin is Callable or _is_class(hint, os.PathLike):
        return isinstance(value, str)
    if origin is tuple:
        return isinstance(value, list) and _fits_tuple(value, arguments)
    if _is_class(hint, Mapping):
        return isinstance(value, Mapping) and (not arguments or all(fits(one, arguments[1]) for one in value.values()))
    if _is_collection(hint):
        return isinstance(value, list) and (not arguments or all(fits(one, arguments[0]) for one in value))
    return _fits_class(value, origin)


def _is_collection(hint: Any) -> bool:
    origin = _origin(hint)
    return (
        isinstance(origin, type)
        and origin.__module__ in ("builtins", "collections.abc")
        and issubclass(origin, Iterable)
    )


def _fits_tuple(value: list[Any], arguments: tuple[Any, ...]) -> bool:
    if not arguments:
        return True
    if arguments[-1] is Ellipsis:
        return all(fits(one, arguments[0]) for one in value)
    return len(value) == len(arguments) and all(fits(one, hint) for one, hint in zip(value, arguments, strict=True))


def _fits_class(value: Any, cls: Any) -> bool:
    """Another class: an object that is named, described, or, if an array, given by its values."""
    if getattr(cls, "__module__", "").partition(".")[0] in _ARRAY_PACKAGES:
        return isinstance(value, int | float | list)
    return isinstance(value, str | list | Mapping)


def _describe(hint: Any) -> str:
    origin, arguments = _origin(hint), get_args(hint)
    if origin is Annotated:
        return f"{_describe(arguments[0])} {arguments[1]}"
    if origin in _WORDS:
        return _WORDS[origin]
    if origin is Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if _is_class(hint, enum.Enum):
        return " or ".join(repr(member.name) for member in origin)
    if _is_class(hint, os.PathLike):
        return "a path"
    if origin is tuple and arguments and arguments[-1] is not Ellipsis:
        return f"a list of {len(arguments)} items, each {describe(arguments[0])}"
    if _is_class(hint, Mapping):
        return "a mapping"
    if origin is tuple or _is_collection(hint):
        return f"a list, each item {describe(arguments[0])}" if arguments else "a list"
    if origin in (Any, object) or isinstance(origin, TypeVar):
        return "any value"
    return "a registered name"
