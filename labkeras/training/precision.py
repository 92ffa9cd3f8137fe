"""Whether the types of a model's policies and the precision of a Trainer go together."""

from typing import Any

import torch

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers import LossScaleOptimizer

__all__ = ["check_honoured", "check_precision"]

# Lightning's precision → the mixed policy that asks for the same.
_SAME = {"16-mixed": "mixed_float16", "bf16-mixed": "mixed_bfloat16"}


def check_precision(model: torch.nn.Module, optimizer: Any, precision: str) -> None:
    """Raises if a model is told two things by its policies and by Lightning.

    Args:
        model: the model, before Lightning has moved it to another type.
        optimizer: its optimizer.
        precision: that of the Trainer, as Lightning writes it: "32-true", "16-mixed", …

    Raises:
        InvalidArgumentError: if layers compute in another type than Lightning wants, or the loss would be scaled twice.
    """
    if precision == "32-true":
        return  # Lightning's default: it leaves everything as it is
    mixed = {policy.name for policy in map(_policy, model.modules()) if policy is not None and policy.is_mixed}
    others = sorted(mixed - {_SAME.get(precision)})
    if others:
        raise InvalidArgumentError(
            f"the model has layers whose dtype policy is {' and '.join(map(repr, others))}, and the Trainer has a "
            "precision of its own: make the model under the policy 'float32', or leave `precision` out. "
            f"Received: precision={precision!r}"
        )
    if precision == "16-mixed" and isinstance(optimizer, LossScaleOptimizer):
        raise InvalidArgumentError(
            "the loss would be scaled twice, by LossScaleOptimizer and by Lightning: leave `precision` out, or compile "
            f"with `auto_scale_loss=False`. Received: precision={precision!r}, optimizer={optimizer!r}"
        )


def check_honoured(wanted: Any, got: str) -> None:
    """Raises if Lightning took another precision than it was told, as it does for float16 on the CPU.

    Args:
        wanted: the precision that the user named, if any.
        got: that of the Trainer.

    Raises:
        InvalidArgumentError: if they are not the same.
    """
    if str(wanted) in ("16", "16-mixed") and got == "bf16-mixed":
        raise InvalidArgumentError(
            "Lightning's mixed precision in float16 needs a GPU: take 'bf16-mixed', or make the model under the policy "
            f"'mixed_float16', which runs everywhere. Received: precision={wanted!r}"
        )


def _policy(module: torch.nn.Module) -> Any:
    return getattr(module, "dtype_policy", None)
