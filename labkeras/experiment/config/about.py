"""What is known of a name that configs can hold: a component, an option of a group, a group.

`labkeras info` prints it; what the core has is not imported for it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from labkeras.errors import AmbiguousComponentError, InvalidArgumentError, UnknownComponentError, did_you_mean
from labkeras.experiment.config.components import GROUPS, KEY_OF_KIND
from labkeras.experiment.config.examples import as_override, example_of, node_of
from labkeras.experiment.config.folders import conf_folders, groups_in, option_file, options_in
from labkeras.experiment.config.hint_text import type_of
from labkeras.experiment.config.manifest import schema_for
from labkeras.experiment.config.schema import REQUIRED, Parameter, plain_default
from labkeras.experiment.config.words import nearest
from labkeras.registry import KINDS, Entry, registry_of

__all__ = ["Argument", "Component", "Found", "Group", "Option", "about", "comment_of", "words_for"]


_COMPONENT_WORDS = ("activation", "initializer", "regularizer", "constraint", "optimizer")


@dataclass(frozen=True)
class Argument:
    """What a component can be given.

    Args:
        name: in the signature.
        type: its type, in short.
        required: whether it must be given.
        default: its default, or, if YAML cannot hold that, how Python shows it; None if it must be given.
        summary: what it is.
    """

    name: str
    type: str
    required: bool
    default: Any
    summary: str


@dataclass(frozen=True)
class Component:
    """A component of the registry.

    Args:
        kind: "layer", "optimizer", …
        name: its name there.
        provider: the distribution that has it.
        version: of the distribution; empty if it is not installed.
        address: "module:Name".
        summary: the first line of its docstring.
        arguments: what it takes.
        node: the shortest node of it in a config; None for what configs name without arguments.
        example: overrides after `labkeras train` that use it.
    """

    kind: str
    name: str
    provider: str
    version: str
    address: str
    summary: str
    arguments: list[Argument]
    node: str | None
    example: list[str]


@dataclass(frozen=True)
class Option:
    """An option of a group that is a YAML file.

    Args:
        group: the group: "experiment".
        name: the file's name without its suffix.
        path: where it is.
        summary: the comment at its top.
        text: all of it.
        example: overrides after `labkeras train` that choose it.
    """

    group: str
    name: str
    path: str
    summary: str
    text: str
    example: list[str]


@dataclass(frozen=True)
class Group:
    """A group, or a kind, with all that can be chosen.

    Args:
        group: its name.
        options: option → what it is, in a line.
    """

    group: str
    options: dict[str, str]


Found = Component | Option | Group


def about(reference: str, config_dir: str | None = None) -> Found:
    """What a name stands for.

    Args:
        reference: "optimizer/adam", "experiment/digits_mlp", "layer/some-plugin/gated_dense"; a kind or a group:
            "experiment"; or a bare name, if only one thing has it: "adam".
        config_dir: a folder of YAML files that is searched before all others.

    Raises:
        UnknownComponentError: if nothing has the name; with the nearest ones.
        AmbiguousComponentError: if several things have it; with all of them.

    Example:
        >>> about("adam").kind
        'optimizer'
    """
    folders = conf_folders(config_dir)
    word, _, name = reference.partition("/")
    kind, group = _kind_of(word), word if word in groups_in(folders) else None
    if name and (kind or group):
        return _option(folders, word, name) or _component(kind, name) or _nothing(folders, word, kind, name)
    candidates = list(_candidates(folders, reference))
    if len(candidates) > 1:
        raise AmbiguousComponentError(
            f"{reference!r} is several things. Say which: {' or '.join(map(repr, candidates))}."
        )
    if candidates:
        return about(candidates[0], config_dir)
    if not name and (kind or group):
        return Group(word, _options(folders, word, kind))
    known = {path.partition("/")[2] or path: path for path in words_for(config_dir)}
    near = re.sub(r"'([^']+)'", lambda found: repr(known[found[1]]), did_you_mean(name or word, known))
    raise UnknownComponentError(f"nothing is named {reference!r}.{near} `labkeras list` shows the kinds of components.")


def words_for(config_dir: str | None = None) -> list[str]:
    """Everything that `about` takes, in full: "optimizer/adam", "experiment/digits_mlp", …"""
    folders = conf_folders(config_dir)
    files = [f"{group}/{name}" for group in groups_in(folders) for name in options_in(folders, group)]
    components = [f"{registry_of(kind).kind}/{name}" for kind in KINDS for name in registry_of(kind).names()]
    return sorted({*files, *components})


def comment_of(text: str) -> str:
    """The comment at the top of a YAML file, without the line that tells Hydra where the file belongs."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @"):
            lines.append(line.removeprefix("#").strip())
    return "\n".join(lines)


def _kind_of(word: str) -> str | None:
    """The kind that a word means: in the singular, the plural, or as the name of a group."""
    if word in GROUPS:
        return GROUPS[word]
    try:
        singular = registry_of(word).kind
    except InvalidArgumentError:
        return None
    return next(kind for kind in KINDS if registry_of(kind).kind == singular)


def _candidates(folders: list[Path], name: str) -> Iterator[str]:
    """All that has a bare name, in full."""
    for kind in KINDS:
        try:
            entry = registry_of(kind).find(name)
        except AmbiguousComponentError:
            yield from (
                f"{registry_of(kind).kind}/{one.qualified_name}" for one in registry_of(kind).entries_named(name)
            )
        else:
            if entry is not None:
                yield f"{registry_of(kind).kind}/{name}"
    for group in groups_in(folders):
        if option_file(folders, group, name) is not None:
            yield f"{group}/{name}"


def _option(folders: list[Path], group: str, name: str) -> Option | None:
    path = option_file(folders, group, name)
    if path is None:
        return None
    text = path.read_text(encoding="utf-8")
    return Option(group, name, str(path), comment_of(text), text, [f"{group}={name}"])


def _component(kind: str | None, name: str) -> Component | None:
    if kind is None:
        return None
    if name not in registry_of(kind):
        return None
    schema = schema_for(kind, name)
    entry = registry_of(kind).entry(name)
    named = name if "/" in name else entry.name
    return Component(
        kind=entry.kind,
        name=named,
        provider=entry.provider,
        version=_version(entry),
        address=entry.location,
        summary=schema.summary,
        arguments=[_argument(parameter) for parameter in schema.parameters.values()],
        node=as_override(node_of(kind, named)) if kind in KEY_OF_KIND else None,
        example=example_of(kind, named),
    )


def _argument(parameter: Parameter) -> Argument:
    plain = plain_default(parameter)
    default = None if parameter.required else repr(parameter.default) if plain is REQUIRED else plain
    word = parameter.name.rpartition("_")[2]
    kind = type_of(parameter.hint)
    # Such an argument takes a name, a node or an object, which a hint can hardly say.
    shown = word if kind == "Any" and word in _COMPONENT_WORDS else kind
    return Argument(parameter.name, shown, parameter.required, default, parameter.summary)


def _version(entry: Entry) -> str:
    try:
        return version(entry.provider)
    except (PackageNotFoundError, ValueError):  # run from a checkout, or filed while the program runs
        return ""


def _nothing(folders: list[Path], word: str, kind: str | None, name: str) -> Any:
    """Says that there is no such option, with the nearest."""
    options = _options(folders, word, kind)
    try:
        if kind is not None:
            registry_of(kind).entry(name)
    except UnknownComponentError as error:
        if not options or not did_you_mean(name, options) or "Did you mean" in str(error):
            raise
    raise UnknownComponentError(f"the group {word!r} has no option {name!r}.{nearest(name, options, 'Options')}")


def _options(folders: Iterable[Path], word: str, kind: str | None) -> dict[str, str]:
    files = options_in(folders, word)
    found = {name: comment_of(path.read_text(encoding="utf-8")).partition("\n")[0] for name, path in files.items()}
    if kind is not None:
        found |= {name: schema_for(kind, name).summary for name in registry_of(kind).names() if name not in found}
    return dict(sorted(found.items()))
