"""Several processes do together what one does with the doubled batch: losses, weights, metrics, predictions."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from labkeras import callbacks, distribution, layers, losses, metrics, models, optimizers, utils
from labkeras.random import set_random_seed
from tests.helpers.processes import run_ranks

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no fork"),
    pytest.mark.timeout(120),
    # Of Lightning's on loaders, for data this small.
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
]
ROWS = np.random.default_rng(0)
# 41 rows: the last batch of 20 has one, which only one of two processes can have.
X = ROWS.normal(size=(41, 6)).astype("float32")
Y = ROWS.integers(0, 3, 41)
WEIGHTS = ROWS.uniform(0.1, 2, 41).astype("float32")
STEPS = ROWS.normal(size=(41, 5, 4)).astype("float32")
MASK = ROWS.uniform(size=(41, 5)) > 0.4
Run = Callable[[int], list[Any]]


def _compiled(**arguments: Any) -> Any:
    model = models.Sequential(
        [
            layers.Input((6,)),
            layers.Dense(8, activation="tanh", kernel_regularizer="l2"),
            layers.BatchNormalization(synchronized=True),
            layers.Dense(3, activation="softmax"),
        ]
    )
    settings = {"optimizer": "sgd", "loss": "sparse_categorical_crossentropy"}
    model.compile(**{**settings, "metrics": ["accuracy"], "weighted_metrics": ["accuracy"], **arguments})
    return model


def _outcome(model: Any, history: Any) -> list[Any]:
    return [*history.history.values(), *model.get_weights()]


def _arrays(batch_size: int, **arguments: Any) -> list[Any]:
    model = _compiled(**arguments)
    history = model.fit(X, Y, batch_size, 2, 0, sample_weight=WEIGHTS, validation_data=(X[:33], Y[:33], WEIGHTS[:33]))
    return [
        *_outcome(model, history),
        model.evaluate(X, Y, batch_size, verbose=0),
        model.evaluate(X[:1], Y[:1], batch_size, verbose=0),
        model.predict(X, batch_size, verbose=0),
        model.predict(X[:1], batch_size, verbose=0),
    ]


def _in_order(batch_size: int) -> list[Any]:
    model = _compiled()
    return _outcome(model, model.fit(X, Y, batch_size, 4, 0, shuffle=False, steps_per_epoch=1))


def _loader(batch_size: int, shuffle: bool = True) -> list[Any]:
    data = TensorDataset(torch.tensor(X), torch.tensor(Y))
    plain = DataLoader(data, batch_size=batch_size)
    model = _compiled()
    history = model.fit(
        DataLoader(data, batch_size=batch_size, shuffle=shuffle), epochs=2, verbose=0, validation_data=plain
    )
    return [*_outcome(model, history), model.evaluate(plain, verbose=0), model.predict(plain, verbose=0)]


def _generator(batch_size: int) -> list[Any]:
    def endless() -> Iterator[Any]:
        while True:
            for start in range(0, 40, batch_size):
                yield X[start : start + batch_size], Y[start : start + batch_size]

    model = _compiled()
    return _outcome(model, model.fit(endless(), epochs=3, steps_per_epoch=3, verbose=0))


class _Batches:
    """An iterable that does not know its length."""

    def __init__(self, batch_size: int) -> None:
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, 41, self.batch_size):
            yield X[start : start + self.batch_size], Y[start : start + self.batch_size]


def _iterable(batch_size: int) -> list[Any]:
    model = _compiled()
    history = model.fit(_Batches(batch_size), epochs=2, verbose=0)
    batches = _Batches(batch_size)
    return [*_outcome(model, history), model.evaluate(batches, verbose=0), model.predict(batches, verbose=0)]


def _lazily_built(batch_size: int) -> list[Any]:
    model = models.Sequential([layers.Dense(4), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return _outcome(model, model.fit(X, Y, batch_size, 2, 0, shuffle=False))


def _masked(batch_size: int) -> list[Any]:
    class Marked(layers.Layer):
        """Says which steps count: those whose input is not 0."""

        def call(self, inputs: Any) -> Any:
            return inputs

        def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
            return torch.ne(inputs, 0).any(-1)

    steps = STEPS * MASK[..., None]
    inputs = layers.Input((5, 4))
    model = models.Model(inputs, layers.Dense(3, activation="softmax")(Marked()(inputs)))
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    targets = (np.arange(205) % 3).reshape(41, 5)
    history = model.fit(steps, targets, batch_size, 2, 0, validation_data=(steps, targets))
    return _outcome(model, history)


def _lightning_arguments(batch_size: int) -> list[Any]:
    model = _compiled(optimizer=optimizers.Adam(use_ema=True, clipnorm=0.1))
    trainer = {"accumulate_grad_batches": 2, "gradient_clip_val": 0.05}
    return _outcome(model, model.fit(X[:40], Y[:40], batch_size, 2, 0, trainer=trainer))


class Own(models.Model):
    """Written as the Keras guide for torch has it."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(3, activation="softmax")

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)

    def train_step(self, data: Any) -> Any:
        x, y = data
        y_pred = self(x, training=True)
        loss = self.compute_loss(y=y, y_pred=y_pred)
        self.zero_grad()
        loss.backward()
        weights = list(self.trainable_weights)
        with torch.no_grad():
            self.optimizer.apply([weight.value.grad for weight in weights], weights)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {metric.name: metric.result() for metric in self.metrics}


def _own_step(batch_size: int) -> list[Any]:
    model = Own()
    model(torch.zeros(1, 6))
    optimizer = optimizers.Adam(gradient_accumulation_steps=2, use_ema=True, global_clipnorm=0.1)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return _outcome(model, model.fit(X[:40], Y[:40], batch_size, 3, 0))


class Rivals(models.Model):
    """Two networks with an optimizer each."""

    def __init__(self) -> None:
        super().__init__()
        self.one = models.Sequential([layers.Input((6,)), layers.Dense(6)])
        self.other = models.Sequential([layers.Input((6,)), layers.Dense(1)])
        self.mean = metrics.Mean(name="gap")

    def compile(self, first: Any, second: Any) -> None:  # type: ignore[override]  # as the guide has it
        super().compile()
        self.first, self.second = first, second

    @property
    def metrics(self) -> list[Any]:
        return [self.mean]

    def call(self, inputs: Any) -> Any:
        return self.one(inputs)

    def train_step(self, data: Any) -> Any:
        loss = losses.MeanSquaredError()
        for network, optimizer, sign in ((self.other, self.second, 1.0), (self.one, self.first, -0.1)):
            gap = loss(torch.ones(len(data), 1), self.other(self.one(data, training=True), training=True))
            self.zero_grad()
            (sign * gap).backward()
            weights = list(network.trainable_weights)
            with torch.no_grad():
                optimizer.apply([weight.value.grad for weight in weights], weights)
        self.mean.update_state(gap)
        return {"gap": self.mean.result()}


def _two_optimizers(batch_size: int) -> list[Any]:
    model = Rivals()
    model(torch.zeros(1, 6))
    model.compile(optimizers.Adam(0.01), optimizers.SGD(0.01))
    return _outcome(model, model.fit(X[:40], batch_size=batch_size, epochs=3, verbose=0))


class _Sequence(utils.PyDataset):
    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-41 // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        return X[rows], Y[rows]


def _dataset(batch_size: int) -> list[Any]:
    model, data = _compiled(), _Sequence(batch_size)
    history = model.fit(data, epochs=2, verbose=0, shuffle=False, validation_data=data)
    return [*_outcome(model, history), model.predict(data, verbose=0)]


def _several_outputs(batch_size: int) -> list[Any]:
    inputs = layers.Input((6,))
    hidden = layers.Dense(5, activation="tanh")(inputs)
    outputs = {"a": layers.Dense(3, activation="softmax", name="a")(hidden), "b": layers.Dense(1, name="b")(hidden)}
    model = models.Model(inputs, outputs)
    model.compile(
        "sgd",
        {"a": "sparse_categorical_crossentropy", "b": "mse"},
        loss_weights={"a": 1.0, "b": 0.3},
        metrics={"b": ["mae"]},
    )
    targets = {"a": Y, "b": X[:, :1]}
    history = model.fit(X, targets, batch_size, 2, 0, validation_data=(X, targets))
    predicted = model.predict(X, batch_size, verbose=0)
    return [*_outcome(model, history), predicted["a"], predicted["b"]]


def _with_loss(**arguments: Any) -> Run:
    loss = losses.SparseCategoricalCrossentropy(**arguments)
    return lambda batch_size: _arrays(batch_size, loss=loss, optimizer=optimizers.SGD(0.001))


RUNS: dict[str, Run] = {
    "arrays": _arrays,
    "rows in order, epochs that go on": _in_order,
    "a loader": _loader,
    "a loader in order": lambda batch_size: _loader(batch_size, shuffle=False),
    "a generator": _generator,
    "an iterable": _iterable,
    "a model that waits for data": _lazily_built,
    "masks": _masked,
    "a sum": _with_loss(reduction="sum"),
    "a mean by weights": _with_loss(reduction="mean_with_sample_weight"),
    "an optimizer of torch": lambda batch_size: _arrays(batch_size, optimizer=torch.optim.SGD),
    "accumulation, clipping and averages": _lightning_arguments,
    "a train_step of its own": _own_step,
    "two optimizers": _two_optimizers,
    "several outputs": _several_outputs,
    "a PyDataset": _dataset,
}


def _seeded(run: Run, batch_size: int) -> list[Any]:
    set_random_seed(0)
    return run(batch_size)


def _assert_alike(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_are_as_one_with_the_doubled_batch(name: str) -> None:
    expected = _seeded(RUNS[name], 20)
    for found in run_ranks(_seeded, RUNS[name], 10):
        _assert_alike(found, expected)


def test_a_model_that_is_to_be_compiled_is_not_in_several_processes() -> None:
    expected = _seeded(_arrays, 20)
    for found in run_ranks(_seeded, lambda batch_size: _arrays(batch_size, jit_compile=True), 10):
        _assert_alike(found, expected)


def test_a_distribution_splits_each_batch() -> None:
    def distributed(batch_size: int) -> list[Any]:
        with distribution.DataParallel(devices=["cpu:0", "cpu:1", "cpu:2"]).scope():
            return [*_arrays(batch_size), *_loader(batch_size), *_iterable(batch_size)]

    expected = _seeded(lambda batch_size: [*_arrays(batch_size), *_loader(batch_size), *_iterable(batch_size)], 20)
    for found in run_ranks(_seeded, distributed, 20, count=3):
        _assert_alike(found, expected)


def test_processes_that_lightning_forks_bring_their_outcome_home() -> None:
    def run(trainer: dict[str, Any], batch_size: int) -> list[Any]:
        set_random_seed(0)
        model = _compiled(optimizer="adam")
        stopping = callbacks.EarlyStopping(monitor="loss", patience=0, min_delta=1e3)
        arguments: dict[str, Any] = {"batch_size": batch_size, "verbose": 0, "trainer": trainer}
        first = model.fit(X, Y, epochs=3, callbacks=[stopping], **arguments)
        second = model.fit(X, Y, epochs=1, **arguments)  # goes on with the optimizer's state, and with random numbers
        assert first.epoch == [0, 1]
        assert stopping.stopped_epoch == 1
        assert model.history is second
        return [
            *first.history.values(),
            *_outcome(model, second),
            *(variable.numpy() for variable in model.optimizer.variables),
            model.predict(X, batch_size, verbose=0, trainer=trainer),
            model.evaluate(X, Y, batch_size, verbose=0, trainer=trainer),
        ]

    forks = {"accelerator": "cpu", "devices": 2, "strategy": "ddp_fork"}
    _assert_alike(run(forks, 10), run({"accelerator": "cpu"}, 20))
    with distribution.DataParallel(devices=["cpu:0", "cpu:1"]).scope():
        _assert_alike(run({"strategy": "ddp_fork"}, 20), run(forks, 20))


# --- what processes agree on ------------------------------------------------------------------------------------------


def test_processes_draw_different_random_numbers_within_a_run_only() -> None:
    def run() -> list[Any]:
        seen = []
        set_random_seed(0)
        model = _compiled()
        look = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(torch.rand(3).tolist()))
        model.fit(X, Y, 10, 1, 0, callbacks=[look])
        return [seen, torch.rand(3).tolist()]

    first, second = run_ranks(run)
    assert first[0] != second[0]
    assert first[1] == second[1]


@pytest.mark.parametrize("when", ["batch", "epoch"])
def test_training_stops_in_all_processes_when_one_wants_to(when: str) -> None:
    class Stops(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if when == "batch" and batch == 1 and torch.distributed.get_rank() == 1:
                self.model.stop_training = True

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if when == "epoch" and torch.distributed.get_rank() == 1:
                self.model.stop_training = True

    def run() -> tuple[int, list[int]]:
        model = _compiled()
        history = model.fit(X, Y, 5, 3, 0, callbacks=[Stops()])
        return int(model.optimizer.iterations), history.epoch

    assert run_ranks(run) == [(2 if when == "batch" else 5, [0])] * 2


def test_callbacks_that_write_do_so_in_the_first_process(tmp_path: Any) -> None:
    def run() -> list[Any]:
        set_random_seed(0)
        model = _compiled()
        saves = callbacks.ModelCheckpoint(
            tmp_path / "{epoch}.keras", monitor="val_loss", save_best_only=True, verbose=0
        )
        slower = callbacks.ReduceLROnPlateau(monitor="loss", patience=1, min_delta=1e3)
        csv = callbacks.CSVLogger(tmp_path / "log.csv")
        history = model.fit(X, Y, 10, 3, 0, validation_data=(X, Y), callbacks=[saves, slower, csv])
        return [float(model.optimizer.learning_rate), saves.best, history.history["learning_rate"]]

    first, second = run_ranks(run)
    assert first == second
    assert first[2][-1] < first[2][0]
    assert {path.name for path in tmp_path.glob("*.keras")} <= {"1.keras", "2.keras", "3.keras"}
    assert models.load_model(next(tmp_path.glob("*.keras"))).count_params() == _compiled().count_params()
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 4


def test_a_run_within_a_run_is_of_one_process() -> None:
    class Predicts(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if torch.distributed.get_rank() == 0:  # alone: the others do not come along
                assert self.model.predict(X, verbose=0).shape == (41, 3)
                self.loss = self.model.evaluate(X, Y, verbose=0)[0]

    def run() -> float:
        set_random_seed(0)
        predicts = Predicts()
        model = _compiled(metrics=None)
        model.fit(X, Y, 10, 2, 0, callbacks=[predicts])
        if torch.distributed.get_rank() == 0:
            return predicts.loss
        return 0.0

    assert run_ranks(run)[0] > 0


def test_an_error_in_one_process_ends_the_others() -> None:
    class Fails(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if torch.distributed.get_rank() == 1:
                raise OSError("the disk is full")

    def run() -> None:
        _compiled().fit(X, Y, 10, 3, 0, callbacks=[Fails()])

    with pytest.raises(AssertionError, match="the disk is full"):
        run_ranks(run, seconds=30)
