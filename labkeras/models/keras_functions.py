"""Operations of Keras's that no one function of torch's computes: what saved models of Keras's call."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labkeras.dtypes import to_torch
from labkeras.errors import UnsupportedArgumentError

__all__ = [
    "argmax",
    "argmin",
    "argsort",
    "expand_dims",
    "maximum",
    "minimum",
    "one_hot",
    "repeat",
    "sort",
    "take",
    "take_along_axis",
    "top_k",
]


def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the largest value along an axis, or among all values, as int32.

    Example:
        >>> argmax(torch.tensor([[1.0, 3.0], [5.0, 2.0]]), axis=-1).tolist()
        [1, 0]
    """
    return torch.argmax(x, dim=axis, keepdim=keepdims).to(torch.int32)


def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The index of the smallest value along an axis, or among all values, as int32.

    Example:
        >>> argmin(torch.tensor([4.0, 3.0])).item()
        1
    """
    return torch.argmin(x, dim=axis, keepdim=keepdims).to(torch.int32)


def argsort(x: Tensor, axis: int | None = -1) -> Tensor:
    """The indices that put an axis in order, equal values staying as they are, as int32; without an axis, all values.

    Example:
        >>> argsort(torch.tensor([3.0, 1.0, 2.0])).tolist()
        [1, 2, 0]
    """
    x, dim = (x.reshape(-1), 0) if axis is None else (x, axis)
    return torch.argsort(x, dim=dim, stable=True).to(torch.int32)


def sort(x: Tensor, axis: int | None = -1) -> Tensor:
    """The values in order along an axis; without an axis, all of them.

    Example:
        >>> sort(torch.tensor([3.0, 1.0, 2.0])).tolist()
        [1.0, 2.0, 3.0]
    """
    x, dim = (x.reshape(-1), 0) if axis is None else (x, axis)
    return torch.sort(x, dim=dim).values


def expand_dims(x: Tensor, axis: int | Sequence[int]) -> Tensor:
    """New axes of size 1, where they are to be in the result.

    Example:
        >>> expand_dims(torch.ones(2), (0, 2)).shape
        torch.Size([1, 2, 1])
    """
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    rank = x.ndim + len(axes)
    for place in sorted(place % rank for place in axes):
        x = x.unsqueeze(place)
    return x


def maximum(x1: Any, x2: Any) -> Tensor:
    """The larger of two values, element by element; one of them may be a number.

    Example:
        >>> maximum(torch.tensor([-1.0, 1.0]), 0.0).tolist()
        [0.0, 1.0]
    """
    return torch.maximum(*_tensors(x1, x2))


def minimum(x1: Any, x2: Any) -> Tensor:
    """The smaller of two values, element by element; one of them may be a number.

    Example:
        >>> minimum(torch.tensor([-1.0, 1.0]), 0.0).tolist()
        [-1.0, 0.0]
    """
    return torch.minimum(*_tensors(x1, x2))


def repeat(x: Tensor, repeats: int | Sequence[int], axis: int | None = None) -> Tensor:
    """Each element several times in a row, along an axis, or of all elements.

    Example:
        >>> repeat(torch.tensor([1, 2]), 2).tolist()
        [1, 1, 2, 2]
    """
    counts = repeats if isinstance(repeats, int) else torch.tensor(tuple(repeats), device=x.device)
    return torch.repeat_interleave(x, counts, dim=axis)


def take(x: Tensor, indices: Any, axis: int | None = None) -> Tensor:
    """The elements at some indices along an axis, or among all elements; negative ones count from the end.

    Example:
        >>> take(torch.tensor([[1, 2], [3, 4]]), torch.tensor([-1]), axis=1).tolist()
        [[2], [4]]
    """
    x, dim = (x.reshape(-1), 0) if axis is None else (x, axis % x.ndim)
    places = torch.as_tensor(indices, device=x.device).long()
    places = torch.where(places < 0, places + x.shape[dim], places)
    return x.index_select(dim, places.reshape(-1)).reshape(*x.shape[:dim], *places.shape, *x.shape[dim + 1 :])


def take_along_axis(x: Tensor, indices: Any, axis: int | None = None) -> Tensor:
    """The elements at indices that differ from place to place; `indices` and `x` are of one rank.

    Example:
        >>> take_along_axis(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[0], [1]]), axis=1).tolist()
        [[1], [4]]
    """
    places = torch.as_tensor(indices, device=x.device).long()
    x, dim, places = (x.reshape(-1), 0, places.reshape(-1)) if axis is None else (x, axis, places)
    return torch.take_along_dim(x, torch.where(places < 0, places + x.shape[dim], places), dim=dim)


def one_hot(x: Tensor, num_classes: int, axis: int = -1, dtype: str | None = None, sparse: bool = False) -> Tensor:
    """1 at the class of each element and 0 elsewhere, along a new axis; a class that does not exist gives zeros.

    Example:
        >>> one_hot(torch.tensor([1, 5]), 2).tolist()
        [[0.0, 1.0], [0.0, 0.0]]
    """
    if sparse:
        raise UnsupportedArgumentError("`one_hot` makes no sparse tensors. Received: sparse=True")
    classes = torch.arange(num_classes, device=x.device)
    hot = (x.unsqueeze(-1) == classes).to(to_torch(dtype))
    return hot.movedim(-1, axis)


def top_k(x: Tensor, k: int, sorted: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest values along the last axis, and their indices as int32.

    Example:
        >>> top_k(torch.tensor([1.0, 3.0, 2.0]), 2)[1].tolist()
        [1, 2]
    """
    values, indices = torch.topk(x, k, dim=-1, sorted=sorted)
    return values, indices.to(torch.int32)


def _tensors(x1: Any, x2: Any) -> tuple[Tensor, Tensor]:
    """Both as tensors of one type; a number takes that of the tensor beside it, as Python's numbers do in sums."""
    dtype = torch.result_type(x1, x2)
    device = next(x.device for x in (x1, x2) if isinstance(x, Tensor))
    return torch.as_tensor(x1, dtype=dtype, device=device), torch.as_tensor(x2, dtype=dtype, device=device)
