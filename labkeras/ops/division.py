"""Division that has an answer for 0 / 0."""

from typing import Any

import torch
from torch import Tensor

from labkeras.ops.conversion import to_tensor

__all__ = ["divide_no_nan"]


def divide_no_nan(x1: Any, x2: Any) -> Tensor:
    """`x1 / x2`, and 0 wherever `x2` is 0.

    Args:
        x1: a tensor, an array or a number.
        x2: the same, of a shape that broadcasts with that of `x1`.

    Example:
        >>> divide_no_nan([1.0, 2.0], [0.0, 4.0]).tolist()
        [0.0, 0.5]
    """
    x1, x2 = to_tensor(x1), to_tensor(x2)
    is_zero = x2 == 0
    # The divisor is replaced before dividing: a gradient of x / 0 would be NaN even where `where` does not choose it.
    return torch.where(is_zero, 0.0, x1 / torch.where(is_zero, 1.0, x2))
