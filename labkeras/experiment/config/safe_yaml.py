"""YAML from a file, read without running anything: plain values, no key twice, no bombs.

Hydra reads the files of a configuration folder by itself; everything else that is YAML comes in through here.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from labkeras.errors import ConfigError

__all__ = ["key_lines", "parse_yaml", "read_yaml"]

_MOST_BYTES = 10_000_000
_MOST_VALUES = 1_000_000  # after aliases are written out: ten lines of them can stand for billions
_MOST_DEPTH = 100

_PREFIX = "tag:yaml.org,2002:"
_SCALARS = {f"{_PREFIX}{name}" for name in ("str", "int", "float", "bool", "null")}
# What YAML 1.2, JSON and Hydra take for a number, and YAML 1.1 for a string: 1e-3.
_FLOAT = re.compile(
    r"[-+]?(?:(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?|\d[\d_]*[eE][-+]?\d+|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # chosen when it is imported
    """PyYAML's safe loader with Hydra's idea of a number, and without dates."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in (f"{_PREFIX}timestamp", f"{_PREFIX}float")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{_PREFIX}float", _FLOAT, list("-+0123456789."))


def read_yaml(path: str | os.PathLike[str]) -> Any:
    """The values in a YAML file: mappings, lists, strings, numbers, booleans and None.

    Raises:
        ConfigError: naming file, line and reason, if it is not plain YAML, or longer than 10 MB.
        OSError: if it cannot be read.
    """
    path = Path(path)
    if path.stat().st_size > _MOST_BYTES:
        raise ConfigError([f"{path}: longer than {_MOST_BYTES} bytes. Received: {path.stat().st_size} bytes"])
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not text in UTF-8: {error}"]) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, name: str = "<text>") -> Any:
    """The values in YAML text.

    Args:
        text: one document.
        name: of the file, for errors.

    Raises:
        ConfigError: naming the line, for a tag, a key that is there twice, a merge key, an alias within what it stands
            for, or more than a million values.

    Example:
        >>> parse_yaml("optimizer: {optimizer: adam, learning_rate: 1e-3}")
        {'optimizer': {'optimizer': 'adam', 'learning_rate': 0.001}}
    """
    loader, root = _composed(text, name)
    return None if root is None else _value(loader, root, name)


def key_lines(text: str, name: str = "<text>") -> dict[str, int]:
    """Full key → the line, counted from 1, on which YAML text has it; raises as `parse_yaml` does."""
    _, root = _composed(text, name)
    return {} if root is None else dict(_lines(root, ""))


def _composed(text: str, name: str) -> tuple[Any, yaml.Node | None]:
    loader = _Loader(text)
    try:
        _check_depth(text, name)
        root: yaml.Node | None = loader.get_single_node()
        if root is not None:
            _measure(root, name, {}, [])
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f":{mark.line + 1}" if mark else ""
        raise ConfigError([f"{name}{where}: {error.problem or error.context}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError([f"{name}: {' '.join(str(error).split())}"]) from error
    finally:
        loader.dispose()
    return loader, root


def _check_depth(text: str, name: str) -> None:
    """Before anything recursive sees it: deep nesting overflows the stack of a parser written in C."""
    depth = 0
    for event in yaml.parse(text, _Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MOST_DEPTH:
            line = event.start_mark.line + 1  # type: ignore[union-attr]  # events from text have marks
            raise ConfigError([f"{name}:{line}: nested more than {_MOST_DEPTH} deep"])


def _measure(node: yaml.Node, name: str, known: dict[int, tuple[int, int]], within: list[yaml.Node]) -> tuple[int, int]:
    """How many values a node stands for, and how deep; what is no plain value is refused on the way."""
    if any(node is outer for outer in within):
        raise _refused(node, name, "an alias stands within what it stands for")
    if id(node) not in known:
        measures = [_measure(child, name, known, [*within, node]) for child in _children(node, name)]
        count = 1 + sum(count for count, _ in measures)
        depth = 1 + max((depth for _, depth in measures), default=0)
        if count > _MOST_VALUES:
            raise _refused(node, name, f"stands for more than {_MOST_VALUES} values, with its aliases written out")
        if depth > _MOST_DEPTH:
            raise _refused(node, name, f"nested more than {_MOST_DEPTH} deep, with its aliases written out")
        known[id(node)] = count, depth
    return known[id(node)]


def _children(node: yaml.Node, name: str) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode) and node.tag == f"{_PREFIX}map":
        seen: set[str] = set()
        for key, value in node.value:
            if key.tag == f"{_PREFIX}merge":
                raise _refused(key, name, "the merge key '<<' is not read; write the keys out")
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _SCALARS:
                raise _refused(key, name, "a key must be a plain word or number")
            if key.value in seen:
                raise _refused(key, name, f"the key {key.value!r} is there twice")
            seen.add(key.value)
            yield value
    elif isinstance(node, yaml.SequenceNode) and node.tag == f"{_PREFIX}seq":
        yield from node.value
    elif not isinstance(node, yaml.ScalarNode) or node.tag not in _SCALARS:
        raise _refused(node, name, f"the tag {node.tag!r} is not read: only plain values are")


def _value(loader: Any, node: yaml.Node, name: str) -> Any:
    """Made anew for each alias: who changes one place of a config changes no other."""
    if isinstance(node, yaml.MappingNode):
        return {_scalar(loader, key, name): _value(loader, value, name) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, name) for item in node.value]
    return _scalar(loader, node, name)


def _scalar(loader: Any, node: yaml.Node, name: str) -> Any:
    try:
        return loader.construct_object(node)
    except ValueError as error:  # the tag !!int was written before what is none
        raise _refused(node, name, str(error)) from error


def _lines(node: yaml.Node, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = f"{path}.{key.value}" if path else str(key.value)
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield f"{path}.{index}", item.start_mark.line + 1
            yield from _lines(item, f"{path}.{index}")


def _refused(node: yaml.Node, name: str, reason: str) -> ConfigError:
    return ConfigError([f"{name}:{node.start_mark.line + 1}: {reason}"])
