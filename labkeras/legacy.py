"""Words of Keras 1 and 2 that old tutorials use, and today's: accepted with a `DeprecationWarning` that names the new
word."""

import sys
import warnings
from collections.abc import Mapping
from typing import Any

from labkeras.errors import InvalidArgumentError

__all__ = ["modern_arguments"]

# Class or method → old argument → today's.
_RENAMED: Mapping[str, Mapping[str, str]] = {
    "Layer": {
        "init": "kernel_initializer",
        "W_regularizer": "kernel_regularizer",
        "b_regularizer": "bias_regularizer",
        "W_constraint": "kernel_constraint",
        "b_constraint": "bias_constraint",
        "bias": "use_bias",
        "batch_input_shape": "batch_shape",
    },
    "Dense": {"output_dim": "units"},
    "Dropout": {"p": "rate"},
    "Embedding": {
        "init": "embeddings_initializer",
        "W_regularizer": "embeddings_regularizer",
        "W_constraint": "embeddings_constraint",
    },
    "Conv2D": {
        "nb_filter": "filters",
        "subsample": "strides",
        "border_mode": "padding",
        "dim_ordering": "data_format",
    },
    "MaxPooling2D": {"border_mode": "padding", "dim_ordering": "data_format"},
    "GlobalAveragePooling2D": {"dim_ordering": "data_format"},
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "Optimizer": {"lr": "learning_rate"},
    "Model": {"input": "inputs", "output": "outputs"},
    "fit": {"nb_epoch": "epochs"},
    "fit_generator": {
        "nb_epoch": "epochs",
        "samples_per_epoch": "steps_per_epoch",
        "nb_val_samples": "validation_steps",
    },
    "evaluate": {"val_samples": "steps"},
    "predict": {"val_samples": "steps"},
}
# Class → old arguments that are one today → that one.
_JOINED: Mapping[str, Mapping[tuple[str, ...], str]] = {"Conv2D": {("nb_row", "nb_col"): "kernel_size"}}
# Class → old argument → why it is no longer needed.
_DROPPED: Mapping[str, Mapping[str, str]] = {
    "Embedding": {"input_length": "the length is that of the inputs"},
    "BatchNormalization": {"mode": "only what was mode=0 is left"},
}
# Old argument → old value → today's.
_VALUES: Mapping[str, Mapping[Any, Any]] = {"data_format": {"tf": "channels_last", "th": "channels_first"}}


def modern_arguments(names: tuple[str, ...], arguments: dict[str, Any]) -> dict[str, Any]:
    """Keyword arguments with today's words in place of old ones.

    Args:
        names: the class and its bases, or the method, in the order in which to look: ("Dense", "Layer").
        arguments: keyword arguments as they were given.

    Raises:
        InvalidArgumentError: if an old word and today's are both given.
    """
    arguments = _without_dropped(names, _joined(names, arguments))
    renamed = {old: new for name in reversed(names) for old, new in _RENAMED.get(name, {}).items()}
    old_words = [word for word in arguments if word in renamed]
    if not old_words:
        return arguments
    modern = dict(arguments)
    for old in old_words:
        new = renamed[old]
        if new in modern:
            raise InvalidArgumentError(
                f"{names[0]} was given `{old}` and `{new}`, which mean the same: `{old}` is the old word. "
                f"Received: {old}={modern[old]!r}, {new}={modern[new]!r}"
            )
        value = modern.pop(old)
        modern[new] = _VALUES.get(new, {}).get(value, value)
        warnings.warn(f"{names[0]}: `{old}` is now called `{new}`.", DeprecationWarning, stacklevel=_users_level())
    return modern


def _joined(names: tuple[str, ...], arguments: dict[str, Any]) -> dict[str, Any]:
    for name in names:
        for old_words, new in _JOINED.get(name, {}).items():
            if all(old in arguments for old in old_words) and new not in arguments:
                arguments = dict(arguments)
                arguments[new] = tuple(arguments.pop(old) for old in old_words)
                message = f"{names[0]}: `{'`, `'.join(old_words)}` are now one, `{new}`."
                warnings.warn(message, DeprecationWarning, stacklevel=_users_level())
    return arguments


def _without_dropped(names: tuple[str, ...], arguments: dict[str, Any]) -> dict[str, Any]:
    dropped = {old: why for name in names for old, why in _DROPPED.get(name, {}).items() if old in arguments}
    for old, why in dropped.items():
        message = f"{names[0]}: `{old}` is no longer needed: {why}."
        warnings.warn(message, DeprecationWarning, stacklevel=_users_level())
    return {name: value for name, value in arguments.items() if name not in dropped} if dropped else arguments


def _users_level() -> int:
    """The `stacklevel` of the line that the old word is written in: the nearest one outside of labkeras."""
    package = __name__.partition(".")[0]
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == package:
        level, frame = level + 1, frame.f_back
    return level
