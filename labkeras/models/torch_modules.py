"""Modules of torch's in a model ↔ configs: a closed table of classes, with the arguments that an instance remembers.

Their weights are saved in the order of `state_dict()`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from labkeras.dtypes import standardize_dtype, to_torch
from labkeras.errors import SerializationError, did_you_mean
from labkeras.models.functional import name_of
from labkeras.variable import spend_allowance

__all__ = ["module_config", "module_from_config"]

_CONVOLUTION = (
    *("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"),
    *("bias", "padding_mode"),
)
_BATCH_NORM = ("num_features", "eps", "momentum", "affine", "track_running_stats")
_RECURRENT = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
_MAX_POOL = ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode")

# Class → the arguments of its constructor, each of which an instance keeps under the same name.
_ARGUMENTS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.AdaptiveAvgPool2d: ("output_size",),
    nn.AvgPool2d: ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    nn.BatchNorm1d: _BATCH_NORM,
    nn.BatchNorm2d: _BATCH_NORM,
    nn.Conv1d: _CONVOLUTION,
    nn.Conv2d: _CONVOLUTION,
    nn.Dropout: ("p", "inplace"),
    nn.ELU: ("alpha", "inplace"),
    nn.Embedding: (
        *("num_embeddings", "embedding_dim", "padding_idx", "max_norm", "norm_type"),
        *("scale_grad_by_freq", "sparse"),
    ),
    nn.Flatten: ("start_dim", "end_dim"),
    nn.GELU: ("approximate",),
    nn.GRU: _RECURRENT,
    nn.Identity: (),
    nn.LSTM: (*_RECURRENT, "proj_size"),
    nn.LayerNorm: ("normalized_shape", "eps", "elementwise_affine", "bias"),
    nn.LeakyReLU: ("negative_slope", "inplace"),
    nn.Linear: ("in_features", "out_features", "bias"),
    nn.MaxPool1d: _MAX_POOL,
    nn.MaxPool2d: _MAX_POOL,
    nn.ReLU: ("inplace",),
    nn.SiLU: ("inplace",),
    nn.Sigmoid: (),
    nn.Softmax: ("dim",),
    nn.Tanh: (),
}
_BY_PATH = {f"torch.nn.{cls.__name__}": cls for cls in _ARGUMENTS}


def module_config(module: nn.Module) -> dict[str, Any]:
    """The config of a module of torch's.

    Args:
        module: an instance of a class of the table itself, not of a subclass.

    Raises:
        SerializationError: for any other module, and one with hooks, which a config cannot hold.

    Example:
        >>> module_config(nn.Linear(2, 3, bias=False))["config"]["arguments"]["bias"]
        False
    """
    cls = type(module)
    if cls not in _ARGUMENTS:
        raise SerializationError(
            f"the module {cls.__module__}.{cls.__qualname__} in the model cannot be saved: labkeras does not know how "
            "to make it again. Make it a layer: subclass `labkeras.Layer` with `get_config`, register the class with "
            "`labkeras.saving.register_keras_serializable()`. Or save the weights alone, with "
            f"`model.save_weights('….weights.h5')`. Received: module={module!r}"
        )
    if module._forward_hooks or module._forward_pre_hooks:
        raise SerializationError(
            f"the module {name_of(module)!r} has hooks, which a config cannot hold: take them off before saving. "
            f"Received: module={module!r}"
        )
    config = {
        "name": name_of(module),
        "module_class": f"torch.nn.{cls.__name__}",
        "arguments": {name: _argument(module, name) for name in _ARGUMENTS[cls]},
        "dtype": next((standardize_dtype(tensor.dtype) for tensor in module.parameters()), None),
        "frozen": [name for name, parameter in module.named_parameters() if not parameter.requires_grad],
    }
    return {"module": "labkeras.graph", "class_name": "TorchModule", "config": config, "registered_name": None}


def module_from_config(config: Mapping[str, Any]) -> nn.Module:
    """The module that `module_config` described.

    Args:
        config: what is under "config" there.

    Raises:
        SerializationError: if the class is not of the table, or an argument is not its.
    """
    path, arguments, name = config.get("module_class"), config.get("arguments"), config.get("name")
    cls = _BY_PATH.get(path) if isinstance(path, str) else None
    if cls is None:
        raise SerializationError(
            f"a model file may name modules of torch's of a closed list, and {path!r} is none of them."
            f"{did_you_mean(str(path), _BY_PATH)}"
        )
    if not isinstance(arguments, dict) or set(arguments) - set(_ARGUMENTS[cls]) or not isinstance(name, str):
        raise SerializationError(
            f"{path} takes the arguments {_ARGUMENTS[cls]}, and has a name. Received: name={name!r}, "
            f"arguments={arguments!r}"
        )
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
    if not all(_is_plain(value) for value in values.values()):
        raise SerializationError(
            f"arguments of {path} must be numbers, words and lists of them. Received: {arguments!r}"
        )
    module = _made(cls, values, config.get("dtype"))
    module.__dict__["_labkeras_name"] = name
    frozen = config.get("frozen") or []
    for parameter_name, parameter in module.named_parameters():
        parameter.requires_grad_(parameter_name not in frozen)
    return module.eval()


def _made(cls: Callable[..., nn.Module], arguments: dict[str, Any], dtype: Any) -> nn.Module:
    """The module; first without memory for its weights, to see how much it asks for."""
    try:
        with torch.device("meta"):
            sketch = cls(**arguments)
        spend_allowance(sum(tensor.numel() for tensor in sketch.state_dict().values()))
        module = cls(**arguments)
        return module if dtype is None else module.to(to_torch(dtype))
    except (TypeError, ValueError, RuntimeError) as error:
        raise SerializationError(f"the module could not be made: {error}. Received: arguments={arguments!r}") from error


def _argument(module: nn.Module, name: str) -> Any:
    value = getattr(module, name)
    if name == "bias" and not isinstance(value, bool):
        return value is not None
    return list(value) if isinstance(value, tuple) else value


def _is_plain(value: Any) -> bool:
    return (
        all(map(_is_plain, value)) if isinstance(value, tuple) else isinstance(value, bool | int | float | str | None)
    )
