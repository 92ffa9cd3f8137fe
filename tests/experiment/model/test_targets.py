"""Losses and metrics are tried on what a model gives and a data set holds; real tensors agree with the outcome."""

from typing import Any

import pytest
import torch

from labkeras import losses
from labkeras.datasets.spec import ArraySpec
from labkeras.experiment.model.symbolic import TensorSpec
from labkeras.experiment.model.targets import Comparisons

LABELS = ArraySpec((), "int64", classes=10)


def faults(loss: str | None, output: tuple[int | None, ...], target: ArraySpec, metric: str | None = None) -> list[str]:
    metrics = {} if metric is None else {metric: {"metric": metric}}
    node = None if loss is None else {"loss": loss}
    return Comparisons().faults(node, metrics, TensorSpec(output, "float32"), target)


FITTING = [
    ("sparse_categorical_crossentropy", (None, 10), LABELS),
    ("sparse_categorical_crossentropy", (None, 12), LABELS),  # a class that no sample has
    ("sparse_categorical_crossentropy", (None, 7, 10), ArraySpec((7,), "int64", classes=10)),
    ("categorical_crossentropy", (None, 10), ArraySpec((10,))),
    ("binary_crossentropy", (None, 1), ArraySpec((), "int64", classes=2)),
    ("mse", (None, 1), ArraySpec(())),
    ("mae", (None, 5, 2), ArraySpec((5, 2))),
    ("mse", (None, None, 2), ArraySpec((None, 2))),
]
# Of unknown length on one side: what the other side says holds.
OF_ANY_LENGTH = [
    ("sparse_categorical_crossentropy", (None, None, 10), ArraySpec((7,), "int64", classes=10)),
    ("sparse_categorical_crossentropy", (None, 7, 10), ArraySpec((None,), "int64", classes=10)),
    ("mse", (None, None, 2), ArraySpec((7, 2))),
]
REFUSED = [
    ("sparse_categorical_crossentropy", (None, 9), LABELS, "the labels have 10 classes, from 0 to 9"),
    ("sparse_categorical_crossentropy", (None, 8, 10), LABELS, "outputs of the shape (None, 8, 10) and targets"),
    ("sparse_categorical_crossentropy", (None, 10), ArraySpec((10,)), "cannot be applied"),
    ("categorical_crossentropy", (None, 10), LABELS, "is compared with targets of the shape (None,)"),
    ("categorical_crossentropy", (None, 10), ArraySpec((9,)), "targets of the shape (None, 9)"),
    ("binary_crossentropy", (None, 1), LABELS, "its targets are 0 or 1"),
    ("mse", (None, 10), LABELS, "the output of the shape (None, 10) is compared with targets of the shape (None,)"),
    ("mse", (None, 3), ArraySpec((4,)), "the output of the shape (None, 3)"),
]


@pytest.mark.parametrize(("loss", "output", "target"), FITTING)
def test_what_fits_is_let_through_and_works(loss: str, output: tuple[int | None, ...], target: ArraySpec) -> None:
    assert faults(loss, output, target) == []
    y_pred = torch.rand([4, *(5 if size is None else size for size in output[1:])])
    shape = [4, *(5 if size is None else size for size in target.shape)]
    y = torch.rand(shape) if target.classes is None else torch.randint(target.classes, shape)
    made: Any = losses.loss_for(loss, y.shape, y_pred.shape)
    assert torch.isfinite(made(y, y_pred))


@pytest.mark.parametrize(("loss", "output", "target", "words"), REFUSED)
def test_what_does_not_fit_is_named(loss: str, output: tuple[int, ...], target: ArraySpec, words: str) -> None:
    found = faults(loss, output, target)
    assert len(found) == 1
    assert found[0].startswith(f"loss={loss!r}: ")
    assert words in found[0]


@pytest.mark.parametrize(("loss", "output", "target"), OF_ANY_LENGTH)
def test_a_length_that_one_side_knows_is_that_of_both(
    loss: str, output: tuple[int | None, ...], target: ArraySpec
) -> None:
    assert faults(loss, output, target, "accuracy" if target.classes else "mae") == []
    assert faults(loss, (None, *output[1:-1], 3), target) != []


def test_metrics_are_tried_as_well() -> None:
    assert faults(None, (None, 10), LABELS, "accuracy") == []
    assert faults(None, (None, 10), LABELS, "auc")[0].startswith("metrics.auc='auc': cannot be applied to outputs")
    assert faults(None, (None, 8, 10), LABELS, "accuracy")[0].startswith("metrics.accuracy='accuracy': ")


def test_each_output_has_its_own_targets() -> None:
    outputs = {"label": TensorSpec((None, 10), "float32"), "size": TensorSpec((None, 1), "float32")}
    loss = {"label": {"loss": "sparse_categorical_crossentropy"}, "size": {"loss": "mse"}}
    targets = {"label": LABELS, "size": ArraySpec(())}
    assert Comparisons().faults(loss, {}, outputs, targets) == []
    wrong = Comparisons().faults(
        loss, {"label": {"a": {"metric": "auc"}}}, outputs, {**targets, "size": ArraySpec((3,))}
    )
    assert [fault.partition("=")[0] for fault in wrong] == ["loss.size", "metrics.label.a"]


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert Comparisons().faults({"loss": "mse"}, {}, TensorSpec((None, 10), "float32"), None) == []
