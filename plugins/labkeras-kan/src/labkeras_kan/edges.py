"""What layers with functions on their edges share: sums over edges, the penalty of the paper, settings.

An edge from feature f to unit u carries the function `base_kernel[f, u] * base(x) + Σ_b kernel[f, b, u] * basis_b(x)`.
Letters in names of tensors: F features, B basis functions, U units.
"""

from typing import Any

import torch
from torch import Tensor

__all__ = ["complexity", "edge_sums", "edge_values"]


def edge_sums(base: Tensor, basis_FB: Tensor, base_kernel_FU: Tensor, kernel_FBU: Tensor, bias: Any) -> Tensor:
    """The sum of all edges that end in a unit, as two products of matrices: no tensor has both features and units.

    Shapes:
        base: (…, features)
        basis_FB: (…, features, basis functions)
        bias: (units,), or None
        output: (…, units)
    """
    flat = basis_FB.flatten(-2)
    kernel = kernel_FBU.flatten(0, 1)
    if base.ndim == 2:
        sums = base @ base_kernel_FU if bias is None else torch.addmm(bias, base, base_kernel_FU)
        return torch.addmm(sums, flat, kernel)
    sums = base @ base_kernel_FU + flat @ kernel
    return sums if bias is None else sums + bias


def edge_values(base: Tensor, basis_FB: Tensor, base_kernel_FU: Tensor, kernel_FBU: Tensor) -> Tensor:
    """The value of each edge by itself.

    Shapes:
        base: (…, features)
        basis_FB: (…, features, basis functions)
        output: (…, features, units)
    """
    return base.unsqueeze(-1) * base_kernel_FU + torch.einsum("...fb,fbu->...fu", basis_FB, kernel_FBU)


def complexity(edges_FU: Tensor, l1: float, entropy: float) -> Tensor:
    """How much goes over the edges, and how evenly it is spread over them: small where few edges do all the work.

    `l1 * Σ m + entropy * -Σ (m / Σ m) ln(m / Σ m)`, where `m` is the mean magnitude of an edge over the samples.

    Args:
        edges_FU: values of edges.
        l1: weight of the sum.
        entropy: weight of the entropy.

    Shapes:
        edges_FU: (…, features, units)
        output: ()

    Reference:
        Z. Liu et al. (2024), "KAN: Kolmogorov-Arnold Networks", section 2.5, https://arxiv.org/abs/2404.19756
    """
    magnitudes = edges_FU.flatten(0, -3).abs().mean(0, dtype=torch.float32)
    total = magnitudes.sum()
    shares = magnitudes / total.clamp(min=1e-12)
    # xlogy: an edge that is zero has no part in the entropy, and logarithms of zero have no gradient.
    disorder: Tensor = -torch.special.xlogy(shares, shares.clamp(min=1e-12)).sum()
    return l1 * total + entropy * disorder
