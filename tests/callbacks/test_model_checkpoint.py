import inspect
from pathlib import Path
from typing import Any

import keras
import pytest

from labkeras.callbacks import CallbackList, ModelCheckpoint
from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError
from tests.helpers.fake_model import FakeModel, run_fit

VALUES = [3.0, 3.5, 2.5, 2.5, 1.25, 4.0]


def files(make: Any, lists: Any, folder: Path, batches: int = 3, epochs: int = 6) -> tuple[list[str], dict[str, str]]:
    """The files in the order in which they were saved, and what is in them at the end."""
    model = FakeModel()
    callbacks = lists([make(folder)], model=model)
    if hasattr(callbacks, "_async_train"):
        callbacks._async_train = False
    logs = [{"loss": 10.0 - epoch, "val_loss": VALUES[epoch], "acc": VALUES[epoch] / 10} for epoch in range(epochs)]
    run_fit(callbacks, model, logs, batches)
    return model.saved, {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "arguments",
    [
        {"filepath": "m.keras"},
        {"filepath": "{epoch:02d}-{val_loss:.2f}.keras"},
        {"filepath": "{epoch}.weights.h5", "save_weights_only": True},
        {"filepath": "sub/{epoch:03d}/m.keras"},
        {"filepath": "{epoch}.keras", "save_best_only": True},
        {"filepath": "{epoch}.keras", "save_best_only": True, "mode": "max"},
        {"filepath": "{epoch}.keras", "save_best_only": True, "monitor": "acc", "mode": "min"},
        {"filepath": "{epoch}.keras", "save_best_only": True, "initial_value_threshold": 2.5},
        {"filepath": "{epoch}-{batch}.keras", "save_freq": 1},
        {"filepath": "{epoch}-{batch}.keras", "save_freq": 2},
        {"filepath": "{epoch}-{batch:02d}-{loss:.1f}.keras", "save_freq": 4},
        {"filepath": "{epoch}.keras", "save_freq": 100},
    ],
)
def test_saves_the_files_that_keras_saves(arguments: dict[str, Any], tmp_path: Path) -> None:
    rest = {name: value for name, value in arguments.items() if name != "filepath"}
    results = []
    for name, module, lists in (
        ("theirs", keras.callbacks, keras.callbacks.CallbackList),
        ("ours", None, CallbackList),
    ):
        folder = tmp_path / name
        folder.mkdir()
        kind: Any = ModelCheckpoint if module is None else module.ModelCheckpoint
        results.append(files(lambda base, kind=kind: kind(base / arguments["filepath"], **rest), lists, folder))
    assert results[1] == results[0]


def test_same_arguments_as_keras() -> None:
    ours, theirs = (
        inspect.signature(cls).parameters.values() for cls in (ModelCheckpoint, keras.callbacks.ModelCheckpoint)
    )
    assert [(p.name, p.default) for p in ours] == [(p.name, p.default) for p in theirs]


def test_several_batches_in_one_call_count(tmp_path: Path) -> None:
    # As with `steps_per_execution`: the hook is called for batches 3 and 7 of 8.
    results = []
    for name, cls in (("theirs", keras.callbacks.ModelCheckpoint), ("ours", ModelCheckpoint)):
        callback, model = cls(tmp_path / (name + "{epoch}-{batch}.keras"), save_freq=6), FakeModel()
        callback.set_model(model)
        for epoch in range(3):
            callback.on_epoch_begin(epoch)
            for batch in (3, 7):
                callback.on_train_batch_end(batch, {})
        results.append([saved.removeprefix(name) for saved in model.saved])
    assert results[1] == results[0] == ["1-8.keras", "2-8.keras", "3-8.keras"]


def test_best_of_batches_is_saved_before_the_first_epoch_ends(tmp_path: Path) -> None:
    callback, model = ModelCheckpoint(tmp_path / "{batch}.keras", "loss", save_best_only=True, save_freq=1), FakeModel()
    callback.set_model(model)
    callback.on_epoch_begin(0)
    for batch, loss in enumerate([3.0, 2.0, 2.5, 1.0]):
        callback.on_train_batch_end(batch, {"loss": loss})
    assert model.saved == ["1.keras", "2.keras", "4.keras"]


def test_says_what_it_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files(
        lambda base: ModelCheckpoint(base / "m.keras", save_best_only=True, verbose=1), CallbackList, tmp_path, epochs=2
    )
    path = tmp_path / "m.keras"
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch 1: val_loss improved from None to 3.00000, saving model to {path}",
        f"Epoch 1: finished saving model to {path}",
        "Epoch 2: val_loss did not improve from 3.00000",
    ]


def test_missing_value_is_a_warning_and_everything_is_saved(tmp_path: Path) -> None:
    callback, model = ModelCheckpoint(tmp_path / "m.keras", save_best_only=True), FakeModel()
    callback.set_model(model)
    with pytest.warns(UserWarning, match=r"a number for 'val_loss'.*available metrics are: loss"):
        callback.on_epoch_end(0, {"loss": 1.0})
    assert model.saved == ["m.keras"]


def test_unknown_name_in_the_path_is_an_error_with_the_names_there_are(tmp_path: Path) -> None:
    callback = ModelCheckpoint(tmp_path / "{val_acc}.keras")
    callback.set_model(FakeModel())
    with pytest.raises(
        InvalidArgumentError, match=r"'val_acc' is not in the logs\. Available are epoch, loss"
    ) as caught:
        callback.on_epoch_end(0, {"loss": 1.0})
    assert isinstance(caught.value, KeyError)


def test_folder_of_that_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "1.keras").mkdir()
    callback = ModelCheckpoint(tmp_path / "{epoch}.keras")
    callback.set_model(FakeModel())
    with pytest.raises(IsADirectoryError, match=r"non-directory filepath.*Received: filepath='.*1\.keras'"):
        callback.on_epoch_end(0, {})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"filepath": "m.ckpt"}, InvalidArgumentError, r"must end in `\.keras`.*Received: filepath='m\.ckpt'"),
        ({"filepath": "m.h5"}, UnsupportedArgumentError, r"must end in `\.keras`.*Received: filepath='m\.h5'"),
        ({"filepath": "m.keras", "save_weights_only": True}, InvalidArgumentError, r"must end in `\.weights\.h5`"),
        ({"filepath": "m.keras", "save_freq": "batch"}, InvalidArgumentError, "Unrecognized save_freq.*'batch'"),
        ({"filepath": "m.keras", "save_freq": 0}, InvalidArgumentError, "positive number of batches.*save_freq=0"),
        ({"filepath": "{epoch.keras"}, InvalidArgumentError, "the braces in the path of a checkpoint are broken"),
    ],
)
def test_bad_arguments_are_errors_at_once(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ModelCheckpoint(**arguments)


def test_batch_hooks_are_needed_only_for_batches() -> None:
    assert not ModelCheckpoint("m.keras").needs_batch_hooks("train")
    assert ModelCheckpoint("m.keras", save_freq=5).needs_batch_hooks("train")
    assert not ModelCheckpoint("m.keras", save_freq=5).needs_batch_hooks("test")
