"""Tables of the study on regularization: accuracy of each combination, and what each part adds."""

from studies import Run, groups, markdown, numbers, within_seeds

from labkeras.experiment.reports.estimates import Estimate, estimate
from labkeras.experiment.reports.texts import plus_minus

COLUMNS = ["val_accuracy", "test_accuracy", "test_loss"]

PARTS = {
    "shifted images": ("model.layers.shift.repeat", "0", "1"),
    "batch normalization": ("model.layers.norm1.repeat", "0", "1"),
    "dropout": ("model.layers.drop.rate", "0", "0.5"),
}
"""What is tried → its key, and the values without and with it."""


def tables(runs: list[Run]) -> list[str]:
    """The test accuracy of each combination; what each part changes."""
    return [_combinations(runs), _effects(runs)]


def _combinations(runs: list[Run]) -> str:
    lines = []
    for values, some in groups(runs, *(key for key, _, _ in PARTS.values())).items():
        used = ["yes" if value == part[2] else "" for value, part in zip(values, PARTS.values(), strict=True)]
        lines.append([*used, _percent(estimate(numbers(some, "test_accuracy"))), str(len(some))])
    return markdown([*PARTS, "test accuracy, %", "runs"], lines)


def _effects(runs: list[Run]) -> str:
    lines = []
    for name, (key, without, with_it) in PARTS.items():
        accuracy = within_seeds(runs, key, without, with_it, "test_accuracy")
        loss = within_seeds(runs, key, without, with_it, "test_loss")
        assert accuracy is not None
        assert loss is not None
        lines.append([name, _percent(accuracy), _verdict(accuracy, 1), _plain(loss), _verdict(loss, -1)])
    return markdown(["part", "change of test accuracy, points", "it", "change of test loss", "it"], lines)


def _verdict(one: Estimate, better: int) -> str:
    """Whether the interval leaves zero out; `better` is the sign of what is better."""
    if one.half is None or abs(one.mean) <= one.half:
        return "no difference seen"
    return "helps" if one.mean * better > 0 else "harms"


def _percent(one: Estimate | None) -> str:
    assert one is not None
    return plus_minus(100 * one.mean, None if one.half is None else 100 * one.half, 2)


def _plain(one: Estimate) -> str:
    return plus_minus(one.mean, one.half, 3)
