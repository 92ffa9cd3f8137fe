"""Table of the study on digits that are read pixel by pixel: the accuracy of each layer, at the rate that suits it."""

import math

from studies import Run, groups, markdown, numbers

from labkeras.experiment.reports.estimates import Estimate, estimate, p_value

COLUMNS = ["val_accuracy", "test_accuracy"]

_LAYER, _RATE = "model.layers.reader", "optimizer.learning_rate"


def tables(runs: list[Run]) -> list[str]:
    """The accuracy by layer, and which are told from the best."""
    chosen = {layer: _of_best_rate(some) for (layer,), some in groups(runs, _LAYER).items()}
    found = {layer: _estimate(some) for layer, some in chosen.items()}
    best = max(found, key=lambda layer: found[layer].mean)
    lines = []
    for layer, some in chosen.items():
        one = found[layer]
        half = 0.0 if one.half is None else one.half
        chance = None if layer == best else p_value(found[best], one)
        verdict = "best" if layer == best else "no" if chance is None or chance >= 0.05 else "yes"
        seconds = numbers(some, "seconds")
        lines.append(
            [layer, some[0][_RATE], f"{one.mean:.2f} ± {half:.2f}", verdict, f"{math.fsum(seconds) / len(seconds):.0f}"]
        )
    return [markdown(["layer", "learning rate", "test accuracy, %", "told from the best", "seconds a run"], lines)]


def _of_best_rate(runs: list[Run]) -> list[Run]:
    """The runs of the learning rate with the highest accuracy on the validation samples."""
    rates = groups(runs, _RATE).values()
    return max(rates, key=lambda some: math.fsum(numbers(some, "val_accuracy")) / len(some))


def _estimate(runs: list[Run]) -> Estimate:
    found = estimate([100 * value for value in numbers(runs, "test_accuracy")])
    assert found is not None
    return found
