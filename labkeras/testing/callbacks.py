"""check_callback: that a callback does what every callback does."""

import inspect
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from labkeras.callbacks import Callback
from labkeras.errors import did_you_mean
from labkeras.layers import Dense
from labkeras.models import Sequential
from labkeras.nest import flatten
from labkeras.testing import component
from labkeras.testing.comparing import sample
from labkeras.testing.component import Component
from labkeras.testing.processes import run_ranks
from labkeras.testing.properties import FaultError, checked, expect, named

__all__ = ["CALLBACK_PROPERTIES", "CallbackCase", "callback_case", "check_callback"]

_ROWS, _EPOCHS = 32, 3


@dataclass(frozen=True)
class CallbackCase(Component):
    """A callback class, how to make it, and what the model that is trained with it measures."""

    kind: str = "callbacks"
    metrics: Sequence[Any] = ("accuracy",)

    def model(self) -> Any:
        """A small classifier, compiled; with the same weights each time."""
        torch.manual_seed(0)
        model = Sequential([Dense(8, activation="relu"), Dense(3, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", metrics=list(self.metrics))
        return model


def hooks(case: CallbackCase) -> None:
    """Each method `on_…` is one that training calls, with the arguments that it is called with.

    Correct the name, or give a helper one that does not begin with `on_`. Hooks take `(self, batch, logs=None)`,
    `(self, epoch, logs=None)` or `(self, logs=None)`.
    """
    known = [name for name in dir(Callback) if name.startswith("on_")]
    for name, method in vars(case.cls).items():
        if name.startswith("on_") and inspect.isfunction(method):
            hint = did_you_mean(name, known)
            expect(name in known, f"the method {name}.{hint}", expected="the name of a hook", received=name)
            count = len(inspect.signature(getattr(Callback, name)).parameters)
            try:
                inspect.signature(method).bind(*range(count - 1), logs={})
            except TypeError as error:
                wanted = inspect.signature(getattr(Callback, name))
                raise FaultError(
                    f"{name} cannot be called ({error}). Expected: {name}{wanted}. "
                    f"Received: {name}{inspect.signature(method)}"
                ) from error


def base_is_made(case: CallbackCase) -> None:
    """It is a `labkeras.callbacks.Callback`, and its `__init__` makes the base.

    Derive from `labkeras.callbacks.Callback`, and call `super().__init__()` first.
    """
    callback = case.made()
    expect(isinstance(callback, Callback), "its base", expected=Callback, received=type(callback).__mro__)
    expect("_model" in vars(callback), "super().__init__()", expected="to be called", received="it was not")


def fit(case: CallbackCase) -> None:
    """Training with it works: with and without validation, for several epochs, and a second time.

    Reset what one training keeps in `on_train_begin`; ask `logs` with `get`, as validation may be missing.
    """
    x, y = _data()
    callback = case.made()
    model = case.model()
    for more in ({"validation_data": (x, y)}, {}, {"validation_data": (x, y)}):
        history = model.fit(x, y, batch_size=8, epochs=_EPOCHS, verbose=0, callbacks=[callback], **more)
        expect(history.epoch, "epochs of training", expected="at least one", received=history.epoch)
        numbers = [np.ndim(value) == 0 for values in history.history.values() for value in values]
        expect(all(numbers), "the history", expected="a number for each epoch", received=history.history)


def evaluate_and_predict(case: CallbackCase) -> None:
    """Evaluation and prediction with it work, without training before.

    What `on_train_begin` makes need not be there.
    """
    x, y = _data()
    model = case.model()
    expected = model.predict(x, verbose=0)
    found = model.predict(x, verbose=0, callbacks=[case.made()])
    same = np.array_equal(found, expected)
    expect(same, "predictions", expected="the same with and without it", received=f"{same=}")
    model.evaluate(x, y, verbose=0, callbacks=[case.made()])


def several_steps(case: CallbackCase) -> None:
    """It works where several steps are one (`steps_per_execution`), so that batch hooks come seldom.

    Count batches by the number that a hook is given, not by its calls.
    """
    x, y = _data()
    model = case.model()
    model.compile("adam", "sparse_categorical_crossentropy", steps_per_execution=3)
    model.fit(x, y, batch_size=4, epochs=_EPOCHS, verbose=0, callbacks=[case.made()])


def state(case: CallbackCase) -> None:
    """Its `state_dict` is made of plain values and arrays, and another one takes it over.

    Return dicts and lists of numbers, strings, None, arrays and tensors; write `load_state_dict` for what
    `state_dict` returns.
    """
    x, y = _data()
    callback, other = case.made(), case.made()
    case.model().fit(x, y, epochs=2, verbose=0, callbacks=[callback], validation_data=(x, y))
    found = callback.state_dict()
    expect(isinstance(found, dict), "state_dict()", expected="a dict", received=repr(found))
    plain = (bool, int, float, str, type(None), np.ndarray, np.generic, torch.Tensor)
    strange = [repr(leaf) for leaf in flatten(found) if not isinstance(leaf, plain)]
    expect(not strange, "state_dict()", expected="plain values, arrays and tensors", received=strange)
    other.load_state_dict(found)
    same = repr(other.state_dict()) == repr(found)
    expect(same, "state_dict() of one that took it over", expected=found, received=other.state_dict())


def processes(case: CallbackCase) -> None:
    """With two processes (DDP) training with it works, and both have the same weights in the end.

    What it decides must be decided alike in each process: use `logs`, which are those of all. Write files in the
    first process alone.
    """
    first, second = run_ranks(_fitted, case)
    same = all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
    expect(same, "weights of the two processes", expected="the same", received=f"{same=}")


CALLBACK_PROPERTIES = named(
    component.docstring,
    component.types,
    component.lightning,
    hooks,
    base_is_made,
    fit,
    evaluate_and_predict,
    several_steps,
    state,
    processes,
)
"""The properties of callbacks, in the order in which they are looked at."""


def check_callback(
    cls: type[Callback],
    arguments: Mapping[str, Any] | None = None,
    *,
    metrics: Sequence[Any] = ("accuracy",),
    skip: Collection[str] = (),
) -> None:
    """Checks that a callback does what every callback does: hooks, fit and evaluate, state, several processes.

    Args:
        cls: the callback's class.
        arguments: what it is made with.
        metrics: those that it needs, as for `compile`; their names.
        skip: names of properties that the callback cannot have; `CALLBACK_PROPERTIES` has them all.

    Raises:
        PropertyError: an AssertionError that names the callback, the property, what was found, and what to do.
        InvalidArgumentError: if `skip` names what is no property.

    Example:
        >>> from labkeras.callbacks import TerminateOnNaN
        >>> check_callback(TerminateOnNaN, skip=("processes",))
    """
    checked(CALLBACK_PROPERTIES, callback_case(cls, arguments, metrics), skip)


def callback_case(
    cls: type[Callback], arguments: Mapping[str, Any] | None = None, metrics: Sequence[Any] = ("accuracy",)
) -> CallbackCase:
    """What the properties look at; takes what `check_callback` takes."""
    return CallbackCase(cls, dict(arguments or {}), "callbacks", metrics)


def _data() -> tuple[Any, Any]:
    return sample((_ROWS, 6)), np.arange(_ROWS) % 3


def _fitted(case: CallbackCase) -> list[Any]:
    x, y = _data()
    model = case.model()
    arguments = {"batch_size": 8, "epochs": 2, "verbose": 0, "validation_data": (x, y)}
    # A forked process cannot use a GPU.
    model.fit(x, y, callbacks=[case.made()], trainer={"accelerator": "cpu"}, **arguments)
    weights: list[Any] = model.get_weights()
    return weights
