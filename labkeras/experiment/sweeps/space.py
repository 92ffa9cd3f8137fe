"""The space of a sweep: its axes, the points on them, and which axes exist only where another has a certain value."""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from labkeras.experiment.config.hydra_session import parsed
from labkeras.experiment.config.refusals import loader
from labkeras.experiment.config.words import nearest
from labkeras.experiment.sweeps.axes import Axis, Parser, axis_of, axis_of_yaml, override_text

__all__ = ["CommandLine", "Space", "point_key", "read_command_line", "whole_space"]

_OF_THE_SWEEP = ("sweeper", "launcher", "sweep_dir")
_PROBES = 32


@dataclass(frozen=True)
class Space:
    """Axes in their order, and the overrides that all points have.

    Args:
        axes: an axis that has a condition stands after those of the key that the condition names.
        template: the overrides of the command line in their order; a key in place of those that are swept there.
    """

    axes: tuple[Axis, ...]
    template: tuple[str | Axis, ...] = ()

    @property
    def is_discrete(self) -> bool:
        """Whether all points can be counted out."""
        return all(axis.is_discrete for axis in self.axes)

    @property
    def fixed(self) -> list[str]:
        """The overrides that all points have."""
        return [item for item in self.template if isinstance(item, str)]

    def walk(self, choose: Callable[[Axis], Any]) -> dict[str, Any]:
        """A point: asks for the value of each axis that exists, given the values before it."""
        params: dict[str, Any] = {}
        for axis in self.axes:
            if _exists(axis, params):
                params[axis.key] = choose(axis)
        return params

    def size(self) -> int | None:
        """How many points there are; None if they cannot be counted."""
        return self._count(0, {}) if self.is_discrete else None

    def points(self) -> Iterator[dict[str, Any]]:
        """All points of a discrete space, the last axis changing fastest."""
        return self._points(0, {})

    def overrides(self, params: Mapping[str, Any]) -> list[str]:
        """What a point's run is composed with, in the order of the command line; what YAML sweeps comes last."""
        on_line = {item.key for item in self.template if isinstance(item, Axis)}
        lines = [
            item if isinstance(item, str) else item.override(params[item.key])
            for item in self.template
            if isinstance(item, str) or item.key in params
        ]
        signs = {axis.key: axis.sign for axis in self.axes}
        return lines + [
            f"{signs.get(key, '')}{key}={override_text(value)}" for key, value in params.items() if key not in on_line
        ]

    def contains(self, params: Mapping[str, Any]) -> bool:
        """Whether a point lies in the space."""
        seen: dict[str, Any] = {}
        for axis in self.axes:
            if _exists(axis, seen):
                if axis.key not in params or not axis.holds(params[axis.key]):
                    return False
                seen[axis.key] = params[axis.key]
        return len(seen) == len(params)

    def first(self) -> dict[str, Any]:
        """The first point: the first value of each axis, the lower end of each interval."""
        return self.walk(lambda axis: axis.ends()[0])

    def probes(self, seed: int = 0) -> list[dict[str, Any]]:
        """Points that stand for all: each value and each end of an interval at least once, and some drawn by chance."""
        probes = [self.first(), self.walk(lambda axis: axis.ends()[-1])]
        for axis in self.axes:
            for value in axis.ends():
                probes.append(self._with(axis, value))
        generator = random.Random(f"{seed} probes")
        probes += [self.walk(lambda axis: axis.draw(generator)) for _ in range(_PROBES)]
        return list({point_key(probe): probe for probe in probes}.values())

    def described(self) -> list[dict[str, Any]]:
        """The axes as plain values, for `sweep.yaml`."""
        return [axis.described() for axis in self.axes]

    def _with(self, wanted: Axis, value: Any) -> dict[str, Any]:
        """The first point that has a value on an axis, and what that depends on."""
        needed = {wanted.name: value}
        condition = wanted.condition
        while condition is not None:
            parent, found = _met(condition, self.axes)[0]
            needed[parent.name] = found
            condition = parent.condition
        return self.walk(lambda axis: needed.get(axis.name, axis.ends()[0]))

    def _points(self, start: int, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for index in range(start, len(self.axes)):
            axis = self.axes[index]
            if _exists(axis, params):
                for value in axis.values:
                    yield from self._points(index + 1, {**params, axis.key: value})
                return
        yield params

    def _count(self, start: int, params: dict[str, Any]) -> int:
        count = 1
        asked = {axis.condition[0] for axis in self.axes if axis.condition is not None}
        for index in range(start, len(self.axes)):
            axis = self.axes[index]
            if not _exists(axis, params):
                continue
            if axis.key in asked:
                return count * sum(self._count(index + 1, {**params, axis.key: value}) for value in axis.values)
            count *= len(axis.values)
            params = {**params, axis.key: None}
        return count


def point_key(params: Mapping[str, Any]) -> str:
    """The same text for the same point."""
    return json.dumps(params, sort_keys=True, default=str)


# --- from the command line and from YAML ----------------------------------------------------------------------------


@dataclass(frozen=True)
class CommandLine:
    """What the overrides of a command say of a sweep.

    Args:
        template: the overrides of runs in their order; an axis in place of those that have several values.
        own: the overrides of the sweep itself: `sweeper=…`, `launcher.…`, `sweep_dir=…`.
        keys: that they name.
    """

    template: tuple[str | Axis, ...]
    own: list[str]
    keys: frozenset[str]

    @property
    def axes(self) -> list[Axis]:
        """The axes among them."""
        return [item for item in self.template if isinstance(item, Axis)]


def read_command_line(overrides: Sequence[str], seed: int, faults: list[str]) -> CommandLine:
    """Sorts the overrides of a command; Hydra must be initialized.

    Args:
        overrides: as they were given. Of two for one key the later one counts, at the place of the earlier.
        seed: of `shuffle(…)`.
        faults: a sentence is added for each that makes no sense.
    """
    fitting, refused = parsed(overrides, OverridesParser.create(config_loader=loader()))
    faults += refused
    latest = {override.get_key_element(): override for override in fitting}
    template: list[str | Axis] = []
    own: list[str] = []
    for override in latest.values():
        line = override.input_line or ""
        if override.key_or_group.partition(".")[0] in _OF_THE_SWEEP:
            if override.is_sweep_override():
                faults.append(f"{line}: this is of the sweep as a whole, and cannot be swept. Give one value")
            else:
                own.append(line)
        elif override.key_or_group in ("run_dir", "resume"):
            instead = "sweep_dir names that of a sweep, and the same command goes on with it"
            faults.append(f"{line}: {override.key_or_group} is of a single run; {instead}")
        elif override.is_sweep_override():
            axis = axis_of(override, seed, faults)
            template += [] if axis is None else [axis]
        else:
            template.append(line)
    return CommandLine(tuple(template), own, frozenset(_bare(override) for override in fitting))


def _bare(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def whole_space(
    command_line: CommandLine,
    params: Mapping[str, Any],
    when: Mapping[str, Any],
    value_of: Callable[[str], Any],
    seed: int,
    faults: list[str],
) -> Space:
    """The axes of the command line and of the config's `sweeper.params` and `sweeper.when`; Hydra must be initialized.

    What the command line says of a key holds against both.

    Args:
        command_line: of the sweep.
        params: key → values.
        when: key → its value → the keys that are swept then → values.
        value_of: what a key that is not swept has in the config; for a group the option.
        seed: of `shuffle(…)`.
        faults: a sentence is added for each axis that makes no sense.
    """
    parse = OverridesParser.create(config_loader=loader()).parse_override
    axes = command_line.axes
    for key, given in params.items():
        if key.lstrip("+") not in command_line.keys:
            axis = axis_of_yaml(key, given, parse, seed, faults, None, "sweeper.params")
            axes += [] if axis is None else [axis]
    conditional = list(_conditional(command_line, when, axes, value_of, parse, seed, faults))
    return Space(tuple(_ordered(axes, conditional, faults)), command_line.template)


def _conditional(
    command_line: CommandLine,
    when: Mapping[str, Any],
    axes: Sequence[Axis],
    value_of: Callable[[str], Any],
    parse: Parser,
    seed: int,
    faults: list[str],
) -> Iterator[Axis]:
    inner = {key for spaces in when.values() for space in spaces.values() for key in space}
    swept = {axis.key for axis in axes} | inner
    for parent, spaces in when.items():
        fixed = None if parent in swept else value_of(parent)
        for value, space in spaces.items():
            _check_value(parent, value, axes, faults)
            if fixed is not None and not _matches(fixed, value):
                continue
            condition = None if parent not in swept else (parent, value)
            for key, given in space.items():
                axis = axis_of_yaml(key, given, parse, seed, faults, condition, f"sweeper.when.{parent}.{value}")
                if axis is not None and axis.key not in command_line.keys:
                    yield axis


def _check_value(parent: str, value: Any, axes: Sequence[Axis], faults: list[str]) -> None:
    """Says if no run can have the value; one that the command line leaves out is no fault."""
    options = loader().get_group_options(parent.partition("@")[0])
    known: list[Any] = options or [
        one for axis in axes if axis.key == parent and axis.is_discrete for one in axis.values
    ]
    if known and not any(_matches(one, value) for one in known):
        faults.append(f"sweeper.when.{parent}.{value}: {parent} has no value {value!r}.{nearest(value, known)}")


def _ordered(axes: list[Axis], conditional: list[Axis], faults: list[str]) -> list[Axis]:
    """Axes without condition first, every other after those that it asks about; what can never exist is left out."""
    ordered = list(axes) + [axis for axis in conditional if axis.condition is None]
    waiting = [axis for axis in conditional if axis.condition is not None]
    while waiting:
        keys = {axis.key for axis in waiting}
        ready = [axis for axis in waiting if axis.condition is not None and axis.condition[0] not in keys]
        if not ready:
            names = ", ".join(sorted(keys))
            faults.append(f"sweeper.when: the conditions go round in a circle. Received: {names}")
            return ordered
        ordered += [axis for axis in ready if axis.condition is not None and _met(axis.condition, ordered)]
        waiting = [axis for axis in waiting if axis not in ready]
    return ordered


def _exists(axis: Axis, params: Mapping[str, Any]) -> bool:
    if axis.key in params:  # the same key under another condition
        return False
    if axis.condition is None:
        return True
    key, value = axis.condition
    return key in params and _matches(params[key], value)


def _met(condition: tuple[str, Any], axes: Sequence[Axis]) -> list[tuple[Axis, Any]]:
    """The axes on which a condition can come true, and the values that make it true."""
    key, wanted = condition
    return [(axis, value) for axis in axes if axis.key == key for value in axis.values if _matches(value, wanted)]


def _matches(value: Any, wanted: Any) -> bool:
    """Whether a value is the one that YAML names: `true` may have been read as it is, or as text."""
    return override_text(value) == override_text(wanted) or str(value).lower() == str(wanted).lower()
