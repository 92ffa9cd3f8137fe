"""What `sweeper` may hold: every fault is named, each file of conf/sweeper has all keys."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from labkeras.experiment.config.folders import shipped_conf
from labkeras.experiment.config.safe_yaml import read_yaml
from labkeras.experiment.sweeps.options import SAMPLER_OPTIONS, Pruning, SweeperOptions, check_sweeper, sweeper_options

FILES = sorted((shipped_conf() / "sweeper").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_file_has_every_key_and_nothing_is_wrong_with_it(path: Path) -> None:
    values = read_yaml(path)
    assert values["sampler"] == path.stem
    assert set(values) == {one.name for one in fields(SweeperOptions)}
    assert set(values["pruning"]) == {one.name for one in fields(Pruning)}
    assert set(values["options"]) == set(SAMPLER_OPTIONS[path.stem])
    assert check_sweeper(values) == []
    assert sweeper_options(values).pruner == "none"


def test_there_is_a_file_for_each_sampler() -> None:
    assert {path.stem for path in FILES} == set(SAMPLER_OPTIONS)


def test_defaults_of_files_and_code_are_the_same() -> None:
    ours, auto = SweeperOptions(), read_yaml(shipped_conf() / "sweeper" / "auto.yaml")
    assert {key: value for key, value in auto.items() if key != "pruning"} == {
        one.name: getattr(ours, one.name) for one in fields(ours) if one.name != "pruning"
    }
    assert Pruning(**auto["pruning"]) == Pruning()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sampler": "tpee"}, "Did you mean 'tpe'?"),
        ({"trialss": 3}, "sweeper.trialss=3: the sweeper has no argument 'trialss'. Did you mean 'trials'?"),
        ({"trials": 0}, "sweeper.trials=0: expected an integer of at least 1"),
        ({"trials": "many"}, "sweeper.trials='many': expected an integer"),
        ({"wall_time": -1}, "sweeper.wall_time=-1"),
        ({"pruner": "asha2"}, "Did you mean 'asha'?"),
        ({"pruning": {"min_resourc": 1}}, "Did you mean 'min_resource' or 'max_resource'?"),
        ({"pruning": {"reduction_factor": 1}}, "sweeper.pruning.reduction_factor=1: expected an integer of at least 2"),
        ({"sampler": "tpe", "options": {"popsize": 3}}, "the sampler 'tpe' has no argument 'popsize'"),
        ({"sampler": "cmaes", "options": {"sigma0": 0}}, "sweeper.options.sigma0=0"),
        ({"on_failure": "panic"}, "expected 'continue' or 'stop'"),
        ({"retries": 1.5}, "sweeper.retries=1.5: expected an integer"),
        ({"objectives": []}, "expected at least one, or null"),
        (
            {"objectives": [{"monitor": "a"}]},
            "sweeper.objectives[0]={'monitor': 'a'}: expected {monitor: …, mode: max}",
        ),
        ({"objectives": [{"monitor": 3, "mode": "max"}]}, "sweeper.objectives[0].monitor=3: expected the name"),
        ({"when": {"optimizer": ["sgd"]}}, "expected a mapping from values of optimizer to spaces"),
        ({"when": {"optimizer": {"sgd": 3}}}, "sweeper.when.optimizer.sgd=3: expected a mapping from keys"),
        ({"params": ["seed"]}, "sweeper.params=['seed']: expected a mapping"),
        ("tpe", "choose an option of the group, as in `sweeper=tpe`"),
    ],
)
def test_what_is_wrong_is_named(values: Any, words: str) -> None:
    faults = check_sweeper(values)
    assert len(faults) == 1
    assert words in faults[0]


def test_all_faults_are_named_at_once() -> None:
    two = [{"monitor": "a", "mode": "max"}, {"monitor": "b", "mode": "min"}]
    values = {"objectives": two, "patience": 3, "target": 0.5, "pruner": "asha", "sampler": "cmaes", "trials": -1}
    assert len(check_sweeper(values)) == 5


def test_spaces_are_no_components() -> None:
    spaces = {"params": {"optimizer": "adam,sgd", "loss": "mse,mae"}, "when": {"optimizer": {"sgd": {"seed": "1,2"}}}}
    assert check_sweeper(spaces) == []
