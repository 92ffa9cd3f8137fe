"""OrthogonalRegularizer: a penalty on rows or columns that point the same way."""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import config
from labkeras.errors import InvalidArgumentError
from labkeras.graph.convert import TensorLike, as_tensor
from labkeras.ranges import NonNegative
from labkeras.regularizers.regularizer import Regularizer, checked_factor

__all__ = ["OrthogonalRegularizer", "orthogonal_regularizer"]


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean of `|cos(angle)|` over all pairs of rows, or of columns, of a matrix.

    Args:
        factor: the factor, not negative.
        mode: "rows" or "columns": which are to be orthogonal. The rows of a `Dense` kernel belong to the inputs, its
            columns to the units.

    Shapes:
        inputs: (rows, columns)
        output: ()

    Raises:
        InvalidArgumentError: when called on a tensor that is no matrix.

    Example:
        >>> OrthogonalRegularizer(1.0)(torch.eye(3))
        tensor(0.)
    """

    def __init__(self, factor: NonNegative = 0.01, mode: Literal["rows", "columns"] = "rows") -> None:
        self.factor = checked_factor("factor", factor)
        if mode not in ("rows", "columns"):
            raise InvalidArgumentError(f"`mode` must be 'rows' or 'columns'. Received: mode={mode!r}")
        self.mode = mode

    def __call__(self, inputs: TensorLike) -> Tensor:
        matrix = as_tensor(inputs)
        if matrix.ndim != 2:
            raise InvalidArgumentError(
                f"OrthogonalRegularizer is for tensors with two axes. Received: shape={tuple(matrix.shape)}"
            )
        vectors = F.normalize(matrix if self.mode == "rows" else torch.t(matrix), dim=1, eps=config.epsilon())
        # The product is symmetric: above its diagonal is each pair once.
        cosines = torch.triu(torch.matmul(vectors, torch.t(vectors)), 1)
        count = vectors.shape[0]
        # Differs from Keras: a single vector has no pair; the penalty is 0, not NaN.
        return self.factor * torch.sum(torch.abs(cosines)) / max(count * (count - 1) / 2, 1)

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}

    def __repr__(self) -> str:
        return f"OrthogonalRegularizer(factor={self.factor}, mode={self.mode!r})"


# Keras's second names.
orthogonal_regularizer = OrthogonalRegularizer
