"""Sliding windows: their settings checked, the padding that "same" means, and the sizes that come out.

Convolution and pooling share these. Settings are tuples, a number for each axis that the windows slide along.
"""

from collections.abc import Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import Shape

__all__ = ["axis_sizes", "padding_mode", "same_padding", "same_padding_fits", "spatial_output_shape", "zero_padded"]

_PADDINGS = ("valid", "same")


def axis_sizes(value: int | Sequence[int], rank: int, argument: str) -> tuple[int, ...]:
    """A positive integer for each axis: `3` and `(3, 3)` both become (3, 3).

    Args:
        value: one integer for all axes, or one for each.
        rank: the number of axes.
        argument: the argument's name, for the message.

    Raises:
        InvalidArgumentError: if it is anything else.

    Example:
        >>> axis_sizes(3, 2, "kernel_size")
        (3, 3)
    """
    values = (value,) * rank if isinstance(value, int | np.integer) else value
    if (
        isinstance(values, str)
        or not isinstance(values, Sequence)
        or len(values) != rank
        or not all(isinstance(size, int | np.integer) and not isinstance(size, bool) and size > 0 for size in values)
    ):
        raise InvalidArgumentError(
            f"`{argument}` must be a positive integer or a tuple of {rank} of them. Received: {argument}={value!r}"
        )
    return tuple(int(size) for size in values)


def padding_mode(padding: str) -> str:
    """`padding` in lower case.

    Raises:
        InvalidArgumentError: if it is neither "valid" nor "same".
    """
    if not isinstance(padding, str) or padding.lower() not in _PADDINGS:
        raise InvalidArgumentError(f"`padding` must be 'valid' or 'same'. Received: padding={padding!r}")
    return padding.lower()


def same_padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """How much "same" pads an axis before and after, so that ceil(size / stride) windows fit; the odd one goes after.

    Args:
        size: size of the axis.
        window: what a window spans, its gaps (dilation) included.
        stride: the step from window to window.

    Example:
        >>> same_padding(28, window=4, stride=1)
        (1, 2)
    """
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def same_padding_fits(windows: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether "same" pads all axes alike before and after whatever their sizes: torch then pads within its kernels."""
    return all(window % 2 == 1 for window in windows) and all(stride == 1 for stride in strides)


def zero_padded(x: Tensor, padding: Sequence[tuple[int, int]]) -> Tensor:
    """`x`, its last axes padded with zeros; `padding` goes from the first of them to the last, as (before, after)."""
    return F.pad(x, [amount for pair in reversed(padding) for amount in pair])


def spatial_output_shape(
    sizes: Shape, windows: Sequence[int], strides: Sequence[int], padding: str, layer_name: str
) -> Shape:
    """How many windows fit along each axis; None where the size is not known.

    Args:
        sizes: sizes of the axes that the windows slide along.
        windows: what a window spans along each, its gaps (dilation) included.
        strides: the steps.
        padding: "valid" or "same".
        layer_name: for the message.

    Raises:
        InvalidInputError: if the input is smaller than a window.
    """
    if padding == "same":
        return tuple(None if size is None else -(-size // stride) for size, stride in zip(sizes, strides, strict=True))
    counts = tuple(
        None if size is None else (size - window) // stride + 1
        for size, window, stride in zip(sizes, windows, strides, strict=True)
    )
    if any(count is not None and count <= 0 for count in counts):
        raise InvalidInputError(
            f"the input of layer {layer_name!r} is smaller than its window, which spans {tuple(windows)}: give larger "
            f"inputs, a smaller window, or padding='same'. Received: spatial sizes {tuple(sizes)}"
        )
    return counts
