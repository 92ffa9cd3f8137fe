"""Everything that is wrong with a config is found before anything is built."""

from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf, open_dict

from labkeras.errors import ConfigError
from labkeras.experiment import compose, validate
from labkeras.experiment.config.validation import checked


@pytest.fixture(scope="module")
def right() -> DictConfig:
    return compose(["experiment=digits_mlp"])


def changed(config: DictConfig, key: str, value: Any) -> DictConfig:
    config = config.copy()
    with open_dict(config):
        OmegaConf.update(config, key, value, merge=False, force_add=True)
    return config


FAULTS: list[tuple[str, Any, str]] = [
    ("seed", "one", "seed='one': expected an integer or null"),
    ("seed", -1, "seed=-1: expected an integer from 0 to 4294967295"),
    ("seed", 2**32, "expected an integer from 0 to 4294967295"),
    ("seed", True, "seed=True: expected an integer or null"),
    ("name", "a/b", "name='a/b': expected the name of a folder, without '/'"),
    ("name", "..", "name='..': expected the name of a folder"),
    ("run_dir", 3, "run_dir=3: expected a string or null"),
    ("mode", "maxi", "mode='maxi': expected 'auto' or 'max' or 'min'. Did you mean 'max'?"),
    ("monitor", "val_acuracy", "monitor='val_acuracy': no such value is logged. Did you mean 'val_accuracy'"),
    ("monitor", 3, "monitor=3: expected a string or null"),
    ("colour", "red", "colour='red': there is no such key"),
    ("sead", 3, "sead=3: there is no such key. Did you mean 'seed'?"),
    ("data", None, "data is missing: choose an option of the group"),
    ("data", {"dataset": "digts"}, "data.dataset='digts': no dataset is named 'digts'. Did you mean 'digits'"),
    ("data", {"dataset": "digits", "path": "x"}, "data.path='x': the dataset 'digits' has no argument 'path'"),
    ("optimizer", "???", "optimizer is missing: choose an option of the group"),
    ("optimizer", "adam", "optimizer='adam': expected a mapping that names the optimizer"),
    ("optimizer", {"name": "adam"}, "optimizer.optimizer is missing: it names the optimizer"),
    ("optimizer.optimizer", 3, "optimizer.optimizer=3: expected the name of a optimizer"),
    (
        "optimizer.learning_rate",
        "fast",
        "optimizer.learning_rate='fast': expected a number of at least 0, or a schedule",
    ),
    (
        "optimizer.learning_rate",
        "???",
        "optimizer.learning_rate is missing: expected a number of at least 0, or a schedule",
    ),
    (
        "optimizer.learning_rate",
        {"schedule": "cosin"},
        "optimizer.learning_rate.schedule='cosin': no schedule is named",
    ),
    ("optimizer.learning_rate", {"decay": 1}, "optimizer.learning_rate.schedule is missing: it names the schedule"),
    ("optimizer.learning_rate.schedule", "cosine_decay", "optimizer.learning_rate.decay_steps is missing"),
    ("optimizer.beta_1", "0.9", "optimizer.beta_1='0.9': expected a number"),
    ("optimizer.momentum", 0.9, "optimizer.momentum=0.9: the optimizer 'adam' has no argument 'momentum'"),
    ("loss", {"loss": "msee"}, "loss.loss='msee': no loss is named 'msee'. Did you mean 'mse'"),
    ("loss.from_logits", "yes", "loss.from_logits='yes': expected true or false"),
    ("loss", "mse", "loss='mse': expected a mapping that names the loss"),
    ("loss", {"h9": {"loss": "mse"}}, "loss.h9: the model has no output 'h9'"),
    ("metrics", ["accuracy"], "metrics=['accuracy']: expected a mapping from names to components"),
    ("metrics.auc", {"metric": "aucc"}, "metrics.auc.metric='aucc': no metric is named 'aucc'. Did you mean 'auc'"),
    ("metrics.auc", "auc", "metrics.auc='auc': expected a mapping that names the metric"),
    ("metrics.accuracy.threshold", 1, "metrics.accuracy.threshold=1: the metric 'accuracy' has no argument"),
    ("callbacks.best_model.mode", "most", "callbacks.best_model.mode='most': expected"),
    ("callbacks.best_model.filepath", "???", "callbacks.best_model.filepath is missing: expected a string or a path"),
    ("callbacks.stop", {"callback": "early_stop"}, "callbacks.stop.callback='early_stop': no callback is named"),
    ("logger.tensorboard.log_dir", 3, "logger.tensorboard.log_dir=3: expected a string or a path"),
    ("fit", None, "fit is missing"),
    ("fit", 3, "fit=3: expected a mapping of arguments"),
    ("fit.epochs", 0, "fit.epochs=0: expected an integer of at least 1"),
    ("fit.epochs", 2.5, "fit.epochs=2.5: expected an integer"),
    ("fit.epochs", "???", "fit.epochs is missing: expected an integer"),
    ("fit.batch_size", -32, "fit.batch_size=-32: expected an integer of at least 1"),
    ("fit.validation_split", 1.0, "fit.validation_split=1.0: expected the fraction"),
    ("fit.validation_split", 0, "monitor='val_accuracy': nothing is validated, since fit.validation_split=0"),
    ("fit.shufle", True, "fit.shufle=True: `fit` has no argument 'shufle'. Did you mean 'shuffle'"),
    ("fit.callbacks", [], "fit.callbacks=[]: `fit` has no argument 'callbacks'"),
    ("compile.jit", True, "compile.jit=True: `compile` has no argument 'jit'"),
    ("trainer.devices", [], "trainer.devices=[]: expected at least one device"),
    ("trainer.max_tme", 3, "trainer.max_tme=3: `trainer` has no argument 'max_tme'. Did you mean 'max_time'"),
    ("trainer.precision", 17, "trainer.precision=17: expected"),
    ("trainer.max_epochs", 3, "trainer.max_epochs=3: `trainer` has no argument 'max_epochs'"),
    ("model", None, "model is missing"),
    ("model.layers.h1._target_", "os.system", "model.layers.h1._target_='os.system': `_target_` is not read"),
    ("colour", {"_target_": "os.system"}, "colour._target_='os.system': `_target_` is not read"),
    (
        "model.layers.h1.units",
        "${nothing}",
        "model.layers.h1.units='${nothing}': Interpolation key 'nothing' not found",
    ),
    ("model.layers.h1.units", "${model.layers.h1.units}", "model.layers.h1.units="),
    ("model.layers.h1.kernel_regularizer", "l3", "no regularizer is named 'l3'"),
    ("model.layers.h1.kernel_constraint", "max_nrm", "no constraint is named 'max_nrm'"),
    ("model.layers.h1.activation", "rellu", "no activation is named 'rellu'. Did you mean 'relu'"),
    ("model.layers.drop.rate", "half", "model.layers.drop.rate='half': expected a number"),
]


@pytest.mark.parametrize(("key", "value", "words"), FAULTS, ids=[f"{key}={value!r}" for key, value, _ in FAULTS])
def test_a_fault_is_named_with_its_key_and_value(right: DictConfig, key: str, value: Any, words: str) -> None:
    faults = validate(changed(right, key, value))
    assert [fault for fault in faults if words in fault], faults


def test_a_right_config_has_no_faults(right: DictConfig) -> None:
    assert validate(right) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", None),
        ("fit.class_weight", {0: 1.0, 1: 2.5}),
        ("fit.batch_size", None),
        ("monitor", "val_loss"),
        ("monitor", "accuracy"),
        ("metrics", {}),
        ("loss", None),
        ("optimizer.learning_rate", 1),
        ("trainer.max_time", "00:00:10:00"),
        ("model.layers.h1.kernel_initializer", {"initializer": "he_normal", "seed": 3}),
        ("model.layers.h1.activation", None),
    ],
)
def test_what_is_right_is_let_through(right: DictConfig, key: str, value: Any) -> None:
    faults = validate(changed(right, key, value))
    assert [fault for fault in faults if not fault.startswith("monitor")] == []


def test_all_faults_are_found_at_once(right: DictConfig) -> None:
    config = changed(changed(changed(right, "seed", "a"), "loss.loss", "msee"), "model.layers.h1.units", "b")
    assert len(validate(config)) == 3


def test_a_key_that_others_refer_to_is_a_variable(right: DictConfig) -> None:
    config = changed(changed(right, "width", 32), "model.layers.h1.units", "${width}")
    assert validate(config) == []
    config = changed(changed(right, "model.rate", 0.3), "model.layers.drop.rate", "${model.rate}")
    assert validate(config) == []
    assert checked(config)["model"]["layers"]["drop"]["rate"] == 0.3


def test_a_plain_mapping_is_validated_as_well(right: DictConfig) -> None:
    assert validate(OmegaConf.to_container(right)) == []
    assert "data is missing" in validate({})[0]


def test_checked_gives_plain_values_with_all_arguments(right: DictConfig) -> None:
    config = checked(changed(right, "model.layers.more", {"layer": "dense", "units": 10}))
    assert type(config["model"]["layers"]["more"]) is dict
    assert config["model"]["layers"]["more"]["use_bias"] is True
    assert config["callbacks"]["best_model"]["monitor"] == "val_accuracy"


def test_checked_raises_all_faults(right: DictConfig) -> None:
    with pytest.raises(ConfigError, match=r"2 faults in the configuration:\n  - seed='a'.*\n  - .*units='b'"):
        checked(changed(changed(right, "seed", "a"), "model.layers.h1.units", "b"))


def test_a_model_with_several_outputs_has_losses_and_metrics_for_each() -> None:
    model = {
        "kind": "functional",
        "inputs": {"x": {"shape": [8, 8]}},
        "nodes": {
            "flat": {"layer": "flatten", "from": "x"},
            "label": {"layer": "dense", "units": 10, "from": "flat"},
            "size": {"layer": "dense", "units": 1, "from": "flat"},
        },
        "outputs": {"label": "label", "size": "size"},
    }
    config = {
        "data": {"dataset": "digits"},
        "model": model,
        "optimizer": {"optimizer": "sgd"},
        "loss": {"label": {"loss": "mse"}, "size": {"loss": "mae"}},
        "metrics": {"label": {"accuracy": {"metric": "accuracy"}}},
        "fit": {"epochs": 1},
    }
    assert validate(config) == []
    config["metrics"] = {"lable": {"accuracy": {"metric": "acuracy"}}}
    faults = validate(config)
    assert "metrics.lable: the model has no output 'lable'. Did you mean 'label'?" in faults
    assert [fault for fault in faults if fault.startswith("metrics.lable.accuracy.metric='acuracy'")]
