"""check_layer: that a layer does what every layer does."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from labkeras.layers import Layer
from labkeras.nest import map_structure
from labkeras.testing import component
from labkeras.testing import layer_basics as basics
from labkeras.testing import layer_state as state
from labkeras.testing import layer_tools as tools
from labkeras.testing.layer_case import LayerCase, inputs_of
from labkeras.testing.properties import checked, named

__all__ = ["LAYER_PROPERTIES", "check_layer", "layer_case"]

LAYER_PROPERTIES = named(
    component.docstring,
    component.types,
    component.lightning,
    component.config,
    component.serialization,
    basics.shapes,
    basics.functional_model,
    basics.numpy_inputs,
    basics.masks,
    basics.modes,
    basics.training_step,
    basics.frozen,
    state.weights,
    state.copies,
    state.weights_file,
    state.keras_file,
    tools.dtype_policies,
    tools.autocast,
    tools.meta,
    tools.cuda,
    tools.gradients,
    tools.vmap,
    tools.functional_call,
    tools.compile,
    tools.export,
    tools.processes,
)
"""The properties of layers, in the order in which they are looked at."""


def check_layer(
    cls: type[Layer],
    arguments: Mapping[str, Any] | None = None,
    *,
    input_shape: Any = (2, 5),
    inputs: Any = None,
    input_dtype: str = "float32",
    call_arguments: Mapping[str, Any] | None = None,
    is_random: bool = False,
    skip: Collection[str] = (),
) -> None:
    """Checks that a layer does what every layer does: config, shapes, weights, data types, devices, compilers, …

    Args:
        cls: the layer's class.
        arguments: what it is made with.
        input_shape: shape of an input with the batch; a list or dict of shapes if the layer takes several.
        inputs: arrays to call it on, in place of made-up values of `input_shape`.
        input_dtype: data type of made-up values: "float32", "int64", "bool".
        call_arguments: further arguments of the call.
        is_random: whether training draws random numbers.
        skip: names of properties that the layer cannot have; `LAYER_PROPERTIES` has them all.

    Raises:
        PropertyError: an AssertionError that names the layer, the property, what was found, and what to do.
        InvalidArgumentError: if `skip` names what is no property.

    Example:
        >>> from labkeras.layers import Dense
        >>> check_layer(Dense, {"units": 3}, input_shape=(2, 5), skip=("docstring", "types"))
    """
    case = layer_case(cls, arguments, input_shape, inputs, input_dtype, call_arguments, is_random)
    checked(LAYER_PROPERTIES, case, skip)


def layer_case(
    cls: type[Layer],
    arguments: Mapping[str, Any] | None = None,
    input_shape: Any = (2, 5),
    inputs: Any = None,
    input_dtype: str = "float32",
    call_arguments: Mapping[str, Any] | None = None,
    is_random: bool = False,
) -> LayerCase:
    """What the properties look at; takes what `check_layer` takes."""
    inputs = inputs_of(input_shape, input_dtype) if inputs is None else map_structure(np.asarray, inputs)
    return LayerCase(cls, dict(arguments or {}), "layers", inputs, dict(call_arguments or {}), is_random)
