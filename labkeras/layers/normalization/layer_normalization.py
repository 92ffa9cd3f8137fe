"""LayerNormalization: each example to mean 0 and variance 1, then a learned scale and offset."""

import warnings
from collections.abc import Sequence
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import constraints, initializers, regularizers
from labkeras.errors import InvalidInputError, InvalidTypeError
from labkeras.graph.symbolic import Shape
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import Layer, LayerOptions

__all__ = ["LayerNormalization"]


class LayerNormalization(Layer):
    """Normalizes each example over some of its axes: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.

    Args:
        axis: the axis, or list of axes, over which mean and variance are taken; `gamma` and `beta` have their sizes.
        epsilon: added to the variance, so that nothing is divided by zero; a positive number.
        center: whether to add the learned offset `beta`.
        scale: whether to multiply by the learned `gamma`.
        beta_initializer, gamma_initializer: start values, of the sizes of `axis`.
        beta_regularizer, gamma_regularizer: penalties, added to the loss.
        beta_constraint, gamma_constraint: functions that they go through after each update.
        rms_scaling: only divides by the standard deviation, nothing is subtracted or added. Deprecated, as in Keras: it
            is not RMS normalization.

    Shapes:
        inputs: any, the sizes of `axis` known
        output: that of the inputs

    Reference:
        Ba, Kiros, Hinton (2016), Layer Normalization, arXiv:1607.06450.

    Example:
        >>> LayerNormalization(epsilon=1e-9)(torch.tensor([[1.0, 3.0]]))
        tensor([[-1.,  1.]], grad_fn=<NativeLayerNormBackward0>)
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        rms_scaling: bool = False,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**base)
        if rms_scaling:
            warnings.warn(
                "LayerNormalization: `rms_scaling` divides by the standard deviation, not by the root mean square; it "
                "is kept for old models.",
                DeprecationWarning,
                stacklevel=3,
            )
        self.axis = _checked(axis)
        self.epsilon = epsilon
        self.center = center
        self.scale = scale
        self.rms_scaling = rms_scaling
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.supports_masking = True
        # Narrow floats are normalized in float32, so they are not cast beforehand.
        self.autocast = False

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        # A list from here on, and sorted as it was written: Keras's config says so too.
        self.axis = axes = sorted(self._listed_axes())
        shape = tuple(input_shape[axis] for axis in axes)
        self.gamma = self.beta = None
        if self.scale or self.rms_scaling:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center and not self.rms_scaling:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )
        self._plan(input_shape, axes)

    def call(self, inputs: Tensor) -> Tensor:
        gamma: Tensor | None = self.gamma
        beta: Tensor | None = self.beta
        weight = gamma if gamma is not None else beta
        x = inputs
        if not x.is_floating_point() or (weight is not None and weight.dtype is not x.dtype):
            x, gamma, beta = _widened(x, gamma, beta)
        outputs = self._normalize(x, gamma, beta)
        dtype = self.dtype_policy.torch_compute_dtype
        return outputs if outputs.dtype is dtype else outputs.to(dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        rank = len(input_shape)
        axes = self._listed_axes()
        if any(not -rank <= axis < rank for axis in axes) or len({axis % rank for axis in axes}) < len(axes):
            raise InvalidInputError(
                f"layer {self.name!r} normalizes axis={self.axis}: the inputs must have these axes, each named once. "
                f"Received: input shape {tuple(input_shape)}"
            )
        return tuple(input_shape)

    def _listed_axes(self) -> list[int]:
        return [self.axis] if isinstance(self.axis, int) else list(self.axis)

    def _plan(self, input_shape: Shape, axes: list[int]) -> None:
        """Where the axes are, and how to bring them to the end, where torch's kernel takes them."""
        rank = len(input_shape)
        places = tuple(axis % rank for axis in axes)
        self._axes = tuple(sorted(places))
        self._sizes = tuple(input_shape[axis] or 0 for axis in self._axes)
        self._are_last = places == tuple(range(rank - len(places), rank))
        self._order = (*(axis for axis in range(rank) if axis not in places), *self._axes)
        self._back = tuple(self._order.index(axis) for axis in range(rank))
        # The last axes, counted from the end, are there whatever the number of axes before them.
        ndim = None if self._are_last and all(axis < 0 for axis in axes) else rank
        self.input_spec = InputSpec(ndim=ndim, axes={axis: input_shape[axis] for axis in axes})

    def _normalize(self, x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
        if self.rms_scaling:
            scaled = x * torch.rsqrt(x.var(self._axes, correction=0, keepdim=True) + self.epsilon)
            sizes = [size if axis in self._axes else 1 for axis, size in enumerate(x.shape)]
            return scaled if gamma is None else scaled * gamma.reshape(sizes)
        if self._are_last:
            return F.layer_norm(x, self._sizes, gamma, beta, self.epsilon)
        gamma, beta = (None if weight is None else weight.reshape(self._sizes) for weight in (gamma, beta))
        return F.layer_norm(x.permute(self._order), self._sizes, gamma, beta, self.epsilon).permute(self._back)


def _widened(x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """All three in one type, float32 at least."""
    dtype = torch.promote_types(x.dtype, torch.float32)
    return x.to(dtype), None if gamma is None else gamma.to(dtype), None if beta is None else beta.to(dtype)


def _checked(axis: int | Sequence[int]) -> int | list[int]:
    if isinstance(axis, int) and not isinstance(axis, bool):
        return axis
    if isinstance(axis, list | tuple) and axis and all(type(one) is int for one in axis):
        return list(axis)
    raise InvalidTypeError(f"`axis` must be an integer or a list of them. Received: axis={axis!r}")
