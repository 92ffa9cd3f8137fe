"""check_loss: that a loss does what Keras's loss of the same name does, as a class and as a function."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras import losses

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)


def check_loss(name: str, function_name: str, y_true: Any, y_pred: Tensor, **arguments: Any) -> None:
    """Compares a loss with Keras's: values, gradients, reductions, weights, masks, types of input, configs.

    Args:
        name: the name of both classes.
        function_name: the name of both functions.
        y_true: targets.
        y_pred: predictions, of shape (batch, …).
        arguments: what the classes are made with, and the functions are called with.
    """
    cls, keras_cls = getattr(losses, name), getattr(keras.losses, name)
    for reduction in REDUCTIONS:
        ours, theirs = cls(reduction=reduction, **arguments), keras_cls(reduction=reduction, **arguments)
        for weights in (None, *weights_for(theirs, y_true, y_pred)):
            assert_same(ours, theirs, y_true, y_pred, weights)
        assert ours.get_config() == theirs.get_config()
    function, keras_function = getattr(losses, function_name), getattr(keras.losses, function_name)
    assert_close(function(y_true, y_pred, **arguments), keras_function(y_true, y_pred, **arguments))
    arrays = (np.asarray(y_true), y_pred.numpy())
    assert_close(cls(**arguments)(*arrays), keras_cls(**arguments)(*arrays))
    check_configs(cls(name="mine", reduction="sum", **arguments), keras_cls(name="mine", reduction="sum", **arguments))


def check_configs(ours: losses.Loss, theirs: Any) -> None:
    """Both write the same config, and each reads the other's."""
    config = keras.losses.serialize(theirs)
    assert losses.serialize(ours) == config
    assert losses.deserialize(config).get_config() == ours.get_config()
    assert keras.losses.deserialize(losses.serialize(ours)).get_config() == theirs.get_config()


def weights_for(theirs: Any, y_true: Any, y_pred: Tensor) -> list[Tensor]:
    """Sample weights of every shape that Keras takes: of the values, and one a sample."""
    shape = type(theirs)(**{**keras_arguments(theirs), "reduction": None})(y_true, y_pred).shape
    weights = [torch.rand(shape), torch.rand(shape[0], *[1] * (len(shape) - 1)), torch.zeros(shape)]
    return [*weights, torch.rand(shape[0], 1), torch.tensor(0.5)] if len(shape) == 1 else weights


def keras_arguments(loss: Any) -> dict[str, Any]:
    arguments = dict(loss.get_config())
    for name in ("axis", "label_smoothing"):
        if hasattr(loss, name):
            arguments[name] = getattr(loss, name)
    return arguments


def assert_same(
    ours: Callable[..., Tensor], theirs: Callable[..., Tensor], y_true: Any, y_pred: Tensor, weights: Tensor | None
) -> None:
    """Values and gradients of both agree, with a mask on the predictions too."""
    rank = y_pred.ndim - 1
    for mask in (None, torch.rand(y_pred.shape[:rank]) > 0.4, torch.zeros(y_pred.shape[:rank], dtype=torch.bool)):
        values, gradients = [], []
        for loss in (ours, theirs):
            leaf = y_pred.clone().requires_grad_()
            if mask is not None and (weights is None or weights.shape == mask.shape):
                leaf._keras_mask = mask
            # Keras multiplies the weights that it is given in place.
            value = loss(y_true, leaf, sample_weight=None if weights is None else weights.clone())
            value.sum().backward()
            values.append(value.detach())
            gradients.append(leaf.grad)
        assert_close(values[0], values[1])
        assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)
