"""A rehearsal of a run: everything it is made of is built and put together, without data, memory or random numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

from labkeras.datasets.spec import ArraySpec, DataSpec, spec_of
from labkeras.errors import ConfigError, LabkerasError
from labkeras.experiment.config.components import KEY_OF_KIND, build, node_kind
from labkeras.experiment.model.plan import Plan
from labkeras.experiment.model.symbolic import Outcome, Symbols, is_inconclusive, untouched
from labkeras.experiment.model.targets import Comparisons
from labkeras.registry import registry_of

__all__ = ["Rehearsal"]


class Rehearsal:
    """Rehearses runs that have much in common; what they have in common is built once."""

    def __init__(self) -> None:
        self._symbols = Symbols()
        self._comparisons = Comparisons()
        self._built: dict[str, list[str]] = {}

    def faults(self, values: Mapping[str, Any], plan: Plan | None) -> list[str]:
        """What goes wrong, a sentence each.

        Args:
            values: a config as plain values, in whose names, keys and types nothing is wrong.
            plan: what `check_model` returned for its model.
        """
        faults: list[str] = []
        for kind, path, node in _nodes(values):
            faults += self._refused(kind, path, node)
        outcome, data = self.outcome(values, plan, faults)
        faults += outcome.faults
        if data is not None:
            if outcome.outputs is not None:
                faults += self._comparisons.faults(values.get("loss"), values.get("metrics"), outcome.outputs, data.y)
            _check_rows(values["fit"], data, faults)
        return list(dict.fromkeys(faults))

    def outcome(
        self, values: Mapping[str, Any], plan: Plan | None, faults: list[str]
    ) -> tuple[Outcome, DataSpec | None]:
        """What the model does to a batch, and what the data set gives; what that refuses is added to `faults`."""
        data = _data(values["data"], faults)
        return self._symbols.outcome(values["model"], plan, data), data

    def _refused(self, kind: str, path: str, node: Mapping[str, Any]) -> list[str]:
        """Why a component cannot be made of its arguments."""
        key = repr((kind, path, node))
        if key not in self._built:
            self._built[key] = []
            with untouched():
                try:
                    build(kind, node, path)
                except ConfigError as error:
                    self._built[key] = list(error.faults)
                except Exception as error:
                    if not is_inconclusive(error):
                        said = str(error) if isinstance(error, LabkerasError) else f"{type(error).__name__}: {error}"
                        self._built[key] = [f"{path}: {said}"]
        return self._built[key]


def _nodes(values: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What is built beside the model: kind, place and node."""
    yield "optimizers", "optimizer", values["optimizer"]
    for group in ("loss", "metrics", "callbacks", "logger"):
        yield from _within(group, values.get(group) or {})


def _within(path: str, node: Any) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    kind = node_kind(node)
    if kind is not None:
        yield kind, path, node
    elif isinstance(node, Mapping):
        for key, inner in node.items():
            yield from _within(f"{path}.{key}", inner)


def _data(node: Mapping[str, Any], faults: list[str]) -> DataSpec | None:
    """What a data set gives; what it refuses is added to `faults`."""
    loader = registry_of("datasets").get(node[KEY_OF_KIND["datasets"]])
    arguments = {key: value for key, value in node.items() if key != KEY_OF_KIND["datasets"]}
    try:
        return spec_of(loader, **arguments)
    except (ValueError, TypeError) as error:
        faults.append(f"data: {error}")
        return None


def _check_rows(fit: Mapping[str, Any], data: DataSpec, faults: list[str]) -> None:
    """Whether there are enough samples for what `fit` is told."""
    rows, split = data.rows, fit.get("validation_split") or 0
    if rows is None:
        return
    border = int(rows * (1.0 - split))
    if split and border in (0, rows):
        faults.append(
            f"fit.validation_split={split!r}: leaves no samples for {'validation' if border else 'training'} out of "
            f"{rows}"
        )
        return
    steps, size = fit.get("steps_per_epoch"), fit.get("batch_size") or 32
    batches = -(-border // size)
    if steps is not None and steps > batches:
        faults.append(f"fit.steps_per_epoch={steps!r}: {border} samples to train on make {batches} batches of {size}")
    steps, size = fit.get("validation_steps"), fit.get("validation_batch_size") or size
    batches = -(-(rows - border) // size)
    if steps is not None and split and steps > batches:
        faults.append(
            f"fit.validation_steps={steps!r}: {rows - border} samples to validate on make {batches} batches of {size}"
        )
    classes = data.y.classes if isinstance(data.y, ArraySpec) else None
    unknown = [key for key in fit.get("class_weight") or {} if classes is not None and not 0 <= int(key) < classes]
    if unknown:
        faults.append(
            f"fit.class_weight={fit['class_weight']!r}: the labels have {classes} classes, from 0 on, and no "
            f"{', '.join(map(str, unknown))}"
        )
