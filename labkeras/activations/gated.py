"""Units that weigh their input by a gate: a smooth step of the input itself, or of its other half."""

import torch.nn.functional as F
from torch import Tensor

from labkeras.errors import InvalidInputError
from labkeras.graph.convert import TensorLike, as_tensor

__all__ = ["gelu", "glu", "hard_silu", "hard_swish", "mish", "silu", "swish"]


def gelu(x: TensorLike, approximate: bool = False) -> Tensor:
    """The Gaussian error linear unit: `x * Φ(x)`, Φ being the normal distribution function.

    Args:
        x: values, of any shape.
        approximate: whether Φ is approximated by a tanh; the result differs by up to 5e-4.

    Reference:
        Hendrycks and Gimpel, 2016, Gaussian error linear units, arXiv:1606.08415.

    Example:
        >>> gelu(torch.tensor([-1.0, 2.0]))
        tensor([-0.1587,  1.9545])
    """
    return F.gelu(as_tensor(x), approximate="tanh" if approximate else "none")


def silu(x: TensorLike) -> Tensor:
    """The sigmoid linear unit, also called swish: `x * sigmoid(x)`.

    Args:
        x: values, of any shape.

    Reference:
        Ramachandran et al., 2017, Searching for activation functions, arXiv:1710.05941.

    Example:
        >>> silu(torch.tensor([-1.0, 2.0]))
        tensor([-0.2689,  1.7616])
    """
    return F.silu(as_tensor(x))


def hard_silu(x: TensorLike) -> Tensor:
    """`silu` in straight pieces, also called hard swish: `x * hard_sigmoid(x)`.

    Args:
        x: values, of any shape.

    Reference:
        Howard et al., 2019, Searching for MobileNetV3, arXiv:1905.02244.

    Example:
        >>> hard_silu(torch.tensor([-1.0, 2.0]))
        tensor([-0.3333,  1.6667])
    """
    return F.hardswish(as_tensor(x))


def mish(x: TensorLike) -> Tensor:
    """`x * tanh(softplus(x))`.

    Args:
        x: values, of any shape.

    Reference:
        Misra, 2019, Mish: a self regularized non-monotonic activation function, arXiv:1908.08681.

    Example:
        >>> mish(torch.tensor([-1.0, 2.0]))
        tensor([-0.3034,  1.9440])
    """
    return F.mish(as_tensor(x))


def glu(x: TensorLike, axis: int = -1) -> Tensor:
    """The gated linear unit: the first half of an axis times the sigmoid of the second half.

    Args:
        x: values.
        axis: the axis that is halved; of even size.

    Shapes:
        x: (…, 2n, …)
        output: (…, n, …)

    Raises:
        InvalidInputError: if the axis has an odd size, or there is no such axis.

    Reference:
        Dauphin et al., 2017, Language modeling with gated convolutional networks, arXiv:1612.08083.

    Example:
        >>> glu(torch.tensor([1.0, 2.0, 0.0, 0.0]))
        tensor([0.5000, 1.0000])
    """
    x = as_tensor(x)
    if not (-x.ndim <= axis < x.ndim and _may_be_even(x.shape[axis])):
        raise InvalidInputError(
            f"glu halves an axis, which must exist and be of even size. Received: shape={tuple(x.shape)}, axis={axis}"
        )
    return F.glu(x, axis)


def _may_be_even(size: int | None) -> bool:
    return size is None or size % 2 == 0  # a placeholder's size may be unknown


# Keras's second names.
hard_swish = hard_silu
swish = silu
