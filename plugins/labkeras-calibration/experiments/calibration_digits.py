"""Tables of the study on digits: calibration and accuracy by the loss's focus and temperature."""

from studies import Run, groups, markdown, numbers

from labkeras.experiment.reports.estimates import estimate

COLUMNS = [
    "val_expected_calibration_error",
    *(f"test_{name}" for name in ("expected_calibration_error", "brier_score")),
]
COLUMNS += ["test_accuracy", "test_loss"]

_ROWS, _GAMMA, _TEMPERATURE = "data.rows", "loss.gamma", "loss.temperature"
_ERROR, _BRIER, _ACCURACY = "test_expected_calibration_error", "test_brier_score", "test_accuracy"


def tables(runs: list[Run]) -> list[str]:
    """Each setting, and how much higher its calibration error is than that of the cross-entropy, seed by seed."""
    lines = []
    for (rows,), of_rows in groups(runs, _ROWS).items():
        plain = {run["seed"]: float(run[_ERROR]) for run in of_rows if _is_plain(run) and run["state"] == "done"}
        for (temperature, gamma), some in groups(of_rows, _TEMPERATURE, _GAMMA).items():
            changes = [float(run[_ERROR]) - plain[run["seed"]] for run in some if run["state"] == "done"]
            change = "" if _is_plain(some[0]) else _interval(changes, "+")
            measured = [_interval(numbers(some, name)) for name in (_ERROR, _BRIER, _ACCURACY)]
            lines.append([str(int(rows) * 4 // 5), temperature, gamma, measured[0], change, *measured[1:]])
    head = [
        "digits",
        "temperature",
        "gamma",
        "calibration error, %",
        "more than the cross-entropy",
        "Brier score, %",
        "accuracy, %",
    ]
    return [markdown(head, lines)]


def _is_plain(run: Run) -> bool:
    return (float(run[_GAMMA]), float(run[_TEMPERATURE])) == (0, 1)


def _interval(values: list[float], sign: str = "") -> str:
    """The mean with its interval, in hundredths."""
    found = estimate(values)
    assert found is not None
    assert found.half is not None
    return f"{100 * found.mean:{sign}.1f} ± {100 * found.half:.1f}"
