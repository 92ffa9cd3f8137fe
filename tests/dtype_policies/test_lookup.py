"""Policies are written and read as in Keras, and are found under Keras's names."""

from typing import Any

import keras
import pytest

import labkeras
from labkeras import dtype_policies, dtypes, mixed_precision, optimizers
from labkeras.errors import InvalidArgumentError


@pytest.mark.parametrize("name", ["float32", "bfloat16", "mixed_float16"])
def test_policies_are_exchanged_with_keras(name: str) -> None:
    written = dtype_policies.serialize(dtype_policies.DTypePolicy(name))
    assert written == keras.dtype_policies.serialize(keras.DTypePolicy(name))
    assert dtype_policies.deserialize(written).name == keras.dtype_policies.deserialize(written).name == name


def test_maps_are_exchanged_with_keras() -> None:
    written = dtype_policies.serialize(dtype_policies.DTypePolicyMap("float32", {"a/.*": "mixed_bfloat16"}))
    theirs = keras.dtype_policies.deserialize(written)
    assert theirs["a/b"].name == "mixed_bfloat16"
    ours = dtype_policies.deserialize(keras.dtype_policies.serialize(theirs))
    assert ours["a/b"].name == "mixed_bfloat16"
    assert ours["b"].name == "float32"


def test_a_class_of_ones_own_is_read() -> None:
    class Wide(dtype_policies.DTypePolicy):
        def __init__(self, name: str = "float64") -> None:
            super().__init__(name)

    config = {"module": None, "class_name": "Wide", "config": {"name": "float64"}, "registered_name": "Wide"}
    assert isinstance(dtype_policies.deserialize(config, {"Wide": Wide}), Wide)


@pytest.mark.parametrize("config", [{}, {"class_name": "Dense", "config": {}}, {"class_name": "DTypePolicyMap"}])
def test_what_describes_no_policy_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"the config of a DTypePolicy\. Received: dtype="):
        dtype_policies.deserialize(config)


def test_older_names_mean_the_same() -> None:
    assert labkeras.FloatDTypePolicy is dtype_policies.FloatDTypePolicy is labkeras.DTypePolicy
    assert mixed_precision.Policy is mixed_precision.DTypePolicy is labkeras.DTypePolicy
    assert mixed_precision.LossScaleOptimizer is optimizers.LossScaleOptimizer
    assert dtypes.get({"class_name": "FloatDTypePolicy", "config": {"name": "float16"}}).name == "float16"


@pytest.mark.parametrize(
    ("setter", "getter"),
    [
        (labkeras.config.set_dtype_policy, labkeras.config.dtype_policy),
        (mixed_precision.set_dtype_policy, mixed_precision.dtype_policy),
        (mixed_precision.set_global_policy, mixed_precision.global_policy),
    ],
)
def test_the_global_policy_is_set_from_everywhere(setter: Any, getter: Any) -> None:
    setter("mixed_bfloat16")
    assert getter().name == dtypes.dtype_policy().name == "mixed_bfloat16"
    assert labkeras.layers.Dense(1).compute_dtype == "bfloat16"
