"""Models with steps of their own, as Keras's guides for torch write them, give what they give in Keras."""

from typing import Any

import keras
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from torch import Tensor

from labkeras import callbacks, losses, metrics, models, optimizers
from labkeras.errors import InvalidArgumentError, InvalidTypeError
from labkeras.random import set_random_seed
from tests.helpers.keras_pairs import CLASSES, FEATURES, OURS, classifier, fit_both, pair, same_history, sample_data

X, Y = sample_data()
CROSSENTROPY = "sparse_categorical_crossentropy"


def _with(base: str, **methods: Any) -> Any:
    """Makes the classifier of a package as a subclass of its `Sequential` that has these methods."""

    def make(package: Any) -> Any:
        own = type(
            "Own", (getattr(package, base),), {name: make_method(package) for name, make_method in methods.items()}
        )
        return own(classifier(package).layers if base == "Sequential" else None)

    return make


def _guide_train_step(package: Any) -> Any:
    def train_step(self: Any, data: Any) -> dict[str, Any]:
        x, y = data[:2]  # `train_on_batch` of Keras's passes weights that are None along
        self.zero_grad()
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        loss.backward()
        trainable_weights = list(self.trainable_weights)
        gradients = [v.value.grad for v in trainable_weights]
        with torch.no_grad():
            self.optimizer.apply(gradients, trainable_weights)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}

    return train_step


def test_the_guides_train_step_trains_as_in_keras() -> None:
    def test_step(package: Any) -> Any:
        def step(self: Any, data: Any) -> dict[str, Any]:
            x, _ = data
            return {"mean": self(x, training=False).mean(), "distance": 2.0}

        return step

    make = _with("Sequential", train_step=_guide_train_step, test_step=test_step)
    ours, theirs = pair(make, optimizer="adam", loss=CROSSENTROPY)
    histories = fit_both(ours, theirs, X, Y, epochs=3, validation_data=(X[:20], Y[:20]))
    assert list(histories[0].history) == ["loss", "val_distance", "val_mean"]
    assert ours.evaluate(X, Y, verbose=0, return_dict=True) == pytest.approx(
        theirs.evaluate(X, Y, verbose=0, return_dict=True), rel=1e-5
    )


def test_a_step_with_trackers_of_its_own() -> None:
    def make(package: Any) -> Any:
        class Own(package.Model):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.inner = classifier(package)
                self.loss_tracker = package.metrics.Mean(name="loss")
                self.mae_metric = package.metrics.MeanAbsoluteError(name="mae")

            def call(self, inputs: Any) -> Any:
                return self.inner(inputs)

            def train_step(self, data: Any) -> dict[str, Any]:
                x, y, weight = data
                self.zero_grad()
                y_pred = self(x, training=True)
                target = torch.nn.functional.one_hot(y.long(), CLASSES).float()
                loss = (torch.square(target - y_pred).mean(-1) * weight).mean()
                loss.backward()
                gradients = [v.value.grad for v in self.trainable_weights]
                with torch.no_grad():
                    self.optimizer.apply(gradients, self.trainable_weights)
                self.loss_tracker.update_state(loss)
                self.mae_metric.update_state(target, y_pred)
                return {"loss": self.loss_tracker.result(), "mae": self.mae_metric.result()}

            @property
            def metrics(self) -> list[Any]:
                return [self.loss_tracker, self.mae_metric]

        own = Own()
        own.build((None, FEATURES))
        return own

    weights = np.linspace(0.5, 2.0, len(X)).astype("float32")
    ours, theirs = pair(make, optimizer="sgd")
    histories = fit_both(ours, theirs, X, Y, epochs=3, sample_weight=weights)
    assert list(histories[0].history) == ["loss", "mae"]


def test_own_compute_loss_and_compute_metrics() -> None:
    def compute_loss(package: Any) -> Any:
        def compute(
            self: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any
        ) -> Any:  # before Keras 3.3: no `training`
            return (y_pred[:, 0] - x[:, 0]).square().mean()

        return compute

    def compute_metrics(package: Any) -> Any:
        def compute(self: Any, x: Any, y: Any, y_pred: Any, sample_weight: Any) -> Any:
            results = package.Sequential.compute_metrics(self, x, y, y_pred, sample_weight)
            return {**results, "largest": y_pred.max()}

        return compute

    make = _with("Sequential", compute_loss=compute_loss, compute_metrics=compute_metrics)
    ours, theirs = pair(make, optimizer="sgd", loss=CROSSENTROPY, metrics=["accuracy"])
    histories = fit_both(ours, theirs, X, Y, validation_data=(X[:20], Y[:20]))
    assert "largest" in histories[0].history
    assert "val_largest" in histories[0].history


@pytest.mark.parametrize("with_targets", [False, True])
def test_own_predict_step(with_targets: bool) -> None:
    def predict_step(package: Any) -> Any:
        def step(self: Any, data: Any) -> Any:
            x = data[0] if isinstance(data, tuple | list) else data
            return self(x, training=False) * 2

        return step

    ours, theirs = pair(_with("Sequential", predict_step=predict_step))
    samples = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    data = torch.utils.data.DataLoader(samples, batch_size=20) if with_targets else X
    np.testing.assert_allclose(ours.predict(data, verbose=0), theirs.predict(data, verbose=0), rtol=1e-5)


def test_super_train_step_does_what_fit_does() -> None:
    class Own(models.Sequential):
        def train_step(self, data: Any) -> dict[str, Any]:
            logs = super().train_step(data)
            return {**logs, "extra": 1.0}

    histories = []
    for cls in (Own, models.Sequential):
        set_random_seed(1)
        model = cls(classifier(OURS).layers)
        model.compile("adam", CROSSENTROPY, metrics=["accuracy"])
        histories.append(model.fit(X, Y, epochs=3, verbose=0).history)
    assert histories[0].pop("extra") == [1.0] * 3
    assert histories[0] == histories[1]


def test_a_step_of_ones_own_by_hand_outside_of_fit() -> None:
    model = classifier(OURS)
    model.compile("sgd", CROSSENTROPY)
    before = model.get_weights()
    logs = model.train_step((torch.tensor(X), torch.tensor(Y)))
    assert set(logs) == {"loss"}
    assert not np.array_equal(before[0], model.get_weights()[0])


class _Gan:
    """A generative adversarial network with two optimizers, as Keras's guide has one."""

    def __new__(cls, package: Any) -> Any:
        dense = package.layers.Dense

        class Gan(package.Model):  # type: ignore[misc,name-defined]
            def __init__(self) -> None:
                super().__init__()
                inputs = package.layers.Input
                self.discriminator = package.Sequential([inputs((FEATURES,)), dense(8, activation="relu"), dense(1)])
                self.generator = package.Sequential([inputs((4,)), dense(8, activation="relu"), dense(FEATURES)])
                self.d_loss_tracker = package.metrics.Mean(name="d_loss")
                self.g_loss_tracker = package.metrics.Mean(name="g_loss")
                self.built = True

            def compile(self, d_optimizer: Any, g_optimizer: Any, loss_fn: Any) -> None:
                super().compile()
                self.d_optimizer, self.g_optimizer, self.loss_fn = d_optimizer, g_optimizer, loss_fn

            @property
            def metrics(self) -> list[Any]:
                return [self.d_loss_tracker, self.g_loss_tracker]

            def train_step(self, real: Any) -> dict[str, Any]:
                if isinstance(real, tuple):
                    real = real[0]
                count = real.shape[0]
                noise = torch.linspace(-1, 1, count * 4).reshape(count, 4)
                both = torch.cat([self.generator(noise), real])
                labels = torch.cat([torch.ones((count, 1)), torch.zeros((count, 1))])
                self.zero_grad()
                d_loss = self.loss_fn(labels, self.discriminator(both))
                d_loss.backward()
                grads = [v.value.grad for v in self.discriminator.trainable_weights]
                with torch.no_grad():
                    self.d_optimizer.apply(grads, self.discriminator.trainable_weights)
                self.zero_grad()
                g_loss = self.loss_fn(torch.zeros((count, 1)), self.discriminator(self.generator(noise)))
                g_loss.backward()
                grads = [v.value.grad for v in self.generator.trainable_weights]
                with torch.no_grad():
                    self.g_optimizer.apply(grads, self.generator.trainable_weights)
                self.d_loss_tracker.update_state(d_loss)
                self.g_loss_tracker.update_state(g_loss)
                return {"d_loss": self.d_loss_tracker.result(), "g_loss": self.g_loss_tracker.result()}

        return Gan()


@pytest.mark.parametrize("as_loader", [False, True])
def test_a_gan_with_two_optimizers(as_loader: bool) -> None:
    keras.utils.clear_session()
    ours, theirs = _Gan(OURS), _Gan(keras)
    ours.set_weights(theirs.get_weights())
    for model, package in ((ours, OURS), (theirs, keras)):
        model.compile(
            package.optimizers.Adam(0.01),
            package.optimizers.SGD(0.05, momentum=0.9),
            package.losses.BinaryCrossentropy(from_logits=True),
        )
    data: Any = X
    if as_loader:
        data = torch.utils.data.DataLoader(torch.tensor(X), batch_size=16)
    arguments: dict[str, Any] = {"epochs": 3, "shuffle": False, "verbose": 0}
    if not as_loader:
        arguments["batch_size"] = 16
    same_history(ours.fit(data, **arguments), theirs.fit(data, **arguments))
    assert int(ours.d_optimizer.iterations) == 12
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_on_batch_methods_use_the_models_own_steps() -> None:
    make = _with("Sequential", train_step=_guide_train_step)
    ours, theirs = pair(make, optimizer="sgd", loss=CROSSENTROPY)
    for _ in range(3):
        assert ours.train_on_batch(X, Y) == pytest.approx(theirs.train_on_batch(X, Y), rel=1e-5)


# --- a loop written by hand ---


def test_a_hand_written_loop_over_model_optimizer_loss_and_metrics() -> None:
    def loop(package: Any, model: Any) -> list[float]:
        optimizer, loss_fn = package.optimizers.Adam(0.01), package.losses.SparseCategoricalCrossentropy()
        metric = package.metrics.SparseCategoricalAccuracy()
        numbers = []
        for _ in range(3):
            for start in range(0, len(X), 10):
                x, y = torch.tensor(X[start : start + 10]), torch.tensor(Y[start : start + 10])
                outputs = model(x, training=True)
                loss = loss_fn(y, outputs)
                model.zero_grad()
                loss.backward()
                with torch.no_grad():
                    optimizer.apply([v.value.grad for v in model.trainable_weights], model.trainable_weights)
                metric.update_state(y, outputs)
            numbers += [loss.item(), float(metric.result())]
            metric.reset_state()
        return numbers

    ours, theirs = pair()
    assert loop(OURS, ours) == pytest.approx(loop(keras, theirs), rel=1e-4)


def test_a_torch_loop_with_a_torch_optimizer() -> None:
    model, hand = (
        classifier(OURS),
        torch.nn.Sequential(torch.nn.Linear(FEATURES, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)),
    )
    for layer, linear in zip(model.layers, (hand[0], hand[2]), strict=True):
        with torch.no_grad():
            linear.weight.copy_(layer.kernel.T)
            linear.bias.copy_(layer.bias)
    x, y = torch.tensor(X), torch.tensor(Y)
    losses_seen = []
    for module, probabilities in ((model, True), (hand, False)):
        optimizer = torch.optim.Adam(module.parameters(), 0.01)
        for _ in range(5):
            optimizer.zero_grad()
            outputs = module(x).log() if probabilities else module(x).log_softmax(-1)
            loss = torch.nn.functional.nll_loss(outputs, y)
            loss.backward()
            optimizer.step()
        losses_seen.append(loss.item())
    assert losses_seen[0] == pytest.approx(losses_seen[1], rel=1e-5)


# --- Lightning's way ---


class _LightningStyle(models.Sequential):
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        y_pred = self(x, training=True)
        self.log("index", float(batch_idx))
        self.log("mean", y_pred.mean())
        loss: Tensor = losses.SparseCategoricalCrossentropy()(y, y_pred)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> dict[str, Tensor]:
        x, y = batch
        y_pred = self(x, training=False)
        self.log("accuracy", (y_pred.argmax(-1) == y).float().mean())
        return {"loss": losses.SparseCategoricalCrossentropy()(y, y_pred)}


@pytest.mark.parametrize("lightning", [[], [pl.Callback()]], ids=["many steps a call", "one step a call"])
def test_a_training_step_as_lightning_has_it(lightning: list[Any]) -> None:
    set_random_seed(3)
    model = _LightningStyle(classifier(OURS).layers)
    model.compile("adam")
    arguments: dict[str, Any] = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0}
    history = model.fit(X, Y, validation_data=(X, Y), callbacks=lightning, **arguments).history
    set_random_seed(3)
    plain = models.Sequential(classifier(OURS).layers)
    plain.compile("adam", CROSSENTROPY, metrics=["accuracy"])
    expected = plain.fit(X, Y, validation_data=(X, Y), **arguments).history
    assert list(history) == ["index", "loss", "mean", "val_accuracy", "val_loss"]
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert history["val_loss"] == pytest.approx(expected["val_loss"], rel=1e-5)
    assert history["val_accuracy"] == pytest.approx(expected["val_accuracy"], rel=1e-5)
    assert history["index"] == pytest.approx([(0 * 16 + 1 * 16 + 2 * 16 + 3 * 2) / 50] * 3)
    assert int(model.optimizer.iterations) == 12


# --- own steps under Lightning ---


def test_an_own_step_under_lightnings_callbacks_counts_steps() -> None:
    class Counts(pl.Callback):
        seen: list[int]

        def on_train_start(self, *args: Any) -> None:
            self.seen = []

        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            self.seen.append(trainer.global_step)

    counts = Counts()
    ours, theirs = pair(_with("Sequential", train_step=_guide_train_step), optimizer="adam", loss=CROSSENTROPY)
    arguments: dict[str, Any] = {"epochs": 2, "batch_size": 10, "shuffle": False, "verbose": 0}
    history = ours.fit(X, Y, callbacks=[counts], **arguments)
    same_history(history, theirs.fit(X, Y, **arguments))
    assert counts.seen == list(range(1, 11))


def test_an_own_step_under_a_trainer_of_ones_own() -> None:
    model = _with("Sequential", train_step=_guide_train_step)(OURS)
    model.compile("adam", CROSSENTROPY)
    before = model.get_weights()
    trainer = pl.Trainer(
        max_steps=3,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model.fit(X, Y, batch_size=10, epochs=2, verbose=0, trainer=trainer)
    assert int(model.optimizer.iterations) == 3
    assert not np.array_equal(before[0], model.get_weights()[0])


# --- mistakes ---


def test_a_step_that_returns_no_logs_is_told() -> None:
    model = _with("Sequential", train_step=lambda package: lambda self, data: None)(OURS)
    model.compile("sgd", CROSSENTROPY)
    with pytest.raises(InvalidTypeError, match=r"`train_step` of model 'own.*must return a dict of logs"):
        model.fit(X, Y, verbose=0)


def test_a_loss_that_depends_on_no_weight_is_told() -> None:
    def compute_loss(package: Any) -> Any:
        return lambda self, x=None, y=None, y_pred=None, sample_weight=None: y_pred.detach().mean()

    model = _with("Sequential", compute_loss=compute_loss)(OURS)
    model.compile("sgd")
    with pytest.raises(InvalidArgumentError, match="does not depend on the weights that are to be trained"):
        model.fit(X, Y, verbose=0)


def test_a_frozen_model_warns_as_in_keras() -> None:
    ours, theirs = pair(optimizer="sgd", loss=CROSSENTROPY)
    for model in (ours, theirs):
        model.trainable = False
    with pytest.warns(UserWarning, match="trainable weights"):
        theirs_history = theirs.fit(X, Y, verbose=0, shuffle=False)
    with pytest.warns(UserWarning, match="no trainable weights"):
        same_history(ours.fit(X, Y, verbose=0, shuffle=False), theirs_history)


def test_metrics_and_callbacks_see_an_own_steps_logs() -> None:
    seen: list[float] = []
    model = _with("Sequential", train_step=_guide_train_step)(OURS)
    model.compile(optimizers.SGD(0.1), CROSSENTROPY)
    note = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    history = model.fit(X, Y, batch_size=10, verbose=0, shuffle=False, callbacks=[note])
    assert len(seen) == 5
    assert history.history["loss"] == [seen[-1]]
    assert isinstance(model.metrics[0], metrics.Mean)
