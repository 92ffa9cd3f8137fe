import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import metrics
from labkeras.errors import InvalidArgumentError
from tests.helpers.metrics import check_metric, one_hot


def weights(*shape: int) -> list[torch.Tensor | None]:
    return [None, torch.rand(shape[0]), torch.rand(shape), torch.zeros(shape)]


@pytest.mark.parametrize(
    ("true_shape", "pred_shape"), [((8,), (8,)), ((8, 1), (8, 1)), ((8,), (8, 1)), ((8, 3), (8, 3))]
)
def test_accuracy_is_that_of_keras(true_shape: tuple[int, ...], pred_shape: tuple[int, ...]) -> None:
    batches = [
        (torch.randint(0, 3, true_shape), torch.randint(0, 3, pred_shape).float(), weight)
        for weight in (None, torch.rand(8), torch.rand(pred_shape))
    ]
    check_metric("Accuracy", batches)


@pytest.mark.parametrize("shape", [(8,), (8, 1), (8, 3), (8, 2, 3)])
@pytest.mark.parametrize("threshold", [0.5, 0.7])
def test_binary_accuracy_is_that_of_keras(threshold: float, shape: tuple[int, ...]) -> None:
    batches = [(torch.randint(0, 2, shape), torch.rand(shape), weight) for weight in weights(*shape)]
    check_metric("BinaryAccuracy", batches, threshold=threshold)


@pytest.mark.parametrize("shape", [(8, 3), (8, 5, 3)])
def test_categorical_accuracy_is_that_of_keras(shape: tuple[int, ...]) -> None:
    batches = [(one_hot(*shape), torch.randn(shape), weight) for weight in weights(*shape[:-1])]
    check_metric("CategoricalAccuracy", batches)


@pytest.mark.parametrize("shape", [(8, 3), (8, 5, 3), (8, 1, 3)])
@pytest.mark.parametrize("keeps_axis", [False, True])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float32])
def test_sparse_categorical_accuracy_is_that_of_keras(
    dtype: torch.dtype, keeps_axis: bool, shape: tuple[int, ...]
) -> None:
    true_shape = (*shape[:-1], 1) if keeps_axis else shape[:-1]
    batches = [(torch.randint(0, 3, true_shape).to(dtype), torch.randn(shape), weight) for weight in weights(8)]
    check_metric("SparseCategoricalAccuracy", batches)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_predictions_may_be_of_16_bits(dtype: torch.dtype) -> None:
    labels, scores = torch.randint(0, 4, (9,)), torch.randn(9, 4).to(dtype)
    ours, theirs = metrics.SparseCategoricalAccuracy(), keras.metrics.SparseCategoricalAccuracy()
    assert_close(ours(labels, scores), theirs(labels, scores))
    ours, theirs = metrics.BinaryAccuracy(), keras.metrics.BinaryAccuracy()
    assert_close(ours(labels > 1, scores[:, 0]), theirs(labels > 1, scores[:, 0]))


@pytest.mark.parametrize("shape", [(6, 3), (6, 4, 3)])
def test_functions_give_a_value_a_sample_as_in_keras(shape: tuple[int, ...]) -> None:
    scores, labels = torch.rand(shape), torch.randint(0, 3, shape[:-1])
    pairs = [
        ("sparse_categorical_accuracy", labels),
        ("sparse_categorical_accuracy", labels.unsqueeze(-1)),
        ("categorical_accuracy", one_hot(*shape)),
        ("binary_accuracy", one_hot(*shape)),
    ]
    for name, y_true in pairs:
        assert_close(getattr(metrics, name)(y_true, scores), getattr(keras.metrics, name)(y_true, scores))
        arrays = getattr(metrics, name)(y_true.tolist(), scores.numpy())
        assert_close(arrays, getattr(keras.metrics, name)(np.asarray(y_true), scores))


def test_a_mask_leaves_steps_out_as_in_keras() -> None:
    y_true, y_pred = torch.randint(0, 3, (4, 5)), torch.randn(4, 5, 3)
    y_pred._keras_mask = torch.rand(4, 5) > 0.5
    check_metric("SparseCategoricalAccuracy", [(y_true, y_pred), (y_true, y_pred, torch.rand(4, 5))])


def test_high_class_numbers_are_told_apart_whatever_the_type_of_the_predictions() -> None:
    y_pred = torch.zeros(1, 3000, dtype=torch.float16)
    y_pred[0, 2049] = 1.0  # float16 has no 2049
    assert metrics.sparse_categorical_accuracy([2049], y_pred).item() == 1.0
    assert metrics.sparse_categorical_accuracy([2048], y_pred).item() == 0.0


def test_shapes_that_do_not_fit_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"targets of shape \(4,\), predictions of shape \(3,\)"):
        metrics.SparseCategoricalAccuracy()(torch.zeros(4), torch.rand(3, 2))
