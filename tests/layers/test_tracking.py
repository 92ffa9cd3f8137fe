"""Lists, dicts and tuples of layers set as attributes."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from labkeras import Layer, layers
from labkeras.layers.tracking import TrackedDict, TrackedList

DATA = np.ones((2, 3), "float32")


class Holds(Layer):
    """Keeps layers in every kind of container, nested too."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks: Any = [layers.Dense(3), layers.Dense(3)]
        self.named = {"a": layers.Dense(3), "b": [layers.Dense(3), nn.Linear(3, 3)]}
        self.pair = (layers.Dense(3), nn.Linear(3, 3))
        self.sizes = [1, 2]

    def call(self, x: Any) -> Any:
        for block in self.blocks:
            x = block(x)
        x = self.named["b"][1](self.named["b"][0](self.named["a"](x)))
        return self.pair[1](self.pair[0](x))


@pytest.fixture
def layer() -> Holds:
    layer = Holds()
    layer(DATA)
    return layer


def test_what_is_in_containers_belongs_to_the_layer(layer: Holds) -> None:
    assert len(layer.weights) == len(list(layer.parameters())) == 14
    names = list(layer.state_dict())
    assert {"blocks.0.kernel", "named.a.kernel", "named.b.1.weight", "pair.1.bias"} <= set(names)


def test_plain_settings_stay_what_they_were(layer: Holds) -> None:
    assert layer.sizes == [1, 2]
    assert [*layer.sizes, 3] == [1, 2, 3]
    assert isinstance(layer.pair, tuple)


def test_changes_of_a_list_are_followed(layer: Holds) -> None:
    extra = [layers.Dense(3) for _ in range(4)]
    layer.blocks.append(extra[0])
    layer.blocks.insert(0, extra[1])
    layer.blocks.extend(extra[2:3])
    layer.blocks += extra[3:]
    layer(DATA)
    assert len(layer.weights) == 14 + 8
    layer.blocks.remove(extra[1])
    layer.blocks.pop()
    del layer.blocks[-1]
    layer.blocks[-1] = layers.Dense(3)
    layer(DATA)
    assert len(layer.weights) == 14 + 2
    layer.blocks.clear()
    assert len(layer.weights) == 10


def test_changes_of_a_dict_are_followed(layer: Holds) -> None:
    layer.named["c"] = layers.Dense(3)
    layer.named.update({"d": [layers.Dense(3)]})
    layer.named |= {"e": layers.Dense(3)}
    layer.named.setdefault("f", layers.Dense(3))
    for key in "cef":
        layer.named[key](DATA)
    layer.named["d"][0](DATA)
    assert len(layer.weights) == 14 + 8
    layer.named.pop("c")
    del layer.named["d"]
    assert len(layer.weights) == 14 + 4


def test_an_attribute_can_be_replaced_and_deleted(layer: Holds) -> None:
    layer.blocks = None
    assert layer.blocks is None
    assert len(layer.weights) == 10
    layer.blocks = layers.Dense(3)
    layer.blocks(DATA)
    assert len(layer.weights) == 12
    layer.blocks = [layers.Dense(3)]
    layer.blocks[0](DATA)
    assert isinstance(layer.blocks, list)
    assert len(layer.weights) == 12
    del layer.pair
    assert not hasattr(layer, "pair")
    assert len(layer.weights) == 8


def test_a_copy_has_containers_of_its_own(layer: Holds) -> None:
    twin = copy.deepcopy(layer)
    twin.blocks[0].kernel.assign(np.zeros((3, 3)))
    assert not twin.state_dict()["blocks.0.kernel"].any()
    assert layer.blocks[0].kernel.any()
    twin.blocks.append(layers.Dense(3))
    twin(DATA)
    assert (len(twin.weights), len(layer.weights)) == (16, 14)


def test_modules_move_freeze_and_change_mode_with_the_layer(layer: Holds) -> None:
    layer.trainable = False
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    layer.train()
    assert layer.named["b"][1].training
    layer.eval()
    assert not layer.named["b"][1].training
    assert layer.double().pair[1].weight.dtype == torch.float64


def test_modules_rest_in_inference_as_the_layer_does() -> None:
    layer = Holds()
    layer.norm = nn.BatchNorm1d(3)
    assert not any(module.training for module in layer.modules())
    layer.train()
    layer.blocks.append(nn.Dropout(0.5))
    assert layer.blocks[-1].training


def test_tracked_containers_are_ordinary_ones_otherwise() -> None:
    assert TrackedList([1, [2]]) == [1, [2]]
    assert TrackedDict({"a": 1}) == {"a": 1}
