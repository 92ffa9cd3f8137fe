"""Tables of the study on digits: the accuracy by how far SAM climbs, with right labels and with wrong ones."""

from studies import Run, groups, markdown, numbers

from labkeras.experiment.reports.estimates import estimate

COLUMNS = ["val_accuracy", "test_accuracy", "test_loss"]

_NOISE, _ADAPTIVE, _RHO = "data.noise", "optimizer.adaptive", "optimizer.rho"


def tables(runs: list[Run]) -> list[str]:
    """The accuracy of each setting, and how much higher it is than Adam's alone, seed by seed; for each noise."""
    by_noise = groups(runs, _NOISE)
    (right,), (wrong,) = by_noise
    gains = {noise: _alone(of_noise) for (noise,), of_noise in by_noise.items()}
    lines = []
    for adaptive, rho in groups(runs, _ADAPTIVE, _RHO):
        cells = [_name(adaptive, rho), rho if float(rho) else ""]
        for noise in (right, wrong):
            some = [run for run in by_noise[(noise,)] if (run[_ADAPTIVE], run[_RHO]) == (adaptive, rho)]
            cells.append(_interval(numbers(some, "test_accuracy")))
            differences = [float(run["test_accuracy"]) - gains[noise][run["seed"]] for run in some]
            cells.append(_interval(differences, "+") if float(rho) else "")
        lines.append(cells)
    head = ["optimizer", "rho", "right labels, %", "more than Adam", f"{float(wrong):.0%} wrong labels, %"]
    return [markdown([*head, "more than Adam"], lines)]


def _alone(runs: list[Run]) -> dict[str, float]:
    """Seed → the accuracy of the inner optimizer by itself."""
    return {run["seed"]: float(run["test_accuracy"]) for run in runs if not float(run[_RHO])}


def _name(adaptive: str, rho: str) -> str:
    if not float(rho):
        return "Adam"
    return "ASAM" if adaptive.lower() == "true" else "SAM"


def _interval(values: list[float], sign: str = "") -> str:
    """The mean with its interval, in hundredths."""
    found = estimate(values)
    assert found is not None
    assert found.half is not None
    return f"{100 * found.mean:{sign}.1f} ± {100 * found.half:.1f}"
