"""PyDataset: batches by their number, made in the thread that trains, in others, or in other processes."""

import multiprocessing
import threading
from typing import Any

import keras
import numpy as np
import pytest

from labkeras.callbacks import Callback
from labkeras.errors import DataError, InvalidArgumentError
from labkeras.random import set_random_seed
from labkeras.utils import PyDataset, Sequence
from tests.helpers.keras_pairs import OURS, classifier, sample_data

X, Y = sample_data()
WAYS = [{}, {"workers": 3}, {"workers": 3, "max_queue_size": 1}, {"workers": 2, "use_multiprocessing": True}]
# Python warns of forks where other threads are; torch's DataLoader makes its processes so.
FORKS = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


class Numbered(PyDataset):
    """Five batches of ten rows; remembers what was asked of it."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.calls: list[Any] = []

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        self.calls.append(index)
        return X[index * 10 : index * 10 + 10].astype("float64"), Y[index * 10 : index * 10 + 10]

    def on_epoch_begin(self) -> None:
        self.calls.append("begin")

    def on_epoch_end(self) -> None:
        self.calls.append("end")


class Faulty(Numbered):
    def __getitem__(self, index: int) -> Any:
        if index == 3:
            raise KeyError("no batch three")
        return super().__getitem__(index)


class Endless(PyDataset):
    num_batches = None

    def __getitem__(self, index: int) -> Any:
        return np.full((4, 6), index % 3, "float32"), np.full(4, index % 3)


def _model() -> Any:
    set_random_seed(0)
    model = classifier(OURS)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def _nothing_is_left_running() -> None:
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith(("Numbered", "Faulty"))] == []
    assert multiprocessing.active_children() == []


def test_its_arguments_are_those_of_keras_and_sequence_is_its_old_name() -> None:
    ours, theirs = PyDataset(), keras.utils.PyDataset()
    for name in ("workers", "use_multiprocessing", "max_queue_size"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert Sequence is PyDataset
    assert [y.tolist() for _, y in Numbered()] == [y.tolist() for y in Y.reshape(5, 10)]


def test_a_subclass_need_not_call_init() -> None:
    class Forgets(Numbered):
        def __init__(self) -> None:
            self.calls = []

    assert _model().fit(Forgets(), verbose=0).epoch == [0]


@FORKS
@pytest.mark.parametrize("ways", WAYS)
def test_all_ways_of_making_batches_train_alike(ways: dict[str, Any]) -> None:
    expected, model = _model(), _model()
    reference = expected.fit(X, Y, batch_size=10, shuffle=False, epochs=2, verbose=0, validation_data=(X, Y))
    history = model.fit(Numbered(**ways), shuffle=False, epochs=2, verbose=0, validation_data=Numbered(**ways))
    np.testing.assert_allclose(history.history["loss"], reference.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(history.history["val_loss"], reference.history["val_loss"], rtol=1e-6)
    np.testing.assert_allclose(model.predict(Numbered(**ways), verbose=0), expected.predict(X, verbose=0), rtol=1e-5)
    _nothing_is_left_running()


@FORKS
@pytest.mark.parametrize("ways", WAYS)
def test_an_error_comes_through_and_nothing_is_left_running(ways: dict[str, Any]) -> None:
    data = Faulty(**ways)
    with pytest.raises(KeyError, match="no batch three"):
        _model().fit(data, shuffle=False, verbose=0)
    assert (data.calls[0], data.calls[-1]) == ("begin", "end")
    _nothing_is_left_running()


@FORKS
@pytest.mark.parametrize("ways", WAYS)
def test_an_interrupt_leaves_nothing_running(ways: dict[str, Any]) -> None:
    class Interrupts(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _model().fit(Numbered(**ways), epochs=3, verbose=0, callbacks=[Interrupts()])
    _nothing_is_left_running()


def test_the_order_of_batches_is_new_in_each_epoch_unless_told_otherwise() -> None:
    data = Numbered()
    _model().fit(data, epochs=2, verbose=0)
    first, second = data.calls[1:6], data.calls[8:13]
    assert sorted(first) == sorted(second) == list(range(5))
    assert first != second
    assert data.calls == ["begin", *first, "end", "begin", *second, "end"]


def test_steps_per_epoch_goes_on_and_each_epoch_is_announced() -> None:
    data = Numbered()
    with pytest.warns(UserWarning, match="ended after 2 of 3 steps"):
        _model().fit(data, shuffle=False, epochs=3, steps_per_epoch=3, verbose=0)
    assert data.calls == ["begin", 0, 1, 2, "end", "begin", 3, 4, "end", "begin", 0, 1, 2, "end"]


@FORKS
@pytest.mark.parametrize("ways", WAYS)
def test_one_without_end_needs_steps(ways: dict[str, Any]) -> None:
    history = _model().fit(Endless(**ways), epochs=2, steps_per_epoch=4, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert _model().predict(Endless(**ways), steps=3, verbose=0).shape == (12, 3)
    with pytest.raises(DataError, match=r"Endless has no end.*Received: num_batches=None"):
        _model().fit(Endless(**ways), verbose=0)
    _nothing_is_left_running()


@pytest.mark.parametrize("arguments", [{"workers": -1}, {"workers": 1.5}, {"max_queue_size": 0}])
def test_numbers_out_of_range_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError, match=f"`{next(iter(arguments))}` must be an integer"):
        PyDataset(**arguments)


def test_what_a_subclass_lacks_is_named() -> None:
    with pytest.raises(NotImplementedError, match="`__getitem__"):
        PyDataset()[0]
    with pytest.raises(NotImplementedError, match="`num_batches`"):
        list(PyDataset())
