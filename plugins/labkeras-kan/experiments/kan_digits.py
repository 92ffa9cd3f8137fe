"""Table of the study on digits: the accuracy with each kind of first layer."""

from studies import Run, groups, markdown, numbers

from labkeras.experiment.reports.estimates import estimate

COLUMNS = ["val_accuracy", "test_accuracy"]

_LAYER, _UNITS = "model.layers.h1", "model.layers.h1.units"


def tables(runs: list[Run]) -> list[str]:
    """The accuracy by layer, and how much higher it is than with the dense one, seed by seed."""
    by_layer = groups(runs, _LAYER)
    dense = {run["seed"]: float(run["test_accuracy"]) for run in by_layer[("dense",)] if run["state"] == "done"}
    lines = []
    for (layer,), of_layer in by_layer.items():
        gains = [float(run["test_accuracy"]) - dense[run["seed"]] for run in of_layer if run["state"] == "done"]
        units, seconds = of_layer[0][_UNITS], numbers(of_layer, "seconds")
        time = f"{sum(seconds) / len(seconds):.1f}"
        gain = "" if layer == "dense" else _interval(gains, "+")
        lines.append([layer, units, _interval(numbers(of_layer, "test_accuracy")), gain, time])
    return [markdown(["first layer", "units", "test accuracy, %", "more than dense, points", "seconds a run"], lines)]


def _interval(values: list[float], sign: str = "") -> str:
    """The mean with its interval, in hundredths."""
    found = estimate(values)
    assert found is not None
    assert found.half is not None
    return f"{100 * found.mean:{sign}.2f} ± {100 * found.half:.2f}"
