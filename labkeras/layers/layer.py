"""Layer: build once, call, weights, config."""

import functools
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras import constraints, dtypes, initializers, naming, regularizers, serialization
from labkeras.dtypes import DTypePolicy, DTypePolicyMap
from labkeras.errors import InvalidArgumentError, InvalidTypeError, NotBuiltError
from labkeras.graph.shape_inference import infer
from labkeras.graph.symbolic import KerasTensor, Node, Shape, any_symbolic, keras_tensors, standardize_shape
from labkeras.layers import tracking
from labkeras.layers.calling import CallSpec, build_for, call_eagerly, call_symbolically, calls
from labkeras.layers.remat import RematScope, current_scope, run_layer, warn_of_scope
from labkeras.layers.signature import (
    LayerOptions,
    config_of_arguments,
    recording_arguments,
    restored,
    takes,
    unknown_arguments,
    wanted_shape,
)
from labkeras.layers.state import as_array, free_name, own_tensors, set_trainable, state_of, unique, weights_of
from labkeras.nest import flatten, map_structure
from labkeras.variable import Variable, VariableModule, current_path, name_scope

__all__ = ["Layer", "LayerOptions", "kept_dtype", "map_shapes"]


# A tuple: `list | dict | tuple` is something that torch.compile cannot follow here.
_CONTAINERS = (list, dict, tuple)
# What no weight, module or container can be.
_PLAIN = frozenset({str, int, float, bool, type(None), type(len), type(lambda: 0), DTypePolicy})
_TABLES_OF_TORCH = frozenset(vars(torch.nn.Module()))
_NOTHING: dict[str, Any] = {}


class Layer(VariableModule):
    """A computation with weights: the base of all layers, and of models.

    A subclass stores its settings in `__init__`, makes its weights in `build(input_shape)`, and computes in
    `call(inputs)`. It is a `torch.nn.Module`: what torch knows of modules holds for layers, and modules may be
    attributes of layers.

    Args:
        name: its name; by counter from the class name unless given: "dense", "dense_1".
        trainable: whether training changes its weights.
        dtype: data type, or policy ("mixed_bfloat16"), of its weights and computation.
        autocast: whether floating inputs are cast to the compute type.
        activity_regularizer: regularizer of the output, added to the loss.
        input_shape: shape of an input without the batch axis: builds a Sequential model that begins with this layer.
        batch_shape: the same with the batch axis.
        batch_size: the batch axis that goes with `input_shape`.
        input_dim: short for `input_shape=(input_dim,)`.

    Example:
        >>> class Scale(Layer):
        ...     def build(self, input_shape):
        ...         self.factor = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="factor")
        ...
        ...     def call(self, inputs):
        ...         return inputs * self.factor
        >>> Scale()(np.ones((2, 3))).shape
        torch.Size([2, 3])
    """

    _call_spec: CallSpec
    _makes_masks = False
    _casts_own_inputs = False
    # A functional model's graph puts the masks on its results; `compute_mask` has no part in it.
    _has_graph = False
    # Whether the output has the data type of the input, integers included, rather than the compute type.
    _keeps_dtype = False
    # Arguments that Keras leaves out of a config when they are None.
    _optional_config: frozenset[str] = frozenset()
    # What the generated code of a functional model calls: `forward` with torch's hooks, and nothing of `__call__`.
    _run: Callable[..., Any] = torch.nn.Module._wrapped_call_impl
    _init_arguments: Mapping[str, Any] = MappingProxyType({})
    # The scope that it was made in, if that is to do with it.
    _remat: RematScope | None = None
    # Whether it may be run again as a whole; of a model, the layers are.
    _is_one_step = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in vars(cls):
            cls.__init__ = recording_arguments(cls.__init__)  # type: ignore[method-assign]  # the same signature
        if "build" in vars(cls):
            cls.build = _building_once(cls.build)  # type: ignore[method-assign]  # the same signature
        cls._call_spec = CallSpec.of(cls.call)
        cls._makes_masks = cls.compute_mask is not Layer.compute_mask

    def __init__(
        self,
        *,
        activity_regularizer: Any = None,
        trainable: bool = True,
        dtype: Any = None,
        autocast: bool = True,
        name: str | None = None,
        input_shape: Sequence[int | None] | None = None,
        batch_shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        input_dim: int | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            raise unknown_arguments(type(self), unknown)
        super().__init__()
        if name is not None and (not isinstance(name, str) or not name or "/" in name):
            raise InvalidArgumentError(f"`name` must be a non-empty string without '/'. Received: name={name!r}")
        self.name: str = name if name is not None else naming.auto_name(type(self).__name__)
        self.dtype_policy: DTypePolicy = dtypes.get(dtype)
        self.autocast = autocast
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self.input_spec: Any = None
        self.supports_masking = self._makes_masks
        self.built = False
        self.__dict__["_trainable"] = bool(trainable)
        self.__dict__["_inbound_nodes"] = []
        self.__dict__["_losses"] = []
        self.__dict__["_provisional_names"] = {}
        self.__dict__["_loss_owners"] = []
        self._build_shapes: dict[str, Any] | None = None
        self._called = False
        self._wanted_batch_shape = wanted_shape(input_shape, batch_shape, batch_size, input_dim)
        scope = current_scope()
        if scope is not None and scope.covers(self):
            self._remat = scope
            # On the object, so that layers made elsewhere need not look in each call.
            self.__dict__["forward"] = self._forward_again
        self.eval()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the layer on tensors, arrays or nested structures of them; on placeholders, records the call.

        Args:
            args, kwargs: what `call` takes. `training=True` or `False` is taken by every layer and passed down; without
                it the outer layer's flag counts, then `train()`/`eval()`, then the default in `call`'s signature.

        Raises:
            InvalidInputError: if the inputs' ranks or sizes do not fit; the message names the layer.
        """
        if any_symbolic(args, kwargs):
            warn_of_scope(self)
            return call_symbolically(self, args, kwargs)
        return call_eagerly(self, args, kwargs)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """`call` on tensors that fit, and nothing else; torch's name for it, which hooks and compilers know."""
        is_mixed = self.autocast and self.dtype_policy.is_mixed
        outputs = self._call_casting(*args, **kwargs) if is_mixed else self.call(*args, **kwargs)
        if self.activity_regularizer is not None:
            self._regularize(outputs)
        return outputs

    def _takes_along(self, following: Any) -> bool:
        """Whether the layer can run the one that follows it in a graph along with itself, by `_run_with`."""
        del following
        return False

    def _forward_again(self, *args: Any, **kwargs: Any) -> Any:
        return run_layer(self, args, kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the output; each layer has its own."""
        raise NotImplementedError(f"the layer class {type(self).__name__} has no `call(self, inputs)`: write one.")

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs of a shape; the layers that have none inherit this."""
        del input_shape
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for a shape of the input; None is an unknown size.

        Here the layer is run without values. Layers that know a rule override this.
        """
        inputs = map_shapes(lambda shape: KerasTensor(shape, self.compute_dtype), input_shape)
        outputs = self._infer_output_spec(inputs)
        return map_structure(lambda tensor: tensor.shape, outputs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The placeholders that a call on placeholders returns."""
        if type(self).compute_output_shape is Layer.compute_output_shape:
            return self._infer_output_spec(*args, **kwargs)
        inputs = args[0] if args else next(iter(kwargs.values()))
        shape = self.compute_output_shape(map_structure(lambda tensor: tensor.shape, inputs))
        dtype = kept_dtype(self, inputs) if self._keeps_dtype else self.compute_dtype
        return map_shapes(lambda one: KerasTensor(one, dtype), shape)

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """The mask of the output, given that of the input: here the same, for layers with `supports_masking`."""
        del inputs
        return previous_mask

    # --- weights ------------------------------------------------------------------------------------------------------

    def add_weight(
        self,
        shape: Any = None,
        initializer: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        regularizer: Any = None,
        constraint: Any = None,
        aggregation: str = "none",
        overwrite_with_gradient: bool = False,
        name: str | None = None,
    ) -> Variable:
        """Makes a weight that belongs to this layer.

        Args:
            shape: sizes of its axes; () unless given.
            initializer: start values: an initializer, or its name. Glorot uniform for floats, zeros else.
            dtype: its data type; the layer's variable type unless given.
            trainable: whether training changes it.
            autocast, aggregation, overwrite_with_gradient: for Keras's signature; torch decides these.
            regularizer: regularizer of its values, added to the loss.
            constraint: a function that its values go through after each update.
            name: its name; "variable" and a counter unless given.

        Returns:
            The `Variable`; assigned to an attribute, it is known to torch by the attribute's name.
        """
        del overwrite_with_gradient
        dtype = dtypes.standardize_dtype(dtype if dtype is not None else self.variable_dtype)
        if initializer is None:
            initializer = "glorot_uniform" if "float" in dtype else "zeros"
        shape = standardize_shape(() if shape is None else (shape,) if isinstance(shape, int) else shape)
        if None in shape:
            raise InvalidArgumentError(
                f"layer {self.name!r} needs to know all sizes of the weight {name!r} to make it: give the layer "
                "inputs whose "
                f"axes (but for the batch) are known. Received: shape={shape}"
            )
        with name_scope(self.name, owner=self):
            variable = Variable(
                initializers.get(initializer),
                shape=shape,
                dtype=dtype,
                trainable=trainable,
                autocast=autocast,
                aggregation=aggregation,
                name=name,
            )
        variable.regularizer = regularizers.get(regularizer)
        variable.constraint = constraints.get(constraint)
        if not self._trainable:
            variable.trainable = False
        attribute = free_name(self, variable.name)
        self._own(attribute, variable, trainable)
        self._provisional_names[id(variable)] = attribute
        return variable

    @property
    def weights(self) -> list[Any]:
        """All weights, the layer's own first; `get_weights` follows this order. Seeds and metrics are not weights."""
        return unique(weights_of(self))

    @property
    def trainable_weights(self) -> list[Any]:
        """The weights that training changes."""
        return [weight for weight in self.weights if weight.requires_grad] if self._trainable else []

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The weights that training leaves alone."""
        return [weight for weight in self.weights if not (self._trainable and weight.requires_grad)]

    @property
    def variables(self) -> list[Any]:
        """The weights, and the states of seeds and metrics."""
        return unique(state_of(self))

    @property
    def trainable_variables(self) -> list[Any]:
        """The variables that training changes."""
        return [variable for variable in self.variables if variable.requires_grad] if self._trainable else []

    @property
    def non_trainable_variables(self) -> list[Any]:
        """The variables that training leaves alone."""
        return [variable for variable in self.variables if not (self._trainable and variable.requires_grad)]

    @property
    def trainable(self) -> bool:
        """Whether training changes this layer; setting it sets it for all layers within."""
        return bool(self._trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.__dict__["_trainable"] = bool(value)
        for parameter in self._parameters.values():
            if parameter is not None:
                parameter.requires_grad_(bool(value))
        for child in self.children():
            set_trainable(child, bool(value))

    def get_weights(self) -> list[np.ndarray[Any, Any]]:
        """The values of all weights, as arrays, in the order of `weights`."""
        return [weight.numpy() if isinstance(weight, Variable) else as_array(weight) for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Replaces the values of all weights.

        Args:
            weights: arrays in the order and of the shapes of `get_weights()`.

        Raises:
            InvalidArgumentError: if the number of arrays or a shape differs; then nothing is changed.
        """
        own = self.weights
        if len(own) != len(weights):
            raise InvalidArgumentError(
                f"layer {self.name!r} has {len(own)} weights{'' if self.built else ' before it is built'}. "
                f"Received: a list of {len(weights)} arrays"
            )
        for weight, values in zip(own, weights, strict=True):
            if tuple(weight.shape) != tuple(np.shape(values)):
                raise InvalidArgumentError(
                    f"the weight {getattr(weight, 'path', '?')!r} of layer {self.name!r} has the shape "
                    f"{tuple(weight.shape)}. Received: shape={tuple(np.shape(values))}"
                )
        with torch.no_grad():
            for weight, values in zip(own, weights, strict=True):
                weight.copy_(torch.as_tensor(np.asarray(values)))

    def save_own_variables(self, store: MutableMapping[str, Any]) -> None:
        """Puts the layer's own variables, not those of layers within it, into a file; a class may write others.

        Args:
            store: takes arrays under names, "0", "1", … here.
        """
        for index, variable in enumerate(own_tensors(self)):
            store[str(index)] = as_array(variable)

    def load_own_variables(self, store: Mapping[str, Any]) -> None:
        """Takes the layer's own variables from a file, as `save_own_variables` wrote them.

        Args:
            store: arrays by name.

        Raises:
            InvalidArgumentError: if their number or a shape differs.
        """
        own = own_tensors(self)
        arrays = [store[str(index)] for index in range(len(own))] if len(store) == len(own) else []
        fitting = [tuple(variable.shape) == array.shape for variable, array in zip(own, arrays, strict=False)]
        if len(arrays) != len(own) or not all(fitting):
            shapes = [np.shape(store[name]) for name in store]
            raise InvalidArgumentError(
                f"layer {self.name!r} has variables of the shapes {[tuple(variable.shape) for variable in own]}. "
                f"Received: {shapes}"
            )
        with torch.no_grad():
            for variable, array in zip(own, arrays, strict=True):
                variable.copy_(torch.as_tensor(array))

    def count_params(self) -> int:
        """The number of values in all weights.

        Raises:
            InvalidArgumentError: before the layer is built.
        """
        if not self.built:
            raise InvalidArgumentError(
                f"the weights of layer {self.name!r} cannot be counted before they are made: call it on data, or "
                "`build(input_shape)`."
            )
        return sum(int(weight.numel()) for weight in self.weights)

    # --- losses -------------------------------------------------------------------------------------------------------

    def add_loss(self, loss: Any) -> None:
        """Adds a scalar tensor, or a list of them, to what training minimises; called within `call`, each time anew."""
        if calls.symbolic:
            return
        root = calls.root
        if root is not None and not any(owner is self for owner in root._loss_owners):
            # What a call with another root left behind, of this layer alone or of another model that it is in.
            self._losses.clear()
        self._losses.extend(loss if isinstance(loss, list | tuple) else [loss])
        (root or self)._loss_owners.append(self)

    @property
    def losses(self) -> list[Tensor]:
        """The losses added in the last call, and those of the weights' regularizers."""
        added = [loss for module in self.modules() if isinstance(module, Layer) for loss in module._losses]
        regularized = (weight for weight in self.trainable_weights if getattr(weight, "regularizer", None) is not None)
        return [*added, *(weight.regularizer(weight) for weight in regularized)]

    def _regularize(self, outputs: Any) -> None:
        for output in flatten(outputs):
            if isinstance(output, Tensor):
                # The mean over the batch, as in Keras: the penalty must not grow with the batch.
                penalty: Any = self.activity_regularizer
                self.add_loss(penalty(output) / (output.shape[0] if output.ndim else 1))

    # --- data types ---------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> str:
        """The data type of the weights, by name; the same as `variable_dtype`."""
        return self.dtype_policy.variable_dtype

    @property
    def variable_dtype(self) -> str:
        """The data type that weights are kept in."""
        return self.dtype_policy.variable_dtype

    @property
    def compute_dtype(self) -> str:
        """The data type that `call` computes in."""
        return self.dtype_policy.compute_dtype

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Layer":
        super()._apply(fn, recurse)
        # `.half()`, `.double()` and Lightning's "bf16-true" move the weights: the policy follows, or inputs would be
        # cast back.
        moved = fn(torch.zeros(1, dtype=dtypes.to_torch(self.variable_dtype))).dtype
        if moved.is_floating_point and moved is not dtypes.to_torch(self.variable_dtype):
            self.dtype_policy = DTypePolicy(dtypes.standardize_dtype(moved))
        return self

    # --- graph --------------------------------------------------------------------------------------------------------

    @property
    def input(self) -> Any:
        """The placeholders that the layer was called on, if that was once."""
        tensors = self._only_node().input_tensors
        return tensors[0] if len(tensors) == 1 else tensors

    @property
    def output(self) -> Any:
        """The placeholders that the layer returned, if it was called once: `Model(model.inputs, layer.output)`."""
        return self._only_node().outputs

    def _only_node(self) -> Node:
        nodes: list[Node] = self._inbound_nodes
        if len(nodes) != 1:
            times = "never" if not nodes else f"{len(nodes)} times"
            raise InvalidArgumentError(
                f"layer {self.name!r} was called on placeholders {times}: `input` and `output` say something only "
                "after one call."
            )
        return nodes[0]

    # --- config -------------------------------------------------------------------------------------------------------

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal layer: name, trainable, dtype, and those of the class's own signature."""
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        config["dtype"] = serialization.serialize_keras_object(self.dtype_policy)
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        if _has_default_config(type(self)):
            config |= config_of_arguments(self)
        return config

    get_config.is_default = True  # type: ignore[attr-defined]  # Model's own is one too

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Layer":
        """The layer that `get_config` described."""
        if not _has_default_config(cls):
            return cls(**config)
        # A class without `**kwargs` has nowhere to take name, dtype and trainable: they are set afterwards.
        later = {
            name: config[name] for name in ("name", "dtype", "trainable") if name in config and not takes(cls, name)
        }
        layer = cls(**{name: restored(name, value) for name, value in config.items() if name not in later})
        layer.name = later.get("name", layer.name)
        layer.dtype_policy = dtypes.get(later.get("dtype", layer.dtype_policy))
        if not later.get("trainable", True):
            layer.trainable = False
        return layer

    def get_build_config(self) -> dict[str, Any] | None:
        """The shapes that the layer was built for, for `build_from_config`."""
        if not self._build_shapes:
            return None
        if len(self._build_shapes) == 1:
            return {"input_shape": next(iter(self._build_shapes.values()))}
        return {"shapes_dict": self._build_shapes}

    def build_from_config(self, config: dict[str, Any]) -> None:
        """Builds the layer for the shapes that `get_build_config` gave."""
        if self.built or not config:
            return
        shapes = config.get("shapes_dict") or {"input_shape": config.get("input_shape")}
        named = {name.removesuffix("_shape"): shape for name, shape in shapes.items()}
        build_for(self, {name: map_shapes(KerasTensor, _tuples(shape)) for name, shape in named.items()})

    # --- torch --------------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # What torch's method does, and faster: weights, buffers and modules are not found in the ordinary way.
        attributes = self.__dict__
        parameters = attributes.get("_parameters", _NOTHING)
        if name in parameters:
            value = parameters[name]
            return value if calls.casting is None else self._cast_weight(value)
        buffers = attributes.get("_buffers", _NOTHING)
        if name in buffers:
            value = buffers[name]
            return value if calls.casting is None else self._cast_weight(value)
        modules = attributes.get("_modules", _NOTHING)
        if name in modules:
            return modules[name]
        if "_modules" not in attributes:
            raise AttributeError(_forgotten_super(self, name))
        if attributes.get("built") is False:
            raise NotBuiltError(
                f"layer {self.name!r} ({type(self).__name__}) has no {name!r}, as yet: its weights are made by its "
                "first call, or by `build(input_shape)`."
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _cast_weight(self, value: Any) -> Any:
        """A weight in the type that the layer computes in, while the `call` of a mixed policy runs."""
        if isinstance(value, Variable) and self.dtype_policy.is_mixed and value.autocast and value.is_floating_point():
            return value.to(calls.casting)
        return value

    def _call_casting(self, *args: Any, **kwargs: Any) -> Any:
        """`call`, with the weights of a mixed policy in the compute type."""
        before, calls.casting = calls.casting, self.dtype_policy.torch_compute_dtype
        try:
            return self.call(*args, **kwargs)
        finally:
            calls.casting = before

    def __setattr__(self, name: str, value: Any) -> None:
        if type(value) in _PLAIN and not self._registers(name):
            # Most of what `__init__` keeps: what follows, and torch's own method, would find nothing to do.
            object.__setattr__(self, name, value)
            return
        if "_modules" not in self.__dict__ and isinstance(value, (torch.nn.Module, Variable, *_CONTAINERS)):
            raise InvalidTypeError(_forgotten_super(self, name))
        if isinstance(value, Variable):
            # `requires_grad` is off for a frozen layer's weights too: a weight that is known already stays what it was.
            self._own(name, value, value.trainable or any(value is known for known in self._parameters.values()))
        elif isinstance(value, _CONTAINERS) and name not in _TABLES_OF_TORCH:
            self._set_container(name, tracking.track(value))
        else:
            if tracking.holder_of(self.__dict__.get(name)) is not None:
                del self.__dict__[name]
            super().__setattr__(name, value)
            if isinstance(value, torch.nn.Module):
                # Inference is the resting state; a module of torch's is made in training mode.
                value.train(self.training)

    def _registers(self, name: str) -> bool:
        """Whether a name is that of a weight, buffer or module, or it cannot be known yet."""
        attributes = self.__dict__
        return (
            "_modules" not in attributes
            or name in attributes["_modules"]
            or name in attributes["_parameters"]
            or name in attributes["_buffers"]
        )

    def _set_container(self, name: str, value: Any) -> None:
        holder = tracking.holder_of(value)
        if holder is not None:
            # The container itself is the attribute; the holder beside it, under the same name, tells torch what is in
            # it.
            self.__dict__.pop(name, None)
            self._modules[name] = holder
            holder.train(self.training)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        is_container = tracking.holder_of(self.__dict__.get(name)) is not None
        super().__delattr__(name)
        if is_container:
            del self.__dict__[name]

    def _own(self, name: str, variable: Variable, trainable: bool) -> None:
        """Registers a variable under a name, in place of the one that `add_weight` found for it."""
        provisional = self._provisional_names.pop(id(variable), None)
        if provisional is not None:
            self._parameters.pop(provisional, None)
            self._buffers.pop(provisional, None)
        self.__dict__.pop(name, None)
        if trainable:
            self._buffers.pop(name, None)
            self._parameters[name] = variable
        else:
            self._parameters.pop(name, None)
            self._buffers[name] = variable

    def __getstate__(self) -> dict[str, Any]:
        # The graphs that a layer was called in belong to their models, not to a copy of the layer; copied from here,
        # call by call, a deep one would overflow the stack.
        given = {name: value for name, value in self._init_arguments.items() if not keras_tensors(value)}
        graphs = {
            "_init_arguments": given,
            "_inbound_nodes": [],
            "_losses": [],
            "_loss_owners": [],
            "_provisional_names": {},
        }
        return {**super().__getstate__(), **graphs}  # type: ignore[no-untyped-call]  # torch's is untyped

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}, built={self.built}>"

    def _infer_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        return infer(self._call_casting, args, kwargs, KerasTensor)


Layer._call_spec = CallSpec.of(Layer.call)
serialization.register_base("layers", Layer)
serialization.register_special("keras", "DTypePolicy", dtypes.get)
serialization.register_special("keras.dtype_policies", "DTypePolicyMap", dtypes.get)


def _has_default_config(cls: type[Layer]) -> bool:
    """Whether a class leaves its config to the base, so that it is made of the arguments of the constructor."""
    return getattr(cls.get_config, "is_default", False)


def kept_dtype(layer: Layer, tensor: Any) -> str:
    """The data type of an input within `call`: the layer's compute type if it is a float, its own otherwise."""
    return layer.compute_dtype if layer.autocast and "float" in tensor.dtype else str(tensor.dtype)


def map_shapes(function: Callable[[Shape], Any], shapes: Any) -> Any:
    """`function` of each shape in a nested structure: a tuple or list of sizes is one shape."""
    if isinstance(shapes, dict):
        return {name: map_shapes(function, shape) for name, shape in shapes.items()}
    if isinstance(shapes, list | tuple) and not all(size is None or isinstance(size, int) for size in shapes):
        return [map_shapes(function, shape) for shape in shapes]
    return function(tuple(shapes))


def _forgotten_super(layer: Layer, name: str) -> str:
    cls = type(layer).__name__
    return (
        f"{cls}.__init__ must call `super().__init__()` before it sets layers, weights or lists, and before the "
        "layer is used. "
        f"Received: the attribute {name!r} of a {cls} without it"
    )


def _tuples(shape: Any) -> Any:
    """Shapes that went through JSON, as tuples again."""
    return map_shapes(tuple, shape)


def _building_once(build: Callable[..., None]) -> Callable[..., None]:
    """A `build` whose weights' paths begin with the layer's name, and after which the layer is built."""

    @functools.wraps(build)
    def build_once(self: Layer, *args: Any, **kwargs: Any) -> None:
        if self._build_shapes is None and (args or kwargs):
            names = CallSpec.of(build).names
            self._build_shapes = {**dict(zip(names, args, strict=False)), **kwargs}
        with name_scope(self.name, owner=self):
            if isinstance(self.dtype_policy, DTypePolicyMap):
                self.dtype_policy = self.dtype_policy.bound_to(current_path())
            build(self, *args, **kwargs)
        self.built = True

    return build_once
