"""What the layers that merge several tensors share: checks of their inputs, shapes and masks."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labkeras.dtypes import standardize_dtype, to_torch
from labkeras.errors import InvalidInputError
from labkeras.graph.symbolic import Shape
from labkeras.layers.layer import kept_dtype

__all__ = ["aligned", "broadcast_shape", "check_shapes", "masks_of", "merged_dtype", "require_list"]


def require_list(inputs: Any, layer_name: str) -> None:
    """Raises if a merging layer was called on something other than a list of tensors."""
    if not isinstance(inputs, list | tuple) or not inputs:
        what = f"one tensor of shape {tuple(inputs.shape)}" if hasattr(inputs, "shape") else repr(inputs)
        raise InvalidInputError(
            f"layer {layer_name!r} merges tensors, so it must be called on a list of at least one. Received: {what}"
        )


def check_shapes(input_shape: Any, layer_name: str) -> list[Shape]:
    """The shapes of a merging layer's inputs, as a list of tuples.

    Raises:
        InvalidInputError: if it is one shape, or their batch sizes differ.
    """
    if not isinstance(input_shape, list | tuple) or not all(isinstance(shape, list | tuple) for shape in input_shape):
        raise InvalidInputError(
            f"layer {layer_name!r} merges tensors, so it must be called on a list of them. "
            f"Received: one tensor of shape {input_shape}"
        )
    shapes = [tuple(shape) for shape in input_shape]
    if not shapes or not all(shapes):
        raise InvalidInputError(
            f"layer {layer_name!r} needs at least one input, and a batch axis in each. Received: shapes {shapes}"
        )
    return shapes


def broadcast_shape(shapes: Sequence[Shape], layer_name: str) -> Shape:
    """The shape of an element-wise result: axes of size 1 are stretched, missing axes are added after the batch.

    Raises:
        InvalidInputError: if two sizes of an axis differ and neither is 1.
    """
    if len({shape[0] for shape in shapes} - {None}) > 1:
        raise InvalidInputError(
            f"the inputs of layer {layer_name!r} must have one batch size. Received: shapes {list(map(tuple, shapes))}"
        )
    rank = max(len(shape) for shape in shapes)
    batch = next((shape[0] for shape in shapes if shape[0] is not None), None)
    rows = [(1,) * (rank - len(shape)) + tuple(shape[1:]) for shape in shapes]
    return (batch, *(_merged_size(sizes, shapes, layer_name) for sizes in zip(*rows, strict=True)))


def aligned(inputs: Sequence[Tensor]) -> Sequence[Tensor]:
    """The inputs with axes of size 1 after the batch, so that all have the same number of axes."""
    rank = max(tensor.ndim for tensor in inputs)
    return [
        tensor
        if tensor.ndim == rank
        else tensor.reshape(tensor.shape[0], *(1,) * (rank - tensor.ndim), *tensor.shape[1:])
        for tensor in inputs
    ]


def masks_of(inputs: Any, mask: Any, layer_name: str) -> list[Any] | None:
    """The masks of a merging layer's inputs, None for an input without one; None if no input has one."""
    if mask is None:
        return None
    if not isinstance(mask, list | tuple) or not isinstance(inputs, list | tuple) or len(mask) != len(inputs):
        raise InvalidInputError(
            f"layer {layer_name!r} takes a list of masks, one (or None) for each of its inputs. Received: mask={mask!r}"
        )
    return list(mask) if any(one is not None for one in mask) else None


def merged_dtype(layer: Any, inputs: Sequence[Any]) -> str:
    """The type that torch gives a merge of these tensors or placeholders, once a layer has cast them."""
    dtypes = [to_torch(kept_dtype(layer, tensor)) for tensor in inputs]
    result = dtypes[0]
    for dtype in dtypes[1:]:
        result = torch.promote_types(result, dtype)
    return standardize_dtype(result)


def _merged_size(sizes: tuple[int | None, ...], shapes: Sequence[Shape], layer_name: str) -> int | None:
    known = {size for size in sizes if size not in (1, None)}
    if len(known) > 1:
        raise InvalidInputError(
            f"the inputs of layer {layer_name!r} must have the same shape, or sizes of 1 where they differ. "
            f"Received: shapes {list(map(tuple, shapes))}"
        )
    if known:
        return known.pop() if None not in sizes else None
    return None if None in sizes else 1
