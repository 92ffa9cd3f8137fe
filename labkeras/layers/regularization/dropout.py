"""Dropout: in training, a random part of the inputs becomes zero."""

from collections.abc import Sequence
from typing import Unpack

import torch.nn.functional as F
from torch import Tensor

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import Shape
from labkeras.layers.arguments import fraction
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.random import SeedGenerator
from labkeras.ranges import Fraction

__all__ = ["Dropout"]


class Dropout(Layer):
    """In training sets a random part of the inputs to zero, and scales up the rest so that the expected sum stays.

    Args:
        rate: fraction of the inputs to zero, in [0, 1].
        noise_shape: shape of the mask, None for the input's own size: with (None, 1, 8) for inputs (batch, time, 8), a
            feature is kept or dropped for all time steps alike.
        seed: start of the layer's own stream of random numbers; with None it draws from torch's global generator.

    Shapes:
        inputs: any
        output: that of the inputs

    Reference:
        Srivastava et al. (2014), Dropout: A Simple Way to Prevent Neural Networks from Overfitting.

    Example:
        >>> Dropout(0.5)(torch.ones(2, 3), training=False)
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """

    _keeps_dtype = True

    def __init__(
        self,
        rate: Fraction,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**base)
        self.rate = fraction(rate, "rate")
        self.noise_shape = _checked(noise_shape)
        self.seed = seed
        if rate > 0:
            self.seed_generator = SeedGenerator(seed)
        self.supports_masking = True
        self.built = True

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        if not training or self.rate == 0:
            return inputs
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute_dtype)
        if self.rate == 1 or (self.noise_shape is None and self.seed is None):
            return F.dropout(inputs, self.rate)
        is_kept = self.seed_generator.uniform(self._noise_sizes(inputs), inputs.device) < 1 - self.rate
        return (inputs * is_kept).div_(1 - self.rate)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def _noise_sizes(self, inputs: Tensor) -> Sequence[int]:
        """The sizes of the mask, each that of the inputs or 1."""
        if self.noise_shape is None:
            return inputs.shape
        if len(self.noise_shape) != inputs.ndim or any(
            wanted not in (None, 1, size) for wanted, size in zip(self.noise_shape, inputs.shape, strict=True)
        ):
            raise InvalidInputError(
                f"the noise_shape={self.noise_shape} of layer {self.name!r} must have the input's sizes, or 1 or None. "
                f"Received: input shape {tuple(inputs.shape)}"
            )
        return [size if wanted is None else wanted for wanted, size in zip(self.noise_shape, inputs.shape, strict=True)]


def _checked(noise_shape: Sequence[int | None] | None) -> tuple[int | None, ...] | None:
    if noise_shape is None:
        return None
    if (
        isinstance(noise_shape, str)
        or not isinstance(noise_shape, Sequence)
        or not all(size is None or (type(size) is int and size > 0) for size in noise_shape)
    ):
        raise InvalidArgumentError(
            f"`noise_shape` must be a tuple of positive integers and None. Received: noise_shape={noise_shape!r}"
        )
    return tuple(noise_shape)
