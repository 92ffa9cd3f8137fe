"""Orthogonal: a random rotation as start values."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labkeras.dtypes import to_torch
from labkeras.errors import InvalidArgumentError
from labkeras.initializers.random_values import RandomInitializer
from labkeras.initializers.sampling import Seed, normal

__all__ = ["Orthogonal", "OrthogonalInitializer", "orthogonal"]


class Orthogonal(RandomInitializer):
    """A random matrix with orthonormal rows or columns, whichever are fewer, times a factor.

    A weight with more than two axes is such a matrix over its last axis and all the others together.

    Args:
        gain: the factor.
        seed: an integer, a `SeedGenerator` or None: see `RandomInitializer`.

    Raises:
        InvalidArgumentError: when called with a shape of fewer than two axes.

    Reference:
        Saxe et al., 2014, Exact solutions to the nonlinear dynamics of learning in deep linear neural networks,
        arXiv:1312.6120.

    Example:
        >>> q = Orthogonal()((5, 3))
        >>> torch.allclose(q.T @ q, torch.eye(3), atol=1e-6)
        True
    """

    def __init__(self, gain: float = 1.0, seed: Seed = None) -> None:
        super().__init__(seed)
        self.gain = gain

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        if len(shape) < 2:
            raise InvalidArgumentError(
                f"Orthogonal is for weights with two axes or more. Received: shape={tuple(shape)}"
            )
        target = to_torch(dtype)
        rows, columns = math.prod(shape[:-1]), shape[-1]
        # torch factorizes no 16-bit matrices.
        working = target if target.itemsize > 2 else torch.float32
        q, r = torch.linalg.qr(normal((max(rows, columns), min(rows, columns)), 0.0, 1.0, working, self.seed))
        # The signs of r's diagonal are arbitrary; without them q is uniform over all rotations.
        q *= torch.sign(torch.diagonal(r)) * self.gain
        matrix = q if rows >= columns else q.T
        weight: Tensor = matrix.reshape(tuple(shape)).to(target).contiguous()
        return weight

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "gain": self.gain}


# Keras's second names.
OrthogonalInitializer = Orthogonal
orthogonal = Orthogonal
