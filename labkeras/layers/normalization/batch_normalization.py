"""BatchNormalization: each channel to mean 0 and variance 1 over the batch, then a learned scale and offset."""

import math
from collections.abc import Mapping
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import config, constraints, initializers, regularizers
from labkeras.distribution import replicas
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import Shape
from labkeras.layers.arguments import fraction
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.joining import is_unobserved, rectifies
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.normalization.batch_renorm import RootOf, check_clipping, corrections
from labkeras.ranges import Fraction

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """Normalizes each channel: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.

    In training, mean and variance are those of the batch, and moving averages of them are kept:
    `moving = moving * momentum + batch * (1 - momentum)`. Otherwise, and where `trainable` is False, these are used.

    Args:
        axis: the axis of the channels; 1 behind a convolution with "channels_first".
        momentum: share of the old moving average in the new one, in [0, 1].
        epsilon: added to the variance, so that nothing is divided by zero; a positive number.
        center: whether to add the learned offset `beta`.
        scale: whether to multiply by the learned `gamma`.
        beta_initializer, gamma_initializer: start values, a number a channel.
        moving_mean_initializer, moving_variance_initializer: start values of the moving averages.
        beta_regularizer, gamma_regularizer: penalties, added to the loss.
        beta_constraint, gamma_constraint: functions that they go through after each update.
        renorm: whether to correct the batch's statistics towards the long-run ones in training (batch renormalization).
        renorm_clipping: limits of that correction: "rmin", "rmax" of the factor, "dmax" of the shift.
        renorm_momentum: `momentum` of the statistics that `renorm` uses.
        synchronized: whether the statistics in training are those of the batches of all devices; otherwise each device
            goes by its own part, and the first one's moving averages are kept.

    Shapes:
        inputs: any, the size of `axis` known
        mask: the inputs' without the last axis; what it leaves out does not count in mean and variance
        output: that of the inputs

    Reference:
        Ioffe, Szegedy (2015), Batch Normalization, arXiv:1502.03167.

    Example:
        >>> BatchNormalization(epsilon=1e-9)(torch.tensor([[1.0], [3.0]]), training=True).tolist()
        [[-1.0], [1.0]]
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: Fraction = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Mapping[str, float] | None = None,
        renorm_momentum: Fraction = 0.99,
        synchronized: bool = False,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**base)
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise InvalidArgumentError(f"`axis` must be an integer. Received: axis={axis!r}")
        self.axis = axis
        self.momentum = fraction(momentum, "momentum")
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)
        self.renorm = renorm
        self.renorm_clipping: Any = check_clipping(renorm_clipping) if renorm else renorm_clipping
        self.renorm_momentum = fraction(renorm_momentum, "renorm_momentum")
        self.synchronized = synchronized
        self.supports_masking = True

    def build(self, input_shape: Shape) -> None:
        self.compute_output_shape(input_shape)
        shape = (input_shape[self.axis],)
        self.gamma = self.beta = None
        if self.scale:
            self.gamma = self.add_weight(
                name="gamma",
                shape=shape,
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                autocast=False,
            )
        if self.center:
            self.beta = self.add_weight(
                name="beta",
                shape=shape,
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                autocast=False,
            )
        self.moving_mean = self._add_average("moving_mean", shape, self.moving_mean_initializer)
        self.moving_variance = self._add_average("moving_variance", shape, self.moving_variance_initializer)
        if self.renorm:
            root = RootOf(self.moving_variance_initializer)
            self.moving_stddev = self._add_average("moving_stddev", shape, root)
            self.renorm_mean = self._add_average("renorm_mean", shape, self.moving_mean_initializer)
            self.renorm_stddev = self._add_average("renorm_stddev", shape, root)
        self.input_spec = InputSpec(ndim=len(input_shape), axes={self.axis: input_shape[self.axis]})
        self._plan(len(input_shape))

    def call(self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None) -> Tensor:
        if mask is not None and mask.ndim != inputs.ndim - 1:
            raise InvalidInputError(
                f"the mask of layer {self.name!r} must have one axis less than the inputs. "
                f"Received: mask of shape {tuple(mask.shape)}, inputs of shape {tuple(inputs.shape)}"
            )
        x = inputs if inputs.is_floating_point() else inputs.to(self.dtype_policy.torch_compute_dtype)
        in_training = bool(training and self.trainable)
        if in_training and self._needs_formula(x, mask):
            return self._normalize_by_formula(x, mask)
        return self._channels_back(self._normalize(x, in_training), x)

    def _takes_along(self, following: Any) -> bool:
        return rectifies(following)

    def _run_with(
        self, following: Any, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """The layer and the rectifier after it, which works in place."""
        in_training = bool(training and self.trainable)
        if (
            mask is None
            and rectifies(following)
            and inputs.is_floating_point()
            and is_unobserved(self, following)
            and not (in_training and self._needs_formula(inputs, mask))
        ):
            return self._channels_back(torch.relu_(self._normalize(inputs, in_training)), inputs)
        outputs: Tensor = following._run(self._run(inputs, training=training, mask=mask))
        return outputs

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if not -len(input_shape) <= self.axis < len(input_shape):
            raise InvalidInputError(
                f"layer {self.name!r} normalizes axis={self.axis}, which the inputs do not have. "
                f"Received: input shape {tuple(input_shape)}"
            )
        return tuple(input_shape)

    def _add_average(self, name: str, shape: Shape, initializer: Any) -> Any:
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False, autocast=False)

    def _needs_formula(self, x: Tensor, mask: Tensor | None) -> bool:
        """Whether torch's kernel does not do in training: a single value a channel has no unbiased variance, say."""
        is_joint = self.synchronized and replicas.everybody().count > 1
        return mask is not None or self.renorm or is_joint or x.numel() <= x.shape[self.axis]

    def _normalize(self, inputs: Tensor, in_training: bool) -> Tensor:
        """By torch's kernel: with the batch's statistics, which go into the moving averages, or with these.

        The outputs have the channels where the kernel wants them; `_channels_back` puts them where they were.
        """
        x = self._channels_second(inputs)
        gamma: Tensor | None = self.gamma
        beta: Tensor | None = self.beta
        mean: Tensor = self.moving_mean
        variance: Tensor = self.moving_variance
        dtype = torch.promote_types(x.dtype, torch.float32)
        is_narrow = mean.dtype is not dtype
        if is_narrow:
            mean, variance = mean.to(dtype), variance.to(dtype)
            gamma, beta = (None if weight is None else weight.to(dtype) for weight in (gamma, beta))
        if not in_training:
            return _kernel(x, gamma, beta, mean, variance, False, 0.0, self.epsilon)
        # The kernel would add the unbiased variance to the moving one, and Keras adds the biased: it goes aside first.
        unbiased = torch.zeros_like(variance)
        outputs = _kernel(x, gamma, beta, mean, unbiased, True, 1 - self.momentum, self.epsilon)
        count = x.numel() // x.shape[1]
        variance.mul_(self.momentum).add_(unbiased, alpha=(count - 1) / count)
        if is_narrow:
            self.moving_mean.copy_(mean)
            self.moving_variance.copy_(variance)
        return outputs

    def _plan(self, rank: int) -> None:
        """How inputs are laid out for torch's kernel, which wants the channels behind the batch."""
        axis = self.axis % rank
        # For the ranks of images and videos torch has faster kernels: with channels last they are its channels_last.
        self._is_flat = axis == rank - 1 and rank not in (2, 4, 5)
        self._order = self._back = None
        if axis != 1 and not self._is_flat:
            others = [place for place in range(rank) if place != axis]
            self._order = (others[0], axis, *others[1:])
            self._back = tuple(self._order.index(place) for place in range(rank))

    def _channels_second(self, x: Tensor) -> Tensor:
        if self._order is not None:
            return x.permute(self._order)
        return x.reshape(-1, x.shape[-1]) if self._is_flat else x

    def _channels_back(self, outputs: Tensor, x: Tensor) -> Tensor:
        if self._back is not None:
            return outputs.permute(self._back)
        return outputs.reshape(x.shape) if self._is_flat else outputs

    def _normalize_by_formula(self, inputs: Tensor, mask: Tensor | None) -> Tensor:
        """With the batch's statistics, where torch's kernel does not do: masks, renorm, several devices, a single value
        a channel."""
        x = inputs.to(torch.promote_types(inputs.dtype, torch.float32))
        axes = [axis for axis in range(x.ndim) if axis != self.axis % x.ndim]
        mean, variance = self._joint_moments(x, axes, mask) if self.synchronized else _moments(x, axes, mask)[:2]
        outputs = (x - mean) * torch.rsqrt(variance + self.epsilon)
        flat_mean, flat_variance = mean.detach().flatten(), variance.detach().flatten()
        if self.renorm:
            factor, shift = (value.reshape(mean.shape) for value in self._renorm(flat_mean, flat_variance))
            outputs = outputs * factor + shift
        else:
            _move(self.moving_mean, flat_mean, self.momentum)
            _move(self.moving_variance, flat_variance, self.momentum)
        if self.gamma is not None:
            outputs = outputs * self.gamma.reshape(mean.shape)
        if self.beta is not None:
            outputs = outputs + self.beta.reshape(mean.shape)
        return outputs.to(inputs.dtype)

    def _joint_moments(self, x: Tensor, axes: list[int], mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean and variance over the batches of all devices, each of which contributes to everybody's gradients."""
        mean, variance, count = _moments(x, axes, mask)
        if replicas.is_stand_in():
            count = torch.zeros_like(count)
        place = replicas.everybody()
        # A row for each device, of which it fills its own: the sum of these tables has all rows, in one message.
        row = torch.cat([mean.flatten(), variance.flatten(), count.to(mean.dtype).reshape(1)])
        table = replicas.sum_over_replicas(F.pad(row[None], (0, 0, place.rank, place.count - 1 - place.rank)))
        means, variances, counts = torch.split(table, [mean.numel(), mean.numel(), 1], dim=1)
        shares = counts / counts.sum()
        joint = (shares * means).sum(0)
        spread = (shares * (variances + (means - joint).square())).sum(0)
        return joint.reshape(mean.shape), spread.reshape(mean.shape)

    def _renorm(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """The corrections for a batch with these statistics, which then go into the long-run ones."""
        deviation = torch.sqrt(variance + self.epsilon)
        # Early in training the long-run deviation may be next to zero.
        long_deviation = self.renorm_stddev.detach().to(mean.dtype).clamp(min=math.sqrt(self.epsilon))
        found = corrections(mean, deviation, self.renorm_mean.to(mean.dtype), long_deviation, self.renorm_clipping)
        _move(self.renorm_mean, mean, self.renorm_momentum)
        _move(self.renorm_stddev, deviation, self.renorm_momentum)
        _move(self.moving_mean, mean, self.momentum)
        _move(self.moving_stddev, deviation, self.momentum)
        with torch.no_grad():
            self.moving_variance.copy_((self.moving_stddev.square() - self.epsilon).clamp(min=0))
        return found


def _kernel(
    x: Tensor,
    gamma: Tensor | None,
    beta: Tensor | None,
    mean: Tensor,
    variance: Tensor,
    in_training: bool,
    momentum: float,
    epsilon: float,
) -> Tensor:
    """`F.batch_norm` without its check of the batch size, which `call` has made."""
    enabled = torch.backends.cudnn.enabled
    return torch.batch_norm(x, gamma, beta, mean, variance, in_training, momentum, epsilon, enabled)


def _move(average: Tensor, value: Tensor, momentum: float) -> None:
    with torch.no_grad():
        average.copy_(average * momentum + value * (1 - momentum))


def _moments(x: Tensor, axes: list[int], mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance, their axes kept, and the number of values of a channel that they are of."""
    if mask is None:
        variance, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
        return mean, variance, torch.full((), x.numel() / mean.numel(), device=x.device)
    counts = mask.unsqueeze(-1).to(torch.bool).expand(x.shape)
    # Keras adds its epsilon so that a batch with nothing but masked values divides by something.
    count = counts.sum(axes, keepdim=True) + config.epsilon()
    mean = torch.where(counts, x, 0).sum(axes, keepdim=True) / count
    variance = torch.where(counts, x - mean, 0).square().sum(axes, keepdim=True) / count
    return mean, variance, count.flatten()[0]
