"""Lightning's own words: Trainer arguments, a Trainer of one's own, the LightningModule, several processes."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from torch.utils.data import DataLoader, TensorDataset

from labkeras import callbacks, layers, models
from labkeras.random import set_random_seed
from labkeras.training.lit_model import LitModel
from tests.helpers.keras_pairs import OURS, classifier, sample_data

X, Y = sample_data()
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
# Lightning's remarks on loaders without workers, which are right for data this small, and on its own use of torch.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec.*"),
    pytest.mark.filterwarnings("ignore:.*have no `val_dataloader`.*"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty.*"),
]


def _compiled(optimizer: Any = "sgd") -> Any:
    set_random_seed(0)
    model = classifier(OURS)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _loader() -> Any:
    return DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=16)


def _fit(trainer: Any, model: Any = None, **arguments: Any) -> tuple[Any, Any]:
    model = _compiled() if model is None else model
    arguments = {"epochs": 2, "batch_size": 10, "shuffle": False, "verbose": 0, **arguments}
    return model, model.fit(X, Y, trainer=trainer, **arguments)


# --- arguments of the Trainer ---


def test_max_steps_ends_training() -> None:
    model, history = _fit({"max_steps": 7})
    assert int(model.optimizer.iterations) == 7
    assert history.epoch == [0, 1]


def test_precision_in_16_bits_computes_in_them_and_keeps_weights_in_32() -> None:
    seen: list[torch.dtype] = []
    model = _compiled()
    model.layers[0].register_forward_hook(lambda module, args, output: seen.append(output.dtype))
    _fit({"precision": "bf16-mixed"}, model)
    assert set(seen) == {torch.bfloat16}
    assert model.layers[0].kernel.dtype == torch.float32


def test_precision_of_double_moves_the_model() -> None:
    model, _ = _fit({"precision": "64-true"})
    assert model.layers[0].kernel.dtype == torch.float64


def test_gradient_clipping_limits_each_step() -> None:
    model = _compiled(torch.optim.SGD)  # learning rate 0.001
    before = model.get_weights()
    _fit({"gradient_clip_val": 0.01}, model, epochs=1, batch_size=50)
    change = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(model.get_weights(), before, strict=True)))
    assert change == pytest.approx(0.01 * 0.001, rel=1e-2)


def test_accumulated_batches_are_one_step() -> None:
    model, _ = _fit({"accumulate_grad_batches": 5})
    assert int(model.optimizer.iterations) == 2
    whole, _ = _fit({}, batch_size=50)
    for a, b in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_a_logger_gets_the_epochs_numbers(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path)
    _, history = _fit({"logger": logger}, validation_data=(X, Y))
    logger.save()
    rows = (Path(logger.log_dir) / "metrics.csv").read_text().splitlines()
    assert set(rows[0].split(",")) == {"epoch", "step", "loss", "accuracy", "val_loss", "val_accuracy"}
    assert any(f"{history.history['val_loss'][1]:.6f}"[:7] in row for row in rows)


def test_a_tensorboard_logger_writes_events(tmp_path: Path) -> None:
    _fit({"logger": TensorBoardLogger(tmp_path)})
    assert list(tmp_path.rglob("events.out.tfevents.*"))


@pytest.mark.parametrize("in_trainer", [True, False])
def test_callbacks_of_lightnings_run_wherever_they_are_given(in_trainer: bool) -> None:
    class Counts(pl.Callback):
        steps = 0

        def on_train_batch_end(self, *args: Any) -> None:
            self.steps += 1

    counts = Counts()
    if in_trainer:
        _fit({"callbacks": counts})  # one alone is as good as a list, as in Lightning
    else:
        _fit(None, callbacks=[counts, callbacks.LambdaCallback()])
    assert counts.steps == 10


def test_a_checkpoint_of_lightnings_monitors_our_names(tmp_path: Path) -> None:
    checkpoint = pl.callbacks.ModelCheckpoint(dirpath=tmp_path, monitor="val_loss")
    _, history = _fit(None, callbacks=[checkpoint], validation_data=(X, Y))
    assert float(checkpoint.best_model_score) == pytest.approx(min(history.history["val_loss"]), rel=1e-5)


def test_a_ready_trainer_is_taken() -> None:
    trainer = pl.Trainer(max_epochs=3, **QUIET)
    model, history = _fit(trainer)
    assert history.epoch == [0, 1, 2]
    assert model.evaluate(X, Y, verbose=0, trainer=trainer) == pytest.approx(model.evaluate(X, Y, verbose=0))
    assert model.predict(X, verbose=0, trainer=trainer).shape == (50, 3)


# --- the LightningModule ---


def test_the_module_trains_with_a_trainer_and_loaders_of_ones_own(tmp_path: Path) -> None:
    model = _compiled()
    stopping = pl.callbacks.EarlyStopping(monitor="val_loss", patience=1)
    checkpoint = pl.callbacks.ModelCheckpoint(dirpath=tmp_path)
    arguments = {**QUIET, "logger": CSVLogger(tmp_path), "enable_checkpointing": True}
    trainer = pl.Trainer(max_epochs=3, callbacks=[stopping, checkpoint], log_every_n_steps=1, **arguments)
    module = model.to_lightning()
    trainer.fit(module, _loader(), _loader())
    loss, accuracy = model.evaluate(X, Y, verbose=0)
    assert {"loss", "accuracy"} <= set(trainer.callback_metrics)
    assert float(trainer.callback_metrics["val_loss"]) == pytest.approx(loss, rel=1e-5)
    assert not model.training

    other = _compiled()
    other.set_weights([np.zeros_like(weight) for weight in other.get_weights()])
    LitModel.load_from_checkpoint(checkpoint.best_model_path, model=other, compiled=other._compiled, weights_only=False)
    for a, b in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)

    tested = trainer.test(module, _loader(), verbose=False)[0]
    assert tested == pytest.approx({"test_loss": loss, "test_accuracy": accuracy}, rel=1e-5)
    validated = trainer.validate(module, _loader(), verbose=False)[0]
    assert validated == pytest.approx({"val_loss": loss, "val_accuracy": accuracy}, rel=1e-5)
    predicted = torch.cat(trainer.predict(module, _loader()))
    np.testing.assert_allclose(predicted.numpy(), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


def test_training_resumed_from_a_checkpoint_is_training_that_never_stopped(tmp_path: Path) -> None:
    def run(epochs: int, checkpoint: str | None) -> Any:
        model = _compiled("adam")
        saver = pl.callbacks.ModelCheckpoint(dirpath=tmp_path, filename=f"{epochs}")
        arguments = {**QUIET, "enable_checkpointing": True, "callbacks": [saver]}
        trainer = pl.Trainer(max_epochs=epochs, **arguments)
        trainer.fit(model.to_lightning(), _loader(), ckpt_path=checkpoint, weights_only=False)
        return model, saver.best_model_path

    _, halfway = run(2, None)
    resumed, _ = run(4, halfway)
    straight, _ = run(4, None)
    for a, b in zip(resumed.get_weights(), straight.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# --- processes ---


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize("strategy", ["ddp_fork", "ddp_spawn"])
@pytest.mark.filterwarnings("ignore")  # of torch's and Lightning's, on processes
def test_two_processes_train_on_arrays(strategy: str) -> None:
    trainer = {"devices": 2, "strategy": strategy, "accelerator": "cpu"}
    model, history = _fit(trainer, batch_size=25, validation_data=(X[:33], Y[:33]))
    # Two times 25 rows a step are one step of all 50: the mean gradient is that of the whole batch.
    alone, expected = _fit(None, batch_size=50, validation_data=(X[:33], Y[:33]))
    assert history.epoch == expected.epoch
    assert list(history.history) == list(expected.history)
    for name, values in expected.history.items():
        np.testing.assert_allclose(history.history[name], values, rtol=1e-4, err_msg=name)
    for a, b in zip(model.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
    assert model.evaluate(X, Y, verbose=0, trainer=trainer) == pytest.approx(model.evaluate(X, Y, verbose=0), rel=1e-5)
    np.testing.assert_allclose(model.predict(X, verbose=0, trainer=trainer), model.predict(X, verbose=0), rtol=1e-5)


def test_models_of_torch_modules_train_and_rest() -> None:
    model = models.Sequential(
        [layers.Input((6,)), torch.nn.Linear(6, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), layers.Dense(3)]
    )
    model.compile("sgd", "mse")
    norm = model.layers[1]
    model.fit(X, np.eye(3)[Y], batch_size=10, verbose=0)
    assert int(norm.num_batches_tracked) == 5
    model.predict(X, verbose=0)
    model.train_on_batch(X, np.eye(3)[Y])
    assert int(norm.num_batches_tracked) == 6
    assert not norm.training
