"""Gradients before an update: checked and cut to size. Those given stay as they are: they may be `parameter.grad`."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers.batch import Batch, Piece

__all__ = [
    "accumulated",
    "as_gradient",
    "check_matching",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "clipped",
    "reduced",
    "refuse_sparse",
]


def accumulated(pieces: list[Piece], batches: Sequence[Batch], steps: int, iteration: int) -> list[Piece]:
    """The mean of the gradients of `steps` steps, in the last of them; until then adds to the sums, and gives nothing.

    Args:
        pieces: the parameters that have a gradient in this step.
        batches: all parameters, whose slot "gradient_accumulator" holds the sum.
        steps: the number of steps.
        iteration: the number of steps before this one.
    """
    sums = [[slots["gradient_accumulator"] for slots in batch.slots] for batch, _ in pieces]
    if (iteration + 1) % steps:
        for sums_of_piece, (_, grads) in zip(sums, pieces, strict=True):
            torch._foreach_add_(sums_of_piece, grads)
        return []
    means = []
    for sums_of_piece, (batch, grads) in zip(sums, pieces, strict=True):
        mean = list(torch._foreach_add(grads, sums_of_piece))
        torch._foreach_div_(mean, steps)
        means.append((batch, mean))
    for batch in batches:
        torch._foreach_zero_([slots["gradient_accumulator"] for slots in batch.slots])
    return means


def reduced(pieces: list[Piece], reduce: Callable[[list[Tensor]], list[Tensor]]) -> list[Piece]:
    """The gradients as `reduce` makes them, all in one call.

    Args:
        pieces: the parameters that have a gradient in this step.
        reduce: takes a list of gradients, and gives as many.
    """
    results = iter(reduce([grad for _, grads in pieces for grad in grads]))
    return [(batch, [next(results) for _ in grads]) for batch, grads in pieces]


def clipped(
    pieces: list[Piece], clipnorm: float | None, global_clipnorm: float | None, clipvalue: float | None
) -> list[Piece]:
    """The gradients, cut by the one limit that is above 0, if any."""
    if clipnorm and clipnorm > 0:
        return [(batch, clip_by_norm(grads, clipnorm)) for batch, grads in pieces]
    if global_clipnorm and global_clipnorm > 0:
        lists = clip_by_global_norm([grads for _, grads in pieces], global_clipnorm)
        return [(batch, grads) for (batch, _), grads in zip(pieces, lists, strict=True)]
    if clipvalue and clipvalue > 0:
        return [(batch, clip_by_value(grads, clipvalue)) for batch, grads in pieces]
    return pieces


def clip_by_norm(grads: list[Tensor], clipnorm: float) -> list[Tensor]:
    """Shortens each gradient whose norm is above `clipnorm` to that norm: `grad * clipnorm / max(norm, clipnorm)`."""
    norms = torch._foreach_norm(grads)
    torch._foreach_clamp_min_(norms, clipnorm)
    clipped = torch._foreach_mul(grads, clipnorm)
    torch._foreach_div_(clipped, norms)
    return list(clipped)


def clip_by_global_norm(lists: Sequence[list[Tensor]], global_clipnorm: float) -> list[list[Tensor]]:
    """Scales all gradients by one factor, so that their common norm is at most `global_clipnorm`.

    If the norm is not finite, all gradients become NaN, as in Keras.

    Args:
        lists: lists of gradients, each of one device and data type.
        global_clipnorm: the highest norm, above 0.
    """
    norms = [norm for grads in lists for norm in torch._foreach_norm(grads)]
    first = norms[0]
    norm = torch.linalg.vector_norm(torch.stack([each.to(first.device, first.dtype) for each in norms]))
    # `norm - norm` is 0, or NaN if the norm is infinite, where the quotient alone would be 0.
    scale = global_clipnorm * torch.clamp(1 / norm, max=1 / global_clipnorm) + (norm - norm)
    return [list(torch._foreach_mul(grads, scale.to(grads[0].device, grads[0].dtype))) for grads in lists]


def clip_by_value(grads: list[Tensor], clipvalue: float) -> list[Tensor]:
    """Brings each element into [-`clipvalue`, `clipvalue`]."""
    clipped = torch._foreach_clamp_max(grads, clipvalue)
    torch._foreach_clamp_min_(clipped, -clipvalue)
    return list(clipped)


def check_matching(params: Sequence[Tensor], grads: Sequence[Any], known: Sequence[Tensor]) -> None:
    """Warns of parameters without a gradient; raises InvalidArgumentError if gradients and parameters don't match.

    Args:
        params: the parameters to update.
        grads: a gradient for each, or None.
        known: the parameters that the optimizer was built with.
    """
    if len(params) != len(grads):
        raise InvalidArgumentError(
            f"there must be one gradient for each variable. Received: {len(grads)} gradients, {len(params)} variables"
        )
    ours = {id(param) for param in known}
    strangers = [_label(param) for param in params if id(param) not in ours]
    if strangers:
        raise InvalidArgumentError(
            "an optimizer updates only the variables that it was built with; make a new one for others. "
            f"Received: {', '.join(strangers)}"
        )
    missing = [_label(param) for param, grad in zip(params, grads, strict=True) if grad is None]
    if len(missing) == len(params):
        raise InvalidArgumentError(
            f"there is no gradient for any variable: does the loss depend on {', '.join(missing)}? "
            f"Received: grads={list(grads)!r}"
        )
    if missing:
        # 4: past this function, `matched` and `apply`.
        warnings.warn(f"there is no gradient for {', '.join(missing)}: the loss does not depend on them.", stacklevel=4)


def refuse_sparse(params: Sequence[Tensor], error: RuntimeError) -> None:
    """Raises InvalidArgumentError from `error` if a gradient is sparse, which the kernels don't take."""
    for param in params:
        if param.grad is not None and param.grad.layout is not torch.strided:
            raise InvalidArgumentError(
                f"the gradient of {_label(param)} is sparse: optimizers take dense ones. Make the embedding with "
                f"`sparse=False`. Received: layout={param.grad.layout}"
            ) from error


def as_gradient(grad: Any, param: Tensor) -> Tensor | None:
    """A gradient in the form that kernels need: of its parameter's device, data type and strides. None stays None."""
    if grad is None:
        return None
    tensor = grad if isinstance(grad, Tensor) else torch.as_tensor(np.asarray(grad))
    if tensor.shape != param.shape:
        raise InvalidArgumentError(
            f"a gradient must have the shape of its variable, {_label(param)}: {tuple(param.shape)}. "
            f"Received: a gradient of shape {tuple(tensor.shape)}"
        )
    if tensor.dtype == param.dtype and tensor.device == param.device and tensor.stride() == param.stride():
        return tensor
    return torch.empty_like(param, requires_grad=False).copy_(tensor)


def _label(param: Tensor) -> str:
    return str(getattr(param, "path", None) or f"a {type(param).__name__} of shape {tuple(param.shape)}")
