"""Who set a value: the default of a signature, a line of a file, an override."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from hydra.core.override_parser.types import Override
from hydra.types import RunMode

from labkeras.errors import ConfigError, UnknownComponentError
from labkeras.experiment.config.components import KEY_OF_KIND, node_kind, parameters_of, plain_default
from labkeras.experiment.config.refusals import loader, shown
from labkeras.experiment.config.safe_yaml import key_lines, parse_yaml
from labkeras.experiment.config.schema import REQUIRED
from labkeras.experiment.config.sources import FileSource, RegistrySource, layer_names

__all__ = ["FileKeys", "Origin", "Origins", "files_of"]

_COMMAND_LINE = "on the command line"
# What a sentence about a key begins with.
_KEY = re.compile(r"([A-Za-z_][\w{}-]*(?:\.[\w{}-]+|\[\d+\])*)(?=[=:]| is missing)")


@dataclass(frozen=True)
class Origin:
    """One who set a value.

    Args:
        kind: what it is: the default of a signature, a file, an option of a group, an override, or labkeras itself.
        where: "conf/model/mlp.yaml:7", "on the command line".
        value: what it set; of an override the text behind "=".
    """

    kind: Literal["signature", "file", "option", "override", "run"]
    where: str
    value: Any


@dataclass(frozen=True)
class FileKeys:
    """The keys that a file, or an option without a file, sets.

    Args:
        name: the file as it is shown; of an option without one, what it is: "optimizer=adam".
        package: the key below which it is put; "" for the whole config.
        lines: full key → line, as far as the lines can be told.
        values: what the file holds.
        choices: group → option and line, of its defaults list.
    """

    name: str
    package: str
    lines: Mapping[str, int] = field(default_factory=dict)
    values: Any = None
    choices: Mapping[str, tuple[Any, int]] = field(default_factory=dict)

    def where(self, key: str) -> str:
        """The file and the line of a key."""
        return f"{self.name}:{self.lines[key]}" if key in self.lines else self.name


def files_of(lines: Sequence[str], config_name: str) -> list[FileKeys]:
    """What a config is composed of, in the order in which later ones win; Hydra must be initialized.

    Args:
        lines: overrides that choose options, and that fit.
        config_name: the primary config.
    """
    try:
        defaults = loader().compute_defaults_list(config_name, list(lines), RunMode.RUN).defaults
    except Exception:  # what is wrong has been said where it was composed
        return []
    found = []
    for one in defaults:
        path, package = one.config_path, one.package or ""
        if path is None or path.startswith("hydra/"):
            continue
        source = next((source for source in loader().get_sources() if source.is_config(path)), None)
        if isinstance(source, FileSource):
            found.append(_read(Path(source.path, f"{path}.yaml"), package))
        elif isinstance(source, RegistrySource):
            found.append(FileKeys(path.replace("/", "=", 1), package))
    return found


def _read(path: Path, package: str) -> FileKeys:
    name, prefix = shown(str(path)), f"{package}." if package else ""
    try:
        text = path.read_text(encoding="utf-8")
        lines, values = key_lines(text), parse_yaml(text)
    except (ConfigError, OSError):  # Hydra reads more than we do: what cannot be told apart has no lines
        return FileKeys(name, package)
    if not isinstance(values, Mapping):
        return FileKeys(name, package)
    named = {f"{prefix}{_with_layer_names(key, values)}": line for key, line in lines.items()}
    return FileKeys(name, package, named, values, _choices(values.get("defaults"), lines))


def _with_layer_names(key: str, values: Any) -> str:
    """A full key in which the numbers of listed layers are replaced by the names that they get."""
    parts: list[str] = []
    for part in key.split("."):
        if isinstance(values, list) and part.isdigit():
            if parts and parts[-1] in ("layers", "nodes") and all(isinstance(one, Mapping) for one in values):
                parts.append(layer_names(values)[int(part)])
            else:
                parts.append(part)
            values = values[int(part)]
        else:
            parts.append(part)
            values = values.get(part) if isinstance(values, Mapping) else None
    return ".".join(parts)


def _choices(defaults: Any, lines: Mapping[str, int]) -> dict[str, tuple[Any, int]]:
    found = {}
    for index, entry in enumerate(defaults if isinstance(defaults, list) else []):
        for key, option in entry.items() if isinstance(entry, Mapping) else ():
            group = str(key).removeprefix("override ").removeprefix("optional ").strip().lstrip("/")
            found[group] = option, lines.get(f"defaults.{index}.{key}", lines.get(f"defaults.{index}", 0))
    return found


class Origins:
    """Who set what in one config.

    Args:
        files: what it is composed of, later ones winning.
        overrides: those of the command line, in their order.
    """

    def __init__(self, files: Sequence[FileKeys], overrides: Sequence[Override]) -> None:
        self._files = files
        self._overrides = overrides

    def chain(self, key: str, values: Mapping[str, Any]) -> list[Origin]:
        """All who set a key, one after the other; the last one won.

        Args:
            key: a full key: "model.layers.h1.units".
            values: the config as plain values, with all arguments of all nodes.
        """
        chain = [*_signature(key, values), *self._options(key), *self._in_files(key), *self._overriding(key)]
        if key == "name" and values.get(key) is not None and (not chain or chain[-1].value is None):
            chain.append(Origin("run", "named after its experiment", values[key]))
        return chain

    def located(self, fault: str, values: Mapping[str, Any] | None = None) -> str:
        """A sentence about a key, with who set that key behind it.

        Args:
            fault: the sentence.
            values: the config, as for `chain`; without it defaults of signatures are not told.
        """
        for override in self._overrides:
            if fault.startswith(f"{override.input_line}: "):
                return f"{fault} [{_COMMAND_LINE}]"
        found = _KEY.match(fault)
        where = None if found is None else self._nearest(found[1], values or {})
        return fault if where is None else f"{fault} [{where}]"

    def _nearest(self, key: str, values: Mapping[str, Any]) -> str | None:
        """Who set a key, or the mapping that it is in."""
        parts = re.sub(r"\[(\d+)\]", r".\1", key).split(".")
        for count in range(len(parts), 0, -1):
            at = ".".join(parts[:count])
            chain = self.chain(at, values if count == len(parts) else {})
            if chain:
                last = chain[-1]
                return f"{self._line(at)} {_COMMAND_LINE}" if last.kind == "override" else last.where
        return None

    def _line(self, key: str) -> str:
        group = key.partition(".")[0]
        given = [one for one in self._overrides if _sets(one, key) or one.key_or_group == group]
        return str(given[-1].input_line)

    def _options(self, key: str) -> list[Origin]:
        """Who chose the option of a group, if the key is a group or names the component of an option."""
        group, _, inner = key.partition(".")
        name, _, last = inner.rpartition(".")
        if name and last in KEY_OF_KIND.values():  # of a group of which several options are used at once
            return [Origin("option", file.name, name) for file in self._files if file.name == f"{group}={name}"]
        if inner not in ("", *KEY_OF_KIND.values()):
            return []
        choices = [(file, *file.choices[group]) for file in self._files if group in file.choices]
        found = [Origin("option", f"{file.name}:{line}", option) for file, option, line in choices]
        given = [one for one in self._overrides if one.key_or_group == group and self._chooses(one)]
        return found + [Origin("override", _COMMAND_LINE, one.value()) for one in given]

    def _chooses(self, override: Override) -> bool:
        """Whether an override chooses an option of a group."""
        is_group = any(override.key_or_group in file.choices for file in self._files)
        return is_group and isinstance(override.value(), str | list)

    def _in_files(self, key: str) -> list[Origin]:
        return [Origin("file", file.where(key), _value_at(file, key)) for file in self._files if key in file.lines]

    def _overriding(self, key: str) -> list[Origin]:
        setting = [one for one in self._overrides if _sets(one, key) and not self._chooses(one)]
        return [Origin("override", _COMMAND_LINE, _inner(one, key)) for one in setting]


def _signature(key: str, values: Mapping[str, Any]) -> list[Origin]:
    """The default of a component's signature."""
    *above, last = key.split(".")
    node: Any = values
    for part in above:
        node = node.get(part) if isinstance(node, Mapping) else None
    kind = node_kind(node)
    if kind is None or not above:
        return []
    name = node[KEY_OF_KIND[kind]]
    try:
        parameter = parameters_of(kind, name).get(last)
    except UnknownComponentError:
        return []
    default = REQUIRED if parameter is None else plain_default(parameter)
    return [] if default is REQUIRED else [Origin("signature", f"default of {name}", default)]


def _value_at(file: FileKeys, key: str) -> Any:
    value, inner = file.values, key.removeprefix(f"{file.package}.") if file.package else key
    for part in inner.split("."):
        if isinstance(value, list):
            names = [str(index) for index in range(len(value))]
            names = names if part in names else layer_names(value)
            value = value[names.index(part)]
        else:
            value = value[part] if part in value else value[int(part)]  # a key that is a number
    return value


def _sets(override: Override, key: str) -> bool:
    """Whether an override sets a key: alone, within a mapping, or by the bare name of a node's component."""
    own = override.key_or_group
    if override.package is not None or override.is_delete():
        return False
    if own == key:
        return True
    if isinstance(override.value(), str):
        return key in [f"{own}.{last}" for last in KEY_OF_KIND.values()]
    return key.startswith(f"{own}.") and isinstance(override.value(), dict) and _inner(override, key) is not None


def _inner(override: Override, key: str) -> Any:
    value: Any = override.value()
    if isinstance(value, str):
        return value
    for part in key.removeprefix(override.key_or_group).strip(".").split("."):
        if part:
            value = value.get(part) if isinstance(value, Mapping) else None
    return value
