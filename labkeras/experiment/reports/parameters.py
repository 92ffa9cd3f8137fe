"""The parameters that differ between a sweep's trials, and what is known of the values they may take."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkeras.experiment.sweeps.ledger import Ledger

__all__ = ["Parameter", "SEED", "differing_parameters", "short_keys"]

SEED = "seed"
"""The key whose values are repetitions, not choices."""

_MOST_TICKS = 8
_WIDE = 30  # from this ratio of the ends on, numbers are shown by their logarithm


@dataclass(frozen=True)
class Parameter:
    """A parameter that differs.

    Args:
        key: the full key.
        label: the shortest end of the key that no other parameter shares.
        values: those that were tried, numbers in their order, others in the order of the space.
        is_number: whether all of them are numbers.
        is_interval: whether the space is an interval, and not a list of values.
        low: lower end of the space; for numbers only.
        high: upper end of the space; for numbers only.
        log: whether it is shown by its logarithm.
    """

    key: str
    label: str
    values: tuple[Any, ...]
    is_number: bool = False
    is_interval: bool = False
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def is_axis(self) -> bool:
        """Whether values have a place on a scale; else each has one of its own, side by side."""
        if not self.is_number:
            return False
        # 0, 0.001, 0.01, 0.1: no scale shows them all.
        return self.is_interval or self.log or len(self.values) > _MOST_TICKS or not self._is_uneven()

    @property
    def ticks(self) -> tuple[float, ...] | None:
        """The values, if there are so few that each may have its tick; None for a round number here and there."""
        return None if self.is_interval or len(self.values) > _MOST_TICKS else self.values

    def _is_uneven(self) -> bool:
        sizes = [abs(value) for value in self.values if value]
        return bool(min(sizes) * _WIDE <= max(sizes))


def differing_parameters(ledger: Ledger) -> list[Parameter]:
    """The parameters whose values differ between trials, or some lack; in the order of the space, the seed last."""
    axes: dict[str, list[Mapping[str, Any]]] = {}
    for axis in ledger.spec.get("space") or []:
        axes.setdefault(str(axis["key"]), []).append(axis)
    tried: dict[str, dict[str, Any]] = {key: {} for key in axes}
    counts: dict[str, int] = {}
    for trial in ledger.trials:
        for key, value in trial.params.items():
            tried.setdefault(key, {}).setdefault(_identity(value), value)
            counts[key] = counts.get(key, 0) + 1
    total = len(ledger.trials)
    keys = [key for key, values in tried.items() if len(values) > 1 or (values and counts[key] < total)]
    keys.sort(key=lambda key: key == SEED)
    labels = short_keys(keys)
    return [_parameter(key, labels[key], list(tried[key].values()), axes.get(key, [])) for key in keys]


def _identity(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _parameter(key: str, label: str, tried: list[Any], axes: Sequence[Mapping[str, Any]]) -> Parameter:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in tried):
        listed = [_identity(value) for axis in axes for value in axis.get("values") or []]
        order = {identity: index for index, identity in reversed(list(enumerate(listed)))}
        tried.sort(key=lambda value: (order.get(_identity(value), len(order)), _identity(value)))
        return Parameter(key, label, tuple(tried))
    values = tuple(sorted(tried))
    intervals = [axis for axis in axes if axis.get("kind") == "interval"]
    ends = [float(axis[end]) for axis in intervals for end in ("low", "high")] + [float(value) for value in values]
    low, high = min(ends), max(ends)
    log = low > 0 and (any(axis.get("log") for axis in axes) or (not intervals and _looks_geometric(values)))
    return Parameter(key, label, values, True, bool(intervals), low, high, log)


def _looks_geometric(values: Sequence[float]) -> bool:
    if values[-1] / values[0] >= _WIDE:
        return True
    steps = [math.log(later / earlier) for earlier, later in itertools.pairwise(values)]
    return len(values) > 2 and max(steps) < 1.1 * min(steps)


def short_keys(keys: Sequence[str]) -> dict[str, str]:
    """The shortest end of each key, in whole words, that no other key has.

    Example:
        >>> short_keys(["model.drop.rate", "optimizer.momentum", "model.noise.rate"])
        {'model.drop.rate': 'drop.rate', 'optimizer.momentum': 'momentum', 'model.noise.rate': 'noise.rate'}
    """
    labels = {}
    for key in keys:
        parts = key.split(".")
        ends = (".".join(parts[-count:]) for count in range(1, len(parts) + 1))
        labels[key] = next((end for end in ends if sum(_ends_with(other, end) for other in keys) == 1), key)
    return labels


def _ends_with(key: str, end: str) -> bool:
    return key == end or key.endswith(f".{end}")
