import contextlib
import errno
import json
import os
import random
import signal
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

import labkeras
from labkeras import optimizers
from labkeras.callbacks import BackupAndRestore, Callback, CallbackList, History, LambdaCallback
from labkeras.callbacks.backup_file import read_backup, write_backup
from labkeras.callbacks.random_state import random_state, set_random_state
from labkeras.errors import FileFormatError, InvalidArgumentError, SerializationError
from tests.helpers import interrupted_run
from tests.helpers.interrupted_run import InterruptionError, dies_at, train
from tests.helpers.keras_pairs import OURS, classifier
from tests.helpers.processes import run_python


def assert_same_run(ours: tuple[Any, Any], other: tuple[Any, Any]) -> None:
    """The same weights, optimizer and History, bit for bit."""
    for one, two in zip(ours[0].get_weights(), other[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    for a, b in zip(ours[0].optimizer.variables, other[0].optimizer.variables, strict=True):
        assert torch.equal(a, b), a.path
    assert ours[1].history == other[1].history
    assert ours[1].epoch == other[1].epoch


def interrupted(folder: Path, epoch: int, batch: int, **arguments: Any) -> None:
    with pytest.raises(InterruptionError):
        train(folder, dies_at(epoch, batch), **arguments)


# --- going on ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["arrays", "loader", "lightning"])
@pytest.mark.parametrize("moment", [(0, 3), (1, 0), (3, 2)])
def test_a_run_that_was_broken_off_ends_as_if_it_had_not_been(tmp_path: Path, source: str, moment: Any) -> None:
    whole = train(tmp_path / "whole", source=source)
    folder = tmp_path / "broken"
    interrupted(folder, *moment, source=source)
    assert (folder / "backup" / "latest.zip").exists() == (moment[0] > 0)
    assert_same_run(train(folder, source=source), whole)
    assert (folder / "log.csv").read_bytes() == (tmp_path / "whole" / "log.csv").read_bytes()
    assert not (folder / "backup").exists()


OPTIMIZERS: dict[str, Any] = {
    "accumulating": lambda: optimizers.Adam(0.01, gradient_accumulation_steps=3),
    "momentum": lambda: optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "torch": lambda: partial(torch.optim.AdamW, lr=0.01, amsgrad=True),
    "torch without slots": lambda: partial(torch.optim.SGD, lr=0.01),
}


@pytest.mark.filterwarnings("ignore:the optimizer is one of torch's")  # of the checkpoints of whole models
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_of_any_optimizer_is_kept(tmp_path: Path, name: str) -> None:
    whole = train(tmp_path / "whole", optimizer=OPTIMIZERS[name]())
    interrupted(tmp_path / "broken", 3, 2, optimizer=OPTIMIZERS[name]())
    ended = train(tmp_path / "broken", optimizer=OPTIMIZERS[name]())
    assert_same_run(ended, whole)
    states = [run[0].optimizer.state_dict()["state"] for run in (ended, whole)]
    assert repr(states[0]) == repr(states[1])


@pytest.mark.parametrize("source", ["arrays", "loader", "lightning"])
@pytest.mark.parametrize("save_freq", [1, 2, 3, 7])
def test_a_run_that_was_broken_off_within_an_epoch_goes_on_after_the_batch(
    tmp_path: Path, source: str, save_freq: int
) -> None:
    whole = train(tmp_path / "whole", source=source, save_freq=save_freq)
    folder = tmp_path / "broken"
    for moment in ((0, 2), (0, 4), (1, 0), (3, 4), (5, 4)):
        interrupted(folder, *moment, source=source, save_freq=save_freq)
    assert_same_run(train(folder, source=source, save_freq=save_freq), whole)
    assert (folder / "log.csv").read_bytes() == (tmp_path / "whole" / "log.csv").read_bytes()


def test_no_batch_is_trained_on_twice(tmp_path: Path) -> None:
    seen: list[int] = []
    interrupted(tmp_path, 2, 3, save_freq=1)
    train(tmp_path, LambdaCallback(on_train_batch_begin=lambda batch, logs: seen.append(batch)), save_freq=1)
    assert seen == [3, 4, *range(5), *range(5), *range(5)]


def test_a_run_may_be_broken_off_again_and_again(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    folder = tmp_path / "broken"
    for moment in ((1, 4), (1, 4), (2, 1), (5, 4)):
        interrupted(folder, *moment)
    assert_same_run(train(folder), whole)


@pytest.mark.parametrize("last_hook", ["on_epoch_end", "on_train_end"])
def test_a_run_that_was_complete_is_not_trained_again(tmp_path: Path, last_hook: str) -> None:
    whole = train(tmp_path / "whole")
    folder = tmp_path / "broken"

    class DiesLast(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if last_hook == "on_epoch_end" and epoch == 5:
                raise InterruptionError

        def on_train_end(self, logs: Any = None) -> None:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        train(folder, DiesLast())
    trained, history = train(folder)
    assert history.history == whole[1].history
    for one, two in zip(trained.get_weights(), whole[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_run_that_was_stopped_is_not_trained_on(tmp_path: Path) -> None:
    def stop(epoch: int, logs: Any) -> None:
        history.model.stop_training = epoch == 2

    class DiesAtEnd(Callback):
        def on_train_end(self, logs: Any = None) -> None:
            raise InterruptionError

    history = History()
    with pytest.raises(InterruptionError):
        train(tmp_path, history, LambdaCallback(on_epoch_end=stop), DiesAtEnd())
    assert train(tmp_path, LambdaCallback(on_epoch_end=stop))[1].epoch == [0, 1, 2]


def test_the_next_run_begins_with_its_own_first_epoch(tmp_path: Path) -> None:
    interrupted(tmp_path, 3, 0)
    model, _ = train(tmp_path)
    x, y = interrupted_run.data()
    assert model.fit(x, y, epochs=2, verbose=0).epoch == [0, 1]
    assert model.fit(x, y, epochs=2, verbose=0, callbacks=[BackupAndRestore(tmp_path / "b")]).epoch == [0, 1]


@pytest.mark.parametrize("save_freq", ["epoch", 2, 4])
@pytest.mark.parametrize("package", [OURS, keras])
def test_it_goes_on_at_the_epoch_at_which_keras_does(tmp_path: Path, package: Any, save_freq: Any) -> None:
    x, y = interrupted_run.data()
    seen: list[int] = []

    def note(epoch: int, logs: Any) -> None:
        seen.append(epoch)
        if seen == [0, 1, 2]:
            raise InterruptionError

    for _ in range(2):
        model = classifier(package)
        model.compile("sgd", "sparse_categorical_crossentropy")
        backup = package.callbacks.BackupAndRestore(str(tmp_path / "backup"), save_freq)
        with contextlib.suppress(InterruptionError):
            model.fit(
                x, y, epochs=4, verbose=0, callbacks=[backup, package.callbacks.LambdaCallback(on_epoch_begin=note)]
            )
    # Of 3 batches an epoch, the last of every 2 or 4 before epoch 2 is one within epoch 1.
    assert seen == ([0, 1, 2, 1, 2, 3] if save_freq != "epoch" else [0, 1, 2, 2, 3])


def test_a_loop_is_told_of_epoch_and_batch_and_gets_back_what_there_was_after_it(tmp_path: Path) -> None:
    callbacks = backing_up(tmp_path, save_freq=2)
    callbacks.on_train_begin()
    callbacks.on_epoch_begin(3)
    in_order = torch.randperm(5)
    for batch in range(2):
        torch.rand(1)
        callbacks.model.metrics[0].update_state(torch.tensor(float(batch)))
        callbacks.on_train_batch_end(batch, {"loss": 1.0})
    expected = torch.rand(3)

    again = backing_up(tmp_path, save_freq=2)
    again.on_train_begin()
    assert (again.model._initial_epoch, again.model._initial_batch) == (3, 2)
    again.on_epoch_begin(3)
    assert (again.model._initial_epoch, again.model._initial_batch) == (None, None)
    assert torch.equal(torch.randperm(5), in_order)
    again.resume_batch()
    assert torch.equal(torch.rand(3), expected)
    assert float(again.model.metrics[0].result()) == 0.5
    # Batch 3 is the second since the backup.
    assert [again_saves(again, tmp_path, batch) for batch in (2, 3)] == [False, True]


def again_saves(callbacks: CallbackList, folder: Path, batch: int) -> bool:
    before = (folder / "latest.zip").read_bytes()
    callbacks.on_train_batch_end(batch, {"loss": 1.0})
    return (folder / "latest.zip").read_bytes() != before


# --- real kills -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    ["2,3", *(pytest.param(step, marks=pytest.mark.slow) for step in ("fsync", "before replace", "after replace"))],
)
@pytest.mark.parametrize("save_freq", ["epoch", pytest.param(3, marks=pytest.mark.slow)])
def test_a_killed_process_is_taken_up(tmp_path: Path, moment: str, save_freq: Any) -> None:
    folder = tmp_path / "killed"
    died = run_python(tmp_path, interrupted_run.__file__, str(folder), moment, str(save_freq))
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert_same_run(train(folder, save_freq=save_freq), train(tmp_path / "whole", save_freq=save_freq))
    assert not (folder / "backup").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore")  # of torch's and Lightning's, on processes
def test_a_run_of_two_processes_ends_as_if_it_had_not_been_broken_off(tmp_path: Path) -> None:
    trainer = {"devices": 2, "strategy": "ddp_fork", "accelerator": "cpu"}
    whole = train(tmp_path / "whole", trainer=trainer)
    with pytest.raises(Exception, match="InterruptionError"):
        train(tmp_path / "broken", dies_at(3, 1), trainer=trainer)
    assert (tmp_path / "broken" / "backup" / "latest.zip").exists()
    assert_same_run(train(tmp_path / "broken", trainer=trainer), whole)


# --- what is kept and what is removed ---------------------------------------------------------------------------------


def test_the_backup_stays_if_it_is_to(tmp_path: Path) -> None:
    train(tmp_path, epochs=2, delete_checkpoint=False)
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["latest.zip"]
    assert train(tmp_path, epochs=3, delete_checkpoint=False)[1].epoch == [0, 1, 2]


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "notes.txt").write_text("mine")
    train(tmp_path, epochs=1)
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["notes.txt"]


def test_what_a_killed_writer_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    folder.mkdir()
    for name in (".0123456789abcdef.tmp", ".0123456789abcdef.weights.h5"):
        (folder / name).write_bytes(b"half")
    interrupted(tmp_path, 1, 1)
    assert [path.name for path in folder.iterdir()] == ["latest.zip"]


def test_save_freq_false_restores_and_saves_nothing(tmp_path: Path) -> None:
    interrupted(tmp_path, 2, 1)
    before = (tmp_path / "backup" / "latest.zip").read_bytes()
    interrupted(tmp_path, 4, 1, save_freq=False)
    assert (tmp_path / "backup" / "latest.zip").read_bytes() == before


def test_a_loss_that_is_not_finite_is_not_backed_up(tmp_path: Path) -> None:
    callbacks = backing_up(tmp_path)
    callbacks.on_epoch_end(0, {"loss": 1.0})
    callbacks.on_epoch_end(1, {"loss": float("nan")})
    assert read_backup(tmp_path / "latest.zip").state["epoch"] == 1


# --- damage -----------------------------------------------------------------------------------------------------------


def backing_up(folder: Path, *others: Any, units: int = 8, **arguments: Any) -> CallbackList:
    model = interrupted_run.model(units)
    model.optimizer.build(model.trainable_variables)
    return CallbackList([BackupAndRestore(folder, **arguments), *others], add_history=True, model=model, epochs=9)


def test_damage_is_found_and_named_and_nothing_is_changed(tmp_path: Path) -> None:
    backing_up(tmp_path).on_epoch_end(0, {"loss": 1.0})
    path = tmp_path / "latest.zip"
    content = path.read_bytes()
    generator = random.Random(0)
    callbacks = backing_up(tmp_path)
    weights = callbacks.model.get_weights()
    for length in [0, 1, 100, *(generator.randrange(len(content)) for _ in range(10)), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(FileFormatError, match=r"latest\.zip' is damaged, or no backup: .*Remove it"):
            callbacks.on_train_begin()
    assert all(np.array_equal(a, b) for a, b in zip(callbacks.model.get_weights(), weights, strict=True))


def test_no_flipped_bit_gets_into_the_state(tmp_path: Path) -> None:
    backing_up(tmp_path).on_epoch_end(0, {"loss": 1.0})
    path = tmp_path / "latest.zip"
    content = path.read_bytes()
    sound = backing_up(tmp_path)
    sound.on_train_begin()
    generator = random.Random(1)
    found = 0
    for _ in range(60):
        damaged = bytearray(content)
        damaged[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        callbacks = backing_up(tmp_path)
        try:
            callbacks.on_train_begin()
        except FileFormatError:
            found += 1
            continue
        # A bit of the archive's own, such as a date.
        for one, two in zip(callbacks.model.get_weights(), sound.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)
    assert found > 50


def test_a_second_backup_steps_in_for_a_damaged_one(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")
    folder = tmp_path / "broken"
    interrupted(folder, 3, 2, double_checkpoint=True)
    assert sorted(os.listdir(folder / "backup")) == ["latest.zip", "previous.zip"]
    latest = folder / "backup" / "latest.zip"
    latest.write_bytes(latest.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="is damaged.*Going on from the one before it"):
        ended = train(folder, double_checkpoint=True)
    assert_same_run(ended, whole)
    assert not (folder / "backup").exists()


def test_a_backup_of_another_model_is_refused(tmp_path: Path) -> None:
    backing_up(tmp_path).on_epoch_end(0, {"loss": 1.0})
    callbacks = backing_up(tmp_path, units=4)
    with pytest.raises(FileFormatError, match=r"is of another model.*or make the model as it was"):
        callbacks.on_train_begin()


def test_a_backup_of_other_callbacks_gives_those_that_are_there_their_state(tmp_path: Path) -> None:
    class Counts(Callback):
        count = 0

        def state_dict(self) -> dict[str, Any]:
            return {"count": self.count}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.count = state["count"]

    one, two = Counts(), Counts()
    one.count, two.count = 1, 2
    backing_up(tmp_path, LambdaCallback(), one, two).on_epoch_end(0, {"loss": 1.0})
    again, new = Counts(), Counts()
    backing_up(tmp_path, again, new, Counts()).on_train_begin()
    assert (again.count, new.count) == (1, 2)


def test_a_state_that_a_callback_cannot_take_is_named(tmp_path: Path) -> None:
    class Strange(Callback):
        def state_dict(self) -> dict[str, Any]:
            return {}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            raise KeyError("count")

    backing_up(tmp_path, Strange()).on_epoch_end(0, {"loss": 1.0})
    with pytest.raises(FileFormatError, match="does not go with this run: KeyError: 'count'"):
        backing_up(tmp_path, Strange()).on_train_begin()


def test_a_backup_of_another_version_is_refused(tmp_path: Path) -> None:
    callbacks = backing_up(tmp_path)
    write_backup(tmp_path / "latest.zip", callbacks.model, {"version": 2})
    with pytest.raises(FileFormatError, match=r"written by another version of labkeras. Received: version=2"):
        callbacks.on_train_begin()


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
def test_a_write_that_fails_leaves_the_last_backup_and_nothing_else(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    callbacks = backing_up(tmp_path, double_checkpoint=True)
    callbacks.on_epoch_end(0, {"loss": 1.0})
    original = getattr(os, call)
    failed = 0
    for failing in range(1, 20):
        calls = 0

        def faulty(*arguments: Any, **named: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == failing:  # noqa: B023  # called within this round only
                raise OSError(errno.ENOSPC, "No space left on device")
            return original(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, faulty)
            try:
                callbacks.on_epoch_end(1, {"loss": 1.0})
            except OSError:
                failed += 1
            else:
                break
        assert read_backup(tmp_path / "latest.zip").state["epoch"] in (1, 2)
        assert set(os.listdir(tmp_path)) <= {"latest.zip", "previous.zip"}
    assert failed >= (1 if call == "open" else 2)
    assert read_backup(tmp_path / "latest.zip").state["epoch"] == 2


# --- the file ---------------------------------------------------------------------------------------------------------


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    state = {
        "number": 0.1 + 0.2,
        "nan": float("nan"),
        "big": 2**70,
        "none": None,
        "nested": [{"text": "ä", "flag": True}, ()],
        "array": np.arange(6, dtype=">i2").reshape(2, 3),
        "scalar": np.float32(0.1),
        "empty": np.zeros((0, 3), bool),
        "tensor": torch.tensor([0.5, 1.5], dtype=torch.bfloat16),
    }
    write_backup(tmp_path / "it.zip", interrupted_run.model(), state)
    read = read_backup(tmp_path / "it.zip").state
    assert read["number"] == state["number"]
    assert np.isnan(read["nan"])
    assert (read["big"], read["none"], read["nested"]) == (2**70, None, [{"text": "ä", "flag": True}, []])
    for name in ("array", "scalar", "empty"):
        np.testing.assert_array_equal(read[name], state[name])
        assert read[name].dtype == state[name].dtype
    np.testing.assert_array_equal(read["tensor"], [0.5, 1.5])


@pytest.mark.parametrize(
    ("state", "place"),
    [
        ({"a": [object()]}, r"state\['a'\]\[0\]=<object"),
        ({"a": {1: 2}}, r"state\['a'\]\[1\]"),
        ({"a": np.array([object()])}, r"state\['a'\]="),
        ({"a": np.array(["text"])}, r"state\['a'\]="),
        ({"a": {1, 2}}, r"state\['a'\]=\{1, 2\}"),
    ],
)
def test_what_is_no_number_is_refused_and_named(tmp_path: Path, state: Any, place: str) -> None:
    with pytest.raises(SerializationError, match=f"Received: {place}"):
        write_backup(tmp_path / "it.zip", interrupted_run.model(), state)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "state",
    [
        b'{"a": {"__array__": 0, "dtype": "O", "shape": [1]}}',
        b'{"a": {"__array__": 0, "dtype": "<f8", "shape": [1000000000]}}',
        b'{"a": {"__array__": "../../x", "dtype": "<f8", "shape": [1]}}',
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[]",
        b"\xff",
    ],
)
def test_a_hostile_state_is_refused(tmp_path: Path, state: bytes) -> None:
    path = tmp_path / "latest.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("state.json", state)
        archive.writestr("__array__/0", b"12345678")
        archive.writestr("weights.weights.h5", b"")
    with pytest.raises(FileFormatError, match="no backup"):
        read_backup(path)


def test_a_member_that_grows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latest.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("state.json", json.dumps({"a": "x" * 10_000_000}))
        archive.writestr("weights.weights.h5", b"")
    with pytest.raises(FileFormatError, match="longer than the file"):
        read_backup(path)


def test_the_states_of_all_generators_come_back() -> None:
    def drawn() -> list[Any]:
        return [random.gauss(0, 1), np.random.normal(size=3).tolist(), torch.rand(3).tolist()]

    drawn()
    state = random_state()
    first = drawn()
    assert drawn() != first
    set_random_state(state)
    assert drawn() == first


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save_freq", ["batch", 0, -1, 1.5, True, None])
def test_save_freq_is_an_epoch_or_a_number_of_batches(save_freq: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`save_freq` must be .*Received: save_freq="):
        BackupAndRestore("backup", save_freq=save_freq)


def test_a_folder_must_be_named() -> None:
    for module in (None, keras.callbacks):
        with pytest.raises(ValueError, match=r"`?backup_dir`?"):
            (BackupAndRestore if module is None else module.BackupAndRestore)("")


def test_only_the_first_process_writes_and_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callbacks = backing_up(tmp_path, delete_checkpoint=True)
    callbacks.on_epoch_end(0, {"loss": 1.0})
    before = (tmp_path / "latest.zip").read_bytes()
    monkeypatch.setattr("labkeras.callbacks.backup_and_restore.is_main_process", lambda: False)
    callbacks.on_epoch_end(1, {"loss": 1.0})
    callbacks.on_train_end()
    assert (tmp_path / "latest.zip").read_bytes() == before


def test_a_folder_that_other_processes_do_not_share_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkeras.callbacks.backup_and_restore.in_any_process", lambda finding: True)
    with pytest.raises(FileFormatError, match=r"all processes share. Received: backup_dir="):
        backing_up(tmp_path).on_train_begin()


def test_batch_hooks_are_needed_for_backups_by_batch_alone(tmp_path: Path) -> None:
    assert backing_up(tmp_path, save_freq=3).needs_batch_hooks("train")
    assert not backing_up(tmp_path, save_freq=3).needs_batch_hooks("test")
    assert not backing_up(tmp_path).needs_batch_hooks("train")
    assert not backing_up(tmp_path, save_freq=False).needs_batch_hooks("train")


# --- data that does not begin as it did -------------------------------------------------------------------------------


class _Waits(labkeras.Model):
    """Gets its weights from the first batch, which is fetched before the run goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = labkeras.layers.Dense(5, activation="relu")
        self.drop = labkeras.layers.Dropout(0.5)
        self.out = labkeras.layers.Dense(1)

    def call(self, x: Any, training: bool = False) -> Any:
        return self.out(self.drop(self.hidden(x), training=training))


def _waiting_run(folder: Path, source: str, dies: tuple[int, int] | None) -> tuple[Any, Any]:
    labkeras.utils.set_random_seed(4)
    x, y = np.random.default_rng(0).normal(size=(2, 40, 3)).astype("float32")
    rows = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y[:, :1]))
    data: dict[str, Any] = {"x": x, "y": y[:, :1], "batch_size": 8}
    if source == "generator":
        own = torch.Generator().manual_seed(9)
        data = {"x": torch.utils.data.DataLoader(rows, 8, shuffle=True, generator=own)}
    if source == "part":
        data["steps_per_epoch"] = 3
    callbacks: list[Callback] = [BackupAndRestore(folder, save_freq=2)]
    if dies is not None:
        callbacks.append(dies_at(*dies))
    model = _Waits()
    model.compile("adam", "mse")
    history = model.fit(**data, epochs=5, verbose=0, callbacks=callbacks)
    return model, history


@pytest.mark.filterwarnings("ignore:the data ended after")
@pytest.mark.parametrize("source", ["arrays", "generator", "part"])
@pytest.mark.parametrize("moment", [(0, 2), (1, 1), (3, 0)])
def test_data_goes_on_where_it_stood(tmp_path: Path, source: str, moment: tuple[int, int]) -> None:
    whole = _waiting_run(tmp_path / "whole", source, None)
    with pytest.raises(InterruptionError):
        _waiting_run(tmp_path / "broken", source, moment)
    assert_same_run(_waiting_run(tmp_path / "broken", source, None), whole)
