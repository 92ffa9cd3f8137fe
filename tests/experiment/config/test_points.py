"""The trials of a sweep are composed as Hydra composes each alone, and validated before the first one starts."""

import random
import time
from itertools import product
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import DictConfig, OmegaConf, open_dict

from labkeras.errors import ConfigError
from labkeras.experiment.config.composition import examine
from labkeras.experiment.config.hydra_session import initialized, with_name
from labkeras.experiment.config.points import Composer, validate_points
from labkeras.experiment.config.refusals import REFUSALS
from labkeras.experiment.config.resolving import referred_keys
from labkeras.experiment.config.validation import Validator

OPTIONS = {
    "experiment": ["digits_mlp", "digits_cnn"],
    "model": ["mlp", "cnn", "residual_cnn"],
    "optimizer": ["adam", "sgd", "rmsprop", "admm"],
    "loss": ["sparse_categorical_crossentropy", "mse"],
    "metrics": ["accuracy", "[accuracy,auc]", "none"],
    "callbacks": ["best_model", "[best_model,early_stopping]"],
    "logger": ["none", "tensorboard"],
    "trainer": ["cpu", "auto"],
}
VALUES = {
    "optimizer.learning_rate": ["0.1", "1e-3", "fast", "null", "{schedule: cosine_decay, decay_steps: 10}"],
    "optimizer.momentum": ["0.9"],
    "model.layers.h1.units": ["8", "16", "${seed}", "abc"],
    "model.layers.h1.activation": ["relu", "null", "'a string'"],
    "model.layers.h1.layer": ["dropout"],
    "+model.layers.more": ["{layer: dense, units: 5, after: h1}"],
    "~model.layers.drop": [""],
    "~model.layers.h2": [""],
    "+width": ["3"],
    "++seed": ["7"],
    "seed": ["1", "null", "${fit.epochs}"],
    "monitor": ["val_loss", "${mode}"],
    "mode": ["max"],
    "name": ["mine", "null"],
    "fit.epochs": ["1", "2"],
    "fit.epoch": ["1"],
    "fit": ["{epochs: 3}"],
    "fit.class_weight": ["{0: 1.0, 1: 2.0}"],
    "callbacks.best_model.monitor": ["loss"],
    "trainer.devices": ["[0, 1]", "1"],
    "model.input.shape": ["[8, 8, 1]", "[8, '???']", "[8, '${seed}']", "[]"],
    "a=b": ["c"],
}


def random_overrides(generator: random.Random, count: int) -> list[str]:
    lines = []
    for key in generator.sample([*OPTIONS, *VALUES], count):
        value = generator.choice((OPTIONS | VALUES)[key])
        lines.append(key if key.startswith("~") else f"{key}={value}")
    return lines


def fresh(lines: list[str]) -> DictConfig | None:
    """What Hydra makes of some overrides from scratch; None if it refuses them."""
    try:
        with initialized(None):
            config = hydra.compose("train", lines, return_hydra_config=True)
    except REFUSALS:
        return None
    experiment = config.hydra.runtime.choices.get("experiment")
    with open_dict(config):
        del config["hydra"]
    return with_name(experiment, config)


def written(config: DictConfig | None) -> Any:
    """Everything there is to a config, the order of its keys included."""
    return None if config is None else (OmegaConf.to_yaml(config), OmegaConf.is_struct(config), config)


def check_like_fresh(seed: int, trials: int) -> None:
    generator = random.Random(seed)
    base = random_overrides(generator, generator.randrange(4))
    composer = Composer(base)
    for _ in range(trials):
        own = random_overrides(generator, generator.randrange(5))
        config = fresh([*base, *own])
        same, refused = composer.examine(own)
        assert (refused == []) == (config is not None), (base, own)
        if config is not None:
            assert written(same) == written(config), (base, own)
            wanted, faults = Validator().examine(config)
            values, variables, refused = composer.values(own)
            assert values == wanted, (base, own)
            assert variables == referred_keys(config), (base, own)
            assert {*refused, *Validator().faults(values, variables)} == set(faults), (base, own)


@pytest.mark.parametrize("seed", range(4))
def test_a_composer_makes_what_hydra_makes_from_scratch(seed: int) -> None:
    check_like_fresh(seed, trials=8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 130))
def test_a_composer_makes_what_hydra_makes_from_scratch_hundreds_of_times(seed: int) -> None:
    check_like_fresh(seed, trials=10)


def test_what_is_composed_is_nobody_else_s() -> None:
    composer = Composer(["experiment=digits_mlp"])
    first = composer.compose(["seed=3"])
    first.model.layers.h1.units = 1
    assert composer.compose(["seed=3"]).model.layers.h1.units == 128


def test_a_composer_names_what_does_not_fit() -> None:
    composer = Composer(["experiment=digits_mlp"])
    with pytest.raises(ConfigError, match="Did you mean 'learning_rate'") as caught:
        composer.compose(["optimizer.lerning_rate=1", "optimizer=admm"])
    assert len(caught.value.faults) == 2


def test_a_composer_reads_files_once(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    file = tmp_path / "model" / "own.yaml"
    file.write_text("kind: sequential\nlayers: {out: {layer: dense, units: 1}}\n")
    composer = Composer(["model=own"], config_dir=str(tmp_path))
    assert composer.compose().model.layers.out.units == 1
    file.write_text("kind: sequential\nlayers: {out: {layer: dense, units: 2}}\n")
    assert composer.compose(["seed=1"]).model.layers.out.units == 1


def test_a_fault_of_every_point_is_said_once() -> None:
    faults = validate_points(["experiment=digits_mlp", "fit.epochs=0"], [["seed=1"], ["seed=2"]])
    assert len(faults) == 1
    assert faults[0].startswith("fit.epochs=0: expected an integer of at least 1")


def test_a_fault_of_some_points_names_the_first() -> None:
    points = [[f"model.layers.h1.units={units}", f"seed={seed}"] for units in (8, -1) for seed in (1, 2)]
    faults = validate_points(["experiment=digits_mlp"], points)
    assert len(faults) == 1
    assert faults[0].startswith("model.layers.h1")
    assert faults[0].endswith("[on the command line] (in 2 of 4 trials, the first: model.layers.h1.units=-1 seed=1)")


def test_very_many_faults_are_counted() -> None:
    faults = validate_points(["experiment=digits_mlp"], [[f"fit.epochs={-number}"] for number in range(50)])
    assert len(faults) == 21
    assert faults[-1] == "and 30 more faults of other trials"


def test_a_sweep_over_nothing_is_a_fault() -> None:
    assert "no trials" in validate_points(["experiment=digits_mlp"], [])[0]


def test_all_trials_cannot_have_one_folder() -> None:
    faults = validate_points(["experiment=digits_mlp", "run_dir=here"], [["seed=1"], ["seed=2"]])
    assert [fault for fault in faults if fault.startswith("run_dir='here': 2 trials would share this folder")]
    assert validate_points(["experiment=digits_mlp"], [["run_dir=a"], ["run_dir=b"]]) == []


def test_shapes_that_only_some_trials_have_are_found() -> None:
    faults = validate_points(["model=cnn"], [["model.layers.pool.pool_size=2"], ["model.layers.pool.pool_size=9"]])
    assert len(faults) == 1
    assert "model.layers.pool" in faults[0]


def test_a_single_run_is_examined_like_a_trial() -> None:
    faults = validate_points(["experiment=digits_mlp"], [["fit.epochs=0", "model.layers.out.units=9"]])
    assert examine(["experiment=digits_mlp", "fit.epochs=0", "model.layers.out.units=9"]).faults == faults
    assert len(faults) == 2


@pytest.mark.slow
def test_a_thousand_points_take_seconds() -> None:
    axes = product(range(1, 11), range(1, 11), range(10))
    points = [
        [
            f"optimizer.learning_rate={rate / 100}",
            f"model.layers.h1.units={units}",
            f"model.layers.drop.rate={drop / 10}",
        ]
        for rate, units, drop in axes
    ]
    start = time.perf_counter()
    assert validate_points(["experiment=digits_mlp"], points) == []
    assert time.perf_counter() - start < 10
