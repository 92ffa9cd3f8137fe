"""to_categorical and normalize: what tutorials do to arrays before they are given to a model."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras.dtypes import to_torch
from labkeras.errors import InvalidArgumentError

__all__ = ["normalize", "to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Class numbers as one-hot rows.

    Args:
        x: class numbers, integers in [0, num_classes): an array or nested lists, or a tensor.
        num_classes: the number of classes; one more than the largest number unless given.

    Shapes:
        x: any; a last axis of size 1 is dropped
        result: the shape of `x`, and an axis of `num_classes`

    Returns:
        An array for an array, a tensor for a tensor.

    Raises:
        InvalidArgumentError: if a number is negative, or not below `num_classes`.

    Example:
        >>> to_categorical([0, 2], num_classes=3).tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    """
    classes = torch.as_tensor(x if isinstance(x, Tensor) else np.asarray(x)).long()
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes.squeeze(-1)
    highest = int(classes.max()) if classes.numel() else -1
    count = highest + 1 if num_classes is None else num_classes
    lowest = int(classes.min()) if classes.numel() else 0
    if lowest < 0 or highest >= count:
        raise InvalidArgumentError(
            f"class numbers must be in [0, {count}). Received: numbers from {lowest} to {highest}, "
            f"num_classes={num_classes!r}"
        )
    rows = F.one_hot(classes, max(count, 1))[..., :count]
    # Keras's arrays are of NumPy's float64, its tensors of floatx.
    return rows.to(to_torch(None)) if isinstance(x, Tensor) else rows.numpy().astype("float64")


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """An array divided by its norm along an axis; where the norm is 0 it stays as it is.

    Args:
        x: an array, nested lists or a tensor.
        axis: the axis along which the norm is taken.
        order: which norm: 2 for the Euclidean one.

    Returns:
        An array for an array, a tensor for a tensor.

    Example:
        >>> normalize([[3.0, 4.0]]).tolist()
        [[0.6, 0.8]]
    """
    values = x if isinstance(x, Tensor) else torch.as_tensor(np.atleast_1d(np.asarray(x)))
    norm = torch.linalg.vector_norm(
        values if values.is_floating_point() else values.double(), order, axis, keepdim=True
    )
    scaled = values / torch.where(norm == 0, torch.ones_like(norm), norm)
    return scaled if isinstance(x, Tensor) else scaled.numpy()
