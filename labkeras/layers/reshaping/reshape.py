"""Reshape: the same values in another shape."""

import math
from collections.abc import Sequence
from typing import Unpack

import numpy as np
from torch import Tensor

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import Shape
from labkeras.layers.layer import Layer, LayerOptions

__all__ = ["Reshape"]


class Reshape(Layer):
    """Gives each example of the batch another shape; the values stay in their order.

    Args:
        target_shape: sizes without the batch, non-negative integers; one of them may be -1, or None: what is left.

    Shapes:
        inputs: (batch, …)
        output: (batch, *target_shape)

    Example:
        >>> Reshape((-1, 3))(torch.ones(2, 12)).shape
        torch.Size([2, 4, 3])
    """

    _keeps_dtype = True

    def __init__(self, target_shape: Sequence[int | None], **base: Unpack[LayerOptions]) -> None:
        super().__init__(**base)
        self.target_shape = _checked(target_shape)
        self._sizes = tuple(-1 if size is None else size for size in self.target_shape)
        self.built = True

    def call(self, inputs: Tensor) -> Tensor:
        batch, *sizes = inputs.shape
        shape = self._sizes
        if -1 in shape:
            # torch could work it out, but not for an empty batch.
            shape = _without_rest(shape, math.prod(sizes))
        try:
            return inputs.reshape((batch, *shape))
        except RuntimeError as error:
            raise self._misfit(tuple(sizes)) from error

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sizes = input_shape
        known = [size for size in sizes if size is not None]
        if len(known) < len(sizes):
            return (batch, *(None if size == -1 else size for size in self._sizes))
        shape = _without_rest(self._sizes, math.prod(known))
        if math.prod(shape) != math.prod(known):
            raise self._misfit(tuple(sizes))
        return (batch, *shape)

    def _misfit(self, sizes: Shape) -> InvalidInputError:
        return InvalidInputError(
            f"layer {self.name!r} cannot give inputs of the shape {sizes}, without the batch, its target_shape="
            f"{self.target_shape}: the number of values must stay the same. Received: input shape {(None, *sizes)}"
        )


def _without_rest(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    """`shape` with the size that -1 stands for, if `count` values are to be held."""
    others = math.prod([size for size in shape if size != -1])
    return tuple(count // max(others, 1) if size == -1 else size for size in shape)


def _checked(target_shape: Sequence[int | None]) -> tuple[int | None, ...]:
    is_sequence = isinstance(target_shape, Sequence) and not isinstance(target_shape, str)
    if not is_sequence or not all(map(_is_size, target_shape)) or sum(size in (-1, None) for size in target_shape) > 1:
        raise InvalidArgumentError(
            "`target_shape` must be a tuple of non-negative integers, one of which may be -1. "
            f"Received: target_shape={target_shape!r}"
        )
    return tuple(None if size is None else int(size) for size in target_shape)


def _is_size(size: object) -> bool:
    return size is None or (isinstance(size, int | np.integer) and not isinstance(size, bool) and int(size) >= -1)
