"""MaxNorm, UnitNorm and MinMaxNorm."""

import json
from typing import Any

import keras
import pytest
import torch
from torch.testing import assert_close

from labkeras import constraints

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("MaxNorm", {}),
    ("MaxNorm", {"max_value": 0.5, "axis": 1}),
    ("MaxNorm", {"max_value": 3, "axis": [0, 1, 2]}),
    ("MaxNorm", {"max_value": 3, "axis": (0, 1)}),
    ("MaxNorm", {"axis": None}),
    ("UnitNorm", {}),
    ("UnitNorm", {"axis": -1}),
    ("UnitNorm", {"axis": [0, 1]}),
    ("MinMaxNorm", {}),
    ("MinMaxNorm", {"min_value": 0.5, "max_value": 1.5, "rate": 0.3}),
    ("MinMaxNorm", {"min_value": 5.0, "max_value": 6.0, "axis": [0, 1, 2]}),
]
each_setting = pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)


@each_setting
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_weights_are_brought_to_where_keras_brings_them(
    name: str, settings: dict[str, Any], dtype: torch.dtype
) -> None:
    w = (2 * torch.randn(3, 4, 5, 6)).to(dtype)
    before = w.clone()
    ours = getattr(constraints, name)(**settings)(w)
    theirs = getattr(keras.constraints, name)(**settings)(w)
    tolerance = 1e-5 if dtype.itemsize > 2 else 2e-2
    assert_close(ours, theirs, rtol=tolerance, atol=tolerance)
    assert torch.equal(w, before)


@each_setting
def test_arrays_are_taken(name: str, settings: dict[str, Any]) -> None:
    w = torch.randn(3, 4, 5, 6)
    constraint = getattr(constraints, name)(**settings)
    assert_close(constraint(w.numpy()), constraint(w))


@pytest.mark.parametrize("name", ["MaxNorm", "MinMaxNorm", "UnitNorm"])
def test_a_vector_of_zeros_stays(name: str) -> None:
    assert_close(getattr(constraints, name)()(torch.zeros(3, 2)), torch.zeros(3, 2))


@each_setting
def test_configs_are_keras_s(name: str, settings: dict[str, Any]) -> None:
    ours = getattr(constraints, name)(**settings)
    config = constraints.serialize(ours)
    assert config == keras.constraints.serialize(getattr(keras.constraints, name)(**settings))
    w = torch.randn(3, 4, 5, 6)
    for read in (constraints.deserialize, keras.constraints.deserialize):
        for written in (config, json.loads(json.dumps(config))):
            assert_close(read(written)(w), ours(w))


def test_the_repr_can_be_pasted_back() -> None:
    assert repr(constraints.MaxNorm(3, axis=[0, 1])) == "MaxNorm(max_value=3, axis=[0, 1])"
    assert repr(constraints.NonNeg()) == "NonNeg()"
