"""Components of every kind as options of groups, and as nodes, in configs that Hydra composes."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from labkeras.experiment.config.components import GROUPS, KEY_OF_KIND, MISSING, parameters_of, plain_default
from labkeras.experiment.config.composition import compose, examine
from labkeras.experiment.config.points import validate_points
from labkeras.experiment.config.schema import REQUIRED
from labkeras.experiment.config.sources import RegistrySource
from labkeras.registry import KINDS, registry_of
from tests.helpers.processes import install_example, run_labkeras


def container(config: Any) -> Any:
    return OmegaConf.to_container(config, resolve=False)


def test_every_kind_that_a_config_describes_is_a_group() -> None:
    assert set(GROUPS.values()) == set(KINDS) - {"activations"}  # which are named, without arguments
    assert set(GROUPS.values()) == set(KEY_OF_KIND)


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_every_option_has_the_defaults_of_the_signature(group: str) -> None:
    source, kind = RegistrySource("test", "labkeras://"), GROUPS[group]
    for name in registry_of(kind).names():
        node = container(source.load_config(f"{group}/{name}").config)
        node = node[name] if group in ("callbacks", "metrics") else node
        assert node[KEY_OF_KIND[kind]] == name
        for key, parameter in parameters_of(kind, name).items():
            default = MISSING if parameter.required else plain_default(parameter)
            assert node.get(key, REQUIRED) == default
            assert parameter.required or type(node.get(key, REQUIRED)) is type(default)


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (["optimizer=sgd", "optimizer.momentum=0.9"], "optimizer.momentum", 0.9),
        (["loss=mse"], "loss.reduction", "sum_over_batch_size"),
        (["metrics=[accuracy,auc]", "metrics.auc.curve=PR"], "metrics.auc.curve", "PR"),
        (["callbacks=[best_model,early_stopping]"], "callbacks.early_stopping.patience", 0),
        (["data=digits", "data.seed=3"], "data.seed", 3),
        (["+layer@model.layers.more=dense", "model.layers.more.units=3"], "model.layers.more.use_bias", True),
        (
            [
                "+schedule@optimizer.learning_rate=cosine_decay",
                "optimizer.learning_rate.initial_learning_rate=0.1",
                "optimizer.learning_rate.decay_steps=9",
            ],
            "optimizer.learning_rate.alpha",
            0.0,
        ),
        (
            ["+initializer@model.layers.h1.kernel_initializer=he_normal"],
            "model.layers.h1.kernel_initializer.seed",
            None,
        ),
        (["+regularizer@model.layers.h1.kernel_regularizer=l2"], "model.layers.h1.kernel_regularizer.l2", 0.01),
        (["+constraint@model.layers.h1.kernel_constraint=max_norm"], "model.layers.h1.kernel_constraint.max_value", 2),
        (["model.layers.h1.kernel_initializer=he_normal"], "model.layers.h1.kernel_initializer", "he_normal"),
        (["model.layers.h1.activation=gelu"], "model.layers.h1.activation", "gelu"),
        (["model.layers.h1.layer=einsum_dense"], "model.layers.h1.layer", "einsum_dense"),
    ],
)
def test_options_and_nodes_are_set_without_a_plus(overrides: list[str], key: str, value: Any) -> None:
    assert OmegaConf.select(compose(overrides), key, throw_on_missing=True) == value


def test_nodes_are_swept() -> None:
    lines = ["optimizer.learning_rate={schedule: cosine_decay, initial_learning_rate: 0.1, decay_steps: 9}"]
    alphas = [f"optimizer.learning_rate.alpha={alpha}" for alpha in (0, 0.1)]
    initializers = [f"model.layers.h1.kernel_initializer={name}" for name in ("he_normal", "zeros")]
    assert validate_points(lines, list(product(alphas, initializers))) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            "model.layers.drop.rate=1.5",
            "model.layers.drop.rate=1.5: expected a number in [0, 1] (fraction of the inputs",
        ),
        ("model.layers.h1.units=0", "model.layers.h1.units=0: expected an integer of at least 1"),
        ("optimizer.learning_rate=-0.1", "expected a number of at least 0, or a schedule"),
        ("optimizer.beta_1=1.0", "optimizer.beta_1=1.0: expected a number in [0, 1)"),
        ("optimizer.learning_rate=quick", "expected a number of at least 0, or a schedule"),
        ("optimizer.amsgrad=3", "optimizer.amsgrad=3: expected true or false"),
        ("model.layers.h1.kernel_initializer=he_norml", "Did you mean 'he_normal'"),
        ("model.layers.h1.kernel_initializer={initializer: he_normal, sed: 3}", "Did you mean 'seed'"),
    ],
)
def test_values_that_do_not_fit_are_refused(line: str, words: str) -> None:
    (fault,) = examine([line]).faults
    assert words in fault


@pytest.mark.parametrize(
    "overrides",
    [
        ["+layer@model.layers.more=labkeras-example/gated_dense", "model.layers.more.units=3"],
        ["+layer@model.layers.more=gated_dense", "model.layers.more.units=3"],
        ["+model.layers.more={layer: labkeras-example/gated_dense, units: 2}", "model.layers.more.units=3"],
        ["+model.layers.more={layer: gated_dense, units: 3}"],
    ],
)
def test_a_plugin_s_layer_is_an_option_and_a_node_by_both_names(tmp_path: Path, overrides: list[str]) -> None:
    install_example(tmp_path)
    for _ in range(2):  # asked, and remembered
        outcome = run_labkeras(tmp_path, "train", "--cfg", "job", "-p", "model.layers.more", *overrides)
        assert "gate_activation: sigmoid" in outcome.stdout, outcome.stderr
        assert "units: 3" in outcome.stdout
