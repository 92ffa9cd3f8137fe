"""Data of every kind becomes the same batches; what cannot be used is refused before training."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import scipy.sparse
import torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler, IterableDataset, TensorDataset

from labkeras import Input, Model, Sequential, layers
from labkeras.callbacks import LambdaCallback
from labkeras.errors import DataError, InvalidArgumentError, InvalidInputError
from labkeras.training.arrays import ArrayData, split
from labkeras.training.data import as_batches, ready, unpack
from tests.helpers.arrays import on_disk
from tests.helpers.keras_pairs import OURS, classifier, fit_both, pair, same_history, sample_data

X, Y = sample_data()
CROSSENTROPY = "sparse_categorical_crossentropy"


def _batches(size: int = 16) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, 50, size):
        yield X[start : start + size], Y[start : start + size]


class Rows(Dataset[Any]):
    """Single rows, with the inputs in a dict."""

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> Any:
        return {"x": X[index]}, Y[index]


class Stream(IterableDataset[Any]):
    """Whole batches, of a number that nobody knows."""

    def __iter__(self) -> Iterator[Any]:
        return iter(_batches())


class Samples(IterableDataset[Any]):
    """Single samples."""

    def __iter__(self) -> Iterator[Any]:
        return zip(X, Y, strict=True)


class LikeTensorFlow:
    """What labkeras needs of `tf.data.Dataset` and its tensors; the tests do without TensorFlow itself."""

    class Tensor:
        def __init__(self, values: np.ndarray) -> None:
            self._values = values

        def numpy(self) -> np.ndarray:
            return self._values

    def __len__(self) -> int:
        raise TypeError("The dataset length is unknown.")

    def __iter__(self) -> Iterator[Any]:
        return ((self.Tensor(x), self.Tensor(y)) for x, y in _batches())


class OnlyDlpack:
    def __init__(self, values: np.ndarray) -> None:
        self._tensor = torch.tensor(values)

    def __dlpack__(self, **arguments: Any) -> Any:
        return self._tensor.__dlpack__(**arguments)

    def __dlpack_device__(self) -> Any:
        return self._tensor.__dlpack_device__()


def _read_only() -> np.ndarray:
    array = X.copy()
    array.flags.writeable = False
    return array


SOURCES: dict[str, Any] = {
    "arrays": lambda: (X, Y),
    "float64": lambda: (X.astype("float64"), Y),
    "read-only arrays": lambda: (_read_only(), Y),
    "tensors": lambda: (torch.tensor(X), torch.tensor(Y)),
    "lists": lambda: (X.tolist(), Y.tolist()),
    "pandas": lambda: (pd.DataFrame(X), pd.Series(Y)),
    "list of one input": lambda: ([X], Y),
    "dict": lambda: ({"x": X}, Y),
    "generator": lambda: (_batches(),),
    "list iterator": lambda: (iter(list(_batches())),),
    "loader": lambda: (DataLoader(TensorDataset(torch.tensor(X), torch.tensor(Y)), batch_size=16),),
    "loader of dicts": lambda: (DataLoader(Rows(), batch_size=16),),
    "loader with workers": lambda: (DataLoader(Rows(), batch_size=16, num_workers=1),),
    "stream": lambda: (DataLoader(Stream(), batch_size=None),),
    "dataset of tensors": lambda: (TensorDataset(torch.tensor(X), torch.tensor(Y)),),
    "dataset of samples": lambda: (Rows(),),
    "stream of samples": lambda: (Samples(),),
    "dataset of TensorFlow": lambda: (LikeTensorFlow(),),
    "arrays on disk": lambda: (on_disk(X), Y),
    "nullable columns": lambda: (pd.DataFrame(X).astype("Float32"), pd.Series(Y).astype("Int64")),
    "backwards": lambda: (X[::-1].copy()[::-1], Y[::-1].copy()[::-1]),
    "big-endian": lambda: (X.astype(">f4"), Y.astype(">i8")),
    "read by DLPack": lambda: (OnlyDlpack(X), OnlyDlpack(Y)),
    "short integers": lambda: (X, Y.astype("uint16")),
}
# Those that take `batch_size` although they are no arrays.
SAMPLED = ("dataset of tensors", "dataset of samples", "stream of samples")


def _model() -> Any:
    x = Input((6,), name="x")
    model = Model(x, layers.Dense(3, activation="softmax", kernel_initializer="ones")(x))
    model.compile("sgd", CROSSENTROPY)
    return model


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_gives_the_same_training_and_the_same_predictions(kind: str) -> None:
    expected, model = _model(), _model()
    expected.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
    data = SOURCES[kind]()
    is_batched = len(data) == 1 and kind not in SAMPLED
    model.fit(*data, verbose=0, **({} if is_batched else {"batch_size": 16, "shuffle": False}))
    for ours, reference in zip(model.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, reference)
    predictions = model.predict(SOURCES[kind]()[0], verbose=0)
    np.testing.assert_allclose(predictions, expected.predict(X, verbose=0), rtol=1e-5)


# --- batches ---


def test_batches_are_all_rows_in_order_and_the_last_one_is_smaller() -> None:
    batches = as_batches(X, Y, batch_size=20)
    assert batches.steps == 3
    taken = list(batches)
    assert [len(x) for x, _, _ in taken] == [20, 20, 10]
    np.testing.assert_array_equal(torch.cat([x for x, _, _ in taken]).numpy(), X)


def test_shuffling_takes_every_row_once_in_a_new_order_each_epoch() -> None:
    batches = as_batches(np.arange(50), shuffle=True, batch_size=8)
    first, second = (torch.cat([x for x, _, _ in batches]).tolist() for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second) == list(range(50))


def test_looking_at_the_first_batch_takes_nothing_away() -> None:
    batches = as_batches(_batches())
    first = batches.peek()
    assert first is not None
    assert len(list(batches)) == 4


def test_an_iterator_that_is_not_used_takes_nothing_away() -> None:
    batches = as_batches(_batches())
    iter(batches)
    assert len(list(batches)) == 4


@pytest.mark.filterwarnings("ignore:the data ended after")
def test_steps_go_on_through_the_data_in_training_and_begin_again_otherwise() -> None:
    def firsts(trains: bool) -> list[list[int]]:
        batches = as_batches(np.arange(10), batch_size=2, steps=3, trains=trains)
        return [[int(x[0]) for x, _, _ in batches] for _ in range(3)]

    # An epoch ends with the data, as in Keras, which `test_steps_are_those_of_keras` holds.
    assert firsts(trains=True) == [[0, 2, 4], [6, 8], [0, 2, 4]]
    assert firsts(trains=False) == [[0, 2, 4]] * 3
    assert as_batches(np.arange(10), batch_size=2, steps=9).steps == 5


def test_steps_without_a_batch_size_divide_all_samples() -> None:
    assert [len(x) for x, _, _ in as_batches(X, steps=4)] == [13, 13, 13, 11]


@pytest.mark.parametrize("arguments", [{"steps_per_epoch": 2}, {"validation_steps": 1, "validation_batch_size": 7}])
def test_steps_are_those_of_keras(arguments: dict[str, Any]) -> None:
    ours, theirs = pair(optimizer="sgd", loss=CROSSENTROPY, metrics=["accuracy"])
    if "validation_steps" in arguments:
        arguments["validation_data"] = (X, Y)
    fit_both(ours, theirs, X, Y, epochs=4, **arguments)
    mine, reference = (model.evaluate(X, Y, steps=3, verbose=0) for model in (ours, theirs))
    assert mine == pytest.approx(reference, rel=1e-5)


def test_a_generator_goes_on_where_the_last_epoch_ended_as_in_keras() -> None:
    ours, theirs = pair(optimizer="sgd", loss=CROSSENTROPY)
    arguments: dict[str, Any] = {"epochs": 2, "steps_per_epoch": 2, "shuffle": False, "verbose": 0}
    histories = [model.fit(_batches(10), **arguments) for model in (ours, theirs)]
    same_history(*histories)


def test_validation_split_keeps_the_last_samples() -> None:
    training, held_out = split(ArrayData(X, Y), 0.3)
    np.testing.assert_array_equal(training.x.numpy(), X[:35])
    np.testing.assert_array_equal(held_out.y.numpy(), Y[35:])


def test_batches_of_iterables_are_read_by_their_length() -> None:
    assert unpack(X)[0] is X
    assert unpack((X,)) == (X, None, None)
    x, y, weight = ready((X, Y, np.ones(50)))
    assert (x.dtype, y.dtype, weight.dtype) == (torch.float32, torch.int64, torch.float32)


# --- datasets and generators ---


def test_a_dataset_of_samples_is_shuffled_unless_told_otherwise() -> None:
    def order(shuffle: bool) -> list[float]:
        batches = as_batches(TensorDataset(torch.arange(50.0)), shuffle=shuffle, batch_size=8)
        loaded = as_batches(Rows(), shuffle=shuffle, batch_size=8)
        assert batches.steps == loaded.steps == 7
        return [*torch.cat([x for x, _, _ in batches]).tolist(), *torch.cat([y for _, y, _ in loaded]).tolist()]

    in_order = [*map(float, range(50)), *Y]
    assert order(shuffle=False) == in_order
    assert order(shuffle=True) != in_order
    assert sorted(order(shuffle=True)) == sorted(in_order)


def test_a_sampler_that_deals_is_left_to_it_and_told_the_epoch() -> None:
    dataset = TensorDataset(torch.arange(20))
    sampler: DistributedSampler[Any] = DistributedSampler(dataset, num_replicas=2, rank=1, seed=3)
    batches = as_batches(DataLoader(dataset, 5, sampler=sampler))
    taken = [torch.cat([x for x, _, _ in batches]).tolist() for _ in range(2)]
    expected = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        expected.append(list(sampler))
    assert taken == expected
    assert taken[0] != taken[1]
    assert batches.steps == 2


def test_a_validation_by_a_generator_is_taken_in_steps() -> None:
    model = classifier(OURS)
    model.compile("sgd", CROSSENTROPY)
    with pytest.raises(DataError, match=r"`validation_steps`.*Received: epochs=2"):
        model.fit(X, Y, epochs=2, validation_data=_batches(), verbose=0)
    history = model.fit(X, Y, epochs=2, validation_data=_batches(10), validation_steps=2, verbose=0)
    assert len(history.history["val_loss"]) == 2


@pytest.mark.filterwarnings("ignore:the data ended after")
def test_a_validation_on_nothing_is_an_error_rather_than_a_loss_of_0() -> None:
    model = classifier(OURS)
    model.compile("sgd", CROSSENTROPY)
    with pytest.raises(DataError, match="a generator that is used up"):
        model.fit(X, Y, epochs=4, validation_data=_batches(), validation_steps=2, verbose=0)
    with pytest.raises(DataError, match="the data is empty"):
        model.evaluate(iter([]), steps=2, verbose=0)


@pytest.mark.parametrize("lightning", [[], [pl.Callback()]], ids=["many steps a call", "one step a call"])
def test_an_epoch_that_the_data_ends_is_validated(lightning: list[Any]) -> None:
    model = classifier(OURS)
    model.compile("sgd", CROSSENTROPY)
    batches = iter([(X, Y)] * 75)
    with pytest.warns(UserWarning, match="the data ended after 35 of 40 steps"):
        history = model.fit(
            batches, epochs=2, steps_per_epoch=40, validation_data=(X, Y), verbose=0, callbacks=lightning
        )
    assert len(history.history["val_loss"]) == 2


# --- faults ---

RAGGED = np.array([[1], [1, 2]], dtype=object)
FAULTS: dict[str, tuple[Any, type, str]] = {
    "lengths": (lambda m: m.fit(X, Y[:3]), DataError, "Received: x: 50, y: 3"),
    "lengths of weights": (lambda m: m.fit(X, Y, sample_weight=np.ones(3)), DataError, "sample_weight: 3"),
    "lengths of validation data": (lambda m: m.fit(X, Y, validation_data=(X, Y[:3])), DataError, "x: 50, y: 3"),
    "empty": (lambda m: m.fit(X[:0], Y[:0]), DataError, "the data is empty"),
    "empty generator": (lambda m: m.fit(iter([])), DataError, "the data is empty"),
    "empty generator to evaluate": (lambda m: m.evaluate(iter([])), DataError, "the data is empty"),
    "objects": (lambda m: m.fit(RAGGED, Y[:2]), DataError, "`x` must hold numbers.*dtype=object"),
    "rows of unequal length": (lambda m: m.fit([[1.0], [1.0, 2.0]], Y[:2]), DataError, "rows of equal length"),
    "NaN in targets": (
        lambda m: m.fit(X, np.where(Y == 0, np.nan, Y)),
        DataError,
        "NaN or infinity in .* the first at index",
    ),
    "features": (lambda m: m.fit(X[:, :3], Y), InvalidInputError, r"\(None, 6\).*shape=\(32, 3\)"),
    "no targets": (lambda m: m.fit(X), DataError, "needs targets. Received: y=None"),
    "no inputs": (lambda m: m.fit(None, Y), DataError, "Received: NoneType"),
    "name of an input": (lambda m: m.fit({"zz": X}, Y), InvalidInputError, r"without \['input_layer'\]"),
    "too many targets": (lambda m: m.fit(X, [Y, Y]), DataError, "Received: 2 item"),
    "batch_size": (lambda m: m.fit(X, Y, batch_size=0), InvalidArgumentError, "Received: batch_size=0"),
    "steps": (lambda m: m.fit(X, Y, steps_per_epoch=0), InvalidArgumentError, "Received: steps=0"),
    "split": (lambda m: m.fit(X, Y, validation_split=1.0), InvalidArgumentError, "Received: validation_split=1.0"),
    "split of a generator": (
        lambda m: m.fit(_batches(), validation_split=0.2),
        InvalidArgumentError,
        "`validation_split` needs arrays",
    ),
    "validation data": (lambda m: m.fit(X, Y, validation_data=(X,)), DataError, "Received: 1 items"),
    "class_weight": (lambda m: m.fit(X, Y, class_weight=[1, 2]), InvalidArgumentError, "maps class numbers"),
    "targets beside a generator": (lambda m: m.fit(_batches(), Y), InvalidArgumentError, "`y` must not be given"),
    "batch of four": (lambda m: m.fit(iter([(1, 2, 3, 4)])), DataError, "Received: tuple of 4 items"),
    "generator used up": (lambda m: m.fit(_batches(), epochs=3), DataError, "`steps_per_epoch`.*Received: epochs=3"),
    "class numbers": (lambda m: m.fit(X, Y + 5), InvalidArgumentError, r"in \[0, 3\)"),
    "shape of targets": (lambda m: m.fit(X, np.ones((50, 7))), InvalidArgumentError, r"target.shape=\(32, 7\)"),
    "sparse": (lambda m: m.fit(scipy.sparse.csr_array(X), Y), DataError, "must be dense.*scipy.sparse.*csr_array"),
    "sparse tensor": (lambda m: m.fit(torch.tensor(X).to_sparse(), Y), DataError, r"must be dense.*torch.Tensor"),
    "sparse batches": (lambda m: m.fit(iter([(scipy.sparse.csr_array(X), Y)])), DataError, "the batch` must be dense"),
    "strings": (lambda m: m.fit(np.array([["a"]] * 50), Y), DataError, "must hold numbers.*strings"),
    "strings in a table": (lambda m: m.fit(pd.DataFrame({"a": ["b"] * 50}), Y), DataError, "must hold numbers.*object"),
    "dates": (lambda m: m.fit(np.zeros((50, 6), "datetime64[s]"), Y), DataError, "must hold numbers.*datetime64"),
    "masked": (lambda m: m.fit(np.ma.masked_less(X, 0), Y), DataError, "fill the masked ones"),
    "targets beside a dataset": (lambda m: m.fit(Rows(), Y), InvalidArgumentError, "`y` must not be given.*Rows"),
    "batch_size beside a loader": (
        lambda m: m.fit(DataLoader(Rows(), 5), batch_size=3),
        InvalidArgumentError,
        "`batch_size` must not be given.*Received: batch_size=3",
    ),
    "nothing to predict": (lambda m: m.predict(None), DataError, "Received: NoneType"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named_before_anything_is_trained(fault: str) -> None:
    attempt, error, words = FAULTS[fault]
    model = classifier(OURS)
    model.compile("sgd", CROSSENTROPY)
    before = model.get_weights()
    with pytest.raises(error, match=words):
        attempt(model)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_batch_of_data_without_a_length_is_fetched_when_its_turn_comes(epochs: int) -> None:
    told: list[str] = []

    class Told(IterableDataset[Any]):
        def __iter__(self) -> Any:
            for index in range(3):
                told.append(f"fetch {index}")
                yield np.ones((4, 2), "float32"), np.ones((4, 1), "float32")

    model = Sequential([Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    step = LambdaCallback(on_train_batch_end=lambda batch, logs: told.append(f"step {batch}"))
    history = model.fit(DataLoader(Told(), batch_size=None), epochs=epochs, verbose=0, callbacks=[step])
    assert told == [f"{what} {index}" for index in range(3) for what in ("fetch", "step")] * epochs
    assert len(history.history["loss"]) == epochs
