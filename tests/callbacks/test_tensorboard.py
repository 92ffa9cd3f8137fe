import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import pytest
import torch

from labkeras import registry
from labkeras.callbacks import CallbackList, TensorBoard
from labkeras.errors import InvalidArgumentError
from tests.helpers.event_files import scalars
from tests.helpers.fake_model import FakeModel, run_fit

LOGS = [{"loss": 2.0, "acc": 0.25, "val_loss": 3.0}, {"loss": 1.0, "acc": 0.5, "val_loss": 2.0}]


def fit(callback: TensorBoard, batches: int = 3) -> FakeModel:
    model = FakeModel()
    run_fit(CallbackList([callback], model=model, verbose=0), model, LOGS, batches)
    return model


def test_same_arguments_as_keras() -> None:
    ours, theirs = (inspect.signature(cls).parameters.values() for cls in (TensorBoard, keras.callbacks.TensorBoard))
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_is_found_by_the_names_people_write() -> None:
    assert {registry.callbacks.get(name) for name in ("tensorboard", "tensor_board", "TensorBoard")} == {TensorBoard}


def test_epochs_are_written_under_keras_tags(tmp_path: Path) -> None:
    fit(TensorBoard(tmp_path))
    assert scalars(tmp_path / "train") == {
        "epoch_loss": [(0, 2.0), (1, 1.0)],
        "epoch_acc": [(0, 0.25), (1, 0.5)],
        "epoch_learning_rate": [(0, 0.5), (1, 0.5)],
    }
    assert scalars(tmp_path / "validation") == {
        "epoch_loss": [(0, 3.0), (1, 2.0)],
        "evaluation_loss_vs_iterations": [(3, 3.0), (6, 2.0)],
    }


@pytest.mark.parametrize(
    ("update_freq", "steps"), [("batch", [1, 2, 3, 4, 5, 6]), (1, [1, 2, 3, 4, 5, 6]), (2, [2, 4, 6]), (7, [])]
)
def test_batches_are_written_as_often_as_asked(update_freq: Any, steps: list[int], tmp_path: Path) -> None:
    fit(TensorBoard(tmp_path, update_freq=update_freq))
    written = scalars(tmp_path / "train")
    assert [step for step, _ in written.get("batch_loss", [])] == steps
    assert [value for _, value in written.get("batch_acc", [])] == [0.25 if step <= 3 else 0.5 for step in steps]


def test_speed_is_written_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    clock = SimpleNamespace(perf_counter=lambda: float(next(now)))
    monkeypatch.setattr("labkeras.callbacks.tensorboard.time", clock)
    fit(TensorBoard(tmp_path, write_steps_per_second=True, update_freq=3))
    written = scalars(tmp_path / "train")
    # The clock goes on by a second each time it is asked: at the start of the epoch and of its three batches, at the
    # end of the third batch, at the end of the epoch.
    assert written["epoch_steps_per_second"] == [(0, pytest.approx(3 / 5)), (1, pytest.approx(3 / 5))]
    assert written["batch_steps_per_second"] == [(3, 1.0), (6, 1.0)]


def test_batch_hooks_are_needed_only_for_batches() -> None:
    assert not TensorBoard().needs_batch_hooks("train")
    assert not TensorBoard(write_steps_per_second=True).needs_batch_hooks("train")
    assert TensorBoard(update_freq=10).needs_batch_hooks("train")


def test_tensors_are_looked_at_only_in_batches_that_are_written(tmp_path: Path) -> None:
    callback, model = TensorBoard(tmp_path, update_freq=10), FakeModel()
    callbacks = CallbackList([callback], model=model)
    callbacks.on_train_begin()

    class Untouchable(dict[str, Any]):
        def __iter__(self) -> Any:
            raise AssertionError("the logs were read")

    for batch in range(9):
        callbacks.on_train_batch_begin(batch)
        callbacks.on_train_batch_end(batch, Untouchable(loss=1.0))
    callbacks.on_train_batch_begin(9)
    callbacks.on_train_batch_end(9, {"loss": torch.tensor(0.5)})
    callbacks.on_train_end()
    assert scalars(tmp_path / "train") == {"batch_loss": [(10, 0.5)]}


def test_evaluation_alone_is_readable_at_once_and_makes_no_training_run(tmp_path: Path) -> None:
    model = FakeModel()
    model.optimizer.iterations = 8
    callbacks = CallbackList([TensorBoard(tmp_path)], model=model)
    callbacks.on_test_begin()
    callbacks.on_test_end({"loss": 0.25})
    assert scalars(tmp_path / "validation") == {"evaluation_loss_vs_iterations": [(8, 0.25)]}
    assert not (tmp_path / "train").exists()


def test_curves_are_readable_while_training_goes_on(tmp_path: Path) -> None:
    callbacks = CallbackList([TensorBoard(tmp_path)], model=FakeModel())
    callbacks.on_train_begin()
    callbacks.on_epoch_end(0, {"loss": 0.5})
    assert scalars(tmp_path / "train")["epoch_loss"] == [(0, 0.5)]


def test_second_fit_writes_on(tmp_path: Path) -> None:
    callback = TensorBoard(tmp_path)
    fit(callback)
    fit(callback)
    assert len(list((tmp_path / "train").iterdir())) == 2


def test_model_without_optimizer_is_no_error(tmp_path: Path) -> None:
    model = FakeModel()
    del model.optimizer
    callbacks = CallbackList([TensorBoard(tmp_path)], model=model)
    callbacks.on_test_end({"loss": 1.0})
    callbacks.on_epoch_end(0, {"loss": 1.0})
    assert scalars(tmp_path / "train") == {"epoch_loss": [(0, 1.0)]}


def test_other_processes_of_a_distributed_run_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    fit(TensorBoard(tmp_path, update_freq=1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("update_freq", [0, -1, "epochs", True, 2.5])
def test_bad_update_freq_is_named(update_freq: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="Received: update_freq="):
        TensorBoard(update_freq=update_freq)


@pytest.mark.parametrize(
    "argument", [{"histogram_freq": -1}, {"histogram_freq": 1.5}, {"embeddings_freq": -2}, {"embeddings_freq": "epoch"}]
)
def test_bad_number_of_epochs_is_named(argument: dict[str, Any]) -> None:
    [(name, value)] = argument.items()
    with pytest.raises(
        InvalidArgumentError, match=rf"`{name}` must be a number of epochs.* Received: {name}={value!r}"
    ):
        TensorBoard(**argument)


def test_what_was_written_after_a_backup_is_taken_back(tmp_path: Path) -> None:
    callback, model = TensorBoard(tmp_path, update_freq=1), FakeModel()
    callbacks = CallbackList([callback], model=model)
    callbacks.on_train_begin()
    callbacks.on_train_batch_begin(0)
    callbacks.on_train_batch_end(0, {"loss": 1.0})
    state = callback.state_dict()
    callbacks.on_train_batch_begin(1)
    callbacks.on_train_batch_end(1, {"loss": 0.5})
    callbacks.on_epoch_end(0, LOGS[0])
    callback.close()

    again = TensorBoard(tmp_path, update_freq=1)
    callbacks = CallbackList([again], model=model)
    callbacks.on_train_begin()
    again.load_state_dict(state)
    callbacks.on_train_batch_begin(1)
    callbacks.on_train_batch_end(1, {"loss": 0.25})
    again.close()
    assert scalars(tmp_path / "train") == {"batch_loss": [(1, 1.0), (2, 0.25)]}
    assert not list((tmp_path / "validation").iterdir())
