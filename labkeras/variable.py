"""Variable: a weight, or a piece of state, with Keras's face and torch's inside."""

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.dtypes import standardize_dtype, to_torch
from labkeras.errors import FileFormatError, InvalidArgumentError
from labkeras.naming import auto_name

__all__ = ["Variable", "VariableModule", "allowance", "current_path", "name_scope", "spend_allowance"]

_ATTRIBUTES = ("name", "path", "initializer", "regularizer", "constraint", "synchronization", "aggregation", "autocast")


class _Scopes(threading.local):
    """The names, and whose they are, that this thread is within."""

    def __init__(self) -> None:
        self.open: list[tuple[str, Any]] = []


_scopes = _Scopes()


@contextmanager
def name_scope(name: str, owner: Any = None) -> Iterator[None]:
    """Within it, new variables' paths begin with `name`: "sequential/dense/kernel".

    Args:
        name: the name.
        owner: whose name it is: directly within a scope of the same owner, a second one adds nothing.
    """
    scopes = _scopes.open
    if owner is not None and scopes and scopes[-1][1] is owner:
        yield
        return
    scopes.append((name, owner))
    try:
        yield
    finally:
        scopes.pop()


def current_path() -> str:
    """The names that one is within, joined: "sequential/dense"."""
    return "/".join(name for name, _ in _scopes.open)


class _Allowance(threading.local):
    """How many values new variables may still hold in this thread; None for as many as they like."""

    left: int | None = None


_allowance = _Allowance()


@contextmanager
def allowance(values: int) -> Iterator[None]:
    """Within it, new variables may hold so many values in all: what a file has to fill them with, and a little more.

    A config can ask for layers of any size in a few bytes; this refuses them before memory is taken.
    """
    before, _allowance.left = _allowance.left, values
    try:
        yield
    finally:
        _allowance.left = before


def spend_allowance(values: int) -> None:
    """Takes `values` off what new variables may hold.

    Raises:
        FileFormatError: if that is more than is left.
    """
    if _allowance.left is None:
        return
    if values > _allowance.left:
        raise FileFormatError(
            f"the config asks for a weight of {values} values, but the file holds no more than {_allowance.left}."
        )
    _allowance.left -= values


class Variable(torch.nn.Parameter):
    """A tensor that a layer, metric or optimizer keeps between calls: `layer.kernel`.

    It is a `torch.nn.Parameter`, and works wherever torch takes one; `value`, `assign`, `path`, … are Keras's. What is
    trained is listed in `parameters()`; what is not (moving averages, seeds) is a buffer of its layer.

    Args:
        initializer: start values: a function of (shape, dtype), an array, a tensor or a number.
        shape: its shape, needed when `initializer` is a function.
        dtype: its data type; `floatx`, or that of the array, unless given.
        trainable: whether training changes it.
        name: its name; its `path` is that name behind the names of the layers that hold it.
        synchronization, aggregation: kept for Keras's signature; distributed training follows torch.
        autocast: kept for Keras's signature.

    Example:
        >>> v = Variable([1.0, 2.0], name="scale")
        >>> v.assign_add([1.0, 1.0])
        >>> v.numpy().tolist()
        [2.0, 3.0]
    """

    def __new__(
        cls,
        initializer: Any,
        shape: Sequence[int] | None = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str = "none",
        synchronization: str = "auto",
        name: str | None = None,
    ) -> "Variable":
        """Makes the tensor, and attaches Keras's attributes to it."""
        data = _start_values(initializer, shape, dtype)
        floating = data.is_floating_point() or data.is_complex()
        variable = torch.Tensor._make_subclass(cls, data, trainable and floating)
        variable.name = name if name is not None else auto_name("variable")
        if "/" in variable.name:
            raise InvalidArgumentError(f"a variable's name must not contain '/'. Received: name={name!r}")
        variable.path = f"{current_path()}/{variable.name}" if _scopes.open else variable.name
        variable.initializer = initializer if callable(initializer) else None
        variable.regularizer = None
        variable.constraint = None
        variable.aggregation = aggregation
        variable.synchronization = synchronization
        variable.autocast = autocast
        return variable

    # Declared for type checkers; set in `__new__`. `name` has a value here to hide torch's `Tensor.name`, which is
    # read-only.
    name: str = ""
    path: str
    initializer: Any
    regularizer: Any
    constraint: Any
    aggregation: str
    synchronization: str
    autocast: bool

    @property
    def value(self) -> "Variable":
        """The tensor itself; `variable.value.grad` is its gradient."""
        return self

    @property
    def trainable(self) -> bool:
        """Whether training changes it; the same as `requires_grad`."""
        return self.requires_grad

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.requires_grad_(bool(value))

    def assign(self, value: Any) -> "Variable":
        """Replaces all values, in place.

        Raises:
            InvalidArgumentError: if the shape differs.
        """
        tensor = _as_tensor(value, self.dtype, self.device)
        if tensor.shape != self.shape:
            raise InvalidArgumentError(
                f"the value assigned to the variable {self.path!r} must have its shape, {tuple(self.shape)}. "
                f"Received: shape={tuple(tensor.shape)}"
            )
        with torch.no_grad():
            self.copy_(tensor)
        return self

    def assign_add(self, value: Any) -> "Variable":
        """Adds to all values, in place."""
        with torch.no_grad():
            self.add_(_as_tensor(value, self.dtype, self.device))
        return self

    def assign_sub(self, value: Any) -> "Variable":
        """Subtracts from all values, in place."""
        with torch.no_grad():
            self.sub_(_as_tensor(value, self.dtype, self.device))
        return self

    def numpy(self, *, force: bool = True) -> np.ndarray[Any, Any]:
        """The values as an array, a copy."""
        del force  # torch's argument; Keras's variables always allow it
        values = self.detach().cpu()
        return (values.float() if values.dtype == torch.bfloat16 else values).numpy().copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return self.numpy() if dtype is None else self.numpy().astype(dtype)

    def like(self, data: Tensor) -> "Variable":
        """A variable with the values `data` and everything else as here."""
        return _rebuild(data, self.requires_grad, self._attributes())

    def __deepcopy__(self, memo: dict[int, Any]) -> "Variable":
        if id(self) not in memo:
            memo[id(self)] = self.like(self.detach().clone(memory_format=torch.preserve_format))
        copied: Variable = memo[id(self)]
        return copied

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild, (self.data, self.requires_grad, self._attributes())

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]  # torch's stub lacks the name
        shape, dtype = tuple(self.shape), standardize_dtype(self.dtype)
        return f"<Variable path={self.path}, shape={shape}, dtype={dtype}, value={self.detach().cpu().tolist()}>"

    def _attributes(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _ATTRIBUTES}


class VariableModule(torch.nn.Module):
    """A module whose variables stay `Variable`s when it moves: `.to()`, `.half()`, `.to_empty()`."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "VariableModule":
        tables: tuple[dict[str, Any], ...] = (self._parameters, self._buffers)
        held = [dict(table) for table in tables]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's is untyped
        for table, before in zip(tables, held, strict=True):
            for name, old in before.items():
                if isinstance(old, Variable) and table[name] is not old:
                    table[name] = _moved(old, table[name])
        return self


def _moved(old: Variable, new: Tensor) -> Variable:
    """`old` with the values of `new`: the same object where torch can do that, so that other references follow."""
    if torch._has_compatible_shallow_copy_type(old, new):
        old.data = new.detach()
        return old
    return old.like(new)


def _rebuild(data: Tensor, requires_grad: bool, attributes: dict[str, Any]) -> Variable:
    plain = data.detach()
    variable = torch.Tensor._make_subclass(Variable, plain, requires_grad)
    for name, value in attributes.items():
        setattr(variable, name, value)
    return variable


def _start_values(initializer: Any, shape: Sequence[int] | None, dtype: Any) -> Tensor:
    if callable(initializer):
        if shape is None:
            raise InvalidArgumentError("`shape` is needed when `initializer` is a function. Received: shape=None")
        spend_allowance(math.prod(shape))
        values = initializer(tuple(shape), dtype=standardize_dtype(dtype))
        return _as_tensor(values, to_torch(dtype), None).detach()
    target = None if dtype is None else to_torch(dtype)
    if target is None and not isinstance(initializer, Tensor | np.ndarray):
        target = to_torch(None)
    return _as_tensor(initializer, target, None).detach().clone()


def _as_tensor(value: Any, dtype: torch.dtype | None, device: torch.device | None) -> Tensor:
    if isinstance(value, Tensor):
        return value.to(device=device, dtype=dtype)
    return torch.as_tensor(np.asarray(value), dtype=dtype, device=device)
