import copy
import pickle
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras import losses
from labkeras.errors import InvalidArgumentError, SerializationError
from labkeras.losses import Loss, LossFunctionWrapper


class Gap(Loss):
    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        return (y_true - y_pred).abs().mean(-1)


def pair_loss(y_true: Any, y_pred: Any) -> Tensor:
    return (y_true["a"] - y_pred["a"]).abs().mean(-1) + (y_true["b"] - y_pred["b"]).abs().mean(-1)


def test_a_loss_of_ones_own_needs_call_only() -> None:
    y_true, y_pred = np.array([[1.0], [3.0]]), torch.tensor([[1.0], [1.0]], requires_grad=True)
    loss = Gap()(y_true, y_pred)
    loss.backward()
    assert_close(loss.detach(), torch.tensor(1.0))
    assert_close(y_pred.grad, torch.tensor([[0.0], [-0.5]]))


def test_targets_come_as_tensors_of_the_losss_data_type() -> None:
    seen = []

    class Look(Loss):
        def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
            seen.append((y_true.dtype, y_pred.dtype))
            return y_pred

    Look(dtype="float64")(np.array([1, 2]), [0.5, 0.5])
    assert seen == [(torch.float64, torch.float64)]


def test_names_are_counted_as_in_keras() -> None:
    assert [Gap().name, Gap().name, Gap(name="mine").name] == ["gap", "gap_1", "mine"]


def test_the_repr_can_be_pasted_back() -> None:
    loss = losses.BinaryCrossentropy(from_logits=True, reduction="sum")
    again = eval(repr(loss), {"BinaryCrossentropy": losses.BinaryCrossentropy})
    assert again.get_config() == loss.get_config()


@pytest.mark.parametrize("reduction", ["average", 1, "SUM"])
def test_an_unknown_reduction_is_named(reduction: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"'sum_over_batch_size'.*Received: reduction={reduction!r}"):
        Gap(reduction=reduction)


def test_a_loss_without_call_says_so() -> None:
    with pytest.raises(NotImplementedError, match="must have a method `call"):
        Loss()([1.0], [1.0])


def test_weights_of_the_first_axis_weigh_samples_even_where_there_are_as_many_steps() -> None:
    values, weights = torch.arange(9.0).reshape(3, 3), torch.tensor([1.0, 0.0, 0.0])
    loss = LossFunctionWrapper(lambda y_true, y_pred: y_pred, reduction=None)
    assert_close(loss(values, values, weights), torch.tensor([[0.0, 1, 2], [0, 0, 0], [0, 0, 0]]))


def test_weights_of_the_last_axis_weigh_steps() -> None:
    values = torch.ones(2, 3)
    loss = LossFunctionWrapper(lambda y_true, y_pred: y_pred, reduction=None)
    assert_close(loss(values, values, torch.tensor([1.0, 2, 3])), torch.tensor([[1.0, 2, 3], [1, 2, 3]]))


def test_a_mask_and_a_weight_a_sample_go_together() -> None:
    y_pred = torch.ones(2, 3, 1)
    y_pred._keras_mask = torch.tensor([[True, True, False], [True, False, False]])
    loss = losses.MeanSquaredError(reduction="sum")(torch.zeros(2, 3, 1), y_pred, torch.tensor([1.0, 10.0]))
    assert_close(loss, torch.tensor(12.0))


@pytest.mark.parametrize("shape", [(4,), (2, 2), (3, 2, 1, 1)])
def test_weights_that_do_not_fit_are_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`sample_weight`.*values of shape \(3,\), weights of shape"):
        losses.MeanSquaredError()(torch.zeros(3, 2), torch.zeros(3, 2), torch.ones(shape))


def test_the_weights_that_are_given_stay_as_they_are() -> None:
    y_pred, weights = torch.ones(2, 1), torch.ones(2)
    y_pred._keras_mask = torch.tensor([True, False])
    losses.MeanSquaredError()(torch.zeros(2, 1), y_pred, weights)
    assert_close(weights, torch.ones(2))


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight", None])
def test_a_function_of_one_number_for_the_batch_is_used_as_it_is(reduction: str | None) -> None:
    def total(y_true: Any, y_pred: Any) -> Any:
        return ((y_true - y_pred) ** 2).sum()

    y_true, y_pred, weights = torch.rand(4), torch.rand(4), torch.rand(4)
    from keras.src.losses.losses import LossFunctionWrapper as KerasWrapper

    for given in (None, weights):
        expected = KerasWrapper(total, reduction=reduction)(y_true, y_pred, given)
        assert_close(LossFunctionWrapper(total, reduction=reduction)(y_true, y_pred, given), expected)


def test_structures_reach_the_function_whole() -> None:
    y_true = {"a": np.zeros((2, 1)), "b": torch.zeros(2)}
    y_pred = {"a": torch.ones(2), "b": torch.ones(2, 1)}
    assert_close(LossFunctionWrapper(pair_loss)(y_true, y_pred), torch.tensor(2.0))


def test_nested_lists_of_numbers_are_one_tensor() -> None:
    assert_close(losses.MeanSquaredError()([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]]), torch.tensor(0.5))


def test_a_wrapped_function_gets_its_arguments() -> None:
    loss = LossFunctionWrapper(losses.binary_crossentropy, from_logits=True, name="mine")
    y_true, y_pred = torch.ones(3, 1), torch.randn(3, 1)
    assert_close(loss(y_true, y_pred), keras.losses.BinaryCrossentropy(from_logits=True)(y_true, y_pred))


def test_a_wrapped_function_is_written_as_keras_writes_it() -> None:
    from keras.src.losses.losses import LossFunctionWrapper as KerasWrapper

    ours = LossFunctionWrapper(losses.binary_crossentropy, name="mine", from_logits=True)
    theirs = KerasWrapper(keras.losses.binary_crossentropy, name="mine", from_logits=True)
    assert ours.get_config() == theirs.get_config()
    again = losses.deserialize(losses.serialize(ours))
    assert isinstance(again, LossFunctionWrapper)
    assert (again.fn, again.get_config()) == (losses.binary_crossentropy, ours.get_config())
    assert losses.deserialize(keras.losses.serialize(theirs)).get_config() == ours.get_config()


def test_a_function_of_ones_own_is_found_again_among_custom_objects() -> None:
    config = losses.serialize(LossFunctionWrapper(pair_loss))
    assert losses.deserialize(config, custom_objects={"pair_loss": pair_loss}).fn is pair_loss
    with pytest.raises(SerializationError, match="pair_loss"):
        losses.deserialize(config)


def test_losses_are_copied_and_pickled() -> None:
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    for again in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert again.get_config() == loss.get_config()


def test_a_dtype_policy_computes_in_its_compute_type() -> None:
    assert losses.MeanSquaredError(dtype="mixed_bfloat16").dtype == "bfloat16"


def test_reduction_may_be_changed_afterwards() -> None:
    loss = losses.MeanSquaredError()
    loss.reduction = "sum"
    assert_close(loss(torch.zeros(4, 2), torch.ones(4, 2)), torch.tensor(4.0))
