"""What is wrong with a node: its name, its keys, its values. Every fault is found, none stops the search."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin

from labkeras.errors import UnknownComponentError, did_you_mean
from labkeras.experiment.config.components import KEY_OF_KIND, MISSING, node_kind, parameters_of, plain_default
from labkeras.experiment.config.hints import describe, fits
from labkeras.experiment.config.schema import REQUIRED, Parameter
from labkeras.registry import registry_of

__all__ = ["check_arguments", "check_name", "check_node"]

# Last word of a parameter's name → kind of the component that it takes: so Keras names them all.
_KIND_OF_LAST_WORD = {
    "activation": "activations",
    "initializer": "initializers",
    "regularizer": "regularizers",
    "constraint": "constraints",
}


def check_node(kind: str, node: Any, path: str, faults: list[str], extra: Iterable[str] = ()) -> None:
    """Adds to `faults` a sentence for each thing that is wrong with a node.

    Args:
        kind: what the node must describe.
        node: the mapping, without interpolations.
        path: where it stands: "model.layers.h1".
        faults: the sentences found so far.
        extra: keys with a meaning of their own in this place.
    """
    key = KEY_OF_KIND[kind]
    singular = registry_of(kind).kind
    if not isinstance(node, Mapping):
        faults.append(f"{path}={node!r}: expected a mapping that names the {singular}, such as {{{key}: …}}")
        return
    name = node.get(key, MISSING)
    if name == MISSING or name is None:
        faults.append(f"{path}.{key} is missing: it names the {singular}.{did_you_mean(key, map(str, node))}")
        return
    if not check_name(kind, name, f"{path}.{key}", faults):
        return
    kind_word = {"kind"} if kind == "models" else set()
    _check_against(parameters_of(kind, name), node, path, faults, {key, *extra, *kind_word}, f"the {singular} {name!r}")


def check_arguments(
    parameters: Mapping[str, Parameter], given: Mapping[str, Any], path: str, faults: list[str], owner: str
) -> None:
    """Adds to `faults` what is wrong with the arguments of something that is no component, such as `fit`."""
    _check_against(parameters, given, path, faults, set(), owner)


def check_name(kind: str, name: Any, path: str, faults: list[str]) -> bool:
    """Whether a component has this name and can be imported; if not, a sentence is added to `faults`."""
    if not isinstance(name, str):
        faults.append(f"{path}={name!r}: expected the name of a {registry_of(kind).kind}")
        return False
    try:
        if kind == "activations":
            registry_of(kind).entry(name)
        else:
            parameters_of(kind, name)
    except UnknownComponentError as error:
        faults.append(f"{path}={name!r}: {error}")
        return False
    return True


def _check_against(
    parameters: Mapping[str, Parameter],
    given: Mapping[str, Any],
    path: str,
    faults: list[str],
    extra: set[str],
    owner: str,
) -> None:
    known = [*parameters, *extra]
    for key, value in given.items():
        if key not in known:
            faults.append(f"{path}.{key}={value!r}: {owner} has no argument {key!r}.{did_you_mean(str(key), known)}")
    for key, parameter in parameters.items():
        _check_argument(parameter, given.get(key, parameter.default), f"{path}.{key}", faults)


def _check_argument(parameter: Parameter, value: Any, path: str, faults: list[str]) -> None:
    if value is REQUIRED or value == MISSING:
        faults.append(f"{path} is missing: expected {_expected(parameter)}")
        return
    default = plain_default(parameter)
    if value is parameter.default or (value == default and type(value) is type(default)):
        return
    kind = _kind_of(parameter.name)
    if isinstance(value, Mapping) and (kind or node_kind(value)) is not None:
        check_node(str(kind or node_kind(value)), value, path, faults)
    elif kind is not None and kind != "schedules" and isinstance(value, str) and not _choices(parameter.hint):
        check_name(kind, value, path, faults)
    elif not fits(value, parameter.hint) or (kind == "schedules" and isinstance(value, str)):
        near = did_you_mean(value, _choices(parameter.hint)) if isinstance(value, str) else ""
        faults.append(f"{path}={value!r}: expected {_expected(parameter)}{near and f'.{near}'}")


def _kind_of(name: str) -> str | None:
    return "schedules" if name == "learning_rate" else _KIND_OF_LAST_WORD.get(name.rpartition("_")[2])


def _expected(parameter: Parameter) -> str:
    if _kind_of(parameter.name) == "schedules":
        number = next((word for word in describe(parameter.hint).split(" or ") if "number" in word), "a number")
        return f"{number}, or a schedule: {{schedule: …}}"
    about = f" ({parameter.summary.rstrip('.')})" if parameter.summary else ""
    return f"{describe(parameter.hint)}{about}"


def _choices(hint: Any) -> list[str]:
    """The strings that a hint lists."""
    if get_origin(hint) is Literal:
        return [choice for choice in get_args(hint) if isinstance(choice, str)]
    return [choice for member in get_args(hint) for choice in _choices(member)]
