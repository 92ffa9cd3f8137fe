"""What is tried next: within bounds, nothing twice, better than chance where it learns."""

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from labkeras.experiment.sweeps.axes import Axis
from labkeras.experiment.sweeps.ledger import TrialRecord
from labkeras.experiment.sweeps.options import Objective, SweeperOptions
from labkeras.experiment.sweeps.samplers import Chooser, chosen_sampler, needs_study
from labkeras.experiment.sweeps.space import Space, point_key
from labkeras.experiment.sweeps.study import Study

LEARNING = ["tpe", "gp", "cmaes", "nsga2"]
SAMPLERS = ["random", "sobol", *LEARNING]
# A Gaussian process takes half a second for a point.
WITH_SLOW_GP = [pytest.param(name, marks=pytest.mark.slow) if name == "gp" else name for name in SAMPLERS]
MINIMISE = [Objective("loss", "min")]

BOWL = Space((Axis("x", "interval", low=-4.0, high=4.0), Axis("rate", "interval", low=1e-4, high=1.0, log=True)))
MIXED = Space(
    (
        Axis("optimizer", "choice", ("adam", "sgd")),
        Axis("units", "interval", low=1, high=9, is_integer=True),
        Axis("depth", "range", (1, 2, 3, 4)),
        Axis("momentum", "interval", low=0.0, high=1.0, condition=("optimizer", "sgd")),
    )
)
SMALL = Space(
    (Axis("a", "choice", ("x", "y", "z")), Axis("b", "choice", (1, 2, 4)), Axis("c", "choice", (True, False)))
)


def bowl(params: dict[str, Any]) -> float:
    return float(params["x"] - 1) ** 2 + (math.log10(params["rate"]) + 2) ** 2


class Search:
    """Asks and tells as the sweep does."""

    def __init__(
        self, space: Space, sampler: str, seed: int = 0, tried: list[TrialRecord] | None = None, **options: Any
    ):
        self.options = SweeperOptions(sampler=sampler, **options)  # type: ignore[arg-type]
        self.records = list(tried or [])
        self.study = None
        if needs_study(self.options):
            self.study = Study(space, self.options, MINIMISE, seed, len(self.records))
            for record in self.records:
                self.study.recall(record, {})
        self.chooser = Chooser(space, self.options, seed, self.records, self.study)

    def steps(self, count: int, function: Any) -> Iterator[TrialRecord]:
        for _ in range(count):
            chosen = self.chooser.next()
            if chosen is None:
                return
            params, trial = chosen
            record = TrialRecord(len(self.records), Path(), params, [], state="done", values=[function(params)])
            if trial is not None and self.study is not None:
                self.study.tell(trial, "done", record.values)
            self.records.append(record)
            yield record

    def run(self, count: int, function: Any = lambda params: 0.0) -> list[dict[str, Any]]:
        return [record.params for record in self.steps(count, function)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_point_lies_in_the_space_and_none_comes_twice(sampler: str) -> None:
    count = 14 if sampler == "gp" else 30
    points = Search(MIXED, sampler).run(count, lambda params: params["units"])
    assert len(points) == len({point_key(point) for point in points}) == count
    assert all(MIXED.contains(point) for point in points)
    assert {point["optimizer"] for point in points} == {"adam", "sgd"}
    assert all(isinstance(point["units"], int) for point in points)
    assert all(("momentum" in point) == (point["optimizer"] == "sgd") for point in points)


@pytest.mark.parametrize("sampler", ["grid", *WITH_SLOW_GP])
def test_a_small_space_is_tried_whole_and_then_ends(sampler: str) -> None:
    points = Search(SMALL, sampler).run(100, lambda params: params["b"])
    assert len(points) == SMALL.size() == 18
    assert {point_key(point) for point in points} == {point_key(point) for point in SMALL.points()}


def test_integers_of_an_interval_come_to_an_end_too() -> None:
    space = Space((Axis("n", "interval", low=1, high=5, is_integer=True),))
    for sampler in SAMPLERS:
        assert sorted(point["n"] for point in Search(space, sampler).run(100)) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("sampler", [name for name in WITH_SLOW_GP if name not in ("random", "sobol")])
def test_what_learns_does_better_than_its_first_draws(sampler: str) -> None:
    options = {"nsga2": {"population_size": 8}}.get(sampler, {})
    values = []
    for seed in range(3):
        search = Search(BOWL, sampler, seed, options=options)
        count = {"nsga2": 120, "gp": 20}.get(sampler, 40)
        found = [record.values[0] for record in search.steps(count, bowl) if record.values]
        values.append((sum(found[:10]) / 10, sum(found[-10:]) / 10, min(found)))
    if sampler != "nsga2":  # it changes a coordinate at random in half of its points, however good their parents are
        assert sum(late for _, late, _ in values) < 0.5 * sum(early for early, _, _ in values)
    assert sum(best for _, _, best in values) / 3 < 0.5


def test_sobol_is_more_even_than_chance() -> None:
    space = Space((Axis("x", "interval", low=0.0, high=1.0), Axis("y", "interval", low=0.0, high=1.0)))
    cells = {sampler: set() for sampler in ("sobol", "random")}
    for sampler, hit in cells.items():
        hit |= {(int(point["x"] * 8), int(point["y"] * 8)) for point in Search(space, sampler).run(64)}
    assert len(cells["sobol"]) == 64 > len(cells["random"])


@pytest.mark.parametrize("sampler", ["grid", "random", "sobol"])
def test_an_interrupted_search_makes_the_same_points_as_one_that_was_not(sampler: str) -> None:
    space = SMALL if sampler == "grid" else BOWL
    whole = Search(space, sampler).run(12)
    first = Search(space, sampler)
    first.run(5)
    again = Search(space, sampler, tried=first.records)
    assert [record.params for record in first.records] + again.run(7) == whole


@pytest.mark.parametrize("sampler", [name for name in WITH_SLOW_GP if name not in ("random", "sobol")])
def test_a_search_that_goes_on_repeats_nothing_and_remembers(sampler: str) -> None:
    first = Search(BOWL, sampler, options={"population_size": 8} if sampler == "nsga2" else {})
    first.run(20, bowl)
    again = Search(BOWL, sampler, tried=first.records, options=first.options.options)
    points = again.run(15, bowl)
    known = {point_key(record.params) for record in first.records}
    assert not known & {point_key(point) for point in points}
    early = [record.values[0] for record in first.records[:10] if record.values]
    late = [record.values[0] for record in again.records[20:] if record.values]
    assert sum(late) / len(late) < sum(early) / len(early)


def test_two_seeds_try_different_points() -> None:
    for sampler in SAMPLERS:
        assert Search(BOWL, sampler, 0).run(3) != Search(BOWL, sampler, 1).run(3)


def test_auto_is_the_grid_where_points_can_be_counted_out() -> None:
    assert (chosen_sampler("auto", SMALL), chosen_sampler("auto", BOWL)) == ("grid", "tpe")
    assert chosen_sampler("random", SMALL) == "random"


def test_several_objectives() -> None:
    objectives = [Objective("val_accuracy", "max"), Objective("parameters", "min")]
    for sampler in ("nsga2", "tpe", "gp", "random"):
        options = SweeperOptions(sampler=sampler)  # type: ignore[arg-type]
        study = Study(BOWL, options, objectives, 0)
        chooser = Chooser(BOWL, options, 0, [], study)
        for _ in range(15):
            chosen = chooser.next()
            assert chosen is not None
            params, trial = chosen
            assert trial is not None
            study.tell(trial, "done", [params["x"], params["rate"]])


@pytest.mark.parametrize(
    ("pruner", "pruning"),
    [("median", {"startup_trials": 2}), ("asha", {"reduction_factor": 2}), ("hyperband", {"reduction_factor": 2})],
)
def test_a_pruner_ends_what_is_clearly_worse(pruner: str, pruning: dict[str, Any]) -> None:
    options = SweeperOptions(sampler="grid", pruner=pruner, pruning=pruning)  # type: ignore[arg-type]
    space = Space((Axis("n", "range", tuple(range(90))),))
    study = Study(space, options, MINIMISE, 0, monitor_mode="min", epochs=8)
    lengths = []
    for params in space.points():
        trial = study.adopt(params)
        loss, epoch = 1.0 if params["n"] % 3 else 100.0, 0
        for epoch in range(8):
            trial.report(loss, epoch)
            if trial.should_prune():
                study.tell(trial, "pruned", None)
                break
        else:
            study.tell(trial, "done", [loss])
        lengths.append((loss, epoch + 1))
    bad = [epochs for loss, epochs in lengths if loss == 100.0]
    good = [epochs for loss, epochs in lengths if loss == 1.0]
    assert sum(bad[2:]) / len(bad[2:]) < 0.7 * sum(good[2:]) / len(good[2:])


def test_a_monitored_value_that_goes_the_other_way_is_turned_round() -> None:
    options = SweeperOptions(sampler="grid", pruner="median", pruning={"startup_trials": 1})
    space = Space((Axis("n", "range", (1, 2, 3, 4)),))
    study = Study(space, options, [Objective("test_accuracy", "max")], 0, monitor_mode="min")
    trials = [study.adopt({"n": n}) for n in (1, 2, 3, 4)]
    for trial, loss in zip(trials[:2], (1.0, 2.0), strict=True):
        trial.report(loss, 0)
        study.tell(trial, "done", [0.9])
    trials[2].report(0.5, 0)
    trials[3].report(9.0, 0)
    assert (trials[2].should_prune(), trials[3].should_prune()) == (False, True)


def test_pruners_go_on_with_what_they_knew() -> None:
    options = SweeperOptions(sampler="grid", pruner="asha", pruning={"reduction_factor": 2})
    space = Space((Axis("n", "range", tuple(range(10))),))
    study = Study(space, options, MINIMISE, 0, monitor_mode="min", epochs=4)
    record = TrialRecord(0, Path(), {"n": 0}, [], state="done", values=[0.1])
    for n in range(4):
        study.recall(replace(record, number=n, params={"n": n}), dict.fromkeys(range(4), 0.1))
    trial = study.adopt({"n": 9})
    trial.report(5.0, 0)
    assert trial.should_prune()
