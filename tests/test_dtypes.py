"""Data types by name, and policies, as in Keras."""

from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras import config, dtypes
from labkeras.dtypes import DTypePolicy, is_under_autocast, standardize_dtype, to_torch
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


def test_autocast_is_seen_where_it_is_on_and_not_on_meta() -> None:
    tensor = torch.ones(1)
    assert not is_under_autocast(tensor)
    with torch.autocast("cpu", torch.bfloat16):
        assert is_under_autocast(tensor)
        assert not is_under_autocast(tensor.to("meta"))
