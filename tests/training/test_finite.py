"""A loss that is NaN or infinite ends training, and the message says where it came from."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from labkeras import Input, callbacks, layers, models
from labkeras.errors import NonFiniteLossError
from labkeras.training.finite import FiniteCheck, origin
from tests.helpers.keras_pairs import OURS, classifier, sample_data

X, Y = sample_data()
BOTH_WAYS = pytest.mark.parametrize("lightning", [[], [pl.Callback()]], ids=["many steps a call", "one step a call"])


def _compiled(model: Any, optimizer: Any = "sgd", loss: Any = "sparse_categorical_crossentropy") -> Any:
    model.compile(optimizer, loss)
    return model


def _fit(model: Any, x: Any = X, y: Any = Y, **arguments: Any) -> Any:
    return model.fit(x, y, **{"batch_size": 10, "shuffle": False, "verbose": 0, "epochs": 3, **arguments})


@BOTH_WAYS
def test_nan_in_the_data_names_epoch_batch_and_row(lightning: list[Any]) -> None:
    x = X.copy()
    x[37, 2] = np.nan
    model = _compiled(classifier(OURS))
    with pytest.raises(NonFiniteLossError, match=r"epoch 0, batch 3 \(.*inputs of the batch are not, in row 7 first"):
        _fit(model, x, callbacks=lightning)


@BOTH_WAYS
def test_the_weights_stay_those_of_the_last_good_step(lightning: list[Any]) -> None:
    x = X.copy()
    x[37, 2] = np.inf
    good, bad = _compiled(classifier(OURS)), _compiled(classifier(OURS))
    bad.set_weights(good.get_weights())
    _fit(good, x[:30], Y[:30], epochs=1)
    with pytest.raises(NonFiniteLossError):
        _fit(bad, x, callbacks=lightning)
    for a, b in zip(good.get_weights(), bad.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(bad.predict(X, verbose=0)).all()


def test_the_first_layer_with_such_outputs_is_named() -> None:
    x = Input((6,))
    hidden = layers.Dense(4, name="first")(x)
    broken = layers.Activation(lambda t: (t - t).log() * 0, name="breaks")(hidden)
    model = _compiled(models.Model(x, layers.Dense(3, activation="softmax", name="last")(broken)))
    with pytest.raises(NonFiniteLossError, match=r"layer 'breaks' \(Activation\) is the first with such outputs"):
        _fit(model)


def test_weights_that_overflowed_are_named() -> None:
    model = _compiled(classifier(OURS))
    model.layers[0].kernel.assign(np.full((6, 8), np.inf))
    with pytest.raises(NonFiniteLossError, match=r"layer 'dense' \(Dense\), whose weights \['kernel'\] are not finite"):
        _fit(model)


def test_a_loss_function_that_breaks_is_named() -> None:
    model = _compiled(classifier(OURS), loss=lambda y_true, y_pred: y_pred.sum(-1) * float("nan"))
    with pytest.raises(NonFiniteLossError, match="comes from the loss function or a regularizer"):
        _fit(model)


def test_a_learning_rate_that_diverges_is_stopped() -> None:
    model = _compiled(models.Sequential([Input((6,)), layers.Dense(1)]), "sgd", "mse")
    model.optimizer.learning_rate = 1e6
    with pytest.raises(NonFiniteLossError, match=r"A lower learning rate.*Received: loss=(inf|nan)"):
        _fit(model, X * 100, Y.astype("float32"), epochs=50)


def test_the_last_good_checkpoint_stays(tmp_path: Path) -> None:
    path = tmp_path / "{epoch}.keras"
    x = X.copy()
    model = _compiled(classifier(OURS))

    def spoil(epoch: int, logs: Any) -> None:
        if epoch == 1:
            x_tensor[40, 0] = float("nan")

    x_tensor = torch.tensor(x)
    spoiler = callbacks.LambdaCallback(on_epoch_end=spoil)
    with pytest.raises(NonFiniteLossError, match="epoch 2, batch 4"):
        _fit(model, x_tensor, callbacks=[callbacks.ModelCheckpoint(path), spoiler], epochs=5)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["1.keras", "2.keras"]
    loaded = models.load_model(tmp_path / "2.keras")
    assert np.isfinite(loaded.predict(X, verbose=0)).all()


def test_history_has_the_epochs_before() -> None:
    x = torch.tensor(X)
    model = _compiled(classifier(OURS))
    spoiler = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: x.fill_(float("nan")) if epoch == 1 else None)
    with pytest.raises(NonFiniteLossError):
        _fit(model, x, callbacks=[spoiler], epochs=5)
    assert model.history.epoch == [0, 1]


def test_the_search_changes_nothing() -> None:
    model = models.Sequential([Input((6,)), layers.BatchNormalization(), layers.Dropout(0.5, seed=1), layers.Dense(3)])
    before = [buffer.clone() for buffer in model.buffers()]
    assert "loss function" in origin(model, torch.tensor(X))
    for a, b in zip(before, model.buffers(), strict=True):
        assert torch.equal(a, b)
    assert not any(module._forward_hooks for module in model.modules())


def test_losses_of_an_accelerator_are_looked_at_together() -> None:
    check = FiniteCheck(classifier(OURS))
    check.begin_epoch(4)
    losses = torch.tensor([1.0] * 40 + [float("nan")] + [2.0] * 30)
    for first in (0, 32):
        check._waiting.extend(losses[first : first + 32])  # where losses go that are not on the CPU
        if first == 0:
            check.finish()
    with pytest.raises(NonFiniteLossError, match="epoch 4, batch 40"):
        check.finish()
