"""Concatenate: several tensors joined along an axis."""

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import KerasTensor, Shape
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.merging.merge import check_shapes, masks_of, merged_dtype, require_list

__all__ = ["Concatenate", "concatenate"]


class Concatenate(Layer):
    """Joins tensors along an axis; it is called on a list of them.

    Args:
        axis: the axis to join along; negative ones count from the last.

    Shapes:
        inputs: a list of tensors of one shape, but for the size of `axis`
        output: the same shape, with the sum of the sizes of `axis`

    Example:
        >>> Concatenate()([torch.ones(2, 3), torch.ones(2, 5)]).shape
        torch.Size([2, 8])
    """

    def __init__(self, axis: int = -1, **base: Unpack[LayerOptions]) -> None:
        super().__init__(**base)
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise InvalidArgumentError(f"`axis` must be an integer. Received: axis={axis!r}")
        self.axis = axis
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.compute_output_shape(input_shape)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        require_list(inputs, self.name)
        try:
            return torch.cat(tuple(inputs), dim=self.axis)
        except (RuntimeError, IndexError):
            self.compute_output_shape([tuple(tensor.shape) for tensor in inputs])  # raises if the shapes are to blame
            raise

    def compute_output_shape(self, input_shape: Any) -> Shape:
        shapes = check_shapes(input_shape, self.name)
        rank = len(shapes[0])
        if any(len(shape) != rank for shape in shapes) or not -rank <= self.axis < rank:
            raise self._misfit(shapes)
        columns = [_merged(sizes) for sizes in zip(*shapes, strict=True)]
        joined = [shape[self.axis] for shape in shapes]
        columns[self.axis] = None if None in joined else sum(size for size in joined if size is not None)
        if -1 in columns:
            raise self._misfit(shapes)
        return tuple(columns)

    def compute_output_spec(self, inputs: Sequence[KerasTensor]) -> KerasTensor:
        require_list(inputs, self.name)
        return KerasTensor(self.compute_output_shape([tensor.shape for tensor in inputs]), merged_dtype(self, inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = masks_of(inputs, mask, self.name)
        if masks is None:
            return None
        rank = len(inputs[0].shape)
        columns = [_column(tensor, one) for tensor, one in zip(inputs, masks, strict=True)]
        # What is joined along the last axis is masked only where all parts are.
        axis = self.axis if self.axis >= 0 else self.axis + rank
        return torch.cat(columns, dim=axis).any(dim=-1)

    def _misfit(self, shapes: list[Shape]) -> InvalidInputError:
        return InvalidInputError(
            f"the inputs of layer {self.name!r} must have one shape, but for the axis to join along, axis={self.axis}. "
            f"Received: shapes {shapes}"
        )


def concatenate(inputs: Sequence[Any], axis: int = -1, **options: Unpack[LayerOptions]) -> Any:
    """Several tensors or placeholders joined along an axis, by a `Concatenate` layer.

    Args:
        inputs: a list of them.
        axis: the axis to join along; negative ones count from the last.
        options: arguments that every layer takes, such as `name`.

    Example:
        >>> concatenate([torch.ones(2, 3), torch.ones(2, 5)]).shape
        torch.Size([2, 8])
    """
    return Concatenate(axis=axis, **options)(inputs)


def _merged(sizes: tuple[int | None, ...]) -> int | None:
    """The size that all agree on, None if none is known, -1 if they differ."""
    known = {size for size in sizes if size is not None}
    return known.pop() if len(known) == 1 else -1 if known else None


def _column(tensor: Any, mask: Any) -> Any:
    """A mask for each element of `tensor`'s axes, the last one shrunk to 1: no mask means that all count."""
    if mask is None:
        return torch.ones_like(tensor[..., :1], dtype=torch.bool)
    if len(mask.shape) < len(tensor.shape):
        return mask.unsqueeze(-1)
    return mask.any(dim=-1, keepdim=True)
