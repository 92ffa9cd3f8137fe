import sys
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras.callbacks import Callback, CallbackList, EarlyStopping, History, LambdaCallback, ProgbarLogger
from labkeras.errors import InvalidTypeError
from tests.helpers.fake_model import FakeModel, run_fit

HOOKS = [name for name in dir(keras.callbacks.Callback) if name.startswith("on_")]


def recorder(base: type[Any]) -> Any:
    """A callback that notes each call of a hook with its arguments."""
    calls: list[tuple[Any, ...]] = []

    def noting(name: str) -> Any:
        return lambda self, *args, **kwargs: calls.append((name, args, kwargs))

    made = type("Recorder", (base,), {name: noting(name) for name in HOOKS})()
    made.calls = calls
    return made


def test_callback_has_keras_hooks_and_nothing_is_missing() -> None:
    ours, theirs = set(dir(Callback)), set(dir(keras.callbacks.Callback))
    assert {name for name in theirs if not name.startswith("_")} <= ours


def test_hooks_are_called_in_keras_order_with_keras_arguments() -> None:
    logs = [{"loss": 2.0, "val_loss": 3.0}, {"loss": 1.0, "val_loss": 2.0}]
    results = []
    for module, cls in ((keras.callbacks, CallbackListOfKeras), (None, CallbackList)):
        callback = recorder(Callback if module is None else module.Callback)
        model = FakeModel()
        run_fit(cls([callback], model=model), model, logs)
        results.append(callback.calls)
    assert results[0] == results[1]


def CallbackListOfKeras(callbacks: list[Any], **kwargs: Any) -> Any:  # noqa: N802  # stands for the class
    made = keras.callbacks.CallbackList(callbacks, **kwargs)
    made._async_train = made._async_test = made._async_predict = False
    return made


def test_all_other_hooks_reach_the_callbacks() -> None:
    callback = recorder(Callback)
    callbacks = CallbackList([callback])
    for name in HOOKS:
        needs_index = "batch" in name or "epoch" in name
        getattr(callbacks, name)(*([3] if needs_index else []), {})
    assert [name for name, _, _ in callback.calls] == HOOKS


def test_old_names_of_batch_hooks_are_called() -> None:
    seen = []

    class Old(Callback):
        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(("begin", batch))

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(("end", batch, logs))

    callbacks = CallbackList([Old()])
    callbacks.on_train_batch_begin(4)
    callbacks.on_train_batch_end(4, {"loss": 1})
    assert seen == [("begin", 4), ("end", 4, {"loss": 1.0})]
    assert callbacks.needs_batch_hooks("train")
    assert not callbacks.needs_batch_hooks("test")


def test_logs_become_sorted_numbers_as_in_keras() -> None:
    seen: list[dict[str, Any]] = []
    callbacks = CallbackList([LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs))])
    logs = {"loss": torch.tensor(0.5), "acc": np.float32(0.25), "b": {"z": 1, "a": 2}, "text": "x", "n": torch.ones(2)}
    callbacks.on_epoch_end(0, logs)
    assert list(seen[0]) == ["acc", "a", "z", "loss", "n", "text"]
    assert {name: type(value) for name, value in seen[0].items()} == {
        "acc": float,
        "a": float,
        "z": float,
        "loss": float,
        "n": torch.Tensor,
        "text": str,
    }


def test_callbacks_see_what_earlier_ones_add_to_the_logs_of_an_epoch() -> None:
    history = History()
    add = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(learning_rate=0.1))
    callbacks = CallbackList([add, history], model=FakeModel())
    own_logs = {"loss": 1.0}
    callbacks.on_epoch_end(0, own_logs)
    assert history.history == {"loss": [1.0], "learning_rate": [0.1]}
    assert own_logs == {"loss": 1.0}


def test_tensors_are_handed_on_to_callbacks_that_take_them() -> None:
    seen: list[Any] = []

    class Takes(Callback):
        takes_tensor_logs = True

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs["loss"])

    class Numbers(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(logs["loss"])

    loss = torch.tensor(2.0)
    CallbackList([Takes(), Numbers(), Takes()]).on_train_batch_end(0, {"loss": loss})
    assert seen[0] is loss
    assert seen[2] is loss
    assert type(seen[1]) is float


@pytest.mark.parametrize("mode", ["train", "test", "predict"])
def test_no_batch_hooks_are_needed_where_nobody_has_one(mode: Any) -> None:
    callbacks = CallbackList(
        [EarlyStopping(), LambdaCallback(on_epoch_end=print)], add_history=True, add_progbar=True, verbose=2, steps=3
    )
    assert not callbacks.needs_batch_hooks(mode)


@pytest.mark.parametrize("mode", ["train", "test", "predict"])
@pytest.mark.parametrize("moment", ["begin", "end"])
def test_batch_hooks_are_needed_where_a_function_is_set(mode: Any, moment: str) -> None:
    callbacks = CallbackList([History(), LambdaCallback(**{f"on_{mode}_batch_{moment}": print})])
    needed = [other for other in ("train", "test", "predict") if callbacks.needs_batch_hooks(other)]  # type: ignore[arg-type]
    assert needed == [mode]


def test_progress_bar_needs_batches_only_where_it_shows_them() -> None:
    def needed(**params: Any) -> bool:
        return CallbackList(add_progbar=True, **params).needs_batch_hooks("train")

    assert needed(verbose=1, steps=3)
    assert needed(verbose="auto", steps=3)
    assert needed(verbose=2, steps=None)
    assert not needed(verbose=2, steps=3)
    assert not needed(verbose=0, steps=3)


def test_default_callbacks_are_appended_once() -> None:
    own = History()
    callbacks = CallbackList([own], add_history=True, add_progbar=True)
    assert callbacks.history is own
    assert [type(callback) for callback in callbacks.callbacks] == [History, ProgbarLogger]
    assert [type(callback) for callback in CallbackList(add_history=True).callbacks] == [History]


def test_model_and_params_reach_every_callback() -> None:
    inner, model = Callback(), FakeModel()
    callbacks = CallbackList({"a": inner, "b": [History()]}, model=model, epochs=3, steps=None, verbose=0)
    assert inner.model is model
    assert callbacks.model is model
    assert inner.params == {"epochs": 3, "steps": None, "verbose": 0}
    assert model.history is callbacks.history  # type: ignore[attr-defined]


def test_callback_without_super_init_works() -> None:
    class Careless(Callback):
        def __init__(self) -> None:
            pass

    careless = Careless()
    assert careless.model is None
    CallbackList([careless], model=FakeModel(), verbose=0)
    assert careless.params == {"verbose": 0}


def test_lightning_callbacks_are_put_aside() -> None:
    lightning = pytest.importorskip("pytorch_lightning")
    theirs, ours = lightning.Callback(), History()
    callbacks = CallbackList([theirs, ours])
    assert callbacks.callbacks == [ours]
    assert callbacks.lightning_callbacks == [theirs]


def test_something_else_is_named() -> None:
    with pytest.raises(InvalidTypeError, match=r"Received: 'early_stopping' of type builtins\.str"):
        CallbackList(["early_stopping"])


def test_class_instead_of_an_object_is_explained() -> None:
    with pytest.raises(InvalidTypeError, match=r"Perhaps: EarlyStopping\(…\), an object"):
        CallbackList([EarlyStopping])


def test_callback_of_keras_itself_is_explained() -> None:
    with pytest.raises(InvalidTypeError, match=r"Perhaps: labkeras\.callbacks\.EarlyStopping"):
        CallbackList([keras.callbacks.EarlyStopping()])


def test_callback_of_the_other_lightning_package_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = type("Timer", (), {"__module__": "lightning.pytorch.callbacks.timer"})()
    monkeypatch.setitem(sys.modules, "pytorch_lightning", SimpleNamespace(Callback=History))
    with pytest.raises(InvalidTypeError, match=r"Perhaps: pytorch_lightning\.callbacks\.Timer"):
        CallbackList([foreign])


def test_history_keeps_values_and_epochs_as_keras_does() -> None:
    logs = [{"loss": 2.0, "val_loss": 3.0}, {"loss": 1.0}]
    results = []
    for history, cls in ((keras.callbacks.History(), CallbackListOfKeras), (History(), CallbackList)):
        model = FakeModel()
        callbacks = cls([history], model=model)
        run_fit(callbacks, model, logs)
        assert model.history is history  # type: ignore[attr-defined]
        run_fit(callbacks, model, logs)
        results.append((history.history, history.epoch))
    assert results[0] == results[1]
    assert results[1][1] == [0, 1]
