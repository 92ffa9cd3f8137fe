"""Table of the study on two numbers that are far apart: the error of each layer, at the rate that suits it."""

import math
from typing import Any

from studies import Run, groups, markdown, numbers

from labkeras.experiment.reports.estimates import Estimate, estimate
from labkeras.experiment.reports.texts import number

COLUMNS = ["val_loss", "test_loss", "learned_in"]

_LAYER, _RATE = "model.layers.reader", "optimizer.learning_rate"

LEARNED = 1 / 60
"""A tenth of the error of who answers 1 whatever the sequence is: who is below has learned to add the two."""


def measured(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    """The first epoch after which the error on new sequences was low enough."""
    return {"learned_in": next((row["epoch"] for row in epochs if row["val_loss"] < LEARNED), "never")}


def tables(runs: list[Run]) -> list[str]:
    """The error by layer, and how soon each learned."""
    lines = []
    for (layer,), of_layer in groups(runs, _LAYER).items():
        some = _of_best_rate(of_layer)
        seconds = numbers(some, "seconds")
        learned = ", ".join(run["learned_in"] or "failed" for run in some)
        time = f"{math.fsum(seconds) / len(seconds):.0f}"
        lines.append([layer, some[0][_RATE], _interval(_estimate(some)), learned, time])
    return [markdown(["layer", "learning rate", "test error", "epochs until learned", "seconds a run"], lines)]


def _of_best_rate(runs: list[Run]) -> list[Run]:
    """The runs of the learning rate with the least error on the validation sequences."""
    rates = groups(runs, _RATE).values()
    return min(rates, key=lambda some: math.fsum(math.log(loss) for loss in numbers(some, "val_loss")) / len(some))


def _estimate(runs: list[Run]) -> Estimate:
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
