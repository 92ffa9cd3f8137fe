"""A training run that can be broken off: in this process by an error, in one of its own by a kill.

Run as a script with a folder and a moment it dies there: `python interrupted_run.py folder 3 2 epoch`.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

import labkeras
from labkeras import callbacks, layers, models, optimizers

__all__ = ["InterruptionError", "data", "dies_at", "model", "train"]


class InterruptionError(RuntimeError):
    """What breaks a run off."""


def data() -> tuple[np.ndarray, np.ndarray]:
    """70 rows of 6 features, and a class of 3 for each: 5 batches of 16."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(70, 6)).astype("float32"), generator.integers(0, 3, 70)


def model(units: int = 8, optimizer: Any = None) -> Any:
    """A model that has all that a backup must hold: slots, averages, statistics, and random numbers of both kinds."""
    made = models.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(units, activation="relu"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dropout(0.2, seed=3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    made.compile(
        optimizer or optimizers.Adam(0.01, use_ema=True), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return made


class Dies(callbacks.Callback):
    """Ends the run before a batch of an epoch, both counted from 0."""

    def __init__(self, epoch: int, batch: int, by: str = "error") -> None:
        super().__init__()
        self.moment = epoch, batch
        self.by = by
        self.epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == self.moment:
            die(self.by)


def die(by: str) -> None:
    if by == "error":
        raise InterruptionError("the run is broken off")
    os.kill(os.getpid(), signal.SIGKILL)


def dies_at(epoch: int, batch: int) -> Dies:
    """A callback that raises an error then."""
    return Dies(epoch, batch)


def train(
    folder: Path,
    *more: Any,
    source: str = "arrays",
    epochs: int = 6,
    trainer: Any = None,
    optimizer: Any = None,
    **backup: Any,
) -> tuple[Any, Any]:
    """Trains with a backup in `folder`; returns the model and the History."""
    labkeras.utils.set_random_seed(1)
    trained = model(optimizer=optimizer)
    listed = [
        callbacks.BackupAndRestore(folder / "backup", **backup),
        callbacks.ReduceLROnPlateau(monitor="loss", patience=0, factor=0.7, min_delta=0.5),
        callbacks.EarlyStopping(monitor="val_loss", patience=20, restore_best_weights=True),
        callbacks.ModelCheckpoint(folder / "best.keras", monitor="val_accuracy", save_best_only=True),
        callbacks.CSVLogger(folder / "log.csv"),
        *([callbacks.SwapEMAWeights(swap_on_epoch=True)] if optimizer is None else []),
        *more,
    ]
    x, y = data()
    arguments: dict[str, Any] = {"epochs": epochs, "validation_data": (x[:20], y[:20]), "callbacks": listed}
    if source == "loader":
        rows = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
        history = trained.fit(torch.utils.data.DataLoader(rows, 16, shuffle=True), verbose=0, **arguments)
    else:
        if source == "lightning":
            trainer = {"logger": False, "max_steps": 10_000}
        history = trained.fit(x, y, batch_size=16, verbose=0, trainer=trainer, **arguments)
    return trained, history


def _die_while(step: str) -> None:
    """Kills this process at a step of writing the second backup: before "fsync", before or after "replace"."""
    seen = 0
    name = "fsync" if step == "fsync" else "replace"
    original = getattr(os, name)

    def counted(*arguments: Any) -> Any:
        nonlocal seen
        is_backup = name == "fsync" or str(arguments[1]).endswith("latest.zip")
        seen += is_backup
        if is_backup and seen == 2 and step != "after replace":
            die("kill")
        result = original(*arguments)
        if is_backup and seen == 2:
            die("kill")
        return result

    setattr(os, name, counted)


if __name__ == "__main__":
    where, moment = Path(sys.argv[1]), sys.argv[2]
    freq = int(sys.argv[3]) if sys.argv[3].isdigit() else "epoch"
    if moment.replace(",", "").isdigit():
        at = [int(number) for number in moment.split(",")]
        train(where, Dies(at[0], at[1], by="kill"), save_freq=freq)
    else:
        _die_while(moment)
        train(where, save_freq=freq)
