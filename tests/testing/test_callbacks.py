"""check_callback finds each fault under the property that it is one of, and sound callbacks have all of them."""

from typing import Any

import pytest
import torch

from labkeras.callbacks import Callback
from labkeras.testing import CALLBACK_PROPERTIES, PropertyError, check_callback


class Best(Callback):
    """Keeps the least loss.

    Args:
        start: what to begin with.
    """

    def __init__(self, start: float = 1e9) -> None:
        super().__init__()
        self.start = start
        self.best = start

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.best = self.start

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.best = min(self.best, (logs or {}).get("loss", self.best))

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best = state["best"]


class WithoutTypes(Best):
    def on_train_end(self, logs=None):  # type: ignore[no-untyped-def]
        pass


class MisspeltHook(Best):
    def on_epoch_ends(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        pass


class HookWithoutLogs(Best):
    def on_epoch_begin(self, epoch: int) -> None:  # type: ignore[override]
        pass


class ForgetsTheBase(Best):
    def __init__(self, start: float = 1e9) -> None:
        self.start = start


class NeedsValidation(Best):
    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.best = min(self.best, (logs or {})["val_loss"])


class NeedsTraining(Best):
    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.seen: list[int] = []

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.seen.append(batch)


class CountsItsCalls(Best):
    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.count = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if batch != self.count:
            raise ValueError(f"batch {batch} is call {self.count}")
        self.count += 1


class KeepsAnObject(Best):
    def state_dict(self) -> dict[str, Any]:
        return {"best": object()}


class DoesNotLoad(Best):
    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class TouchesOneProcess(Best):
    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if torch.distributed.is_initialized() and torch.distributed.get_rank() == 1:
            self.model.set_weights([2 * weight for weight in self.model.get_weights()])


FAULTS = [
    ("docstring", MisspeltHook, "__doc__=None"),
    ("types", WithoutTypes, "none for"),
    ("hooks", MisspeltHook, "on_epoch_ends. Did you mean 'on_epoch_end'"),
    ("hooks", HookWithoutLogs, "on_epoch_begin cannot be called"),
    ("base_is_made", ForgetsTheBase, "Expected: to be called"),
    ("fit", NeedsValidation, "KeyError: 'val_loss'"),
    ("evaluate_and_predict", NeedsTraining, "AttributeError"),
    ("several_steps", CountsItsCalls, "ValueError: batch 2 is call 0"),
    ("state", KeepsAnObject, "Expected: plain values"),
    ("state", DoesNotLoad, "of one that took it over"),
    ("processes", TouchesOneProcess, "weights of the two processes"),
]


def all_but(name: str) -> list[str]:
    return [other for other in CALLBACK_PROPERTIES if other != name]


@pytest.mark.parametrize(("name", "cls", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_fault_is_found_under_its_property(name: str, cls: type[Callback], words: str) -> None:
    with pytest.raises(PropertyError, match=words) as caught:
        check_callback(cls, skip=all_but(name))
    assert caught.value.name == name


def test_each_property_is_shown_to_fail() -> None:
    assert {name for name, _, _ in FAULTS} | {"lightning"} == set(CALLBACK_PROPERTIES)


def test_a_sound_callback_has_them_all() -> None:
    check_callback(Best, {"start": 100.0})
