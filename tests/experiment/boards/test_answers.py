"""What a model's answers mean: classes, numbers, or neither."""

from typing import Any

import numpy as np
import pytest
import torch

from labkeras.experiment.boards.answers import Classes, Numbers, answers_to
from labkeras.experiment.boards.samples import Samples
from labkeras.losses import BinaryCrossentropy, CategoricalCrossentropy, MeanSquaredError, SparseCategoricalCrossentropy

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.normal(size=(6, 3))
PROBABILITIES = torch.softmax(torch.as_tensor(LOGITS), -1).numpy()
LABELS = np.array([0, 1, 2, 0, 1, 2])


class Says(torch.nn.Module):
    """A model that gives its input back."""

    layers: tuple[Any, ...] = ()

    def forward(self, x: Any, training: bool = False) -> Any:
        return x


def meaning(outputs: Any, y: Any, loss: Any) -> Any:
    return answers_to(Samples(np.asarray(outputs), np.asarray(y), "test"), Says(), loss).meaning


@pytest.mark.parametrize(
    ("outputs", "y", "loss"),
    [
        (PROBABILITIES, LABELS, SparseCategoricalCrossentropy()),
        (PROBABILITIES, LABELS[:, None], SparseCategoricalCrossentropy()),
        (PROBABILITIES, LABELS.astype(np.float32), None),
        (PROBABILITIES, np.eye(3)[LABELS], CategoricalCrossentropy()),
        (LOGITS, LABELS, SparseCategoricalCrossentropy(from_logits=True)),
        (LOGITS, LABELS, None),
    ],
)
def test_classes_are_told_from_labels_rows_of_one_and_logits(outputs: Any, y: Any, loss: Any) -> None:
    found = meaning(outputs, y, loss)
    assert isinstance(found, Classes)
    assert found.is_one_each
    np.testing.assert_array_equal(found.labels, LABELS)
    np.testing.assert_allclose(found.probabilities, PROBABILITIES, rtol=1e-6)
    np.testing.assert_array_equal(found.found, LOGITS.argmax(-1))


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_output_is_two_classes_if_the_loss_says_so(shape: tuple[int, ...]) -> None:
    outputs, y = np.array([0.1, 0.8, 0.6, 0.3]).reshape(shape), np.array([0, 1, 0, 1])
    found = meaning(outputs, y, BinaryCrossentropy())
    assert found.probabilities[:, 1] == pytest.approx([0.1, 0.8, 0.6, 0.3])
    assert found.found.tolist() == [0, 1, 1, 0]
    assert meaning(outputs * 2, y, BinaryCrossentropy(from_logits=True)).probabilities[0, 1] == pytest.approx(
        1 / (1 + np.exp(-0.2))
    )
    assert isinstance(meaning(outputs, y, MeanSquaredError()), Numbers)


def test_a_label_for_each_step_is_no_label_for_each_sample() -> None:
    found = meaning(PROBABILITIES.reshape(2, 3, 3), LABELS.reshape(2, 3), SparseCategoricalCrossentropy())
    assert not found.is_one_each
    assert found.labels.tolist() == LABELS.tolist()


def test_labels_that_are_no_class_do_not_count() -> None:
    found = meaning(PROBABILITIES, np.where(LABELS == 2, -1, LABELS), SparseCategoricalCrossentropy(ignore_class=-1))
    assert found.labels.tolist() == [0, 1, 0, 1]
    assert len(found.probabilities) == 4


def test_numbers_are_numbers_and_what_does_not_fit_is_nothing() -> None:
    found = meaning(LOGITS, LOGITS + 1, MeanSquaredError())
    assert isinstance(found, Numbers)
    np.testing.assert_allclose(found.true, found.found + 1)
    assert meaning(LOGITS, np.zeros((6, 2)), MeanSquaredError()) is None
    assert meaning(LOGITS, np.array(["a"] * 6), None) is None
