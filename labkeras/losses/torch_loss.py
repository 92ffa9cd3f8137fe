"""torch's own losses, called the Keras way."""

import copy
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor

from labkeras.distribution.replicas import weighed
from labkeras.errors import InvalidArgumentError, SerializationError
from labkeras.losses.loss import Loss
from labkeras.naming import to_snake_case
from labkeras.ops.conversion import to_tensor
from labkeras.ops.ranks import squeeze_or_expand_to_same_rank

__all__ = ["TorchLoss"]


class TorchLoss(Loss):
    """A loss of torch, such as `torch.nn.CrossEntropyLoss()`, as `loss(y_true, y_pred)`.

    torch takes the prediction first: it is called as `module(y_pred, y_true)`. Its other conventions stay: classes are
    at axis 1, class numbers are integers, the mean is the module's own. Class numbers of shape (batch, 1) lose their
    last axis, and targets of the predictions' shape take the predictions' data type, as torch would have it.

    With sample weights, and with a mask, the module's own `reduction` gives way to "none", and its losses are weighed
    and then averaged (or summed, if it says "sum").

    Args:
        module: a `torch.nn.Module`, or a function of `torch.nn.functional`.
        name: its name; that of the module's class, in snake case, unless given.

    Raises:
        InvalidArgumentError: when called with weights, if the module has no `reduction` to turn off.

    Example:
        >>> TorchLoss(torch.nn.CrossEntropyLoss())([1], torch.tensor([[0.0, 0.0]]))
        tensor(0.6931)
    """

    def __init__(self, module: Any, name: str | None = None) -> None:
        self.module = module
        self._unreduced = _without_reduction(module)
        reduction = getattr(module, "reduction", "mean")
        own_name = getattr(module, "__name__", type(module).__name__)
        super().__init__(
            name=name or to_snake_case(own_name),
            reduction=reduction if reduction in ("sum", "none") else "sum_over_batch_size",
        )

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Tensor:
        if sample_weight is not None or getattr(y_pred, "_keras_mask", None) is not None:
            return super().__call__(y_true, y_pred, sample_weight)
        y_pred = to_tensor(y_pred)
        loss: Tensor = self._on_device(self.module, y_pred)(y_pred, _torch_targets(y_true, y_pred))
        return weighed(loss, self.reduction)

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        if self._unreduced is None:
            raise InvalidArgumentError(
                f"{self.name!r} cannot weigh samples: torch's loss gives one number for the whole batch. Leave "
                f"`sample_weight` out, or use a loss that has `reduction`. Received: {self.module!r}"
            )
        losses: Tensor = self._on_device(self._unreduced, y_pred)(y_pred, _torch_targets(y_true, y_pred))
        return losses

    def cast(self, values: Any, device: torch.device | None = None) -> Any:
        return to_tensor(values, device=device)

    def get_config(self) -> dict[str, Any]:
        raise SerializationError(
            "torch's losses have no config to be saved by: use one of `labkeras.losses`, or register a class of your "
            f"own with `labkeras.saving.register_keras_serializable()`. Received: {self.module!r}"
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        raise SerializationError("torch's losses have no config to be made from.")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.module!r}, name={self.name!r})"

    def _on_device(self, module: Any, y_pred: Tensor) -> Any:
        """The module, with its class weights and the like where the predictions are."""
        if isinstance(module, torch.nn.Module):
            first = next(iter(module._buffers.values()), None)
            if first is not None and first.device != y_pred.device:
                module.to(y_pred.device)
        return module


def _without_reduction(module: Any) -> Any:
    """The same loss with a value for each sample; None if it cannot have that."""
    if not isinstance(module, torch.nn.Module):
        return partial(module, reduction="none")
    if not hasattr(module, "reduction"):
        return None
    unreduced = copy.copy(module)
    unreduced.__dict__["reduction"] = "none"
    return unreduced


def _torch_targets(y_true: Any, y_pred: Tensor) -> Tensor:
    targets = to_tensor(y_true, device=y_pred.device)
    if targets.ndim == y_pred.ndim and targets.shape[-1:] == (1,) and y_pred.shape[-1:] != (1,):
        targets = targets.squeeze(-1)
    targets, _ = squeeze_or_expand_to_same_rank(targets, y_pred)
    if targets.shape == y_pred.shape:
        return targets.to(y_pred.dtype)
    return targets if targets.is_floating_point() else targets.long()
