"""Data types by name, and policies, as in Keras."""

from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras import config, dtypes, layers
from labkeras.dtypes import DTypePolicy, DTypePolicyMap, is_under_autocast, standardize_dtype, to_torch
from labkeras.errors import InvalidArgumentError


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        "bfloat16",
        "int8",
        "uint8",
        "bool",
        "int",
        np.float32,
        np.int64,
        np.dtype("float16"),
        float,
        int,
        bool,
        None,
        torch.float64,
        torch.bfloat16,
        torch.int32,
        torch.bool,
    ],
    ids=str,
)
def test_names_of_types_are_keras(dtype: Any) -> None:
    assert standardize_dtype(dtype) == keras.backend.standardize_dtype(dtype)


def test_torchs_types_come_from_all_of_them() -> None:
    assert to_torch("bfloat16") is torch.bfloat16
    assert to_torch(np.float64) is torch.float64
    config.set_floatx("float16")
    assert to_torch(None) is torch.float16


@pytest.mark.parametrize("dtype", ["flaot32", "string", object, 32, []])
def test_what_is_no_type_is_refused(dtype: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="`dtype` must name a data type"):
        standardize_dtype(dtype)


@pytest.mark.parametrize("name", ["float32", "float64", "bfloat16", "mixed_bfloat16", "mixed_float16", None])
def test_policies_are_keras(name: str | None) -> None:
    ours, theirs = DTypePolicy(name), keras.DTypePolicy(name or "float32")
    for attribute in ("name", "variable_dtype", "compute_dtype"):
        assert getattr(ours, attribute) == getattr(theirs, attribute)
    assert ours.get_config() == theirs.get_config()
    twin = DTypePolicy.from_config(ours.get_config())
    assert (twin, hash(twin), repr(twin)) == (ours, hash(ours), repr(ours))
    assert ours.is_mixed is (ours.variable_dtype != ours.compute_dtype)


def test_a_policy_is_found_by_name_type_config_and_none() -> None:
    assert dtypes.get("float16").name == "float16"
    assert dtypes.get(torch.float64).name == "float64"
    assert dtypes.get({"class_name": "DTypePolicy", "config": {"name": "mixed_bfloat16"}}).compute_dtype == "bfloat16"
    policy = DTypePolicy("float64")
    assert dtypes.get(policy) is policy
    with pytest.raises(InvalidArgumentError, match="the config of a DTypePolicy"):
        dtypes.get({"class_name": "Dense", "config": {}})


def test_the_global_policy_follows_floatx_until_it_is_set() -> None:
    config.set_floatx("float64")
    assert dtypes.get(None).name == "float64"
    dtypes.set_dtype_policy("mixed_float16")
    assert dtypes.get(None).name == dtypes.dtype_policy().name == "mixed_float16"
    dtypes.set_dtype_policy(None)
    assert dtypes.dtype_policy().name == "float64"


def test_a_policy_without_a_name_is_the_global_one() -> None:
    dtypes.set_dtype_policy("mixed_bfloat16")
    assert DTypePolicy().name == "mixed_bfloat16"


def test_what_is_no_policy_is_refused_with_what_might_be_meant() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Did you mean 'mixed_float16' .*\? Received: name='mixed_float1'"):
        DTypePolicy("mixed_float1")


@pytest.mark.parametrize(
    "x",
    [np.ones(2, np.float64), np.ones(2, np.int32), torch.ones(2, dtype=torch.bfloat16), torch.ones(2), "text", None],
)
@pytest.mark.parametrize("autocast", [True, False])
def test_inputs_are_converted_as_in_keras(x: Any, autocast: bool) -> None:
    ours = DTypePolicy("float32").convert_input(x, autocast, "float16")
    theirs = keras.DTypePolicy("float32").convert_input(x, autocast, "float16")
    if isinstance(theirs, torch.Tensor):
        assert ours.dtype is theirs.dtype or (x.dtype == np.float64 and not autocast)  # Keras narrows all arrays
        assert torch.equal(ours.float(), theirs.cpu().float())
    else:
        assert ours is theirs is x


def test_a_map_finds_policies_as_keras_does() -> None:
    policies = {"encoder/dense": "bfloat16", "encoder/.*": "float16", "decoder": "mixed_bfloat16"}
    ours = DTypePolicyMap("float32", {path: DTypePolicy(name) for path, name in policies.items()})
    theirs = keras.dtype_policies.DTypePolicyMap(
        keras.DTypePolicy("float32"), {path: keras.DTypePolicy(name) for path, name in policies.items()}
    )
    for path in ("encoder/dense", "encoder/attention/query", "decoder", "decoder/attention", ""):
        assert ours[path].name == theirs[path].name
    assert (ours.name, ours.variable_dtype, ours.compute_dtype) == (theirs.name, "float32", "float32")
    assert list(ours) == list(theirs)
    assert len(ours) == len(theirs) == 3
    assert "encoder/.*" in ours
    assert "encoder/attention" not in ours
    ours["encoder/d.*"] = "float64"
    del ours["encoder/dense"]
    with pytest.raises(InvalidArgumentError, match="which matches"):
        ours["encoder/dense"]
    with pytest.raises(InvalidArgumentError, match="has one policy for each path"):
        ours["decoder"] = "float32"


def test_wrong_maps_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="must be one policy, not a map"):
        DTypePolicyMap(DTypePolicyMap())
    with pytest.raises(TypeError, match="`policy_map` must be a dict"):
        DTypePolicyMap(policy_map=[])  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="must be a data type"):
        DTypePolicyMap()["a"] = "float3"


def test_layers_within_a_layer_have_the_policies_of_their_paths() -> None:
    class Pair(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.first = layers.Dense(2, dtype=self.dtype_policy, name="first")
            self.second = layers.Dense(2, dtype=self.dtype_policy, name="second")
            self.first.build(input_shape)
            self.second.build(input_shape)

        def call(self, inputs: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(inputs))

    policies = DTypePolicyMap("float32", {"pair/first": "mixed_bfloat16"})
    pair = Pair(name="pair", dtype=policies)
    assert pair(np.ones((1, 2))).dtype is torch.float32
    assert (pair.first.compute_dtype, pair.second.compute_dtype) == ("bfloat16", "float32")
    assert pair.first(np.ones((1, 2))).dtype is torch.bfloat16
    assert pair.first.kernel.dtype is torch.float32
    written = pair.get_config()["dtype"]
    assert written == keras.dtype_policies.serialize(
        keras.dtype_policies.DTypePolicyMap("float32", {"pair/first": keras.DTypePolicy("mixed_bfloat16")})
    )
    assert dict(dtypes.get(written)) == dict(policies)  # type: ignore[call-overload]


def test_autocast_is_seen_where_it_is_on_and_not_on_meta() -> None:
    tensor = torch.ones(1)
    assert not is_under_autocast(tensor)
    with torch.autocast("cpu", torch.bfloat16):
        assert is_under_autocast(tensor)
        assert not is_under_autocast(tensor.to("meta"))
