"""Add: the sum of several tensors."""

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from labkeras.graph.symbolic import KerasTensor, Shape
from labkeras.layers.joining import is_unobserved, rectifies
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.merging.merge import aligned, broadcast_shape, check_shapes, masks_of, merged_dtype, require_list

__all__ = ["Add", "add"]


class Add(Layer):
    """Adds tensors element by element; it is called on a list of them.

    Shapes:
        inputs: a list of (batch, …); sizes of 1 are stretched, missing axes are added after the batch
        output: (batch, …), the sizes stretched

    Example:
        >>> Add()([torch.ones(2, 3), torch.ones(2, 3)])
        tensor([[2., 2., 2.],
                [2., 2., 2.]])
    """

    def __init__(self, **base: Unpack[LayerOptions]) -> None:
        super().__init__(**base)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        broadcast_shape(check_shapes(input_shape, self.name), self.name)

    def call(self, inputs: Sequence[Tensor]) -> Tensor:
        require_list(inputs, self.name)
        total, *others = aligned(inputs)
        try:
            for tensor in others:
                total = total + tensor
        except RuntimeError:
            broadcast_shape([tuple(tensor.shape) for tensor in inputs], self.name)  # raises if the shapes are to blame
            raise
        return total

    def _takes_along(self, following: Any) -> bool:
        return rectifies(following)

    def _run_with(self, following: Any, inputs: Sequence[Tensor]) -> Tensor:
        """The layer and the rectifier after it, which works in place on the sum."""
        if len(inputs) > 1 and rectifies(following) and is_unobserved(self, following):
            return torch.relu_(self.call(inputs))
        outputs: Tensor = following._run(self._run(inputs))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> Shape:
        return broadcast_shape(check_shapes(input_shape, self.name), self.name)

    def compute_output_spec(self, inputs: Sequence[KerasTensor]) -> KerasTensor:
        require_list(inputs, self.name)
        return KerasTensor(self.compute_output_shape([tensor.shape for tensor in inputs]), merged_dtype(self, inputs))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = masks_of(inputs, mask, self.name)
        if masks is None or any(one is None for one in masks):
            return None
        merged, *others = masks
        for other in others:
            merged = torch.logical_or(merged, other)
        return merged


def add(inputs: Sequence[Any], **options: Unpack[LayerOptions]) -> Any:
    """The sum of several tensors or placeholders, by an `Add` layer.

    Args:
        inputs: a list of them.
        options: arguments that every layer takes, such as `name`.

    Example:
        >>> add([torch.ones(2), torch.ones(2)])
        tensor([2., 2.])
    """
    return Add(**options)(inputs)
