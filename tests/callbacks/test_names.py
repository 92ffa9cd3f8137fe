import inspect
from typing import Any

import keras
import pytest

from labkeras import callbacks
from labkeras.registry import callbacks as registry

# Keras's needs the library of that name, which stands on JAX, for a format of its own.
NAMES = sorted(name for name in dir(keras.callbacks) if name[0].isupper() and name != "OrbaxCheckpoint")


OWN = ["Diagnostics"]


def test_every_callback_of_keras_is_there_and_few_others() -> None:
    assert callbacks.__all__ == sorted([*NAMES, *OWN])


@pytest.mark.parametrize("name", NAMES)
def test_arguments_are_those_of_keras_with_their_defaults(name: str) -> None:
    ours, theirs = (parameters(getattr(package, name)) for package in (callbacks, keras.callbacks))
    # Differs from Keras: arguments that nobody knows are refused, not swallowed.
    if name == "ReduceLROnPlateau":
        del theirs["kwargs"]
    assert ours == theirs


@pytest.mark.parametrize("name", NAMES)
def test_hooks_take_keras_arguments(name: str) -> None:
    ours, theirs = getattr(callbacks, name), getattr(keras.callbacks, name)
    for hook in (hook for hook in dir(keras.callbacks.Callback) if hook.startswith("on_")):
        assert parameters(getattr(ours, hook)) == parameters(getattr(theirs, hook)), hook


def test_terminate_on_nan_has_a_name_that_people_would_write() -> None:
    assert registry.get("terminate_on_nan") is callbacks.TerminateOnNaN
    assert registry.get("reduce_lr_on_plateau") is callbacks.ReduceLROnPlateau


def parameters(function: Any) -> dict[str, Any]:
    return {name: one.default for name, one in inspect.signature(function).parameters.items()}
