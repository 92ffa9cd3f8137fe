"""Initializers that leave nothing to chance: one value everywhere, given values, the identity matrix."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from labkeras.dtypes import to_torch
from labkeras.errors import InvalidArgumentError
from labkeras.initializers.initializer import Initializer
from labkeras.serialization import deserialize_keras_object, serialize_keras_object

__all__ = [
    "Constant",
    "GivenValues",
    "Identity",
    "IdentityInitializer",
    "Ones",
    "Zeros",
    "constant",
    "identity",
    "ones",
    "zeros",
]


class Zeros(Initializer):
    """0 everywhere.

    Example:
        >>> Zeros()((3,))
        tensor([0., 0., 0.])
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return torch.zeros(shape, dtype=to_torch(dtype))


class Ones(Initializer):
    """1 everywhere.

    Example:
        >>> Ones()((3,))
        tensor([1., 1., 1.])
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return torch.ones(shape, dtype=to_torch(dtype))


class Constant(Initializer):
    """One value everywhere.

    Args:
        value: a number; also an array, list or tensor that broadcasts to the shape.

    Example:
        >>> Constant(0.5)((3,))
        tensor([0.5000, 0.5000, 0.5000])
    """

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        if isinstance(self.value, bool | int | float):
            return torch.full(shape, self.value, dtype=to_torch(dtype))
        given = self.value if isinstance(self.value, Tensor) else torch.from_numpy(np.array(self.value))
        values = torch.empty(shape, dtype=to_torch(dtype))
        try:
            return values.copy_(given.detach())
        except RuntimeError as error:
            raise InvalidArgumentError(
                f"the value of Constant must broadcast to the weight's shape. "
                f"Received: shape={tuple(shape)}, value of shape {tuple(given.shape)}"
            ) from error

    def get_config(self) -> dict[str, Any]:
        return {"value": serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(deserialize_keras_object(config.get("value", 0.0)))


class GivenValues(Constant):
    """The values of an array or tensor, for a weight of just its shape: what `initializers.get(array)` returns.

    In a config it is a `Constant`, as which Keras reads it.

    Args:
        value: the values.
    """

    _keras_public_name = ("keras.initializers", "Constant")

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        if tuple(shape) != tuple(self.value.shape):
            raise InvalidArgumentError(
                f"values given as an initializer are for a weight of their shape, {tuple(self.value.shape)}. "
                f"Received: shape={tuple(shape)}"
            )
        return super().__call__(shape, dtype)


class Identity(Initializer):
    """The identity matrix times a factor; for weights with two axes.

    Args:
        gain: the value on the diagonal.

    Example:
        >>> Identity()((2, 3))
        tensor([[1., 0., 0.],
                [0., 1., 0.]])
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        if len(shape) != 2:
            raise InvalidArgumentError(f"Identity is for weights with two axes. Received: shape={tuple(shape)}")
        return torch.eye(*shape, dtype=to_torch(dtype)).mul_(self.gain)

    def get_config(self) -> dict[str, Any]:
        # Differs from Keras: its config never has the gain, so that a saved one comes back as 1.
        return {} if self.gain == 1 else {"gain": self.gain}


# Keras's second names.
constant = Constant
IdentityInitializer = Identity
identity = Identity
ones = Ones
zeros = Zeros
