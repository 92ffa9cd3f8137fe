"""An axis of a sweep: one key and the values that it may take, from Hydra's grammar or from YAML."""

import math
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    Quote,
    QuotedString,
    RangeSweep,
    Transformer,
)
from hydra.errors import HydraException

from labkeras.experiment.config.refusals import first_lines, loader

__all__ = ["Axis", "Parser", "axis_of", "axis_of_yaml", "override_text"]

Parser = Callable[[str], Override]
"""Reads one override; what Hydra's `OverridesParser.parse_override` does."""

_MOST_VALUES = 1_000_000
# What Hydra's grammar reads back as the same string without quotes. Words that it takes for values are not among them.
_PLAIN_WORD = re.compile(r"(?!(?:null|true|false|nan|inf)$)[A-Za-z_][\w./-]*$", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Axis:
    """One key that is swept.

    Args:
        key: as in an override, without a sign before it: "optimizer.learning_rate", "optimizer", "model@net".
        kind: "choice", "range" or "interval".
        values: those of a choice or a range, in their order.
        low: lower end of an interval.
        high: upper end of an interval; a float stays below it, an integer may reach it.
        log: whether equal ratios of an interval are equally likely, rather than equal differences.
        is_integer: whether an interval holds integers.
        sign: "+" or "++" if the key is added.
        condition: (key, value of that key) that must hold for this axis to exist; None if it always does.
    """

    key: str
    kind: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    is_integer: bool = False
    sign: str = ""
    condition: tuple[str, Any] | None = None

    @property
    def name(self) -> str:
        """What tells it from an axis of the same key under another condition."""
        if self.condition is None:
            return self.key
        return f"{self.key} ({self.condition[0]}={override_text(self.condition[1])})"

    @property
    def is_discrete(self) -> bool:
        """Whether its values can be counted out."""
        return self.kind != "interval"

    @property
    def is_ordered(self) -> bool:
        """Whether its values are numbers, so that one can lie between others."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)

    def override(self, value: Any) -> str:
        """The override that sets the key to a value."""
        return f"{self.sign}{self.key}={override_text(value)}"

    def holds(self, value: Any) -> bool:
        """Whether the value lies on the axis."""
        if self.is_discrete:
            return any(_is_same(value, one) for one in self.values)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and self.low <= value <= self.high

    def draw(self, generator: random.Random) -> Any:
        """One of its values, by chance."""
        return self.at(generator.random())

    def at(self, place: float) -> Any:
        """The value at a place, where equal lengths are equally likely.

        Args:
            place: from 0, the first value or lower end, up to 1, excluded.
        """
        if self.is_discrete:
            return self.values[min(int(place * len(self.values)), len(self.values) - 1)]
        if not self.is_integer:
            return min(max(self._between(place, self.low, self.high), self.low), self.high)
        # Half a step more on both sides, so that the integers at the ends are as likely as the others.
        drawn = self._between(place, self.low - 0.5, self.high + 0.5)
        return int(min(max(round(drawn), self.low), self.high))

    def _between(self, place: float, low: float, high: float) -> float:
        if self.log:
            return math.exp(math.log(low) + place * (math.log(high) - math.log(low)))
        return low + place * (high - low)

    def ends(self) -> tuple[Any, ...]:
        """The values that stand for all: every one of a choice or a range, the two ends of an interval."""
        return self.values if self.is_discrete else (self.low, self.high)

    def described(self) -> dict[str, Any]:
        """As plain values, for `sweep.yaml`."""
        described: dict[str, Any] = {"key": self.key, "kind": self.kind}
        if self.is_discrete:
            described["values"] = list(self.values)
        else:
            described |= {"low": self.low, "high": self.high, "log": self.log, "integer": self.is_integer}
        if self.condition is not None:
            described["when"] = {self.condition[0]: self.condition[1]}
        return described


def axis_of(override: Override, seed: int, faults: list[str], condition: tuple[str, Any] | None = None) -> Axis | None:
    """The axis of an override with several values; None and a sentence in `faults` if it makes no sense.

    Args:
        override: for which `is_sweep_override()` holds.
        seed: of `shuffle(…)`.
        faults: the sentences found so far.
        condition: of the axis.
    """
    line = override.input_line or override.get_key_element()
    element = override.get_key_element()
    key = element.lstrip("+~")
    sign = element.removesuffix(key)
    sweep = override.value()
    tags = set(getattr(sweep, "tags", ()))
    if tags - {"log"}:
        faults.append(f"{line}: there is no tag {sorted(tags - {'log'})[0]!r}. Known: log.")
        return None
    if sign == "~":
        faults.append(f"{line}: what is taken away has no values to try")
    elif isinstance(sweep, IntervalSweep):
        return _interval(key, sign, sweep, line, faults, condition)
    else:
        values = _values(override, seed, line, faults)
        if values:
            return Axis(key, _kind(sweep), values, sign=sign, condition=condition)
    return None


def axis_of_yaml(
    key: str, given: Any, parse: Parser, seed: int, faults: list[str], condition: tuple[str, Any] | None, path: str
) -> Axis | None:
    """The axis that YAML describes: a list of values, or a string in Hydra's grammar such as "interval(0, 1)".

    Args:
        key: of the axis.
        given: what YAML has.
        parse: reads an override.
        seed: of `shuffle(…)`.
        faults: a sentence is added for what makes no sense; then the result is None.
        condition: of the axis.
        path: where it stands: "sweeper.params".
    """
    if isinstance(given, Mapping):
        faults.append(f"{path}.{key}={dict(given)!r}: expected a list of values, or a string such as 'interval(0, 1)'")
        return None
    if not isinstance(given, str):
        values = _distinct(given if isinstance(given, list | tuple) else [given])
        if not values:
            faults.append(f"{path}.{key}=[]: there is no value in it")
            return None
        return Axis(key.lstrip("+"), "choice", values, sign=key.removesuffix(key.lstrip("+")), condition=condition)
    try:
        override = parse(f"{key}={given}")
    except HydraException as error:
        faults.append(f"{path}.{key}={given!r}: not of Hydra's grammar: {first_lines(error)}")
        return None
    if override.is_sweep_override():
        return axis_of(override, seed, faults, condition)
    return Axis(key.lstrip("+"), "choice", (override.value(),), condition=condition)


def override_text(value: Any) -> str:
    """A value as it stands in an override, quoted so that composing gives back the same value of the same type.

    Example:
        >>> [override_text(value) for value in (0.1, True, None, "adam", "1", [1, "a b"])]
        ['0.1', 'true', 'null', 'adam', "'1'", "[1,'a b']"]
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = (f"{Transformer.str(key)}:{override_text(item)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(override_text, value)) + "]"
    text = str(value)
    return text if _PLAIN_WORD.match(text) else QuotedString(text, Quote.single).with_quotes()


# --- reading --------------------------------------------------------------------------------------------------------


def _kind(sweep: Any) -> str:
    return "range" if isinstance(sweep, RangeSweep) else "choice"


def _values(override: Override, seed: int, line: str, faults: list[str]) -> tuple[Any, ...]:
    sweep = override.value()
    shuffled = isinstance(sweep, ChoiceSweep | RangeSweep) and sweep.shuffle
    try:
        if isinstance(sweep, RangeSweep) and sweep.start is not None and sweep.stop is not None:
            if sweep.step and abs(sweep.stop - sweep.start) / abs(sweep.step) > _MOST_VALUES:
                faults.append(
                    f"{line}: more than {_MOST_VALUES} values. Use interval(…) and a sampler other than grid."
                )
                return ()
            listed: list[Any] = list(sweep.range())
        elif isinstance(sweep, ChoiceSweep):
            listed = [_plain(value) for value in sweep.list]
        elif isinstance(sweep, Glob):
            listed = sweep.filter(loader().get_group_options(override.key_or_group, ObjectType.CONFIG))
        else:
            listed = []
    except (HydraException, ArithmeticError, ValueError) as error:
        faults.append(f"{line}: {first_lines(error)}")
        return ()
    if shuffled:
        # Hydra's own shuffling differs each time; a sweep that goes on must find the same order.
        random.Random(f"{seed} {line}").shuffle(listed)
    if not listed:
        faults.append(f"{line}: there is no value in it")
    return _distinct(listed)


def _plain(value: Any) -> Any:
    if isinstance(value, QuotedString):
        return value.text
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def _distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple({override_text(value): value for value in values}.values())


def _is_same(one: Any, other: Any) -> bool:
    """Equal, and of a type: True is not 1."""
    return override_text(one) == override_text(other)


def _interval(
    key: str, sign: str, sweep: IntervalSweep, line: str, faults: list[str], condition: tuple[str, Any] | None
) -> Axis | None:
    low, high = sweep.start, sweep.end
    log = "log" in sweep.tags
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        faults.append(f"{line}: expected two finite ends")
    elif not low < high:
        faults.append(f"{line}: expected a lower end below the upper. Received: {low!r} and {high!r}")
    elif log and low <= 0:
        faults.append(f"{line}: on a logarithmic scale the lower end must be above 0. Received: {low!r}")
    else:
        is_integer = isinstance(low, int) and isinstance(high, int)
        return Axis(key, "interval", (), low, high, log, is_integer, sign, condition)
    return None
