"""Initializers that draw from a distribution whatever the weight's shape is."""

from collections.abc import Sequence
from typing import Any, Self

from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.initializers import sampling
from labkeras.initializers.initializer import Initializer
from labkeras.initializers.sampling import Seed
from labkeras.random import SeedGenerator
from labkeras.ranges import NonNegative
from labkeras.serialization import deserialize_keras_object, register_special, serialize_keras_object

__all__ = [
    "RandomInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "random_normal",
    "random_uniform",
    "truncated_normal",
]


class RandomInitializer(Initializer):
    """Base of the initializers that draw: keeps the seed, and writes it to the config.

    Args:
        seed: an integer, with which every call returns the same values; a SeedGenerator, with which every call returns
            other ones; or None, which draws from torch's global generator, seeded by `set_random_seed`.
    """

    def __init__(self, seed: Seed = None) -> None:
        if not isinstance(seed, int | SeedGenerator | None):
            raise InvalidArgumentError(f"`seed` must be an integer, a SeedGenerator or None. Received: seed={seed!r}")
        # Differs from Keras: there None is a seed drawn once, so that two weights of one shape that share an unseeded
        # initializer start with the same values. Nobody wants that, and it hides the global seed.
        self.seed = seed

    def get_config(self) -> dict[str, Any]:
        return {"seed": serialize_keras_object(self.seed)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, "seed": deserialize_keras_object(config.get("seed"))})


class RandomNormal(RandomInitializer):
    """Values from a normal distribution.

    Args:
        mean: its mean.
        stddev: its standard deviation, not negative.
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.

    Example:
        >>> RandomNormal(stddev=0.1, seed=0)((2, 3)).shape
        torch.Size([2, 3])
    """

    def __init__(self, mean: float = 0.0, stddev: NonNegative = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        _check_stddev(stddev)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return sampling.normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class TruncatedNormal(RandomInitializer):
    """Values from a normal distribution without its tails: none is more than two standard deviations off.

    Args:
        mean: its mean.
        stddev: its standard deviation before the tails are cut, not negative; that of the values is 0.8796 times it.
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.

    Example:
        >>> bool(TruncatedNormal(stddev=0.1)((100,)).abs().max() <= 0.2)
        True
    """

    def __init__(self, mean: float = 0.0, stddev: NonNegative = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        _check_stddev(stddev)
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return sampling.truncated_normal(shape, self.mean, self.stddev, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "stddev": self.stddev}


class RandomUniform(RandomInitializer):
    """Values from a uniform distribution.

    Args:
        minval: lower bound.
        maxval: upper bound.
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.

    Example:
        >>> bool(RandomUniform(0.0, 1.0)((100,)).min() >= 0)
        True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Seed = None) -> None:
        super().__init__(seed)
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        return sampling.uniform(shape, self.minval, self.maxval, dtype, self.seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "minval": self.minval, "maxval": self.maxval}


def _check_stddev(stddev: float) -> None:
    if not stddev >= 0:
        raise InvalidArgumentError(f"`stddev` must be a number that is not negative. Received: stddev={stddev!r}")


register_special("keras.random", "SeedGenerator", lambda config: SeedGenerator.from_config(config["config"]))


# Keras's second names.
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
