"""VarianceScaling and its well-known settings: Glorot, He, LeCun."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.initializers.random_values import RandomInitializer
from labkeras.initializers.sampling import Seed, normal, truncated_normal, uniform
from labkeras.ranges import Positive

__all__ = [
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "LecunNormal",
    "LecunUniform",
    "VarianceScaling",
    "fans",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "variance_scaling",
]

_MODES = ("fan_in", "fan_out", "fan_avg")
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform")

# Standard deviation of a normal distribution that is cut at two of its own: truncated draws are widened by it.
_STDDEV_AFTER_CUT = 0.87962566103423978


class VarianceScaling(RandomInitializer):
    """Values whose variance is `scale / n`: weights with many inputs start smaller.

    Args:
        scale: the variance times n, positive.
        mode: what n is: "fan_in", the inputs of a unit; "fan_out", its outputs; "fan_avg", the mean of both.
        distribution: "truncated_normal" ("normal" is the same), "untruncated_normal" or "uniform".
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.
        input_axes: the axes whose sizes multiply to fan_in; those of dense and convolution kernels unless given.
        output_axes: the same for fan_out; both are given or neither.

    Example:
        >>> VarianceScaling(2.0, mode="fan_out", seed=0)((64, 32)).shape
        torch.Size([64, 32])
    """

    def __init__(
        self,
        scale: Positive = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: Seed = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(seed)
        distribution = distribution.lower()
        if distribution == "normal":
            distribution = "truncated_normal"
        if not scale > 0:
            raise InvalidArgumentError(f"`scale` must be a positive number. Received: scale={scale!r}")
        if mode not in _MODES:
            raise InvalidArgumentError(f"`mode` must be one of {_MODES}. Received: mode={mode!r}")
        if distribution not in _DISTRIBUTIONS:
            raise InvalidArgumentError(
                f"`distribution` must be one of {_DISTRIBUTIONS}. Received: distribution={distribution!r}"
            )
        self.scale = scale
        self.mode = mode
        self.distribution = distribution
        self.input_axes = input_axes
        self.output_axes = output_axes

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        fan_in, fan_out = fans(shape, self.input_axes, self.output_axes)
        count = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.mode]
        stddev = math.sqrt(self.scale / max(1.0, count))
        if self.distribution == "truncated_normal":
            return truncated_normal(shape, 0.0, stddev / _STDDEV_AFTER_CUT, dtype, self.seed)
        if self.distribution == "untruncated_normal":
            return normal(shape, 0.0, stddev, dtype, self.seed)
        limit = math.sqrt(3) * stddev
        return uniform(shape, -limit, limit, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            "input_axes": self.input_axes,
            "output_axes": self.output_axes,
        }


class _Setting(VarianceScaling):
    """VarianceScaling with scale, mode and distribution fixed by the class."""

    _scale: ClassVar[float]
    _mode: ClassVar[str]
    _distribution: ClassVar[str]

    def __init__(
        self,
        seed: Seed = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(self._scale, self._mode, self._distribution, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {name: config[name] for name in ("seed", "input_axes", "output_axes")}


class GlorotUniform(_Setting):
    """Uniform values within `± sqrt(6 / (fan_in + fan_out))`, also called Xavier uniform; the default of most kernels.

    Args:
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.
        input_axes, output_axes: the axes that make the fans: see `VarianceScaling`.

    Reference:
        Glorot and Bengio, 2010, Understanding the difficulty of training deep feedforward neural networks.

    Example:
        >>> bool(GlorotUniform()((4, 2)).abs().max() <= 1)
        True
    """

    _scale, _mode, _distribution = 1.0, "fan_avg", "uniform"


class GlorotNormal(_Setting):
    """Truncated normal values of standard deviation `sqrt(2 / (fan_in + fan_out))`, also called Xavier normal.

    Args:
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.
        input_axes, output_axes: the axes that make the fans: see `VarianceScaling`.

    Reference:
        Glorot and Bengio, 2010, Understanding the difficulty of training deep feedforward neural networks.

    Example:
        >>> GlorotNormal(seed=0)((4, 2)).shape
        torch.Size([4, 2])
    """

    _scale, _mode, _distribution = 1.0, "fan_avg", "truncated_normal"


class HeUniform(_Setting):
    """Uniform values within `± sqrt(6 / fan_in)`, made for layers with `relu`.

    Args:
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.
        input_axes, output_axes: the axes that make the fans: see `VarianceScaling`.

    Reference:
        He et al., 2015, Delving deep into rectifiers, arXiv:1502.01852.

    Example:
        >>> bool(HeUniform()((6, 2)).abs().max() <= 1)
        True
    """

    _scale, _mode, _distribution = 2.0, "fan_in", "uniform"


class HeNormal(_Setting):
    """Truncated normal values of standard deviation `sqrt(2 / fan_in)`, made for layers with `relu`.

    Args:
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.
        input_axes, output_axes: the axes that make the fans: see `VarianceScaling`.

    Reference:
        He et al., 2015, Delving deep into rectifiers, arXiv:1502.01852.

    Example:
        >>> HeNormal(seed=0)((4, 2)).shape
        torch.Size([4, 2])
    """

    _scale, _mode, _distribution = 2.0, "fan_in", "truncated_normal"


class LecunUniform(_Setting):
    """Uniform values within `± sqrt(3 / fan_in)`.

    Args:
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.
        input_axes, output_axes: the axes that make the fans: see `VarianceScaling`.

    Reference:
        Klambauer et al., 2017, Self-normalizing neural networks, arXiv:1706.02515.

    Example:
        >>> bool(LecunUniform()((3, 2)).abs().max() <= 1)
        True
    """

    _scale, _mode, _distribution = 1.0, "fan_in", "uniform"


class LecunNormal(_Setting):
    """Truncated normal values of standard deviation `sqrt(1 / fan_in)`, made for layers with `selu`.

    Args:
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.
        input_axes, output_axes: the axes that make the fans: see `VarianceScaling`.

    Reference:
        Klambauer et al., 2017, Self-normalizing neural networks, arXiv:1706.02515.

    Example:
        >>> LecunNormal(seed=0)((4, 2)).shape
        torch.Size([4, 2])
    """

    _scale, _mode, _distribution = 1.0, "fan_in", "truncated_normal"


def fans(
    shape: Sequence[int], input_axes: Sequence[int] | None = None, output_axes: Sequence[int] | None = None
) -> tuple[int, int]:
    """How many inputs and outputs a unit has, by the shape of its weight: `(fan_in, fan_out)`.

    Args:
        shape: sizes of the weight's axes; (…, inputs, outputs), the axes before them being a kernel's positions.
        input_axes, output_axes: the axes to multiply instead; both or neither.
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(shape[axis] for axis in output_axes)
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    positions = math.prod(shape[:-2])
    return positions * shape[-2], positions * shape[-1]


# Keras's second names.
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
variance_scaling = VarianceScaling
