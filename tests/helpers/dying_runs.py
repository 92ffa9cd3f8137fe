"""Runs that end before they are done: data of every kind with randomness of its own, and a callback that kills.

As a plugin (`PLUGIN`) its components are there in processes of `labkeras train`, too.
"""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

import labkeras
from labkeras.callbacks import Callback
from labkeras.registry import callbacks, datasets, models

DEATH = "DYING_RUNS_DEATH"
"""In the environment: "epoch:batch:how", or "save:n:how" for in the middle of the n-th checkpoint."""

ROWS, BATCH = 80, 16


class Noisy(Dataset[Any]):
    """Samples with noise from torch's, NumPy's and Python's generators, as augmentation draws it."""

    def __init__(self, rows: int = ROWS) -> None:
        generator = np.random.default_rng(1)
        self.x = generator.normal(size=(rows, 6)).astype("float32")
        self.y = (self.x.sum(axis=1) > 0).astype("int64")

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> Any:
        noise = torch.randn(6).numpy() + np.random.standard_normal(6) + random.random()
        return (self.x[index] + 0.1 * noise).astype("float32"), self.y[index]


class Stream(IterableDataset[Any]):
    """The same without a length."""

    def __iter__(self) -> Iterator[Any]:
        samples = Noisy()
        return (samples[index] for index in torch.randperm(len(samples)).tolist())


def noisy(kind: str = "arrays", workers: int = 0) -> Any:
    """Data of a kind, to train, test and validate on."""
    whole = Noisy()
    arrays = whole.x, whole.y
    if kind == "arrays":
        return arrays, arrays
    if kind == "dataset":
        return whole, arrays, arrays
    if kind == "stream":
        return DataLoader(Stream(), BATCH), arrays, arrays
    generator = torch.Generator().manual_seed(3) if kind == "seeded loader" else None
    context = "fork" if workers else None
    loader: DataLoader[Any] = DataLoader(
        whole, BATCH, shuffle=True, num_workers=workers, generator=generator, multiprocessing_context=context
    )
    return loader, arrays, DataLoader(whole, BATCH)


class DeathError(Exception):
    """What a run dies of."""


class Dies(Callback):
    """Ends the process, or the run, at the place that the environment names."""

    def __init__(self) -> None:
        super().__init__()
        place, number, self.how = os.environ.get(DEATH, "-1:-1:error").split(":")
        self.epoch, self.batch = int(place) if place != "save" else -1, int(number)
        self.now = -1
        if place == "save":
            _die_in_save(self.batch, self.how)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.now = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self.now, batch) == (self.epoch, self.batch):
            die(self.how)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.now == self.epoch and self.batch == 1000 + batch:
            die(self.how)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if (epoch, self.batch) == (self.epoch, 2000):
            die(self.how)


def die(how: str) -> None:
    """Ends what is going on."""
    if how == "error":
        raise DeathError("the moment has come")
    os.kill(os.getpid(), {"kill": signal.SIGKILL, "term": signal.SIGTERM, "int": signal.SIGINT}[how])
    if how == "kill":
        time.sleep(60)


def _die_in_save(number: int, how: str) -> None:
    """Dies in the n-th call by which a checkpoint is made durable."""
    original, calls = os.fsync, [0]

    def fsync(descriptor: int) -> None:
        calls[0] += 1
        if calls[0] == number:
            die(how)
        original(descriptor)

    os.fsync = fsync


class Unbuilt(labkeras.Model):
    """A model that gets its weights from the first batch."""

    def __init__(self, units: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden = labkeras.layers.Dense(units, activation="relu")
        self.drop = labkeras.layers.Dropout(0.3)
        self.out = labkeras.layers.Dense(2)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.out(self.drop(self.hidden(x), training=training))


@contextmanager
def registered() -> Iterator[None]:
    """Within it, the components are there in this process."""
    entries = [
        (datasets, datasets.add("noisy", noisy)),
        (callbacks, callbacks.add("dies", Dies)),
        (models, models.add("unbuilt", Unbuilt)),
    ]
    try:
        yield
    finally:
        for registry, entry in entries:
            registry.discard(entry)


def overrides(kind: str = "arrays", *more: str, workers: int = 0) -> list[str]:
    """A tiny run with everything that has a state: dropout, momentum, averages, schedules, callbacks."""
    return [
        "data=noisy",
        f"data.kind={kind}",
        f"data.workers={workers}",
        "model=dying",
        "optimizer=adam",
        "optimizer.use_ema=true",
        "loss=sparse_categorical_crossentropy",
        "loss.from_logits=true",
        "callbacks=dying",
        "fit.epochs=4",
        f"fit.batch_size={BATCH}",
        "fit.validation_split=0.2",
        "fit.verbose=0",
        "trainer=cpu",
        "checkpoint.every_batches=2",
        "monitor=val_loss",
        *more,
    ]


PLUGIN = """
import labkeras


@labkeras.hookimpl
def labkeras_register_datasets():
    return {"noisy": "tests.helpers.dying_runs:noisy"}


@labkeras.hookimpl
def labkeras_register_callbacks():
    return {"dies": "tests.helpers.dying_runs:Dies"}


@labkeras.hookimpl
def labkeras_register_models():
    return {"unbuilt": "tests.helpers.dying_runs:Unbuilt"}
"""
"""The components as a plugin's, for `install_plugin`."""

MODEL = """kind: sequential
input: {shape: [6]}
layers:
  h: {layer: dense, units: 8, activation: relu}
  n: {layer: batch_normalization}
  d: {layer: dropout, rate: 0.3}
  out: {layer: dense, units: 2}
"""
UNBUILT = "kind: subclass\nmodel: unbuilt\n"
CALLBACKS = """
best: {callback: model_checkpoint, filepath: checkpoints/best.keras, monitor: val_loss, save_best_only: true}
slower: {callback: reduce_lr_on_plateau, monitor: loss, patience: 0, min_delta: 1.0, cooldown: 0}
early: {callback: early_stopping, monitor: val_loss, patience: 30, restore_best_weights: true}
csv: {callback: csv_logger, filename: log.csv}
dies: {callback: dies}
"""


def write_conf(folder: Path) -> None:
    """Writes the options that `overrides` names."""
    for name, text in (
        ("model/dying.yaml", MODEL),
        ("model/unbuilt.yaml", UNBUILT),
        ("callbacks/dying.yaml", CALLBACKS),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def outcome(folder: Path) -> dict[str, Any]:
    """What a run came to, without what no two runs share: times and places."""
    from labkeras.saving import load_checkpoint  # after the process has decided on its threads

    result = json.loads((folder / "result.json").read_text())
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    checkpoint = load_checkpoint(folder)
    for row in (*rows, result.get("best") or {}, result.get("last") or {}):
        row.pop("seconds", None)
    for key in ("seconds", "run_dir"):
        result.pop(key)
    numbers = {**checkpoint.weights, **checkpoint.optimizer}
    return {
        "result": result,
        "rows": rows,
        "csv": (folder / "log.csv").read_bytes() if (folder / "log.csv").exists() else None,
        "weights": {place: values.numpy().tobytes() for place, values in numbers.items()},
        "random": checkpoint.state["random"][0]["torch"].numpy().tobytes(),
        "scalars": scalars(folder / "tb"),
    }


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar in the event files below a folder."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    found: dict[str, list[tuple[int, float]]] = {}
    # Of files that one process made in one second, ".10" comes after ".9".
    files = sorted(folder.rglob("events.out.tfevents.*"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    for path in files:
        for event in LegacyEventFileLoader(str(path)).Load():
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    place = f"{path.parent.relative_to(folder)}:{value.tag}"
                    found.setdefault(place, []).append((event.step, value.simple_value))
    return found
