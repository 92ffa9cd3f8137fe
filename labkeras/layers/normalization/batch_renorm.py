"""Batch renormalization: what BatchNormalization(renorm=True) corrects the statistics of a batch by.

Reference:
    Ioffe (2017), Batch Renormalization, arXiv:1702.03275.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.initializers import Initializer

__all__ = ["RootOf", "check_clipping", "corrections"]

_LIMITS = ("rmax", "rmin", "dmax")


class RootOf(Initializer):
    """Start values of a standard deviation: the square root of those of a variance.

    Args:
        initializer: start values of the variance.
    """

    def __init__(self, initializer: Any) -> None:
        self.initializer = initializer

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        values: Tensor = self.initializer(shape, dtype=dtype)
        return values.sqrt()

    def get_config(self) -> dict[str, Any]:
        return {"initializer": self.initializer}


def check_clipping(clipping: Mapping[str, float] | None) -> dict[str, float]:
    """The limits of the corrections, checked.

    Args:
        clipping: "rmin" ≤ "rmax", limits of the factor, and "dmax" ≥ 0, of the shift; what is left out is not limited.

    Raises:
        InvalidArgumentError: for another key, or limits that exclude everything.
    """
    limits = dict(clipping or {})
    rmin, rmax, dmax = limits.get("rmin"), limits.get("rmax"), limits.get("dmax")
    if set(limits) - set(_LIMITS):
        raise InvalidArgumentError(
            f"`renorm_clipping` takes the keys {_LIMITS}. Received: renorm_clipping={clipping!r}"
        )
    if (rmin is not None and rmax is not None and rmin > rmax) or (dmax is not None and dmax < 0):
        raise InvalidArgumentError(
            f"`renorm_clipping` must have rmin ≤ rmax and dmax ≥ 0. Received: renorm_clipping={clipping!r}"
        )
    return limits


def corrections(
    mean: Tensor, deviation: Tensor, long_mean: Tensor, long_deviation: Tensor, limits: Mapping[str, float]
) -> tuple[Tensor, Tensor]:
    """The factor and shift that turn values normalized by the batch into values normalized by the long-run statistics.

    No gradient flows through them.

    Args:
        mean, deviation: of the batch.
        long_mean, long_deviation: moving averages of them.
        limits: what `check_clipping` returned.
    """
    with torch.no_grad():
        factor = (deviation / long_deviation).clamp(limits.get("rmin", 0.0), limits.get("rmax", math.inf))
        dmax = limits.get("dmax", math.inf)
        return factor, ((mean - long_mean) / long_deviation).clamp(-dmax, dmax)
