"""Composes configs that have most overrides in common, without starting over for each.

Hydra composes once for each combination of options; values are then set in copies of that, by Hydra's own rules. To be
validated, most need no copy either: where only numbers and words change that nothing refers to, plain values will do.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, OmegaConf

from labkeras.errors import ConfigError
from labkeras.experiment.config.components import KEY_OF_KIND, MISSING, complete
from labkeras.experiment.config.hydra_session import CONFIG_NAME, composed, initialized, parsed, with_name
from labkeras.experiment.config.origins import FileKeys, Origins, files_of
from labkeras.experiment.config.preferring import prefer_as_asked
from labkeras.experiment.config.refusals import REFUSALS, loader, refused_value
from labkeras.experiment.config.resolving import has_only_plain_references, plain, referred_keys
from labkeras.experiment.config.setting import set_values

__all__ = ["Composer"]

_MOST_BRANCHES = 32
# Keys that say what the keys beside them mean, or that are given a value when they have none.
_KEYS_OF_MEANING = {*KEY_OF_KIND.values(), "kind", "name"}


class Composer:
    """Composes configs that have most overrides in common; each is equal to what `compose` makes of its overrides.

    Files and options are read once for each combination of options that is asked for: what changes on the disk later
    changes nothing here.

    Args:
        base: overrides that all configs have, before their own.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.

    Example:
        >>> composer = Composer(["experiment=digits_mlp"])
        >>> composer.compose(["seed=3"]).seed, composer.compose(["seed=4", "optimizer=sgd"]).optimizer.optimizer
        (3, 'sgd')
    """

    def __init__(
        self, base: Sequence[str] = (), *, config_name: str = CONFIG_NAME, config_dir: str | None = None
    ) -> None:
        self._config_name = config_name
        self._config_dir = config_dir
        self._base = list(base)
        self._stems: dict[tuple[str, ...], _Stem] = {}
        self._branches: dict[tuple[tuple[str, ...], tuple[str, ...]], _Stem] = {}
        self._refused: dict[tuple[tuple[str, ...], str], str] = {}
        self._files: dict[tuple[str, ...], list[FileKeys]] = {}
        self._parsed: dict[str, Override | str] = {}
        self._is_group: dict[str, bool] = {}

    def compose(self, overrides: Sequence[str] = ()) -> DictConfig:
        """The config with the common overrides and these; interpolations are kept, values are not looked at.

        Args:
            overrides: as on the command line, each with one value.

        Raises:
            ConfigError: naming every override, option or file that does not fit.
        """
        config, faults = self.examine(overrides)
        if faults or config is None:
            raise ConfigError(faults)
        return config

    def examine(self, overrides: Sequence[str] = ()) -> tuple[DictConfig | None, list[str]]:
        """The config of those overrides that fit, and a sentence for each that does not."""
        stem, settings, faults = self._read(overrides)
        if stem.config is None:
            return None, faults
        config, refused = self._set(stem.config, settings, stem)
        return with_name(stem.experiment, config), [*faults, *refused]

    def values(self, overrides: Sequence[str] = ()) -> tuple[dict[str, Any] | None, set[str], list[str]]:
        """What `examine` gives as plain values with all arguments of all nodes, and what interpolations refer to."""
        stem, settings, faults = self._read(overrides)
        if stem.config is None:
            return None, set(), faults
        others = [one for one in settings if not stem.is_simple(one)]
        branch, left = self._branch(stem, others), [one for one in settings if one not in others]
        if not all(branch.is_simple(one) and _stands_alone(one, others) for one in left):
            branch, left = self._branch(stem, settings), []
        values = branch.values
        for override in left:
            values = _with(values, override.key_or_group.split("."), override.value())
        return values, branch.variables, [*faults, *branch.faults[len(stem.faults) :], *branch.unresolved]

    def origins(self, overrides: Sequence[str] = ()) -> Origins:
        """Who set what in the config of these overrides."""
        stem, _, _ = self._read(overrides)
        options = tuple(stem.lines)
        if options not in self._files:
            with initialized(self._config_dir):
                self._files[options] = files_of(options, self._config_name)
        given = [self._parse(line) for line in [*self._base, *overrides]]
        return Origins(self._files[options], [one for one in given if isinstance(one, Override)])

    def _read(self, overrides: Sequence[str]) -> "tuple[_Stem, list[Override], list[str]]":
        """The config to begin with, what is to be set in it, and what does not fit so far."""
        own = [self._parse(line) for line in overrides]
        options = tuple(str(one.input_line) for one in own if isinstance(one, Override) and self._is_option(one))
        if options not in self._stems:
            self._stems[options] = self._stem(options)
        stem = self._stems[options]
        settings = [one for one in own if isinstance(one, Override) and str(one.input_line) not in options]
        return stem, settings, [*(one for one in own if isinstance(one, str)), *stem.faults]

    def _stem(self, options: tuple[str, ...]) -> "_Stem":
        """The config with the common overrides and some options; one for each combination of options."""
        base = [self._parse(line) for line in self._base]
        fitting = [one for one in base if isinstance(one, Override)]
        common = [str(one.input_line) for one in fitting if self._is_option(one)]
        prefer_as_asked([*self._base, *options], self._config_name, self._config_dir)
        with initialized(self._config_dir):
            found = composed([*common, *options], self._config_name)
        faults = [*(one for one in base if isinstance(one, str)), *found.faults]
        stem = _Stem(found.config, faults, found.choices.get("experiment"), found.lines)
        if found.config is None:
            return stem
        config, refused = self._set(found.config, [one for one in fitting if str(one.input_line) not in common], stem)
        return replace(stem, config=config, faults=[*faults, *refused])

    def _branch(self, stem: "_Stem", settings: Sequence[Override]) -> "_Stem":
        """A stem with further values set; the latest ones are kept, since the points of a grid share most of them."""
        if not settings or stem.config is None:
            return stem
        key = (tuple(stem.lines), tuple(str(one.input_line) for one in settings))
        if key not in self._branches:
            config, refused = self._set(stem.config, settings, stem)
            if len(self._branches) == _MOST_BRANCHES:
                del self._branches[next(iter(self._branches))]
            self._branches[key] = replace(stem, config=config, faults=[*stem.faults, *refused])
        return self._branches[key]

    def _set(self, original: DictConfig, settings: Sequence[Override], stem: "_Stem") -> tuple[DictConfig, list[str]]:
        """A copy of a config with values set in it, and a sentence for each value that does not fit."""
        config, faults, accepted = copy.deepcopy(original), [], []
        for override in settings:
            try:
                set_values([override], config)
                accepted.append(override)
            except REFUSALS as error:
                # What is refused may have been set in part: back to before it.
                config = copy.deepcopy(original)
                set_values(accepted, config)
                faults.append(self._refusal(error, str(override.input_line), config, stem))
        return config, faults

    def _parse(self, line: str) -> Override | str:
        if line not in self._parsed:
            found, faults = parsed([line], OverridesParser.create())
            self._parsed[line] = found[0] if found else faults[0]
        return self._parsed[line]

    def _is_option(self, override: Override) -> bool:
        """Whether an override chooses an option of a group, or is otherwise more than a value to set."""
        key = override.key_or_group
        if key not in self._is_group:
            with initialized(self._config_dir):
                self._is_group[key] = any(source.is_group(key) for source in loader().get_sources())
        if override.is_sweep_override() or override.package is not None or override.is_hydra_override():
            return True
        # Whether a deletion applies can hang on what Hydra's own part of the config says.
        return (override.is_delete() and override.value() is not None) or (
            self._is_group[key] and not isinstance(override.value(), dict)
        )

    def _refusal(self, error: Exception, line: str, config: DictConfig, stem: "_Stem") -> str:
        """The sentence is worked out once: it looks for the nearest names in all groups."""
        key = (tuple(stem.lines), line)
        if key not in self._refused:
            with initialized(self._config_dir):
                self._refused[key] = refused_value(error, line, config)
        return self._refused[key]


@dataclass(frozen=True)
class _Stem:
    """A config with the options chosen and the common overrides set, from which others branch off.

    Args:
        config: None if it cannot be composed at all.
        faults: of the options and the common overrides.
        experiment: the option of the group `experiment`, after which a run is named.
        lines: the overrides that it has.
    """

    config: DictConfig | None
    faults: list[str]
    experiment: str | None
    lines: list[str]

    def is_simple(self, override: Override) -> bool:
        """Whether an override sets a number, a word or a list of them in place of another, and changes nothing else."""
        value = override.value()
        return (
            override.type == OverrideType.CHANGE
            and override.key_or_group in self._leaves
            and all(map(_is_plain, value if isinstance(value, list) else [value]))
        )

    @cached_property
    def values(self) -> dict[str, Any]:
        """The config as plain values, with all arguments of all nodes."""
        return self._plain[0]

    @property
    def unresolved(self) -> list[str]:
        """Interpolations that lead nowhere."""
        return self._plain[1]

    @cached_property
    def variables(self) -> set[str]:
        """The full keys that interpolations refer to."""
        return referred_keys(self._named)

    @cached_property
    def _named(self) -> DictConfig:
        assert self.config is not None  # nobody asks otherwise
        return with_name(self.experiment, copy.deepcopy(self.config))

    @cached_property
    def _plain(self) -> tuple[dict[str, Any], list[str]]:
        faults: list[str] = []
        return complete(plain(self._named, faults), is_whole=True), faults

    @cached_property
    def _leaves(self) -> set[str]:
        """The full keys of values that stand for themselves alone: nothing refers to them, they refer to nothing."""
        if not has_only_plain_references(self._named):
            return set()
        container = OmegaConf.to_container(self._named, resolve=False)
        return {path for path in _leaves(container) if not any(_touch(path, key) for key in self.variables)}


def _leaves(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(key, str) and not set(key) & set(".[]"):
                yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif path.rpartition(".")[2] not in _KEYS_OF_MEANING and "${" not in str(value):
        yield path


def _is_plain(value: Any) -> bool:
    """Whether a value is a number, a word or nothing, and stands for itself."""
    if isinstance(value, str):
        return "${" not in value and value != MISSING
    return value is None or isinstance(value, bool | int | float)


def _stands_alone(override: Override, others: Sequence[Override]) -> bool:
    """Whether it makes no difference if an override is set before others or after them."""
    return not any(_touch(override.key_or_group, other.key_or_group) for other in others)


def _touch(first: str, second: str) -> bool:
    """Whether of two full keys one is the other, or is within it."""
    return f"{first}.".startswith(f"{second}.") or f"{second}.".startswith(f"{first}.")


def _with(values: Mapping[str, Any], parts: Sequence[str], value: Any) -> dict[str, Any]:
    """A nested mapping with one value in place of another; what does not change is shared."""
    inner = value if len(parts) == 1 else _with(values[parts[0]], parts[1:], value)
    return {**values, parts[0]: inner}
