"""What a study makes of a ledger."""

from pathlib import Path

import pytest

from labkeras.experiment.reports.differences import differences
from labkeras.experiment.reports.findings import advice, failure_classes, spent
from labkeras.experiment.reports.study import Study, study_of
from labkeras.experiment.sweeps.ledger import read_ledger
from tests.helpers.sweeps_by_hand import LEARNING_RATE, OPTIMIZER, trial, write_sweep

RATE = "optimizer.learning_rate"


def study(folder: Path, *args: object, **kwargs: object) -> Study:
    return study_of(read_ledger(write_sweep(folder, *args, **kwargs)))  # type: ignore[arg-type]  # passed on


def test_only_what_differs_is_a_parameter_and_the_seed_is_the_last(tmp_path: Path) -> None:
    points = [{"seed": seed, "fit.epochs": 3, RATE: rate} for rate in (0.1, 0.01) for seed in (0, 1)]
    found = study(tmp_path, [trial(point, 0.9) for point in points])
    assert [one.key for one in found.parameters] == [RATE, "seed"]
    assert [one.label for one in found.shown] == ["learning_rate"]


def test_labels_are_as_long_as_they_must_be(tmp_path: Path) -> None:
    points = [{"model.h1.units": n, "model.h2.units": 2 * n, "rate": n} for n in (1, 2)]
    found = study(tmp_path, [trial(point, 0.9) for point in points])
    assert [one.label for one in found.parameters] == ["h1.units", "h2.units", "rate"]


def test_a_parameter_that_some_trials_lack_differs(tmp_path: Path) -> None:
    trials = [trial({"optimizer": "sgd", "momentum": 0.9}, 0.9), trial({"optimizer": "adam"}, 0.8)]
    found = study(tmp_path, trials, [OPTIMIZER])
    assert [one.key for one in found.parameters] == ["optimizer", "momentum"]
    assert found.rows[1].params == {"optimizer": "adam"}


def test_rows_are_means_over_seeds_and_say_which_cannot_be_told_from_the_best(tmp_path: Path) -> None:
    values = {"adam": (0.97, 0.98, 0.975), "sgd": (0.96, 0.985, 0.97), "rmsprop": (0.90, 0.901, 0.899)}
    trials = [trial({"optimizer": name, "seed": s}, v) for name, found in values.items() for s, v in enumerate(found)]
    rows = study(tmp_path, trials).rows
    assert [row.params["optimizer"] for row in rows] == ["adam", "sgd", "rmsprop"]
    assert [row.rank for row in rows] == [1, 2, 3]
    assert rows[0].estimates[0].mean == pytest.approx(0.975)
    assert rows[0].estimates[0].half == pytest.approx(4.302653 * 0.005 / 3**0.5, abs=1e-6)
    assert [row.tied for row in rows] == [True, True, False]


def test_less_is_better_where_less_is_sought(tmp_path: Path) -> None:
    trials = [trial({RATE: 0.1}, 2.0), trial({RATE: 0.2}, 1.0), trial({RATE: 0.3}, None)]
    found = study(tmp_path, trials, objectives=[{"monitor": "val_loss", "mode": "min"}])
    assert [row.rank for row in found.rows] == [1, 2, None]
    assert found.best is not None
    assert found.best.params == {RATE: 0.2}
    assert found.best.tied is None


def test_several_objectives_have_a_pareto_front(tmp_path: Path) -> None:
    points = [(0.9, 100), (0.95, 200), (0.94, 300), (0.85, 50), (0.95, 250)]
    objectives = [{"monitor": "val_accuracy", "mode": "max"}, {"monitor": "parameters", "mode": "min"}]
    trials = [trial({"units": n}, *values) for n, values in enumerate(points)]
    found = study(tmp_path, trials, objectives=objectives)
    assert {row.first.number: row.rank for row in found.rows} == {0: 1, 1: 1, 3: 1, 4: 2, 2: 3}
    assert [row.first.number for row in found.front] == [1, 0, 3]  # by the first objective


def test_rows_without_values_come_last_and_failures_after_all(tmp_path: Path) -> None:
    states = ["failed", "pruned", "running", "waiting", "done"]
    trials = [trial({RATE: 0.1 * n}, *([0.9] if s == "done" else []), state=s) for n, s in enumerate(states)]
    found = study(tmp_path, trials)
    assert [row.state for row in found.rows] == ["done", "pruned", "running", "waiting", "failed"]


def test_failures_are_put_together_with_what_they_share(tmp_path: Path) -> None:
    failure = {"kind": "out_of_memory", "error": "OutOfMemoryError: 3 GiB\nand more lines"}
    trials = [trial({"optimizer": "adam", "batch": 512}, state="failed", failure=failure) for _ in range(2)]
    trials += [trial({"optimizer": "adam", "batch": 32}, 0.9), trial({"optimizer": "sgd", "batch": 64}, state="killed")]
    first, second = failure_classes(study(tmp_path, trials))
    assert (first.kind, first.error, len(first.trials)) == ("out_of_memory", "OutOfMemoryError: 3 GiB", 2)
    assert first.shared == {"batch": 512}  # adam is not to blame: a trial that is done had it too
    assert (second.kind, second.error) == ("killed", "")


def test_the_ends_of_the_space_are_named_if_the_best_lies_there(tmp_path: Path) -> None:
    trials = [trial({RATE: rate}, accuracy) for rate, accuracy in ((0.001, 0.8), (0.01, 0.85), (0.1, 0.9), (0.9, 0.95))]
    found = advice(study(tmp_path, trials, [{**LEARNING_RATE, "high": 0.95}]))
    assert found[0].startswith(
        "Widen optimizer.learning_rate upward: the best (0.9) lies at the upper end of 0.0001 … 0.95"
    )
    assert "add seed=0,1,2" in found[1]


@pytest.mark.parametrize(
    ("values", "goal"),
    [([32, 64, 128], "256"), ([0.001, 0.01, 0.1], "1"), ([20, 30, 40], "50"), ([0.2, 0.3, 0.4], "0.5")],
)
def test_a_list_is_widened_by_one_more_step(tmp_path: Path, values: list[float], goal: str) -> None:
    trials = [trial({"x": x, "seed": seed}, 0.1 * n) for seed in (0, 1) for n, x in enumerate(values)]
    found = advice(study(tmp_path, trials, [{"key": "x", "kind": "choice", "values": values}]))
    assert found == [
        f"Widen x upward: the best ({values[-1]}) lies at the upper end of {values[0]} … {values[-1]}; "
        f"try as far as {goal}."
    ]


def test_no_end_is_named_in_the_middle_or_where_nothing_lies_beyond(tmp_path: Path) -> None:
    space = [LEARNING_RATE, {"key": "rate", "kind": "interval", "low": 0.0, "high": 0.5}]
    trials = [trial({RATE: 0.01 * (n + 1), "rate": 0.0 + 0.1 * n}, 0.9 - 0.1 * n) for n in range(4)]
    assert not [one for one in advice(study(tmp_path, trials, space)) if "Widen" in one]


def test_what_pruning_saved_is_the_epochs_that_were_not_trained(tmp_path: Path) -> None:
    trials = [trial({RATE: 0.1}, 0.9, epochs=10, seconds=20.0), trial({RATE: 0.2}, 0.8, epochs=10, seconds=20.0)]
    trials.append(trial({RATE: 0.3}, state="pruned", epochs=2, seconds=5.0))
    found = spent(study(tmp_path, trials))
    assert found.saved == pytest.approx((10 - 2) * 5.0 / 2)
    assert found.seconds == pytest.approx(45.0)


def test_differences_in_what_trials_were_made_with_are_found(tmp_path: Path) -> None:
    records = [
        {"git": {"commit": "aaa"}, "packages": {"torch": version, "numpy": "2"}} for version in ("2.10", "2.13", "2.13")
    ]
    found = differences(study(tmp_path, [trial({RATE: n}, 0.9, record=record) for n, record in enumerate(records)]))
    assert [(one.what, one.groups) for one in found] == [("package torch", {"2.10": [0], "2.13": [1, 2]})]
