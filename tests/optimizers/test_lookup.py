"""Optimizers by name, config, class, and from torch."""

from functools import partial
from typing import Any

import pytest
import torch

from labkeras import optimizers, registry
from labkeras.errors import InvalidArgumentError, SerializationError, UnknownComponentError
from labkeras.optimizers import SGD, Adam, AdamW, RMSprop
from labkeras.optimizers.schedules import CosineDecay
from labkeras.optimizers.torch_optimizer import TorchOptimizer


@pytest.mark.parametrize(
    ("name", "cls"), [("sgd", SGD), ("adam", Adam), ("Adam", Adam), ("adamw", AdamW), ("rmsprop", RMSprop)]
)
def test_get_finds_an_optimizer_by_name(name: str, cls: type) -> None:
    assert type(optimizers.get(name)) is cls


def test_the_registry_lists_keras_names() -> None:
    assert {"sgd", "adam", "adamw", "rmsprop"} <= set(registry.optimizers.names())
    assert {"cosine_decay", "exponential_decay"} <= set(registry.schedules.names())


def test_get_takes_configs_classes_instances_and_none() -> None:
    adam = Adam(CosineDecay(0.1, 10))
    made = optimizers.get(optimizers.serialize(adam))
    assert isinstance(made, Adam)
    assert made.get_config() == adam.get_config()
    assert type(optimizers.get(SGD)) is SGD
    assert optimizers.get(partial(SGD, momentum=0.5)).momentum == 0.5
    assert optimizers.get(adam) is adam
    assert optimizers.get(None) is None


@pytest.mark.parametrize("identifier", [torch.optim.Adagrad, partial(torch.optim.SGD, lr=0.1)])
def test_get_wraps_what_makes_an_optimizer_of_torch(identifier: Any) -> None:
    assert isinstance(optimizers.get(identifier), TorchOptimizer)


def test_get_suggests_the_nearest_name() -> None:
    with pytest.raises(UnknownComponentError, match=r"no optimizer is named 'adma'\. Did you mean .*'adam'"):
        optimizers.get("adma")


@pytest.mark.parametrize("identifier", [3, int, len, partial(len)])
def test_get_says_what_it_takes(identifier: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"an optimizer must be a name, a config, .* Received: "):
        optimizers.get(identifier)


def test_a_config_of_something_else_is_refused() -> None:
    with pytest.raises(SerializationError, match=r"where a optimizer belongs|where an optimizer belongs"):
        optimizers.get({"module": "keras.optimizers.schedules", "class_name": "CosineDecay", "config": {}})
    with pytest.raises(InvalidArgumentError, match="must have a `class_name`"):
        optimizers.get({"learning_rate": 0.1})
