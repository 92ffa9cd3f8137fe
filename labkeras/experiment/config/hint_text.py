"""Type hints as text and back, for a manifest: `Annotated[float, Range(0, 1)] | None`.

The text is a small language of its own that looks like Python: it is read by walking its syntax tree, and nothing in it
is evaluated or imported. A class of no further meaning to a config, such as an optimizer's or an array's, comes back as
an empty class of the same name and module; every function of `labkeras.experiment.config.hints` answers alike for the
hint that was written and for the one that is read.
"""

import ast
import enum
import os
import re
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from labkeras.ranges import Range

__all__ = ["hint_of", "text_of", "type_of"]

_NAMED: dict[str, Any] = {
    "Any": Any,
    "Callable": Callable,
    "Collection": Collection,
    "Iterable": Iterable,
    "Iterator": Iterator,
    "Mapping": Mapping,
    "None": None,
    "Path": os.PathLike,
    "Sequence": Sequence,
    "bool": bool,
    "dict": dict,
    "float": float,
    "frozenset": frozenset,
    "int": int,
    "list": list,
    "set": set,
    "str": str,
    "tuple": tuple,
}
_NAME_OF = {hint: name for name, hint in _NAMED.items()} | {type(None): "None", object: "Any"}
_ENUM = "Enum"


def text_of(hint: Any) -> str:
    """A type hint as text that `hint_of` reads."""
    hint = getattr(hint, "__value__", hint)  # `type X = …`
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        bounds = next((note for note in arguments[1:] if isinstance(note, Range)), None)
        inner = text_of(arguments[0])
        return inner if bounds is None else f"Annotated[{inner}, {_range_text(bounds)}]"
    if origin in (Union, types.UnionType):
        return " | ".join(sorted({text_of(member) for member in arguments}, key=_place))
    if origin is Literal:
        return f"Literal[{', '.join(repr(_plain(choice)) for choice in arguments)}]"
    return _class_text(origin or hint, arguments)


@cache
def hint_of(text: str) -> Any:
    """The type hint that a text of `text_of` stands for.

    Raises:
        ValueError: if the text is not in the language.
    """
    try:
        return _read(ast.parse(text, mode="eval").body)
    except (SyntaxError, TypeError, LookupError, RecursionError) as error:
        raise ValueError(f"not the text of a type hint: {text!r}") from error


def type_of(hint: Any) -> str:
    """A type hint for people: as text, bounds in words, classes without their modules.

    Example:
        >>> type_of(Annotated[float, Range(0, 1)] | Range | None)
        'float in [0, 1] | Range | None'
    """
    text = re.sub(r"Annotated\[\w+, Range\([^()]*\)\]", lambda found: _bounded(found[0]), text_of(hint))
    # What stands in quotes is a member of a Literal.
    return re.sub(r"('[^']*'|\"[^\"]*\")|(?:[a-zA-Z_]\w*\.)+(\w+)", lambda found: found[1] or found[2], text)


def _bounded(text: str) -> str:
    number, bounds = get_args(hint_of(text))
    return f"{number.__name__} {bounds}"


def _place(text: str) -> tuple[bool, bool, str]:
    """Where a member of a union stands: simple types, others, `None`.

    Not where it was written: Python itself gives `Union[int, float]` for `Union[float, int]` if it met that one before.
    """
    return text == "None", not text[0].islower() or "." in text, text


def _class_text(cls: Any, arguments: tuple[Any, ...]) -> str:
    if isinstance(cls, TypeVar):
        return "Any"
    if isinstance(cls, type) and issubclass(cls, enum.Enum):
        members = ", ".join(f"{member.name}={_plain(member.value)!r}" for member in cls)
        return f"{_ENUM}({members})"
    if isinstance(cls, type) and issubclass(cls, os.PathLike):
        return "Path"
    name = _NAME_OF.get(cls) or _general_name(cls)
    if name is None:
        return _address(cls)
    if not arguments or name == "Callable":
        return name
    inner = ["..." if argument is Ellipsis else text_of(argument) for argument in arguments]
    return f"{name}[{', '.join(inner)}]"


def _general_name(cls: Any) -> str | None:
    """How a mapping or collection is called that has no name in the language."""
    if not isinstance(cls, type):
        return None
    if issubclass(cls, Mapping):
        return "Mapping"
    is_general = cls.__module__ in ("builtins", "collections.abc") and issubclass(cls, Iterable)
    return "Iterable" if is_general else None


def _address(cls: Any) -> str:
    address = f"{getattr(cls, '__module__', 'unknown')}.{getattr(cls, '__name__', type(cls).__name__)}"
    return address if all(part.isidentifier() for part in address.split(".")) else "unknown.Object"


def _range_text(bounds: Range) -> str:
    given = {key: value for key, value in vars(bounds).items() if value is not None}
    return f"Range({', '.join(f'{key}={value!r}' for key, value in given.items())})"


def _plain(value: Any) -> Any:
    """A member of a `Literal` or an `Enum` as a constant of the language."""
    if isinstance(value, enum.Enum):
        return value.name
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _read(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=None):
            return None
        case ast.Name(id=name) if name in _NAMED:
            return _NAMED[name]
        case ast.Attribute(value=module, attr=name):
            return _stand_in(_dotted(module), name)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_read(left), _read(right)]  # noqa: UP007  # one of the two can be None
        case ast.Call(func=ast.Name(id="Enum"), args=[], keywords=members):
            return enum.Enum(_ENUM, {str(member.arg): ast.literal_eval(member.value) for member in members})
        case ast.Subscript(value=ast.Name(id=name), slice=inner):
            return _subscripted(name, inner.elts if isinstance(inner, ast.Tuple) else [inner])
    raise ValueError(f"not part of a type hint: {ast.unparse(node)!r}")


def _subscripted(name: str, items: list[ast.expr]) -> Any:
    if name == "Literal":
        return Literal[tuple(ast.literal_eval(item) for item in items)]
    if name == "Annotated":
        return Annotated[_read(items[0]), _bounds(items[1])]
    arguments = tuple(... if _is_ellipsis(item) else _read(item) for item in items)
    return _NAMED[name][arguments if len(arguments) > 1 else arguments[0]]


def _bounds(node: ast.expr) -> Range:
    if not isinstance(node, ast.Call):
        raise ValueError(f"not a range: {ast.unparse(node)!r}")
    return Range(**{str(bound.arg): ast.literal_eval(bound.value) for bound in node.keywords})


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    raise ValueError(f"not the name of a module: {ast.unparse(node)!r}")


@cache
def _stand_in(module: str, name: str) -> type:
    return type(name, (), {"__module__": module, "__doc__": f"Stands for {module}.{name}, which was not imported."})
