"""What `compile` was given ↔ a config, as Keras 3 writes it."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from labkeras import losses, metrics, optimizers, serialization
from labkeras.errors import SerializationError, did_you_mean
from labkeras.optimizers.torch_optimizer import TorchOptimizer

__all__ = ["compile_config", "read_compile_config"]

_PLAIN_KEYS = ("loss_weights", "run_eagerly", "steps_per_execution", "jit_compile", "auto_scale_loss")
_READERS: dict[str, Callable[[Any], Any]] = {
    "loss": losses.deserialize,
    "metrics": metrics.deserialize,
    "weighted_metrics": metrics.deserialize,
}


def compile_config(arguments: Mapping[str, Any], optimizer: Any) -> dict[str, Any]:
    """The config of what `compile` was given.

    Args:
        arguments: its arguments by name.
        optimizer: the optimizer that was made of the argument.

    Returns:
        The config; empty, with a warning, if the optimizer is one of torch's, which has no config.

    Raises:
        SerializationError: if a loss or metric cannot be found again by name.
    """
    if isinstance(optimizer, TorchOptimizer):
        warnings.warn(
            "the optimizer is one of torch's, which a config cannot describe: the model is written as if it were not "
            "compiled. Compile it again after loading.",
            stacklevel=4,
        )
        return {}
    config = {"optimizer": optimizer, **{key: value for key, value in arguments.items() if key != "optimizer"}}
    # Keras has settled "auto" when it writes; on torch it means no.
    config["jit_compile"] = config["jit_compile"] is True
    if config.get("auto_scale_loss") is True:
        del config["auto_scale_loss"]  # Keras does not write it
    written: dict[str, Any] = serialization.serialize_keras_object(config)
    return written


def read_compile_config(config: Any) -> dict[str, Any]:
    """The arguments for `compile` that a config describes.

    Args:
        config: what `compile_config`, or Keras, wrote.

    Raises:
        SerializationError: if a key is unknown, or an object of another kind stands where a loss, metric or optimizer
            belongs.
    """
    known = ("optimizer", *_READERS, *_PLAIN_KEYS)
    if not isinstance(config, Mapping):
        raise SerializationError(f"a compile config must be a mapping. Received: {type(config).__name__}")
    for key in config:
        if key not in known:
            raise SerializationError(
                f"a compile config has no key {key!r}.{did_you_mean(str(key), known)} Its keys: {known}"
            )
    arguments: dict[str, Any] = {key: config[key] for key in _PLAIN_KEYS if key in config}
    if "optimizer" in config:
        optimizer = config["optimizer"]
        arguments["optimizer"] = optimizers.deserialize(optimizer) if isinstance(optimizer, Mapping) else optimizer
    for key, read in _READERS.items():
        if key in config:
            arguments[key] = _read(config[key], read)
    return arguments


def _read(config: Any, read: Callable[[Any], Any]) -> Any:
    """Losses or metrics in lists and dicts; names stay names, for `compile` to look up."""
    if isinstance(config, list | tuple):
        return [_read(item, read) for item in config]
    if isinstance(config, dict) and "class_name" not in config:
        return {key: _read(value, read) for key, value in config.items()}
    return read(config) if isinstance(config, dict) else config
