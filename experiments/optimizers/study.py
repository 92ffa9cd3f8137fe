"""Tables of the study on optimizers: accuracy at each learning rate, who is best tuned, who forgives most."""

from studies import Run, groups, markdown, numbers

from labkeras.experiment.reports.estimates import Estimate, estimate, p_value
from labkeras.experiment.reports.texts import plus_minus

COLUMNS = ["val_accuracy", "test_accuracy", "test_loss"]

FORGIVEN = {"one point": 0.01, "five points": 0.05}
"""A rate is forgiven that costs no more test accuracy than this beside the optimizer's highest."""


def tables(runs: list[Run]) -> list[str]:
    """The test accuracy at each learning rate; each optimizer at its best rate, and how many others do as well."""
    return [_grid(runs), _tuned(runs)]


def _grid(runs: list[Run]) -> str:
    names = list(dict.fromkeys(run["optimizer"] for run in runs))
    lines = []
    for (rate,), of_rate in groups(runs, "optimizer.learning_rate").items():
        by_name = groups(of_rate, "optimizer")
        lines.append([rate, *(_cell(by_name[(name,)]) for name in names)])
    return markdown(["learning rate", *names], lines)


def _cell(runs: list[Run]) -> str:
    failed = sum(run["state"] != "done" for run in runs)
    if failed:
        return f"{failed} of {len(runs)} ended early"
    return _percent(_of(runs, "test_accuracy"))


def _tuned(runs: list[Run]) -> str:
    tuned = {name: _best_rate(some) for (name,), some in groups(runs, "optimizer").items()}
    found = {name: _of(of_rate, "test_accuracy") for name, of_rate in tuned.items()}
    best = max(found, key=lambda name: found[name].mean)
    lines = []
    for name, one in found.items():
        chance = None if name == best else p_value(found[best], one)
        beside = (
            "the highest" if name == best else "lower" if chance is not None and chance < 0.05 else "no difference seen"
        )
        own = [run for run in runs if run["optimizer"] == name]
        spans = [f"{rates[0]} to {rates[-1]}" for rates in (_forgiven(own, loss) for loss in FORGIVEN.values())]
        lines.append([name, tuned[name][0]["optimizer.learning_rate"], _percent(one), beside, *spans])
    columns = [f"within {words} of its highest" for words in FORGIVEN]
    return markdown(["optimizer", "best rate", "test accuracy, %", "beside the highest", *columns], lines)


def _best_rate(runs: list[Run]) -> list[Run]:
    """The runs at the rate with the highest validation accuracy, of those at which all runs came to their end."""
    by_rate = [some for some in groups(runs, "optimizer.learning_rate").values() if _is_whole(some)]
    return max(by_rate, key=lambda some: _of(some, "val_accuracy").mean)


def _forgiven(runs: list[Run], loss: float) -> list[str]:
    """The rates without a gap around that of the highest accuracy, at which it is lower by no more than `loss`."""
    means = {
        rate: _of(some, "test_accuracy").mean if _is_whole(some) else 0.0
        for (rate,), some in groups(runs, "optimizer.learning_rate").items()
    }
    rates, top = list(means), max(means.values())
    first = last = rates.index(max(means, key=lambda rate: means[rate]))
    while first > 0 and means[rates[first - 1]] >= top - loss:
        first -= 1
    while last + 1 < len(rates) and means[rates[last + 1]] >= top - loss:
        last += 1
    return rates[first : last + 1]


def _is_whole(runs: list[Run]) -> bool:
    return all(run["state"] == "done" for run in runs)


def _of(runs: list[Run], metric: str) -> Estimate:
    found = estimate(numbers(runs, metric))
    assert found is not None
    return found


def _percent(one: Estimate) -> str:
    return plus_minus(100 * one.mean, None if one.half is None else 100 * one.half, 2)
