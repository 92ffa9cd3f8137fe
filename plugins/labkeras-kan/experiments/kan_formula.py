"""Tables of the study on a formula: the error of each model at each size, with the learning rate that suits it."""

import math

from studies import Run, groups, markdown, numbers

from labkeras.experiment.reports.estimates import Estimate, estimate, p_value
from labkeras.experiment.reports.texts import number

COLUMNS = ["val_loss", "test_loss"]

_SIZE = {"kan": "model.layers.h1.grid_size", "formula_mlp": "model.layers.h1.units"}
_RATE = "optimizer.learning_rate.initial_learning_rate"


def weights(model: str, size: int) -> int:
    """The number of trained values: 15 edges with a factor and `size` + 3 coefficients each; or three dense layers."""
    return 15 * (size + 4) if model == "kan" else size**2 + 5 * size + 1


def tables(runs: list[Run]) -> list[str]:
    """The error by model and size."""
    chosen = {model: _best_of_sizes(runs, model) for model in _SIZE}
    lines = []
    for place in range(3):
        (kan, kan_runs), (mlp, mlp_runs) = (chosen[model][place] for model in _SIZE)
        errors = _errors(kan_runs), _errors(mlp_runs)
        chance = p_value(*errors)
        sizes = f"{weights('kan', kan)}, {weights('formula_mlp', mlp)}"
        rates = f"{kan_runs[0][_RATE]}, {mlp_runs[0][_RATE]}"
        verdict = "not told apart" if chance is None or chance >= 0.05 else "yes"
        lines.append([sizes, rates, *map(_interval, errors), verdict])
    return [
        markdown(["weights (KAN, MLP)", "learning rates", "test RMSE, KAN", "test RMSE, MLP", "told apart"], lines),
    ]


def _best_of_sizes(runs: list[Run], model: str) -> list[tuple[int, list[Run]]]:
    """For each size the runs of the learning rate with the least error on the validation samples."""
    found = []
    for (size,), of_size in groups([run for run in runs if run["model"] == model], _SIZE[model]).items():
        rates = groups(of_size, _RATE).values()
        best = min(rates, key=lambda some: sum(math.log(loss) for loss in numbers(some, "val_loss")) / len(some))
        found.append((int(size), best))
    return found


def _errors(runs: list[Run]) -> Estimate:
    """Errors differ by factors, so that their logarithms are what is averaged."""
    found = estimate([math.log10(loss) / 2 for loss in numbers(runs, "test_loss")])
    assert found is not None
    return found


def _interval(one: Estimate) -> str:
    """The geometric mean with the interval's ends."""
    if one.half is None:
        return number(10**one.mean, 2)
    low, high = (number(10 ** (one.mean + sign * one.half), 2) for sign in (-1, 1))
    return f"{number(10**one.mean, 2)} ({low} to {high})"
