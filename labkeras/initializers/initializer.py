"""Initializer: what makes the start values of a weight."""

from collections.abc import Callable, Sequence
from typing import Any, Self, TypeAlias

from torch import Tensor

from labkeras.serialization import register_base

__all__ = ["Initializer", "InitializerFunction"]

InitializerFunction: TypeAlias = Callable[..., Tensor]
"""An `Initializer`, or any function of `(shape, dtype=None)`."""


class Initializer:
    """Base of all initializers: a function of a shape and a data type, with settings.

    A subclass has `__call__`, and `get_config` if it has arguments.

    Example:
        >>> class Halves(Initializer):
        ...     def __call__(self, shape, dtype=None):
        ...         return torch.full(shape, 0.5)
        >>> Halves()((2,))
        tensor([0.5000, 0.5000])
    """

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        """Start values.

        Args:
            shape: sizes of the weight's axes.
            dtype: data type of the values; `floatx` unless given.
        """
        raise NotImplementedError(
            f"{type(self).__name__} is an Initializer, so it must define `__call__(shape, dtype)`"
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The initializer that `get_config` described."""
        return cls(**config)

    def clone(self) -> Self:
        """A new initializer with the same settings."""
        return self.from_config(self.get_config())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_config().items())})"


register_base("initializers", Initializer)
