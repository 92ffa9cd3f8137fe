"""LambdaCallback: a callback made of functions."""

from collections.abc import Callable
from typing import Any

from labkeras.callbacks.callback import Callback
from labkeras.errors import InvalidArgumentError, InvalidTypeError, did_you_mean

__all__ = ["LambdaCallback"]

_Hook = Callable[..., Any]


class LambdaCallback(Callback):
    """Calls the functions that it is given at the hooks they are named for.

    Args:
        on_epoch_begin: called as `f(epoch, logs)`.
        on_epoch_end: called as `f(epoch, logs)`.
        on_train_begin: called as `f(logs)`.
        on_train_end: called as `f(logs)`.
        on_train_batch_begin: called as `f(batch, logs=logs)`.
        on_train_batch_end: called as `f(batch, logs=logs)`.
        **kwargs: a function for any other hook of `Callback`, by the hook's name.

    Raises:
        InvalidArgumentError: if there is no such hook.
        InvalidTypeError: if a value is no function.

    Example:
        >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch, logs["loss"])).on_epoch_end(0, {"loss": 0.5})
        0 0.5
    """

    def __init__(
        self,
        on_epoch_begin: _Hook | None = None,
        on_epoch_end: _Hook | None = None,
        on_train_begin: _Hook | None = None,
        on_train_end: _Hook | None = None,
        on_train_batch_begin: _Hook | None = None,
        on_train_batch_end: _Hook | None = None,
        **kwargs: _Hook | None,
    ) -> None:
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in hooks.items():
            if function is not None:
                _check(name, function)
                setattr(self, name, function)


def _check(name: str, function: Any) -> None:
    known = [hook for hook in dir(Callback) if hook.startswith(("on_", "set_"))]
    if name not in known:
        # Differs from Keras: there a misspelt hook is kept and never called.
        raise InvalidArgumentError(
            f"LambdaCallback knows no hook of this name.{did_you_mean(name, known)} Received: {name}={function!r}"
        )
    if not callable(function):
        raise InvalidTypeError(f"LambdaCallback takes functions. Received: {name}={function!r}")
