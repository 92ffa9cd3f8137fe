"""NonNeg: weights from zero up."""

import torch
from torch import Tensor

from labkeras.constraints.constraint import Constraint
from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["NonNeg", "non_neg"]


class NonNeg(Constraint):
    """Sets negative weights to zero.

    Example:
        >>> NonNeg()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def __call__(self, w: TensorLike) -> Tensor:
        return torch.relu(as_tensor(w))


# Keras's second names.
non_neg = NonNeg
