"""Constraint: what a weight is brought back to after each step of training."""

from collections.abc import Callable
from typing import Any, Self, TypeAlias

from torch import Tensor

from labkeras.serialization import register_base

__all__ = ["Constraint", "ConstraintFunction"]

ConstraintFunction: TypeAlias = Callable[[Tensor], Tensor]
"""A `Constraint`, or any function of a weight that returns the weight it should be."""


class Constraint:
    """Base of all constraints: a function of a weight that returns the allowed weight nearest to it, with settings.

    A subclass has `__call__`, and `get_config` if it has arguments. The base itself allows everything.

    Example:
        >>> class AtMostOne(Constraint):
        ...     def __call__(self, w):
        ...         return torch.clamp(w, max=1.0)
        >>> AtMostOne()(torch.tensor([0.5, 2.0]))
        tensor([0.5000, 1.0000])
    """

    def __call__(self, w: Tensor) -> Tensor:
        """The allowed weight.

        Args:
            w: a weight; it is not changed.
        """
        return w

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal constraint."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The constraint that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.get_config().items())})"


register_base("constraints", Constraint)
