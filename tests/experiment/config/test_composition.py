"""From overrides to a config; what does not fit is reported in our words."""

from pathlib import Path

import pytest

from labkeras.errors import ConfigError
from labkeras.experiment import compose, validate
from labkeras.experiment.config.composition import examine
from labkeras.experiment.config.sources import shipped_conf

CONF = shipped_conf()
GROUPS = sorted(folder.name for folder in CONF.iterdir() if folder.is_dir())
OPTIONS = sorted(f"{path.parent.name}={path.stem}" for path in CONF.glob("*/*.yaml"))


def faults_of(*overrides: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        compose(overrides)
    return caught.value.faults


def test_the_defaults_compose_and_are_right() -> None:
    assert validate(compose()) == []


@pytest.mark.parametrize("option", OPTIONS)
def test_every_file_of_conf_composes_and_is_right(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkeras.experiment.config.device_checks.visible_gpus", lambda: 8)  # for trainer=gpu
    assert validate(compose([option])) == []


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_every_file_of_conf_says_what_it_is_and_how_to_run_it(path: Path) -> None:
    comments = [line for line in path.read_text(encoding="utf-8").splitlines()[:4] if line.startswith("# ")]
    assert comments
    assert any("labkeras train" in line or "tensorboard" in line for line in comments), comments


@pytest.mark.parametrize("path", sorted((CONF / "experiment").glob("*.yaml")), ids=lambda path: path.stem)
def test_experiments_are_of_the_package_global(path: Path) -> None:
    # After any other comment Hydra ignores the line without a word.
    assert path.read_text(encoding="utf-8").startswith("# @package _global_\n")


def test_the_keys_that_others_rely_on() -> None:
    config = compose(["experiment=digits_mlp"])
    assert isinstance(config.seed, int)
    assert isinstance(config.fit.epochs, int)
    assert isinstance(config.fit.batch_size, int)
    assert isinstance(config.optimizer.learning_rate, float)
    assert isinstance(config.model.layers.h1.units, int)
    assert {"devices", "precision", "strategy", "accelerator"} <= set(config.trainer)
    assert config.run_dir is None
    assert config.monitor == "val_accuracy"


def test_overrides_change_what_they_name() -> None:
    config = compose(["experiment=digits_mlp", "optimizer=sgd", "optimizer.momentum=0.9", "model.layers.h1.units=64"])
    assert (config.optimizer.optimizer, config.optimizer.momentum) == ("sgd", 0.9)
    assert config.model.layers.h1.units == 64


def test_arguments_that_no_file_names_need_no_plus() -> None:
    assert compose(["model.layers.h1.use_bias=false"]).model.layers.h1.use_bias is False


def test_several_metrics_and_callbacks_are_chosen_in_a_list() -> None:
    config = compose(
        ["metrics=[accuracy,auc]", "metrics.auc.num_thresholds=50", "callbacks=[best_model,early_stopping]"]
    )
    assert list(config.metrics) == ["accuracy", "auc"]
    assert config.metrics.auc.num_thresholds == 50
    assert list(config.callbacks) == ["best_model", "early_stopping"]


def test_layers_are_added_replaced_and_taken_out() -> None:
    added = "+model.layers.more={layer: dense, units: 5, after: h1}"
    config = compose([added, "~model.layers.drop", "+layer@model.layers.last=dense", "model.layers.last.units=10"])
    assert validate(config) == []
    assert "drop" not in config.model.layers
    assert config.model.layers.last.use_bias is True


def test_the_run_is_named_after_the_experiment() -> None:
    assert compose(["experiment=digits_cnn"]).name == "digits_cnn"
    assert compose(["experiment=digits_cnn", "name=mine"]).name == "mine"
    assert compose().name is None


REFUSED = {
    "optimizer=admm": "optimizer=admm: no optimizer is named 'admm'. Did you mean 'adam'",
    "loss=msee": "loss=msee: no loss is named 'msee'. Did you mean 'mse'",
    "metrics=[accuracy,aucc]": "metrics=[accuracy,aucc]: no metric is named 'aucc'. Did you mean 'auc'",
    "callbacks=early_stoping": "no callback is named 'early_stoping'. Did you mean 'early_stopping'",
    "data=digts": "data=digts: no dataset is named 'digts'. Did you mean 'digits'",
    "experiment=digits_mpl": "the group 'experiment' has no option 'digits_mpl'. Did you mean 'digits_mlp'",
    "model=mpl": "Did you mean 'mlp'",
    "trainer=tpu": "the group 'trainer' has no option 'tpu'",
    "logger=tensorbord": "the group 'logger' has no option 'tensorbord'. Did you mean 'tensorboard'",
    "optimizr=adam": "there is no key 'optimizr' in the config. Did you mean 'optimizer'",
    "+optimizr=adam": "optimizr='adam': there is no such key. Did you mean 'optimizer'",
    "optimizer.lerning_rate=1": "there is no key 'lerning_rate' in optimizer. Did you mean 'learning_rate'",
    "model.layers.h1.unitz=3": "there is no key 'unitz' in model.layers.h1. Did you mean 'units'",
    "model.layers.hh1.units=3": "there is no key 'hh1' in model.layers. Did you mean 'h1'",
    "modle.layers.h1.units=3": "there is no key 'modle' in the config. Did you mean 'mode' or 'model'",
    "fit={epochs: 3, epoch: 4}": "there is no key 'epoch' in fit. Did you mean 'epochs'",
    "model.layers.h1.units.x=3": "model.layers.h1.units is a value, which has no keys",
    "fit.epoch=3": "there is no key 'epoch' in fit. Did you mean 'epochs'",
    "sead=3": "there is no key 'sead' in the config. Did you mean 'seed'",
    "seed=1,2": "several values are a sweep: add -m. A list has brackets: seed=[1,2]",
    "seed=range(1,3)": "several values are a sweep: add -m",
    "~model.layers.x": "'model.layers.x' does not exist",
    "+seed=3": "An item is already at 'seed'",
    "model=null": "Config group override must be a string or a list",
    "a=b=c": "a=b=c: not of the form key=value that Hydra reads",
    "digits_cnn": "digits_cnn: not of the form key=value that Hydra reads",
    "model.layers={a:": "not of the form key=value that Hydra reads",
    "loss@model=mse": "Did you mean to override loss?",
}


@pytest.mark.parametrize("override", REFUSED)
def test_an_override_that_does_not_fit_is_named(override: str) -> None:
    config_faults: list[str] = examine([override]).faults
    assert [fault for fault in config_faults if REFUSED[override] in fault], config_faults


def test_what_is_wrong_with_overrides_and_with_values_is_reported_together() -> None:
    faults = faults_of("optimizer=adamm", "model.layers.h1.unitz=3", "a=b=c", "fit.epochs=none", "seed=-1")
    wanted = ["optimizer=adamm", "model.layers.h1.unitz=3", "a=b=c", "fit.epochs='none'", "seed=-1"]
    assert [part for part in wanted if not any(fault.startswith(part) for fault in faults)] == []
    assert len(faults) == len(wanted)


def test_a_wrong_choice_is_put_right_to_find_what_else_is_wrong() -> None:
    faults = faults_of("model=cnnn", "model.layers.conv1.filtres=3")
    assert "Did you mean 'cnn'" in faults[0]
    assert "Did you mean 'filters'" in faults[1]


def write(folder: Path, text: str) -> None:
    (folder / "experiment").mkdir()
    (folder / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "defaults:\n  - override /optimizer: admm\n",
            "optimizer=admm, in a defaults list: no optimizer is named 'admm'",
        ),
        (
            "defaults:\n  - override /optimizr: adam\n",
            "In 'experiment/mine': Could not override 'optimizr'. No match in the defaults list",
        ),
        ("optimizer: {lerning_rate: 1}\n", "optimizer.lerning_rate=1: the optimizer 'adam' has no argument"),
        ("optimizer: sgd\n", "optimizer='sgd': expected a mapping that names the optimizer"),
        ("seed: [1\n", "mine.yaml"),
        ("seed: 1\nseed: 2\n", "duplicate key seed"),
        ("colour: red\n", "colour='red': there is no such key"),
    ],
)
def test_a_fault_in_a_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    write(tmp_path, text)
    faults = examine(["experiment=mine"], config_dir=str(tmp_path)).faults
    assert [fault for fault in faults if words in fault], faults


def test_a_missing_primary_config_is_named() -> None:
    assert "no folder of the search path has nothing.yaml" in examine([], config_name="nothing").faults[0]
