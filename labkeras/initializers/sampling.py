"""Random tensors: one call of torch's samplers each, in place."""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from labkeras.dtypes import to_torch
from labkeras.errors import InvalidArgumentError
from labkeras.random import SeedGenerator

__all__ = ["Seed", "normal", "truncated_normal", "uniform"]

Seed: TypeAlias = int | SeedGenerator | None
"""An int gives the same values on every call, a SeedGenerator the next of its stream, None those of torch's stream."""

# P(|z| < 2) of the normal distribution: z = √2 erfinv(u) with |u| below it is a normal value between -2 and 2.
_WITHIN_TWO_DEVIATIONS = math.erf(math.sqrt(2))


def uniform(shape: Sequence[int], minval: float, maxval: float, dtype: Any, seed: Seed) -> Tensor:
    """Values between `minval` and `maxval`, all equally likely."""
    target, values = to_torch(dtype), _empty(shape, dtype)
    # Keras takes the bounds in either order.
    values.uniform_(min(minval, maxval), max(minval, maxval), generator=_generator(seed, values.device))
    return values.to(target)


def normal(shape: Sequence[int], mean: float, stddev: float, dtype: Any, seed: Seed) -> Tensor:
    """Normally distributed values."""
    target, values = to_torch(dtype), _empty(shape, dtype)
    return values.normal_(mean, stddev, generator=_generator(seed, values.device)).to(target)


def truncated_normal(shape: Sequence[int], mean: float, stddev: float, dtype: Any, seed: Seed) -> Tensor:
    """Normally distributed values, none further than `2 * stddev` from the mean."""
    target, values = to_torch(dtype), _empty(shape, dtype)
    values.uniform_(-_WITHIN_TWO_DEVIATIONS, _WITHIN_TWO_DEVIATIONS, generator=_generator(seed, values.device))
    values.erfinv_().mul_(math.sqrt(2) * stddev).clamp_(-2 * stddev, 2 * stddev)
    return (values.add_(mean) if mean else values).to(target)


def _empty(shape: Sequence[int], dtype: Any) -> Tensor:
    """Memory to draw into: of the data type, or float32 for 16-bit types, in which torch draws few different values."""
    target = to_torch(dtype)
    if not target.is_floating_point:
        raise InvalidArgumentError(f"random start values need a floating-point data type. Received: dtype={dtype!r}")
    return torch.empty(shape, dtype=target if target.itemsize > 2 else torch.float32)


def _generator(seed: Seed, device: torch.device) -> torch.Generator | None:
    if seed is None or device.type == "meta":
        return None
    if isinstance(seed, SeedGenerator):
        return seed.next_generator(device)
    return torch.Generator(device).manual_seed(seed % 2**64)
