"""What happens when a layer is called: conversion, building, checks, masks, the training flag, then `call`.

Called on placeholders, the call is recorded (`call_symbolically`); called on data, it runs (`call_eagerly`). Inside a
functional
model neither happens: there the graph has settled all of this when it was built, and runs `forward` alone.
"""

import contextlib
import functools
import inspect
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from labkeras.dtypes import is_under_autocast
from labkeras.errors import InvalidInputError, InvalidTypeError, LabkerasError
from labkeras.graph.shape_inference import known_shape, outside_inference
from labkeras.graph.symbolic import KerasTensor, keras_tensors, record
from labkeras.layers.input_spec import check_inputs
from labkeras.nest import flatten, map_structure
from labkeras.variable import name_scope

if TYPE_CHECKING:
    from labkeras.layers.layer import Layer

__all__ = ["CallSpec", "build_for", "call_eagerly", "call_symbolically", "calls", "clear_losses", "shape_of"]


# A tuple: torch.compile cannot follow `np.ndarray | np.generic`.
_ARRAYS = (np.ndarray, np.generic)


class CallState(threading.local):
    """Where this thread is in nested calls of layers."""

    def __init__(self) -> None:
        # Set here, for each thread, and not on the class: torch.compile guards what it finds on the object.
        self.training: bool | None = None
        """The training flag that the outer layer passes down."""
        self.root: Layer | None = None
        """The outermost layer; it knows who added losses in this call."""
        self.symbolic = False
        """Whether only shapes are being found out: losses of such a call are dropped."""
        self.casting: torch.dtype | None = None
        """The type in which a layer of a mixed policy reads its weights while its `call` runs."""
        self.checkpointed = False
        """Whether a layer or function runs that computes again in the backward pass, and all within it with it."""


calls = CallState()


class CallSpec:
    """What the signature of a layer's `call` says: read once a class."""

    def __init__(self, call: Callable[..., Any], skip: int = 0) -> None:
        self.signature = inspect.signature(call)
        parameters = list(self.signature.parameters.values())[skip:]
        positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        self.names = [parameter.name for parameter in parameters if parameter.kind in positional]
        self.takes = {parameter.name for parameter in parameters}
        self.takes_any_keyword = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)
        self.takes_training = "training" in self.takes
        self.mask_names = [name for name in self.takes if name == "mask" or name.endswith("_mask")]
        default = self.signature.parameters["training"].default if self.takes_training else None
        self.training_place = self.names.index("training") if "training" in self.names else len(self.names)
        self.default_training: bool | None = default if isinstance(default, bool) else None

    @staticmethod
    @functools.cache
    def of(function: Callable[..., Any]) -> "CallSpec":
        """The spec of a class's `call` or `build`, `self` left out."""
        return CallSpec(function, skip=1)

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call by name, the positional ones first."""
        nameless = {f"args_{index}": arg for index, arg in enumerate(args[len(self.names) :])}  # of `call(self, *args)`
        return {**dict(zip(self.names, args, strict=False)), **nameless, **kwargs}

    def without_training(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any], bool | None]:
        """The arguments without the training flag, and the flag, which may be positional: `call(self, x, training,
        scale)`."""
        place = self.training_place
        if len(args) <= place or not self.takes_training:
            return args, kwargs, kwargs.pop("training", None)
        return (
            args[:place],
            {**dict(zip(self.names[place + 1 :], args[place + 1 :], strict=False)), **kwargs},
            args[place],
        )


def call_eagerly(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Runs a layer on data; see `Layer.__call__`."""
    spec: CallSpec = layer._call_spec
    args, kwargs, training = spec.without_training(args, kwargs)
    args, kwargs = _converted(layer, args, kwargs)
    # Before building: a layer must not be built for inputs that it then refuses.
    if layer.input_spec is not None:
        check_inputs(layer.input_spec, _first(args, kwargs), layer.name)
    if not layer.built:
        build_for(layer, spec.named(args, kwargs))
    masked = _fill_masks(spec, args, kwargs)
    if training is not None and training != layer.training and layer._modules:
        with _in_mode(layer, bool(training)):
            outputs = _run(layer, spec, args, kwargs, training)
    else:
        outputs = _run(layer, spec, args, kwargs, training)
    if masked or layer._makes_masks:
        _set_masks(layer, args, kwargs, outputs)
    return outputs


def _run(layer: "Layer", spec: CallSpec, args: tuple[Any, ...], kwargs: dict[str, Any], training: bool | None) -> Any:
    outer_training, outer_root = calls.training, calls.root
    training = _resolve_training(layer, spec, training)
    if spec.takes_training and (training is not None or spec.default_training is None):
        kwargs["training"] = training
    if outer_root is None:
        calls.root = layer
        if layer._loss_owners:
            clear_losses(layer)
    calls.training = training
    try:
        if layer._called:
            outputs = layer._run(*args, **kwargs)
        else:
            with name_scope(layer.name, owner=layer):
                outputs = layer._run(*args, **kwargs)
            layer._called = True
    except RuntimeError as error:
        _say_where(error, layer, args, kwargs)
        raise
    finally:
        calls.training, calls.root = outer_training, outer_root
    return outputs


def _say_where(error: RuntimeError, layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Notes on an error of torch's, which knows nothing of layers, which one it was; the innermost one."""
    if not getattr(error, "__notes__", None):
        shapes = [tuple(leaf.shape) for leaf in flatten([*args, *kwargs.values()]) if isinstance(leaf, Tensor)]
        error.add_note(f"In layer {layer.name!r} ({type(layer).__name__}). Received: tensors of the shapes {shapes}")


@contextlib.contextmanager
def _in_mode(layer: "Layer", training: bool) -> Iterator[None]:
    """Modules of torch's within a layer know their mode from `train()` and `eval()` alone: for one call it follows
    the flag."""
    others = [one for one in layer.modules() if one.training != training and not hasattr(one, "_call_spec")]
    for module in others:
        module.training = training
    try:
        yield
    finally:
        for module in others:
            module.training = not training


def call_symbolically(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Records a call of a layer on placeholders, and returns placeholders."""
    spec: CallSpec = layer._call_spec
    args, kwargs, training = spec.without_training(args, kwargs)
    args = tuple(_listed_array(arg) for arg in args)
    # Before building: a layer must not be built for inputs that it then refuses.
    if layer.input_spec is not None:
        check_inputs(layer.input_spec, _first(args, kwargs), layer.name)
    if not layer.built:
        build_for(layer, spec.named(args, kwargs))
    given = set(kwargs)
    masked = _fill_masks(spec, args, kwargs)
    masks = tuple(name for name in kwargs if name not in given)
    flag = {} if training is None else {"training": training}
    outputs = _output_spec(layer, args, {**kwargs, **flag} if spec.takes_training else kwargs)
    # A layer that takes no flag still passes it down to the layers within it.
    takes_flag = spec.takes_training or bool(layer._modules)
    record(layer, args, {**kwargs, **flag} if takes_flag else kwargs, outputs, masks=masks)
    if layer._has_graph:
        _wire_masks(layer, kwargs, outputs)
    elif masked or layer._makes_masks:
        _set_masks(layer, args, kwargs, outputs)
    return outputs


def _output_spec(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    before, calls.symbolic = calls.symbolic, True
    try:
        with name_scope(layer.name, owner=layer):
            return layer.compute_output_spec(*args, **kwargs)
    except LabkerasError:
        raise
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        shapes = ", ".join(str(tensor.shape) for tensor in keras_tensors((args, kwargs)))
        raise InvalidInputError(
            f"layer {layer.name!r} ({type(layer).__name__}) cannot be applied to inputs of the shapes {shapes}: {error}"
        ) from error
    finally:
        calls.symbolic = before


def build_for(layer: "Layer", arguments: dict[str, Any]) -> None:
    """Builds a layer for the arguments of a call, by name; weights are made on the device of the data."""
    shapes = {f"{name}_shape": shape_of(value) for name, value in arguments.items() if _has_shape(value)}
    tensor = next((leaf for leaf in flatten(list(arguments.values())) if isinstance(leaf, Tensor)), None)
    with outside_inference():
        if tensor is None or tensor.device.type == "cpu":
            _build(layer, shapes)
        else:
            with torch.device(tensor.device):
                _build(layer, shapes)


def _build(layer: "Layer", shapes: dict[str, Any]) -> None:
    wanted = CallSpec.of(type(layer).build).names
    if len(wanted) > 1 and all(name in shapes for name in wanted):
        layer._build_shapes = {name: shapes[name] for name in wanted}
        layer.build(**layer._build_shapes)
        return
    if len(wanted) > 1 and any(name in shapes for name in wanted):
        layer._build_shapes = {name: shapes[name] for name in wanted if name in shapes}
        layer.build(**layer._build_shapes)
        return
    first = next(iter(shapes.values()), None)
    if first is None and wanted:
        raise InvalidInputError(
            f"layer {layer.name!r} must be called on a tensor, to know the shapes of its weights. Received: no tensor"
        )
    layer._build_shapes = {"input_shape": first} if len(shapes) <= 1 else dict(shapes)
    layer.build(first)


def shape_of(value: Any) -> Any:
    """The shape of a tensor, or the shapes of nested ones in their structure."""
    if isinstance(value, KerasTensor):
        return value.shape
    if hasattr(value, "shape"):
        return known_shape(value.shape)
    return map_structure(shape_of, value) if isinstance(value, list | tuple | dict) else None


def _has_shape(value: Any) -> bool:
    if isinstance(value, list | tuple | dict):
        leaves = flatten(value)
        return bool(leaves) and all(hasattr(leaf, "shape") for leaf in leaves)
    return hasattr(value, "shape")


def _resolve_training(layer: "Layer", spec: CallSpec, training: bool | None) -> bool | None:
    """The argument, else what the outer layer passes down, else `train()`, else the default of `call`."""
    if training is not None:
        return bool(training)
    if calls.training is not None:
        return calls.training
    return True if layer.training else spec.default_training


def _converted(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments as tensors of the layer's compute type; those that are so already are passed on untouched."""
    dtype = layer.dtype_policy.torch_compute_dtype
    if len(args) == 1 and not kwargs:
        only = args[0]
        if type(only) is Tensor and (only.dtype is dtype or not (only.is_floating_point() and layer.autocast)):
            return args, kwargs
    convert = functools.partial(_tensor, layer, dtype)
    args = tuple(_convert_argument(convert, arg, first=index == 0) for index, arg in enumerate(args))
    return args, {name: _convert_argument(convert, value, first=False) for name, value in kwargs.items()}


def _convert_argument(convert: Callable[[Any], Any], argument: Any, first: bool) -> Any:
    if first:
        argument = _listed_array(argument)
    return map_structure(convert, argument) if isinstance(argument, list | tuple | dict) else convert(argument)


def _tensor(layer: "Layer", dtype: torch.dtype, value: Any) -> Any:
    if isinstance(value, Tensor):
        if not layer.autocast or not value.is_floating_point() or value.dtype is dtype:
            return value
        if is_under_autocast(value):
            return value
        cast = value.to(dtype)
        mask = getattr(value, "_keras_mask", None)
        if mask is not None:
            cast._keras_mask = mask  # type: ignore[attr-defined]  # where Keras keeps the mask of an eager tensor
        return cast
    if isinstance(value, _ARRAYS) or _is_array_like(value):
        return _from_array(layer, dtype, np.asarray(value))
    return value


def _from_array(layer: "Layer", dtype: torch.dtype, array: np.ndarray[Any, Any]) -> Tensor:
    if array.dtype == object or array.dtype.kind in "USOMm":
        raise InvalidTypeError(
            f"layer {layer.name!r} takes numbers. Received: an array of dtype={array.dtype}; rows of unequal length, "
            "strings and None cannot become a tensor."
        )
    device = next((variable.device for variable in layer.parameters()), None)
    tensor = torch.as_tensor(array, device=device)
    return tensor.to(dtype) if tensor.is_floating_point() and layer.autocast else tensor


def _is_array_like(value: Any) -> bool:
    return hasattr(value, "__array__") and not isinstance(value, KerasTensor)


def _listed_array(argument: Any) -> Any:
    """Nested lists of numbers, such as [[1.0, 2.0]], as an array; anything else as it is."""
    if isinstance(argument, list) and argument and all(isinstance(leaf, int | float) for leaf in flatten(argument)):
        array = np.asarray(argument)
        return array.astype(np.float32) if array.dtype == np.float64 else array
    return argument


def _fill_masks(spec: CallSpec, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Hands the masks that ride on inputs to the `mask` arguments of `call`; returns whether there was any."""
    masked = False
    given = spec.named(args, kwargs)
    for index, (name, value) in enumerate(given.items()):
        if name in spec.mask_names:
            masked = masked or (name == "mask" and value is not None)
            continue
        mask = _mask_of(value)
        if mask is None:
            continue
        masked = True
        for argument in (f"{name}_mask", *(("mask",) if index == 0 else ())):
            if argument in spec.mask_names and given.get(argument) is None:
                kwargs[argument] = mask
    return masked


def _mask_of(value: Any) -> Any:
    if isinstance(value, list | tuple | dict):
        masks = map_structure(_mask_of, value)
        return masks if any(mask is not None for mask in flatten(masks)) else None
    return getattr(value, "_keras_mask", None)


def _first(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return args[0] if args else next(iter(kwargs.values()), None)


def _set_masks(layer: "Layer", args: tuple[Any, ...], kwargs: dict[str, Any], outputs: Any) -> None:
    """Puts the masks of the results on them. Those of placeholders become wires: what `compute_mask` returns for
    placeholders."""
    first = _first(args, kwargs)
    previous = kwargs["mask"] if kwargs.get("mask") is not None else _mask_of(first)
    if not layer.supports_masking:
        if _mask_of(first) is not None and not layer._has_graph:
            _warn_of_lost_mask(layer)
        return
    for tensor, mask in _pairs(outputs, layer.compute_mask(first, previous)):
        tensor._keras_mask = mask


def _wire_masks(layer: "Layer", kwargs: dict[str, Any], outputs: Any) -> None:
    """The masks that a model's graph will put on its results, as placeholders."""
    for tensor, mask in zip(flatten(outputs), layer._graph_masks(kwargs.get("mask")), strict=True):
        if mask is not None:
            tensor._keras_mask = record(_mask_of, (tensor,), {}, KerasTensor(mask.shape, mask.dtype))


def _pairs(outputs: Any, masks: Any) -> list[tuple[Any, Any]]:
    tensors = flatten(outputs)
    flat = flatten(masks) if isinstance(masks, list | tuple | dict) else [masks] * len(tensors)
    # A mask that `call` itself put on its result stays.
    pairs = zip(tensors, flat, strict=False)
    return [
        (tensor, mask) for tensor, mask in pairs if mask is not None and getattr(tensor, "_keras_mask", None) is None
    ]


def _warn_of_lost_mask(layer: "Layer") -> None:
    warnings.warn(
        f"layer {layer.name!r} ({type(layer).__name__}) was given an input with a mask, does not support masking, and "
        "drops it: later layers will not see the mask.",
        stacklevel=5,
    )


def clear_losses(root: "Layer") -> None:
    """Forgets the losses that layers added in the last call of an outermost layer."""
    for owner in root._loss_owners:
        owner._losses.clear()
    root._loss_owners.clear()
