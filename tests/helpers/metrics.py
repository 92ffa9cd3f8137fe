"""check_metric: that a metric does what Keras's metric of the same name does, with weights, in configs."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras import metrics

Batch = tuple[Any, ...]


def check_metric(name: str, batches: Sequence[Batch], **arguments: Any) -> None:
    """Compares a metric with Keras's after each batch; its state too; NumPy arrays; a reset; configs both ways.

    Args:
        name: the name of both classes.
        batches: what `update_state` is called with: (y_true, y_pred) or (y_true, y_pred, sample_weight).
        arguments: what both are made with.
    """
    arguments = {"name": "some_name", **arguments}  # Keras goes on counting names from test to test
    ours, theirs = getattr(metrics, name)(**arguments), getattr(keras.metrics, name)(**arguments)
    arrays = getattr(metrics, name)(**arguments)
    for batch in batches:
        ours.update_state(*batch)
        theirs.update_state(*map(copied, batch))
        arrays.update_state(*(None if part is None else np.asarray(part) for part in batch))
        assert_close(ours.result(), theirs.result())
        if not any(hasattr(part, "_keras_mask") for part in batch):
            assert_close(arrays.result(), theirs.result())
    for variable, expected in zip(ours.variables, theirs.variables, strict=True):
        assert_close(variable.as_subclass(Tensor).detach(), expected.value.detach())
        assert (variable.name, variable.path) == (expected.name, expected.path)
    check_stateless(ours, batches[0])
    ours.reset_state()
    theirs.reset_state()
    assert_close(ours.result(), theirs.result())
    check_configs(ours, theirs)


def check_stateless(metric: metrics.Metric, batch: Batch) -> None:
    """The stateless methods compute what the others do, and leave the metric alone."""
    before = [variable.detach().clone() for variable in metric.variables]
    state = metric.stateless_update_state(metric.stateless_reset_state(), *batch)
    fresh = type(metric).from_config(metric.get_config())
    fresh.update_state(*batch)
    assert_close(metric.stateless_result(state), fresh.result())
    for variable, value in zip(metric.variables, before, strict=True):
        assert_close(variable.as_subclass(Tensor).detach(), value.as_subclass(Tensor))


def check_configs(ours: metrics.Metric, theirs: Any) -> None:
    """Both write the same config, and each reads the other's."""
    config = keras.metrics.serialize(theirs)
    assert metrics.serialize(ours) == config
    assert metrics.deserialize(config).get_config() == ours.get_config()
    assert keras.metrics.deserialize(metrics.serialize(ours)).get_config() == theirs.get_config()


def copied(value: Any) -> Any:
    """A copy with the mask, as Keras multiplies weights in place."""
    if not isinstance(value, Tensor):
        return value
    copy = value.clone()
    if hasattr(value, "_keras_mask"):
        copy._keras_mask = value._keras_mask
    return copy


def one_hot(*shape: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.randint(0, shape[-1], shape[:-1]), shape[-1]).float()
