"""Function: the calls between inputs and outputs, in order, lowered to one straight-line Python function."""

import inspect
import keyword
import linecache
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
import torch.fx

from labkeras.dtypes import to_torch
from labkeras.errors import DisconnectedGraphError
from labkeras.graph.input import InputLayer
from labkeras.graph.ordering import first_calls
from labkeras.graph.shape_inference import infer
from labkeras.graph.symbolic import KerasTensor, Node, describe, keras_tensors, map_arguments
from labkeras.nest import flatten, map_structure

__all__ = ["Function"]


@dataclass(frozen=True)
class _Ref:
    """The place of a placeholder in the flat list that a Function is copied and pickled as."""

    index: int


@dataclass(frozen=True)
class _Path:
    """A function of torch's that pickle does not find by its own name: "torch.nn.functional.max_pool2d"."""

    path: str


# What the generated code can spell; everything else that a call was given is a global of it.
_SPELT = (
    *(bool, int, float, complex, str, type(None), type(...)),
    *(torch.dtype, torch.device, torch.layout, torch.memory_format),
)

# Names that the generated code has for other things.
_TAKEN = frozenset({"self", "training", "torch", "device", "inf", "nan", "NoneType", "operator", "math"})


class Function:
    """The calls that lead from inputs to outputs.

    It walks back from the outputs, puts the calls in order, and writes them down as the body of a `forward` method:
    `code`. The modules and constants that the calls need are attributes of the object that `forward` is called on, a
    model. If an output carries a mask, `forward` returns (outputs, masks), the masks in a flat tuple with None for
    outputs without one.

    Args:
        inputs: the placeholders that the data takes the place of, nested as the data will be.
        outputs: the placeholders to compute, nested as the results will be.

    Raises:
        DisconnectedGraphError: if an output does not depend on the inputs alone, or is no placeholder.
    """

    def __init__(self, inputs: Any, outputs: Any) -> None:
        self.inputs_structure = inputs
        self.outputs_structure = outputs
        self.inputs: list[KerasTensor] = _checked(inputs, "inputs")
        self.outputs: list[KerasTensor] = _checked(outputs, "outputs")
        self.masks, self._lost_masks = _masks(self.inputs, self.outputs)
        self.has_masks = any(mask is not None for mask in self.masks)
        self.nodes = _ordered(self.inputs, [*self.outputs, *keras_tensors(self.masks)], self._lost_masks)
        steps = first_calls(self.inputs, self.outputs, self._lost_masks)
        self.operations = [step.operation for step in steps if isinstance(step, Node)]
        self.constants: dict[str, torch.Tensor] = {}
        self.code = ""
        self.forward: Callable[..., Any] | None = None
        self.attributes: dict[int, str] = {}

    @property
    def modules(self) -> list[torch.nn.Module]:
        """The layers and modules that are called, each once, in the order of Keras's `model.layers`."""
        return [operation for operation in self.operations if isinstance(operation, torch.nn.Module)]

    def lower(self, attributes: dict[int, str], constants: Mapping[str, torch.Tensor] | None = None) -> None:
        """Writes `forward`.

        Args:
            attributes: `id(module)` → the attribute of the model under which `forward` finds it.
            constants: tensors that the model has already, by attribute.
        """
        self.attributes = attributes
        self.constants = dict(constants or {})
        writer = _Writer(self, attributes)
        code = writer.write()
        self.code = code.src.strip() + "\n"
        # Registered with linecache, so that tracebacks and debuggers show the lines.
        filename = f"<labkeras forward {id(self):x}>"
        linecache.cache[filename] = (len(self.code), None, self.code.splitlines(keepends=True), filename)
        namespace = dict(code.globals) | writer.objects
        exec(compile(self.code, filename, "exec"), namespace)
        self.forward = namespace["forward"]

    def compute_output_spec(self, inputs: list[Any]) -> Any:
        """The placeholders of the outputs for other inputs, in the order of `inputs`; nothing is recorded."""
        if all(old.shape == new.shape and old.dtype == new.dtype for old, new in zip(self.inputs, inputs, strict=True)):
            return map_structure(lambda tensor: KerasTensor(tensor.shape, tensor.dtype), self.outputs_structure)
        known = {id(old): new for old, new in zip(self.inputs, inputs, strict=True)}
        for node in self.nodes:
            args, kwargs = _replaced((node.args, node.kwargs), {**known, **self._lost_masks})
            call_spec = getattr(node.operation, "_call_spec", None)
            if call_spec is not None and not call_spec.takes_training:
                kwargs.pop("training", None)
            spec = getattr(node.operation, "compute_output_spec", None)
            result = spec(*args, **kwargs) if spec is not None else infer(node.operation, args, kwargs, KerasTensor)
            known.update((id(old), new) for old, new in zip(flatten(node.outputs), flatten(result), strict=True))
        return _replaced(self.outputs_structure, known)

    def __reduce__(self) -> Any:
        # Flat: following placeholders back through their nodes would recurse as deep as the model.
        places: dict[int, Any] = {id(tensor): _Ref(index) for index, tensor in enumerate(self.inputs)}
        places |= self._lost_masks
        tensors = list(self.inputs)
        steps = []
        for node in self.nodes:
            arguments = _replaced((node.args, node.kwargs), places)
            for tensor in node.output_tensors:
                places[id(tensor)] = _Ref(len(tensors))
                tensors.append(tensor)
            specs = map_structure(_spec_of, node.outputs)
            steps.append((_portable(node.operation), arguments, specs, node.name, node.masks))
        masks = {
            index: places[id(tensor._keras_mask)]
            for index, tensor in enumerate(tensors)
            if places.get(id(tensor._keras_mask)) is not None
        }
        origins = [_origin(tensor) for tensor in self.inputs]
        structures = _replaced((self.inputs_structure, self.outputs_structure), places)
        operations = {id(operation): operation for operation in self.operations}
        names = [(operations[key], name) for key, name in self.attributes.items() if key in operations]
        return _rebuild, (origins, steps, masks, structures, names)


def _rebuild(
    origins: list[Any], steps: list[Any], masks: dict[int, _Ref], structures: Any, names: list[tuple[Any, str]]
) -> Function:
    tensors: list[KerasTensor] = []
    for shape, dtype, name, layer in origins:
        tensor = KerasTensor(shape, dtype, name=name)
        if layer is not None:
            Node(layer, (), {}, tensor, name=layer.name)
        tensors.append(tensor)
    for operation, arguments, specs, name, mask_names in steps:
        args, kwargs = _resolved(arguments, tensors)
        outputs = map_structure(lambda spec: KerasTensor(*spec.spec) if isinstance(spec, _Spec) else spec, specs)
        node = Node(_resolved_operation(operation), args, kwargs, outputs, name)
        node.masks = mask_names
        tensors.extend(node.output_tensors)
    for index, mask in masks.items():
        tensors[index]._keras_mask = tensors[mask.index]
    function = Function(*_resolved(structures, tensors))
    function.lower({id(operation): name for operation, name in names})
    return function


@dataclass(frozen=True)
class _Spec:
    spec: tuple[Any, str]


def _spec_of(leaf: Any) -> Any:
    return _Spec((leaf.shape, leaf.dtype)) if isinstance(leaf, KerasTensor) else leaf


def _origin(tensor: KerasTensor) -> tuple[Any, str, str, Any]:
    layer = tensor.node.operation if tensor.node is not None and isinstance(tensor.node.operation, InputLayer) else None
    return tensor.shape, tensor.dtype, tensor.name, layer


def _portable(operation: Any) -> Any:
    """An operation as pickle can write it: `torch.nn.functional.max_pool2d` is a function within a function."""
    if "<locals>" not in getattr(operation, "__qualname__", ""):
        return operation
    path = torch.overrides.resolve_name(operation)
    return operation if path is None else _Path(path)


def _resolved_operation(operation: Any) -> Any:
    if not isinstance(operation, _Path):
        return operation
    module, _, name = operation.path.rpartition(".")
    return getattr(import_module(module), name)


def _replaced(structure: Any, table: dict[int, Any]) -> Any:
    """`structure` with what `table` has for each placeholder; what it has not is left."""
    return map_arguments(lambda leaf: table.get(id(leaf), leaf) if isinstance(leaf, KerasTensor) else leaf, structure)


def _resolved(structure: Any, tensors: list[KerasTensor]) -> Any:
    return map_arguments(lambda leaf: tensors[leaf.index] if isinstance(leaf, _Ref) else leaf, structure)


def _checked(structure: Any, role: str) -> list[KerasTensor]:
    tensors = flatten(structure)
    for tensor in tensors:
        if isinstance(tensor, KerasTensor):
            continue
        what = "a layer" if isinstance(tensor, torch.nn.Module) else f"a {type(tensor).__name__}"
        hint = f"\n  Perhaps: {role} = {type(tensor).__name__}(…)(x)" if isinstance(tensor, torch.nn.Module) else ""
        raise DisconnectedGraphError(
            f"the {role} given to Model hold {what}, not a tensor: layers are joined by calling them on what "
            "`Input` or another "
            f"layer returned.\n  Received: {role}={tensor!r}{hint}"
        )
    if not tensors:
        raise DisconnectedGraphError(f"a model needs at least one of each. Received: {role}={structure!r}")
    return tensors


def _masks(inputs: list[KerasTensor], outputs: list[KerasTensor]) -> tuple[list[KerasTensor | None], dict[int, None]]:
    """The masks of the outputs, and those that calls were given but that come from before the inputs: they are lost."""
    wanted = [tensor._keras_mask for tensor in outputs]
    nodes = _walk_back(inputs, outputs)
    passed_on = keras_tensors([node.kwargs[name] for node in nodes for name in node.masks])
    lost: dict[int, None] = {}
    for mask in keras_tensors([*passed_on, *wanted]):
        try:
            _ordered(inputs, [mask], {})
        except DisconnectedGraphError:
            lost[id(mask)] = None
    return [None if mask is None or id(mask) in lost else mask for mask in wanted], lost


def _ordered(inputs: list[KerasTensor], outputs: list[KerasTensor], lost: dict[int, None]) -> list[Node]:
    """The calls that the outputs need, each after those whose results it takes. A loop: models can be deeper than the
    stack."""
    given = {id(tensor) for tensor in inputs} | lost.keys()
    done: set[int] = set()
    order: list[Node] = []
    stack: list[tuple[KerasTensor, bool]] = [(tensor, False) for tensor in reversed(outputs)]
    while stack:
        tensor, parents_are_done = stack.pop()
        node = tensor.node
        if id(tensor) in given or (node is not None and id(node) in done):
            continue
        if node is None or isinstance(node.operation, InputLayer):
            raise DisconnectedGraphError(
                f"the outputs need the input {tensor.name!r} of shape {tensor.shape}, which is not among the "
                "inputs given to Model.\n"
                f"  Received: inputs={[describe(known) for known in inputs]}"
            )
        if parents_are_done:
            done.add(id(node))
            order.append(node)
            continue
        stack.append((tensor, True))
        stack.extend((parent, False) for parent in reversed(node.input_tensors))
    return order


def _walk_back(inputs: list[KerasTensor], outputs: list[KerasTensor]) -> list[Node]:
    """The calls between inputs and outputs, masks left out, parents before children."""
    done: set[int] = set()
    order: list[Node] = []
    stack = [(tensor.node, False) for tensor in reversed(outputs)]
    while stack:
        node, parents_are_done = stack.pop()
        if node is None or id(node) in done:
            continue
        if parents_are_done:
            done.add(id(node))
            order.append(node)
            continue
        stack.append((node, True))
        stack.extend((parent, False) for parent in reversed(_parents(node, inputs)))
    return order


def _parents(node: Node, inputs: list[KerasTensor]) -> list[Node]:
    """The nodes that a node takes results of, its masks left out; none beyond the inputs."""
    if any(tensor.node is node for tensor in inputs):
        return []
    return [tensor.node for tensor in node.graph_inputs if tensor.node is not None]


class _Writer:
    """Writes the calls of a Function through torch.fx, whose code generator knows how to print arguments."""

    def __init__(self, function: Function, attributes: dict[int, str]) -> None:
        self._function = function
        self._attributes = attributes
        self._graph = torch.fx.Graph()
        self._values: dict[int, Any] = dict(function._lost_masks)
        self._training: Any = None
        self.objects: dict[str, Any] = {}
        """What the code refers to and cannot spell, by name."""

    def write(self) -> Any:
        for index, tensor in enumerate(self._function.inputs):
            self._values[id(tensor)] = self._graph.placeholder(_identifier(tensor.name, f"input_{index}"))
        self._training = self._graph.placeholder("training", default_value=None)
        along = _taken_along(self._function)
        done = {id(node) for node in along.values()}
        for node in self._function.nodes:
            following = along.get(id(node))
            if following is not None:
                self._bind(following, self._call(node, following))
            elif id(node) not in done:
                self._bind(node, self._call(node))
        outputs = self._substitute(self._function.outputs_structure)
        if self._function.has_masks:
            outputs = (outputs, tuple(self._substitute(self._function.masks)))
        self._graph.output(outputs)
        return self._graph.python_code("self")

    def _call(self, node: Node, following: Node | None = None) -> Any:
        args, kwargs = self._substitute(node.args), self._substitute(node.kwargs)
        operation = node.operation
        if isinstance(operation, torch.nn.Module):
            has_own_flag = kwargs.get("training") is not None and bool(operation._modules)
            args, kwargs = self._fit(node, args, kwargs)
            attribute = self._attributes[id(operation)]
            if following is not None:
                other: Any = _Name(f"self.{self._attributes[id(following.operation)]}")
                return self._named(following, self._graph.call_module(f"{attribute}._run_with", (other, *args), kwargs))
            # `_run` is forward with its hooks; `__call__` would convert and check again what the graph has settled. A
            # flag of its own is passed down to inner layers by `__call__`.
            suffix = "._run" if hasattr(operation, "_run") and not has_own_flag else ""
            return self._named(node, self._graph.call_module(attribute + suffix, args, kwargs))
        name = getattr(operation, "__name__", "")
        if inspect.ismethoddescriptor(operation) and getattr(torch.Tensor, name, None) is operation:
            return self._graph.call_method(name, args, kwargs)
        return self._graph.call_function(operation, args, kwargs)

    def _named(self, node: Node, call: Any) -> Any:
        call._rename(_identifier(node.name, "layer"))
        return call

    def _fit(self, node: Node, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """Adds what a layer would find out for itself in each call: the training flag, and casts to its compute
        type."""
        spec = getattr(node.operation, "_call_spec", None)
        if spec is None:
            return args, kwargs
        if spec.takes_training and kwargs.get("training") is None and len(args) <= _place(spec, "training"):
            kwargs = {**kwargs, "training": self._training}
        if not node.operation.autocast:
            return args, kwargs
        return self._cast(node.args, args, node.operation), kwargs

    def _cast(self, tensors: Any, values: Any, layer: Any) -> Any:
        def cast(tensor: Any, value: Any) -> Any:
            floating = isinstance(tensor, KerasTensor) and "float" in tensor.dtype
            if not floating or tensor.dtype == layer.compute_dtype or layer._casts_own_inputs:
                return value
            return self._graph.call_method("to", (value, to_torch(layer.compute_dtype)))

        return map_structure(cast, tensors, values)

    def _bind(self, node: Node, value: Any) -> None:
        """Finds the value of each placeholder that a call returned: the result itself, or items of it."""

        def bind(structure: Any, value: Any) -> None:
            if isinstance(structure, KerasTensor):
                self._values[id(structure)] = value
            elif isinstance(structure, dict):
                for key, item in structure.items():
                    bind(item, self._graph.call_function(operator.getitem, (value, key)))
            elif isinstance(structure, list | tuple):
                for index, item in enumerate(structure):
                    if flatten(item):
                        bind(item, self._graph.call_function(operator.getitem, (value, index)))

        bind(node.outputs, value)

    def _substitute(self, structure: Any) -> Any:
        return map_arguments(self._value, structure)

    def _value(self, leaf: Any) -> Any:
        if isinstance(leaf, KerasTensor):
            return self._values[id(leaf)]
        if isinstance(leaf, torch.Tensor):
            return self._constant(leaf)
        return leaf if isinstance(leaf, _SPELT) else self._object(leaf)

    def _object(self, leaf: Any) -> Any:
        name = next((name for name, known in self.objects.items() if known is leaf), f"object_{len(self.objects)}")
        self.objects[name] = leaf
        return _Name(name)

    def _constant(self, tensor: torch.Tensor) -> Any:
        for name, known in self._function.constants.items():
            if known is tensor:
                return self._graph.get_attr(name)
        name = f"constant_{len(self._function.constants)}"
        self._function.constants[name] = tensor
        return self._graph.get_attr(name)


def _taken_along(function: Function) -> dict[int, Node]:
    """`id(node)` → the call that its operation takes along: one that uses its result alone, which nobody else needs."""
    users: dict[int, list[Node]] = {}
    for node in function.nodes:
        for tensor in node.input_tensors:
            users.setdefault(id(tensor), []).append(node)
    wanted = {id(tensor) for tensor in [*function.outputs, *keras_tensors(function.masks)]}
    along: dict[int, Node] = {}
    taken: set[int] = set()
    for node in function.nodes:
        result = node.outputs
        of_result = users.get(id(result), [])
        # No chains: what is taken along takes nothing along itself.
        if id(node) in taken or id(result) in wanted or len(of_result) != 1:
            continue
        if _is_taken_along(node, of_result[0]):
            along[id(node)] = of_result[0]
            taken.add(id(of_result[0]))
    return along


def _is_taken_along(node: Node, following: Node) -> bool:
    """Whether the operation of a call runs that of the next one, whose only argument is the result, along with it."""
    takes_along, layer = getattr(node.operation, "_takes_along", None), following.operation
    if takes_along is None or getattr(layer, "_call_spec", None) is None or following.kwargs:
        return False
    if len(following.args) != 1 or following.args[0] is not node.outputs:
        return False
    return node.outputs.dtype == layer.compute_dtype and bool(takes_along(layer))


@dataclass(frozen=True)
class _Name:
    """A global of the generated code, where fx expects a value that it can print."""

    name: str

    def __repr__(self) -> str:
        return self.name


def _place(spec: Any, name: str) -> int:
    return spec.names.index(name) if name in spec.names else len(spec.names)


def _identifier(name: str, default: str) -> str:
    name = "".join(character if character.isalnum() else "_" for character in name)
    if keyword.iskeyword(name) or name in _TAKEN:
        return f"{name}_"
    return name if name.isidentifier() else f"{default}_{name}" if name else default
