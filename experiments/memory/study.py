"""Tables of the study on memory: error by model and length, who is best, and how soon they learned."""

import math
from collections.abc import Callable
from typing import Any

from studies import Run, groups, markdown, numbers

from labkeras.experiment.reports.estimates import Estimate, estimate, p_value
from labkeras.experiment.reports.texts import number

COLUMNS = ["val_loss", "test_loss", "learned_in"]

BASELINE = 1 / 6
"""The mean squared error of who answers 1 whatever the sequence is."""

LEARNED = BASELINE / 10
"""Who has a lower error has learned to add the two."""


def measured(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    """The first epoch after which the error on new sequences was low enough."""
    return {"learned_in": next((row["epoch"] for row in epochs if row["val_loss"] < LEARNED), "never")}


def tables(runs: list[Run]) -> list[str]:
    """The error of each model at each length; for each length, who is best; how soon each learned."""
    return [_by_length(runs, _error), _comparison(runs), _by_length(runs, _epochs)]


def _by_length(runs: list[Run], cell: Callable[[list[Run]], str]) -> str:
    lengths = list(dict.fromkeys(run["data.length"] for run in runs))
    lines = []
    for (model,), of_model in groups(runs, "model").items():
        by_length = groups(of_model, "data.length")
        lines.append([model, *(cell(by_length[(length,)]) for length in lengths)])
    return markdown(["model", *(f"{length} steps" for length in lengths)], lines)


def _error(runs: list[Run]) -> str:
    errors = numbers(runs, "test_loss")
    learned = f"{sum(error < LEARNED for error in errors)} of {len(runs)}"
    return f"{_interval(_of_logarithms(runs))}, {learned}" if errors else learned


def _epochs(runs: list[Run]) -> str:
    return ", ".join(run["learned_in"] or "failed" for run in runs)


def _comparison(runs: list[Run]) -> str:
    lines = []
    for (length,), of_length in groups(runs, "data.length").items():
        done = groups([run for run in of_length if run["state"] == "done"], "model")
        models = {model: _of_logarithms(some) for (model,), some in done.items()}
        best = min(models, key=lambda model: models[model].mean)
        others = {model: p_value(models[best], one) for model, one in models.items() if model != best}
        tied = [model for model, chance in others.items() if chance is None or chance >= 0.05]
        worse = [model for model in others if model not in tied]
        lines.append([length, best, ", ".join(tied) or "none", ", ".join(worse) or "none"])
    return markdown(["steps", "lowest error", "not told from it", "worse"], lines)


def _of_logarithms(runs: list[Run]) -> Estimate:
    """Errors differ by factors, so that their logarithms are what is averaged."""
    found = estimate([math.log10(error) for error in numbers(runs, "test_loss")])
    assert found is not None
    return found


def _interval(one: Estimate) -> str:
    """The geometric mean with the interval's ends."""
    if one.half is None:
        return number(10**one.mean, 2)
    low, high = (number(10 ** (one.mean + sign * one.half), 2) for sign in (-1, 1))
    return f"{number(10**one.mean, 2)} ({low} to {high})"
