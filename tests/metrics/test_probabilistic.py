import pytest
import torch

from tests.helpers.metrics import check_metric, one_hot

each_kind = pytest.mark.parametrize("from_logits", [False, True])
each_shape = pytest.mark.parametrize("shape", [(6, 4), (6, 5, 4)])


def predictions(shape: tuple[int, ...], from_logits: bool) -> torch.Tensor:
    return torch.randn(shape) if from_logits else torch.rand(shape)


@each_kind
@each_shape
@pytest.mark.parametrize("label_smoothing", [0, 0.2])
def test_binary_and_categorical_crossentropy_are_those_of_keras(
    label_smoothing: float, shape: tuple[int, ...], from_logits: bool
) -> None:
    batches = [
        (one_hot(*shape), predictions(shape, from_logits), weights)
        for weights in (None, torch.rand(6), torch.rand(shape[:-1]))
    ]
    for name in ("BinaryCrossentropy", "CategoricalCrossentropy"):
        check_metric(name, batches, from_logits=from_logits, label_smoothing=label_smoothing)


@each_kind
@each_shape
@pytest.mark.parametrize("ignore_class", [None, -1, 2])
def test_sparse_categorical_crossentropy_is_that_of_keras(
    ignore_class: int | None, shape: tuple[int, ...], from_logits: bool
) -> None:
    y_true = torch.randint(0, 4, shape[:-1])
    if ignore_class is not None:
        y_true[torch.rand(shape[:-1]) > 0.6] = ignore_class
    batches = [(y_true, predictions(shape, from_logits), weights) for weights in (None, torch.rand(shape[:-1]))]
    check_metric("SparseCategoricalCrossentropy", batches, from_logits=from_logits, ignore_class=ignore_class)
