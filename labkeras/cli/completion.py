"""Tab completion: Hydra's, and what it does not know of: verbs, names of components, values that a key can take."""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from labkeras.cli.main import VERBS
from labkeras.errors import LabkerasError
from labkeras.experiment.config.components import GROUPS
from labkeras.experiment.config.folders import conf_folders, options_in
from labkeras.plugins.cache import remembering
from labkeras.registry import KINDS, registry_of

__all__ = ["completing", "main"]

_LINE = "COMP_LINE"  # the shell puts there what has been typed
_WITH_OVERRIDES = ("train", "validate", "explain", "find", "evaluate", "predict")
_ACTIONS = {"plugin": ("list",), "sweep": ("status", "resume", "stop", "report")}


def main(arguments: Sequence[str]) -> int:
    """Prints what can follow the line that the shell asks about.

    Args:
        arguments: "-sc query=bash", as Hydra's scripts for the shells have it.
    """
    remembering()
    _, verb, typed = _parts(os.environ.get(_LINE, ""))
    if verb in VERBS and verb not in _WITH_OVERRIDES:
        print("\n".join(_words_after(verb, typed)))
        return 0
    return int(import_module("labkeras.cli.train").main(arguments))


@contextmanager
def completing() -> Iterator[None]:
    """Within it Hydra sees the line that is completed without its verb; what it does not know of is printed."""
    line = os.environ.get(_LINE)
    if line is None:
        yield
        return
    program, verb, typed = _parts(line)
    if verb is None and not re.search(r"\s", typed.strip()):
        print("\n".join(name for name in VERBS if name.startswith(typed.strip())))
    print("\n".join(_values(typed)))
    try:
        os.environ[_LINE] = f"{program} {typed}"
        yield
    finally:
        os.environ[_LINE] = line


def _parts(line: str) -> tuple[str, str | None, str]:
    """The program, the verb if one is complete, and what has been typed after it."""
    program, _, typed = line.lstrip().partition(" ")
    verb, space, rest = typed.lstrip().partition(" ")
    return (program, verb, rest) if space and verb in VERBS else (program, None, typed)


def _words_after(verb: str, typed: str) -> list[str]:
    """The words that can follow; where a path can, there is none, and the shell completes names of files."""
    given = typed.split(" ")
    word = given[-1]
    words = ["--help", "--json"] if word.startswith("-") else []
    if verb == "list" and len(given) == 1:
        words += KINDS
    elif verb == "info" and len(given) == 1:
        words += _names(word)
    elif len(given) == 1:
        words += _ACTIONS.get(verb, ())
    return [one for one in words if one.startswith(word)]


def _names(word: str) -> list[str]:
    """Kinds and groups, and in one that has been chosen its names."""
    names = import_module("labkeras.experiment.config.about").words_for()
    if "/" in word:
        return list(names)
    bare = [name.partition("/")[2] for name in names] if word else []
    return [*dict.fromkeys(f"{name.partition('/')[0]}/" for name in names), *bare]


def _values(typed: str) -> list[str]:
    """`key=value` for the values that a key can take; Hydra offers the one that it has."""
    *before, word = typed.split(" ")
    key, equals, part = word.partition("=")
    path = key.lstrip("+")
    group, at, _ = path.partition("@")
    if equals and at and group in GROUPS:  # which Hydra completes only where the group has its own place
        names = {*registry_of(GROUPS[group]).names(), *options_in(conf_folders(), group)}
        return [f"{key}={name}" for name in sorted(names) if name.startswith(part)]
    if not equals or "." not in path:
        return []
    composer = import_module("labkeras.experiment.config.composer")
    resolving = import_module("labkeras.experiment.config.resolving")
    values = import_module("labkeras.experiment.config.values")
    overrides = [one for one in before if "=" in one and not one.startswith("-")]
    try:
        found = composer.Composer(overrides).examine()[0]
        config = resolving.plain(found, []) if found is not None else {}
        return [f"{key}={value}" for value in values.values_at(config, path) if value.startswith(part)]
    except LabkerasError as error:  # the line has a fault, which running it will tell
        print(f"labkeras: {error}", file=sys.stderr)
        return []
