"""What the core's components take and do, without importing them: `labkeras/_manifest.json`.

Help, lists, completion, composing and validation need signatures and docstrings, and importing those would import
torch, which takes seconds. The manifest has them for the core, files in the user's cache folder for plugins that were
asked before (`labkeras.plugins.cache`). The manifest is written by

    python -m labkeras.experiment.config.manifest --write

and a test fails when it no longer says what the code says. What is not in it, such as a class that was registered while
the program runs, is imported and asked.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from labkeras.errors import InvalidArgumentError, UnknownComponentError, did_you_mean
from labkeras.experiment.config.schema import Parameter, Schema, schema_of
from labkeras.experiment.config.schema_rows import parameters_in, row_of, rows_of_parameters, schema_in
from labkeras.files import atomic_write
from labkeras.plugins.cache import is_remembering
from labkeras.plugins.manager import cache_of_provider
from labkeras.registry import CORE, KINDS, Entry, registry_of

__all__ = ["MANIFEST", "keywords_of", "known_summary", "main", "manifest_text", "schema_for"]

MANIFEST = Path(__file__).resolve().parents[2] / "_manifest.json"
"""The manifest of the core, in the package."""

_FORMAT = 1
_COMMAND = "python -m labkeras.experiment.config.manifest --write"

_PLURAL = {registry_of(kind).kind: kind for kind in KINDS}

# What takes arguments from a config and is no component: "module:Name", and the distribution whose version decides.
_CALLABLES = {
    "compile": ("labkeras.models.model:Model.compile", None),
    "fit": ("labkeras.models.model:Model.fit", None),
    "input": ("labkeras.graph.input:Input", None),
    "trainer": ("pytorch_lightning:Trainer", "pytorch-lightning"),
}


def schema_for(kind: str, name: str) -> Schema:
    """What a component takes and does; it is imported only if no manifest has it.

    Args:
        kind: one of `KINDS`.
        name: its name in the registry.

    Raises:
        UnknownComponentError: if nothing has the name, or what has it must be imported for this and cannot be.

    Example:
        >>> schema_for("optimizers", "adam")["learning_rate"].default
        0.001
    """
    entry = registry_of(kind).entry(name)
    return _of_the_core(entry) or _of_a_plugin(entry) or schema_of(entry.load())


def known_summary(entry: Entry) -> str:
    """The first line of a component's docstring, if a manifest has it; nothing is imported."""
    schema = _of_the_core(entry) or next(_remembered(entry), None)
    return schema.summary if schema is not None else ""


@cache
def keywords_of(name: str) -> Mapping[str, Parameter]:
    """The parameters of "fit", "compile", "input" (of a model) or "trainer" (Lightning's), by name.

    Raises:
        InvalidArgumentError: for another name.

    Example:
        >>> keywords_of("fit")["epochs"].default
        1
    """
    if name not in _CALLABLES:
        near = did_you_mean(name, _CALLABLES)
        raise InvalidArgumentError(f"`name` must be one of {tuple(_CALLABLES)}.{near} Received: name={name!r}")
    row = _manifest().get("keywords", {}).get(name, {})
    _, distribution = _CALLABLES[name]
    try:
        if row and row["version"] == _version(distribution):
            return parameters_in(row["parameters"])
    except (ValueError, LookupError):  # damaged: the code itself is asked
        pass
    return schema_of(_callable(name)).parameters


def manifest_text(renew: bool = False) -> str:
    """The text of the manifest as the code stands now; imports everything.

    Args:
        renew: whether to write down what another package's function takes also if the manifest tells of another
            version of that package than the installed one.
    """
    rows = {name: _row_of_callable(name) for name in sorted(_CALLABLES)}
    for name, row in _manifest().get("keywords", {}).items():
        if not renew and name in rows and row.get("version") != rows[name]["version"]:
            rows[name] = row
    parts: dict[str, dict[str, Any]] = {"keywords": rows}
    for kind in sorted(KINDS):
        parts[kind] = _rows_of_kind(kind)
    # A component a line, in the order of the addresses: two people who add layers change different lines.
    written = ",\n".join(f"{json.dumps(part)}: {_lines(rows)}" for part, rows in parts.items())
    return f'{{\n"format": {_FORMAT},\n{written}\n}}\n'


def main(arguments: Sequence[str] | None = None) -> int:
    """Checks the manifest, or writes it; returns the exit code, 1 if it is stale.

    Args:
        arguments: those of the command line, unless given.
    """
    parser = argparse.ArgumentParser(_COMMAND.removesuffix(" --write"), description="Checks the manifest of the core.")
    parser.add_argument("--write", action="store_true", help="write it, if the code says something else")
    options = parser.parse_args(arguments)
    text = manifest_text(renew=options.write)
    if MANIFEST.is_file() and MANIFEST.read_text(encoding="utf-8") == text:
        return 0
    if not options.write:
        print(f"{MANIFEST.name} is stale: run `{_COMMAND}`", file=sys.stderr)
        return 1
    with atomic_write(MANIFEST) as file:
        file.write(text)
    print(f"wrote {MANIFEST}")
    return 0


def _of_the_core(entry: Entry) -> Schema | None:
    """What the manifest says of an entry; None if it has nothing to say, or is damaged."""
    if entry.provider != CORE:
        return None
    kind = _PLURAL[entry.kind]
    address, row = _rows_by_name(kind).get(entry.name, ("", None))
    if row is None or (isinstance(entry.address, str) and entry.address != address):
        return None
    try:
        return _schema(kind, address)
    except ValueError:
        return None


def _of_a_plugin(entry: Entry) -> Schema | None:
    """What an installed plugin's component takes, as remembered; if it is not, it is asked and remembered."""
    if not is_remembering():
        return None
    schema = next(_remembered(entry), None)
    if schema is None and cache_of_provider(entry.provider):
        schema = schema_of(entry.load())
        _remember(entry.provider)
    return schema


def _remembered(entry: Entry) -> Iterator[Schema]:
    for remembered in cache_of_provider(entry.provider):
        with suppress(ValueError, LookupError, TypeError, AttributeError):  # damaged
            row = remembered.read()["components"][_PLURAL[entry.kind]][entry.name]
            if row["address"] == entry.location:
                yield schema_in(row)


def _remember(provider: str) -> None:
    """Writes down what all components of a distribution take: the first one has cost the import of torch."""
    for remembered in cache_of_provider(provider):
        rows: dict[str, dict[str, Any]] = {}
        for kind, name, address in remembered.read().get("offers", []):
            with suppress(UnknownComponentError):  # one that cannot be imported says so when it is asked for
                component = registry_of(kind).entry(f"{provider}/{name}").load()
                rows.setdefault(kind, {})[name] = {"address": address, **row_of(schema_of(component))}
        remembered.write(components=rows)


@cache
def _schema(kind: str, address: str) -> Schema:
    return schema_in(_manifest()[kind][address])


@cache
def _rows_by_name(kind: str) -> dict[str, tuple[str, Any]]:
    """name → address and row, for all names that a kind has in the manifest."""
    rows = _manifest().get(kind, {})
    return {name: (address, row) for address, row in rows.items() for name in row.get("names", ())}


@cache
def _manifest() -> dict[str, Any]:
    """The manifest; empty if there is none, or none that can be read."""
    try:
        manifest = json.loads(MANIFEST.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) and manifest.get("format") == _FORMAT else {}


def _rows_of_kind(kind: str) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for entry in registry_of(kind).entries():
        if entry.provider != CORE:
            continue
        if entry.location in rows:
            rows[entry.location]["names"].append(entry.name)
        else:
            rows[entry.location] = {"names": [entry.name], **row_of(schema_of(entry.load()))}
    return dict(sorted(rows.items()))


def _row_of_callable(name: str) -> dict[str, Any]:
    parameters = schema_of(_callable(name)).parameters
    return {"version": _version(_CALLABLES[name][1]), "parameters": rows_of_parameters(parameters)}


def _callable(name: str) -> Any:
    # By name: these import torch, which a manifest is there to do without.
    module, _, path = _CALLABLES[name][0].partition(":")
    found: Any = importlib.import_module(module)
    for attribute in path.split("."):
        found = getattr(found, attribute)
    return found


def _version(distribution: str | None) -> str | None:
    if distribution is None:
        return None
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _lines(rows: Mapping[str, Any]) -> str:
    lines = [f"{json.dumps(key)}: {json.dumps(row, ensure_ascii=False)}" for key, row in rows.items()]
    return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"


if __name__ == "__main__":
    sys.exit(main())
