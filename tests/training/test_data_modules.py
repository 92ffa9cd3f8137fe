"""A LightningDataModule as data: Lightning calls its hooks, training is that on its batches."""

from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

from labkeras import layers, models
from labkeras.errors import DataError, InvalidArgumentError
from labkeras.random import set_random_seed
from tests.helpers.keras_pairs import OURS, classifier, sample_data

X, Y = sample_data()


class Plain(pl.LightningDataModule):
    """Training alone; remembers which of its hooks were called."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def prepare_data(self) -> None:
        self.calls.append("prepare")

    def setup(self, stage: str) -> None:
        self.calls.append("setup " + stage)
        assert self.trainer is not None
        self.data = TensorDataset(torch.tensor(X), torch.tensor(Y))

    def teardown(self, stage: str) -> None:
        self.calls.append("teardown " + stage)

    def train_dataloader(self) -> Any:
        self.calls.append("train")
        return DataLoader(self.data, batch_size=16)


class Whole(Plain):
    def val_dataloader(self) -> Any:
        self.calls.append("val")
        return DataLoader(self.data, batch_size=20)

    def predict_dataloader(self) -> Any:
        return DataLoader(TensorDataset(torch.tensor(X)), batch_size=20)


class WithTests(Whole):
    def test_dataloader(self) -> Any:
        self.calls.append("test")
        return DataLoader(self.data, batch_size=16)


class Doubling(Whole):
    """Has a hook for each batch, which only Lightning calls."""

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        x, y = batch
        return x * 2, y


def _model(make: Any = classifier) -> Any:
    set_random_seed(0)
    model = make(OURS)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _deferred(package: Any) -> Any:
    return models.Sequential([layers.Dense(4), layers.Dense(3, activation="softmax")])


def test_training_and_validation_are_those_on_its_batches() -> None:
    data, expected, model = Whole(), _model(), _model()
    reference = expected.fit(X, Y, batch_size=16, shuffle=False, epochs=2, verbose=0, validation_data=(X, Y))
    history = model.fit(data, epochs=2, verbose=0)
    assert history.history["loss"] == reference.history["loss"]
    np.testing.assert_allclose(history.history["val_loss"], reference.history["val_loss"], rtol=1e-6)
    assert data.calls == ["prepare", "setup fit", "train", "val", "teardown fit"]


def test_without_a_loader_for_it_there_is_no_validation_unless_data_is_given() -> None:
    assert list(_model().fit(Plain(), verbose=0).history) == ["accuracy", "loss"]
    history = _model().fit(Plain(), verbose=0, validation_data=(X, Y)).history
    assert list(history) == ["accuracy", "loss", "val_accuracy", "val_loss"]


def test_steps_and_class_weight_go_with_it() -> None:
    arguments: dict[str, Any] = {"epochs": 3, "steps_per_epoch": 2, "class_weight": {0: 3.0}, "verbose": 0}
    reference = _model().fit(X, Y, batch_size=16, shuffle=False, **arguments)
    assert _model().fit(Plain(), **arguments).history == reference.history


def test_weights_that_wait_for_data_are_made_of_its_first_batch() -> None:
    model = _model(_deferred)
    assert np.isfinite(model.fit(Plain(), verbose=0).history["loss"]).all()
    assert model.predict(Whole(), verbose=0).shape == (50, 3)


def test_hooks_for_each_batch_are_called() -> None:
    reference = _model().fit(X * 2, Y, batch_size=16, shuffle=False, verbose=0, validation_data=(X * 2, Y)).history
    history = _model().fit(Doubling(), verbose=0).history
    for name, values in reference.items():
        np.testing.assert_allclose(history[name], values, rtol=1e-6)


def test_evaluation_is_on_its_test_loader_or_else_its_validation_loader() -> None:
    model = _model()
    reference = model.evaluate(X, Y, batch_size=16, verbose=0)
    whole, tested = Whole(), WithTests()
    np.testing.assert_allclose(model.evaluate(whole, verbose=0), reference, rtol=1e-6)
    np.testing.assert_allclose(model.evaluate(tested, verbose=0), reference, rtol=1e-6)
    assert whole.calls == ["prepare", "setup validate", "val", "teardown validate"]
    assert tested.calls == ["prepare", "setup test", "test", "teardown test"]


def test_predictions_are_for_its_prediction_loader() -> None:
    model = _model()
    np.testing.assert_allclose(model.predict(Whole(), verbose=0), model.predict(X, verbose=0), rtol=1e-6)
    assert model.predict(Whole(), steps=1, verbose=0).shape == (20, 3)
    with pytest.raises(DataError, match=r"needs a method `predict_dataloader`. Received: Plain without"):
        model.predict(Plain(), verbose=0)


def test_what_its_loaders_say_must_not_be_given_as_well() -> None:
    with pytest.raises(InvalidArgumentError, match="`batch_size` must not be given when `x` is a LightningDataModule"):
        _model().fit(Whole(), batch_size=3)
    with pytest.raises(InvalidArgumentError, match="`y` must not be given"):
        _model().evaluate(Whole(), Y)


def test_several_loaders_for_training_are_refused() -> None:
    class Several(Plain):
        def train_dataloader(self) -> Any:
            return {"a": super().train_dataloader(), "b": super().train_dataloader()}

    with pytest.raises(DataError, match=r"`train_dataloader` must return one loader. Received: dict of loaders"):
        _model().fit(Several(), verbose=0)
