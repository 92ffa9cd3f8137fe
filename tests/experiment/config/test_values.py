"""What a key of a config can be set to."""

from typing import Any

import pytest

from labkeras.experiment.config.values import parameter_at, values_at

CONFIG: dict[str, Any] = {
    "seed": 0,
    "fit": {"epochs": 3, "shuffle": True},
    "compile": {},
    "trainer": {"accelerator": "auto"},
    "optimizer": {"optimizer": "adam", "learning_rate": 0.1},
    "model": {"layers": {"h1": {"layer": "dense", "units": 3}}},
    "callbacks": {"stop": {"callback": "early_stopping"}},
}


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("model.layers.h1.use_bias", ["false", "true"]),
        ("fit.shuffle", ["false", "true"]),
        ("callbacks.stop.mode", ["auto", "max", "min"]),
        ("trainer.benchmark", ["false", "null", "true"]),
        ("optimizer.beta_1", []),
        ("model.layers.h1.nothing", []),
        ("model.layers.h2.use_bias", []),
        ("nowhere.at.all", []),
        ("seed", []),
        ("", []),
    ],
)
def test_values_are_those_of_the_parameter(key: str, values: list[str]) -> None:
    assert values_at(CONFIG, key) == values


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("model.layers.h1.layer", "conv2d"),
        ("model.layers.h1.activation", "relu"),
        ("model.layers.h1.kernel_initializer", "he_normal"),
        ("model.layers.h1.bias_constraint", "max_norm"),
        ("optimizer.optimizer", "sgd"),
    ],
)
def test_names_of_components_are_values(key: str, name: str) -> None:
    assert name in values_at(CONFIG, key)


def test_the_parameter_behind_a_key_is_found() -> None:
    found = parameter_at(CONFIG, "model.layers.h1.units")
    assert found is not None
    assert found.required
    found = parameter_at(CONFIG, "trainer.devices")
    assert found is not None
    assert found.default == "auto"
    assert parameter_at(CONFIG, "seed") is None
