"""The core's own components have the properties that plugins' are checked for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkeras import callbacks, losses, metrics, optimizers
from labkeras.datasets import adding_problem, copy_memory, digits
from labkeras.testing import check_callback, check_dataset, check_loss, check_metric, check_optimizer

# tests/test_public_api.py looks at all docstrings and annotations.
ELSEWHERE = ("docstring", "types", "lightning")
LABELS = np.arange(12) % 4


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("MeanSquaredError", {}),
        ("CategoricalCrossentropy", {"arguments": {"label_smoothing": 0.1}}),
        ("CategoricalCrossentropy", {"arguments": {"from_logits": True}}),
        ("SparseCategoricalCrossentropy", {"y_true": LABELS[:6], "skip": ("config",)}),  # Keras's has no `axis` either
        ("BinaryCrossentropy", {}),
    ],
)
def test_losses(name: str, more: dict[str, Any]) -> None:
    check_loss(getattr(losses, name), **{**more, "skip": (*ELSEWHERE, *more.get("skip", ()))})


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("MeanSquaredError", {}),
        ("CategoricalAccuracy", {}),
        ("SparseCategoricalAccuracy", {"y_true": LABELS}),
        ("AUC", {}),
        ("Precision", {"arguments": {"thresholds": 0.3}}),
    ],
)
def test_metrics(name: str, more: dict[str, Any]) -> None:
    check_metric(getattr(metrics, name), **more, skip=ELSEWHERE)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("SGD", {"momentum": 0.9}),
        ("Adam", {"learning_rate": 0.01}),
        ("AdamW", {"learning_rate": 0.01}),
        ("RMSprop", {}),
    ],
)
def test_optimizers(name: str, arguments: dict[str, Any]) -> None:
    check_optimizer(getattr(optimizers, name), arguments, skip=ELSEWHERE)


@pytest.mark.parametrize("name", ["EarlyStopping", "ReduceLROnPlateau"])
def test_callbacks_that_decide(name: str) -> None:
    check_callback(getattr(callbacks, name), {"monitor": "loss"}, skip=ELSEWHERE)


def test_callbacks_that_write(tmp_path: Path) -> None:
    check_callback(callbacks.CSVLogger, {"filename": str(tmp_path / "log.csv")}, skip=ELSEWHERE)
    check_callback(callbacks.ModelCheckpoint, {"filepath": str(tmp_path / "best.keras")}, skip=ELSEWHERE)


def test_data_sets() -> None:
    check_dataset(digits.load_data)
    check_dataset(digits.load_data, {"rows": 20})
    check_dataset(adding_problem.load_data, {"length": 5, "rows": 20, "test_rows": 5})
    check_dataset(copy_memory.load_data, {"rows": 20, "test_rows": 5})
