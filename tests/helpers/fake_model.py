"""A model for tests of callbacks: its weights and saved files tell when they were made."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np


class FakeModel:
    """What callbacks see of a model; its one weight counts the batches it was trained for."""

    def __init__(self, **optimizer: Any) -> None:
        self.weight = np.zeros(1)
        self.metrics: list[Any] = []
        self.stop_training = False
        self.optimizer = SimpleNamespace(iterations=0, learning_rate=0.5, **optimizer)
        self.saved: list[str] = []

    def train_batch(self) -> None:
        self.weight += 1
        self.optimizer.iterations += 1

    def get_weights(self) -> list[np.ndarray]:
        return [self.weight.copy()]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        self.weight = weights[0].copy()

    def save(self, path: str, overwrite: bool = True) -> None:
        self._write("model", path)

    def save_weights(self, path: str, overwrite: bool = True) -> None:
        self._write("weights", path)

    def _write(self, what: str, path: str) -> None:
        Path(path).write_text(f"{what} {self.weight[0]:.0f}")
        self.saved.append(Path(path).name)


def run_fit(callbacks: Any, model: FakeModel, epochs: list[dict[str, float]], batches: int = 2) -> int:
    """Calls the hooks as `fit` does, with the logs of each epoch given; returns the number of epochs that were run."""
    callbacks.on_train_begin()
    logs: dict[str, float] = {}
    done = 0
    for epoch, logs in enumerate(epochs):
        callbacks.on_epoch_begin(epoch)
        for batch in range(batches):
            callbacks.on_train_batch_begin(batch)
            model.train_batch()
            callbacks.on_train_batch_end(batch, {name: value for name, value in logs.items() if name[:4] != "val_"})
        val_logs = {name.removeprefix("val_"): value for name, value in logs.items() if name[:4] == "val_"}
        if val_logs:
            callbacks.on_test_begin()
            callbacks.on_test_batch_begin(0)
            callbacks.on_test_batch_end(0, val_logs)
            callbacks.on_test_end(val_logs)
        callbacks.on_epoch_end(epoch, logs)
        done = epoch + 1
        if model.stop_training:
            break
    callbacks.on_train_end(logs)
    return done
