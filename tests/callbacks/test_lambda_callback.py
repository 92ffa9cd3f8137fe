from typing import Any

import pytest

from labkeras.callbacks import CallbackList, LambdaCallback
from labkeras.errors import InvalidArgumentError, InvalidTypeError


def test_functions_are_called_at_their_hooks_with_keras_arguments() -> None:
    seen: list[Any] = []
    callbacks = CallbackList(
        [
            LambdaCallback(
                on_epoch_begin=lambda epoch, logs: seen.append(("epoch begin", epoch, logs)),
                on_train_end=lambda logs: seen.append(("train end", logs)),
                on_train_batch_end=lambda batch, logs: seen.append(("batch end", batch, logs)),
                on_test_begin=lambda logs: seen.append(("test begin", logs)),
                on_batch_begin=lambda batch, logs: seen.append(("old begin", batch, logs)),
            )
        ]
    )
    callbacks.on_epoch_begin(1)
    callbacks.on_train_batch_begin(2)
    callbacks.on_train_batch_end(2, {"loss": 1})
    callbacks.on_test_begin()
    callbacks.on_train_end({"loss": 2})
    assert seen == [
        ("epoch begin", 1, {}),
        ("old begin", 2, {}),
        ("batch end", 2, {"loss": 1.0}),
        ("test begin", {}),
        ("train end", {"loss": 2.0}),
    ]


def test_misspelt_hook_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Did you mean 'on_epoch_end'.* Received: on_epoch_ende="):
        LambdaCallback(on_epoch_ende=print)


def test_something_that_is_no_function_is_an_error() -> None:
    with pytest.raises(InvalidTypeError, match=r"takes functions\. Received: on_epoch_end=3"):
        LambdaCallback(on_epoch_end=3)  # type: ignore[arg-type]
