"""Loss: the base of all losses. A loss is called as `loss(y_true, y_pred, sample_weight)`."""

from typing import Any, Self

import torch
from torch import Tensor

from labkeras import config, dtypes, nest, serialization
from labkeras.distribution.replicas import weighed
from labkeras.losses.reduction import reduce_weighted_values, standardize_reduction
from labkeras.naming import auto_name
from labkeras.ops.conversion import to_tensor
from labkeras.ops.weighting import keras_mask

__all__ = ["Loss"]


class Loss:
    """A loss: write `call(y_true, y_pred)`, which gives a value for each sample; weights and means are done here.

    Args:
        name: its name; the class's, in snake case, unless given.
        reduction: what becomes of the values: "sum_over_batch_size" or "mean" (their mean), "sum",
            "mean_with_sample_weight" (their mean, weighed), "none" or None (left as they are).
        dtype: the data type that is computed in, or a dtype policy; `floatx` unless given.

    Shapes:
        y_true, y_pred: (batch, …)
        sample_weight: (batch,), or with further axes of what `call` returns
        result: (); with reduction "none", what `call` returns

    Example:
        >>> class Gap(Loss):
        ...     def call(self, y_true, y_pred):
        ...         return (y_true - y_pred).abs().mean(-1)
        >>> Gap()([[1.0], [3.0]], [[1.0], [1.0]])
        tensor(1.)
    """

    def __init__(
        self, name: str | None = None, reduction: str | None = "sum_over_batch_size", dtype: Any = None
    ) -> None:
        self.name = name or auto_name(type(self).__name__)
        self.reduction = standardize_reduction(reduction)
        self._dtype_policy = dtypes.get(dtype or config.floatx())
        self._torch_dtype = self._dtype_policy.torch_compute_dtype

    @property
    def dtype(self) -> str:
        """The data type that is computed in."""
        return self._dtype_policy.compute_dtype

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        mask = keras_mask(y_pred)
        device = y_pred.device if isinstance(y_pred, Tensor) else None
        y_pred = self.cast(y_pred)
        y_true = self.cast_targets(y_true, device)
        if sample_weight is None and mask is None:
            mean = self.mean_over_batch(y_true, y_pred)
            if mean is not None:
                return weighed(mean, self.reduction)
        values = to_tensor(self.call(y_true, y_pred))
        if sample_weight is not None:
            sample_weight = to_tensor(sample_weight, self._torch_dtype, values.device)
        mask = _both(mask, keras_mask(values))
        values = values.to(self._torch_dtype)
        return reduce_weighted_values(values, sample_weight, mask, self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of each sample.

        Args:
            y_true: the truth, as tensors of this loss's data type.
            y_pred: the predictions, as tensors of this loss's data type.
        """
        raise NotImplementedError(f"{type(self).__name__} must have a method `call(y_true, y_pred)`.")

    def mean_over_batch(self, y_true: Any, y_pred: Any) -> Tensor | None:
        """The reduced loss where it is nothing but a mean and torch has one call for it; None otherwise."""
        return None

    def cast(self, values: Any, device: torch.device | None = None) -> Any:
        """A tensor, array or list, or a structure of them, as tensors of this loss's data type."""
        if isinstance(values, Tensor):
            return values if values.dtype is self._torch_dtype else values.to(self._torch_dtype)
        if _is_structure(values):
            return nest.map_structure(lambda leaf: self.cast(leaf, device), values)
        return to_tensor(values, self._torch_dtype, device)

    def cast_targets(self, y_true: Any, device: torch.device | None = None) -> Any:
        """`y_true` as `call` is to get it: cast, unless a loss has a use for whole numbers."""
        return self.cast(y_true, device)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal loss."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The loss that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def _is_structure(values: Any) -> bool:
    """Whether `values` holds several tensors, rather than being one written as nested lists of numbers."""
    if isinstance(values, dict):
        return True
    leaf = values
    while isinstance(leaf, list | tuple) and leaf:
        leaf = leaf[0]
    return isinstance(values, list | tuple) and not isinstance(leaf, bool | int | float)


def _both(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    if a is None or b is None:
        return b if a is None else a
    return a & b


serialization.register_base("losses", Loss)
