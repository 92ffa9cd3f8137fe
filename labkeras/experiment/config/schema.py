"""What a component may be given: its constructor's parameters, read from the signature.

Configs are checked against this, and take their defaults from it, so that no YAML repeats a signature.
"""

import enum
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Unpack, get_args, get_origin, get_type_hints

__all__ = ["Parameter", "REQUIRED", "Schema", "plain_default", "schema_of"]

REQUIRED: Any = inspect.Parameter.empty
"""The default of a parameter that has none."""

_PASSING_ON = inspect.Parameter.VAR_KEYWORD
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a class or function.

    Args:
        name: its name.
        hint: its type hint; `Any` if it has none.
        default: its default, or `REQUIRED`.
        summary: what the docstring's `Args` section says of it.
    """

    name: str
    hint: Any
    default: Any
    summary: str = ""

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED


@dataclass(frozen=True)
class Schema:
    """What a component takes and does.

    Args:
        parameters: its parameters by name, in the order of its signature.
        summary: the first line of its docstring.
    """

    parameters: Mapping[str, Parameter]
    summary: str = ""

    def __contains__(self, name: str) -> bool:
        return name in self.parameters

    def __getitem__(self, name: str) -> Parameter:
        return self.parameters[name]


@cache
def schema_of(component: Callable[..., Any]) -> Schema:
    """The parameters that a class or function takes.

    A class's `**options` stands for the parameters of its base class, as far as an `Unpack[SomeOptions]` hint names
    them. What no signature lists is not offered.

    Args:
        component: a class or a function.

    Example:
        >>> def load(path: str, split: float = 0.2): ...
        >>> schema_of(load)["path"].required
        True
    """
    found: dict[str, Parameter] = {}
    allowed: set[str] | None = None  # None: all names
    for function in _constructors(component):
        parameters, passes_on, listed = _parameters(function)
        found |= {
            name: parameter
            for name, parameter in parameters.items()
            if name not in found and (allowed is None or name in allowed)
        }
        if not passes_on:
            break
        if listed is not None:
            allowed = listed if allowed is None else allowed & listed
    summaries = _summaries(component)
    parameters = {name: replace(found[name], summary=summaries.get(name, "")) for name in found}
    return Schema(parameters, inspect.cleandoc(component.__doc__ or "").partition("\n")[0])


def plain_default(parameter: Parameter) -> Any:
    """A parameter's default as YAML can hold it, or `REQUIRED` if it has none or YAML cannot."""
    return _plain(parameter.default)


def _plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        return REQUIRED if REQUIRED in items else items
    if isinstance(value, Mapping):
        plain = {key: _plain(item) for key, item in value.items()}
        return REQUIRED if REQUIRED in plain.values() else plain
    return value if value is None or isinstance(value, bool | int | float | str) else REQUIRED


def _constructors(component: Callable[..., Any]) -> Iterable[Callable[..., Any]]:
    """The function itself, or the `__init__`s of a class and of its bases, up to those of torch and Python."""
    if not inspect.isclass(component):
        yield component
        return
    for base in component.__mro__:
        if base is object or base.__module__.partition(".")[0] == "torch":
            return
        if "__init__" in vars(base):
            yield vars(base)["__init__"]


def _parameters(function: Callable[..., Any]) -> tuple[dict[str, Parameter], bool, set[str] | None]:
    """A function's parameters, whether it passes others on, and the names of those if a hint lists them."""
    parameters: dict[str, Parameter] = {}
    passes_on, listed = False, None
    hints = _hints(function)
    for name, parameter in inspect.signature(function).parameters.items():
        hint = hints.get(name, Any)
        if parameter.kind is _PASSING_ON:
            passes_on = True
            listed = set(get_type_hints(get_args(hint)[0])) if get_origin(hint) is Unpack else None
        elif parameter.kind in _BY_NAME and name not in ("self", "cls"):
            parameters[name] = Parameter(name, hint, parameter.default)
    return parameters, passes_on, listed


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    function = inspect.unwrap(function)
    try:
        return get_type_hints(function, include_extras=True)
    except (
        NameError,
        TypeError,
        AttributeError,
    ):  # a hint that only a type checker can follow: nothing is known of the types
        return {}


def _summaries(component: Callable[..., Any]) -> dict[str, str]:
    """parameter → its lines in the `Args` sections of the docstrings of a component and its bases."""
    summaries: dict[str, str] = {}
    for documented in reversed(component.__mro__ if inspect.isclass(component) else (component,)):
        summaries |= _args_section(inspect.cleandoc(vars(documented).get("__doc__") or _doc_of_function(documented)))
    return summaries


def _doc_of_function(component: Any) -> str:
    return "" if inspect.isclass(component) else component.__doc__ or ""


def _args_section(docstring: str) -> dict[str, str]:
    section = re.search(r"^Args:\n((?: +.*\n?|\n)*)", docstring, re.MULTILINE)
    if section is None:
        return {}
    # An argument, or several that share a line, begins at the first indent; what is indented further goes on with it.
    items = re.findall(r"^ {4}(\w[\w, ]*): *(.*(?:\n {5,}.*)*)", section[1], re.MULTILINE)
    return {name.strip(): " ".join(text.split()) for names, text in items for name in names.split(",")}
