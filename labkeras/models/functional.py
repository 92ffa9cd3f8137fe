"""A model's Function: owning its layers, and taking data as its inputs."""

import keyword
import re
from typing import Any

import torch
from torch import Tensor

from labkeras.dtypes import is_under_autocast, to_torch
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.function import Function
from labkeras.graph.symbolic import KerasTensor, Shape
from labkeras.naming import to_snake_case
from labkeras.nest import flatten

__all__ = ["InputReader", "adopt", "attribute_for", "name_of", "own_constants", "with_masks"]


def name_of(operation: Any) -> str:
    """The name of a layer, or of a module of torch's in a graph."""
    return str(getattr(operation, "name", None) or getattr(operation, "_labkeras_name", type(operation).__name__))


def adopt(model: torch.nn.Module, function: Function) -> None:
    """Makes the modules and constants of a Function the model's own, under their names, and lowers the Function."""
    attributes: dict[int, str] = {}
    taken: dict[str, torch.nn.Module] = {}
    numbers: dict[str, int] = {}
    for module in function.modules:
        name = name_of(module)
        if taken.setdefault(name, module) is not module:
            raise InvalidArgumentError(
                "the names of a model's layers must differ, to find them and their weights by name. Received: "
                f"two named {name!r}"
            )
        held = (key for key, known in model._modules.items() if known is module)
        attribute = next(held, None) or attribute_for(model, module, numbers)
        model._modules[attribute] = module
        # Inference is the resting state; a module of torch's is made in training mode.
        module.train(model.training)
        attributes[id(module)] = attribute
    function.lower(attributes)
    own_constants(model, function)


def own_constants(model: torch.nn.Module, function: Function) -> None:
    """Makes the tensors that a Function's calls were given the model's own: parameters to train, else buffers."""
    for name, tensor in function.constants.items():
        if name in model._parameters or name in model._buffers:
            continue
        if isinstance(tensor, torch.nn.Parameter):
            model._parameters[name] = tensor
        else:
            model.register_buffer(name, tensor, persistent=False)


def attribute_for(model: torch.nn.Module, module: torch.nn.Module, numbers: dict[str, int] | None = None) -> str:
    """The attribute under which a model holds one of its modules: its name, as far as Python and the model allow.

    Names by counter, such as "dense_26", count from the beginning in each model: two models made alike have
    `state_dict`s alike. A layer named "metrics" or "fit" must not hide the model's own, nor "a.b" another one named
    "a_b".

    Args:
        model, module: the two.
        numbers: attribute → the number that was last put behind it for this model, to go on from; it is kept up.
    """
    name, by_class = name_of(module), to_snake_case(type(module).__name__)
    if re.fullmatch(rf"({by_class}|functional)(_\d+)?", name):
        name = re.sub(r"_\d+$", "", name) if name != by_class else name
    attribute = "".join(character if character.isalnum() else "_" for character in name)
    if not attribute.isidentifier() or keyword.iskeyword(attribute) or re.fullmatch(r"constant_\d+", attribute):
        attribute = f"layer_{attribute}"
    tables = (vars(model), model._modules, model._parameters, model._buffers)
    number = 0 if numbers is None else numbers.get(attribute, 0)
    candidate = f"{attribute}_{number}" if number else attribute
    while hasattr(type(model), candidate) or candidate == "training" or any(candidate in table for table in tables):
        number += 1
        candidate = f"{attribute}_{number}"
    if numbers is not None:
        numbers[attribute] = number
    return candidate


def with_masks(outputs: Any, masks: tuple[Tensor | None, ...]) -> Any:
    """The outputs, each with its mask where losses, metrics and later layers look for it."""
    for tensor, mask in zip(flatten(outputs), masks, strict=True):
        if mask is not None:
            tensor._keras_mask = mask
    return outputs


class InputReader:
    """Puts data in the order of a model's inputs: lists by position, dicts by name; casts it, and checks its shape.

    Args:
        structure: the placeholders, nested as given to Model.
        model_name: for messages.
    """

    def __init__(self, structure: Any, model_name: str) -> None:
        # Not the placeholders themselves: copying them would follow the graph behind them, call by call.
        tensors: list[KerasTensor] = flatten(structure)
        self._count = len(tensors)
        self._model_name = model_name
        self._dtypes = [to_torch(tensor.dtype) for tensor in tensors]
        self._shapes = [tensor.shape for tensor in tensors]
        self._sample_shapes = [tensor.shape[1:] for tensor in tensors]
        self.names = [tensor.node.name if tensor.node is not None else tensor.name for tensor in tensors]
        self._keys = sorted(structure) if isinstance(structure, dict) else None

    @property
    def only_input(self) -> tuple[torch.dtype, Shape]:
        """The type of the only input, and the shape of a sample."""
        return self._dtypes[0], self._sample_shapes[0]

    def read(self, data: Any) -> list[Any]:
        """The tensors in the order of the inputs, of their types.

        Raises:
            InvalidInputError: if one is missing, too many, or of a shape that the input does not take.
        """
        if type(data) is Tensor and self._count == 1:
            return [self._fit(data, 0)]
        leaves = self.in_order(data)
        return [self._fit(leaf, index) for index, leaf in enumerate(leaves)]

    def move(self, old: str, new: str) -> None:
        """After the model's weights moved from one floating type to another, floating inputs follow."""
        self._dtypes = [to_torch(new) if dtype is to_torch(old) else dtype for dtype in self._dtypes]

    def in_order(self, data: Any) -> list[Any]:
        """The leaves of data, or of its masks, in the order of the inputs."""
        if isinstance(data, Tensor | KerasTensor):
            leaves = [data]
        elif isinstance(data, dict):
            keys = self._keys if self._keys is not None else self.names
            missing = [key for key in keys if key not in data]
            if missing:
                raise InvalidInputError(
                    f"model {self._model_name!r} has the inputs {keys}. Received: a dict with the keys {sorted(data)}, "
                    f"without {missing}"
                )
            leaves = [data[key] for key in keys]
            leaves = flatten(leaves)
        else:
            leaves = flatten(data)
        if len(leaves) != self._count:
            raise InvalidInputError(
                f"model {self._model_name!r} has {self._count} input(s): {self.names}. Received: {len(leaves)} "
                "tensor(s)"
            )
        return leaves

    def _fit(self, tensor: Any, index: int) -> Any:
        if (
            type(tensor) is Tensor
            and tensor.dtype is self._dtypes[index]
            and tensor.shape[1:] == self._sample_shapes[index]
        ):
            return tensor  # what nearly every call is: nothing to look at more closely
        wanted = self._shapes[index]
        if len(tensor.shape) != len(wanted):
            tensor = self._with_rank(tensor, index)
        for size, want in zip(tensor.shape[1:], wanted[1:], strict=True):
            if size != want and want is not None and size is not None:
                raise InvalidInputError(self._misfit(tensor, index))
        if isinstance(tensor, Tensor) and tensor.dtype is not self._dtypes[index]:
            if tensor.is_floating_point() and is_under_autocast(tensor):
                return tensor
            return tensor.to(self._dtypes[index])
        return tensor

    def _with_rank(self, tensor: Any, index: int) -> Any:
        """(batch, n, 1) and (batch, n) are taken for each other, as in Keras."""
        wanted, rank = self._shapes[index], len(tensor.shape)
        if rank == len(wanted) + 1 and tensor.shape[-1] == 1:
            return tensor.squeeze(-1)
        if rank == len(wanted) - 1 and wanted[-1] == 1:
            return tensor.unsqueeze(-1)
        raise InvalidInputError(self._misfit(tensor, index))

    def _misfit(self, tensor: Any, index: int) -> str:
        return (
            f"the input {self.names[index]!r} of model {self._model_name!r} takes the shape "
            f"{self._shapes[index]}, where None is any "
            f"size. Received: a tensor of shape={tuple(tensor.shape)}"
        )
