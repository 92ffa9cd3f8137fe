"""Many configs of one kind: the trials of a sweep, composed and validated without starting over for each.

Hydra composes once for each combination of options; values are then set in copies of that, by Hydra's own rules.
"""

import copy
from collections.abc import Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl  # no public name sets overrides in a config
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from labkeras.errors import ConfigError
from labkeras.experiment.config.composition import CONFIG_NAME, Composed, composed, initialized, parsed, with_name
from labkeras.experiment.config.refusals import REFUSALS, loader, refusal_of
from labkeras.experiment.config.validation import Validator

__all__ = ["Composer", "validate_points"]


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
        self._base = list(base)
        self._config_name = config_name
        self._config_dir = config_dir
        self._skeletons: dict[tuple[str, ...], Composed] = {}
        self._refused: dict[tuple[tuple[str, ...], str], str] = {}
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
        given = [self._parse(line) for line in [*self._base, *overrides]]
        faults = [one for one in given if isinstance(one, str)]
        fitting = [one for one in given if isinstance(one, Override)]
        options = tuple(str(one.input_line) for one in fitting if self._is_option(one))
        skeleton = self._skeleton(options)
        faults += skeleton.faults
        if skeleton.config is None:
            return None, faults
        config = copy.deepcopy(skeleton.config)
        lines = [str(one.input_line) for one in fitting]
        for override in fitting:
            if str(override.input_line) not in options:
                try:
                    ConfigLoaderImpl._apply_overrides_to_config([override], config)
                except REFUSALS as error:
                    faults.append(self._refusal(error, options, str(override.input_line), lines))
        return with_name(skeleton.choices.get("experiment"), config), faults

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

    def _skeleton(self, options: tuple[str, ...]) -> Composed:
        if options not in self._skeletons:
            with initialized(self._config_dir):
                self._skeletons[options] = composed(options, self._config_name)
        return self._skeletons[options]

    def _refusal(self, error: Exception, options: tuple[str, ...], line: str, lines: list[str]) -> str:
        """The sentence is worked out once, since that takes several compositions."""
        if (options, line) not in self._refused:
            with initialized(self._config_dir):
                self._refused[options, line] = refusal_of(error, lines, self._config_name).sentence
        return self._refused[options, line]


def validate_points(
    base: Sequence[str],
    points: Sequence[Sequence[str]],
    *,
    config_name: str = CONFIG_NAME,
    config_dir: str | None = None,
) -> list[str]:
    """What is wrong with the trials of a sweep, before any starts: a sentence each, none said twice.

    Args:
        base: the overrides that all trials have.
        points: the overrides that each has beside them.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.

    Returns:
        The faults. One that not all points have names the first point that has it.

    Example:
        >>> validate_points(["experiment=digits_mlp"], [["fit.epochs=1"], ["fit.epochs=0"]])
        ['fit.epochs=0: expected an integer of at least 1']
    """
    if not points:
        return ["the sweep has no points: an axis has no values. Give each at least one, as in `seed=1,2`"]
    composer = Composer(base, config_name=config_name, config_dir=config_dir)
    validator = Validator()
    found: dict[str, list[int]] = {}
    for number, point in enumerate(points):
        config, faults = composer.examine(point)
        for fault in dict.fromkeys([*faults, *(validator.examine(config)[1] if config is not None else [])]):
            found.setdefault(fault, []).append(number)
    return [_said(fault, at, points) for fault, at in found.items()]


def _said(fault: str, at: list[int], points: Sequence[Sequence[str]]) -> str:
    return fault if len(at) == len(points) else f"{fault} (at {' '.join(points[at[0]])})"
