"""B-splines: the values of all basis functions at once, and knots that follow the data.

Letters in names of tensors: F features, K knots, B basis functions (K - order - 1), N samples.
"""

import torch
from torch import Tensor

__all__ = ["adapted_knots", "fitted_coefficients", "spline_basis", "uniform_knots"]


def uniform_knots(low: float, high: float, intervals: int, order: int) -> Tensor:
    """Equally spaced knots on an interval, and `order` more beyond each end, so that it is covered fully.

    Args:
        low, high: the interval.
        intervals: how many parts it has, at least 1.
        order: degree of the polynomials.

    Shapes:
        output: (intervals + 2 · order + 1,)

    Example:
        >>> uniform_knots(0, 1, 2, 1)
        tensor([-0.5000,  0.0000,  0.5000,  1.0000,  1.5000])
    """
    return torch.arange(-order, intervals + order + 1) * ((high - low) / intervals) + low


def spline_basis(inputs: Tensor, knots_FK: Tensor, order: int) -> Tensor:
    """All B-spline basis functions of each feature, by the recursion of Cox and de Boor.

    They are zero outside the knots, and add up to one between the `order`-th knot from either end.

    Args:
        inputs: what they are evaluated at.
        knots_FK: ascending, for each feature; equal ones are allowed.
        order: degree of the polynomials.

    Shapes:
        inputs: (…, features)
        knots_FK: (features, knots)
        output: (…, features, knots - order - 1)

    Reference:
        C. de Boor (1978), "A Practical Guide to Splines".

    Example:
        >>> spline_basis(torch.tensor([[0.25]]), uniform_knots(0, 1, 2, 1).unsqueeze(0), 1)
        tensor([[[0.5000, 0.5000, 0.0000]]])
    """
    x = inputs.unsqueeze(-1)
    # 1 in the interval between two knots that the input lies in, 0 in the others.
    passed = (x >= knots_FK).to(inputs.dtype)
    values = passed[..., :-1] - passed[..., 1:]
    for degree in range(1, order + 1):
        starts, widths = knots_FK[:, :-degree], knots_FK[:, degree:] - knots_FK[:, :-degree]
        slopes = torch.where(widths > 0, 1 / widths, 0)
        rising = (x - starts) * slopes * values
        values = rising[..., :-1] + values[..., 1:] - rising[..., 1:]
    return values


def adapted_knots(samples_NF: Tensor, intervals: int, order: int, adaptivity: float, margin: float) -> Tensor:
    """Knots for the range of the samples, between equally spaced ones and ones with equally many samples between them.

    Args:
        samples_NF: of each feature.
        intervals: how many parts the range has.
        order: degree of the polynomials; as many knots more come beyond each end.
        adaptivity: 0 for equal distances, 1 for equally many samples, in [0, 1].
        margin: by which the range is wider than that of the samples, as a fraction of it.

    Shapes:
        samples_NF: (samples, features)
        output: (features, intervals + 2 · order + 1)
    """
    low, high = samples_NF.amin(0), samples_NF.amax(0)
    widening = margin * (high - low)
    low, high = low - widening, high + widening
    places = torch.linspace(0, 1, intervals + 1, dtype=samples_NF.dtype, device=samples_NF.device)
    even = torch.lerp(low.unsqueeze(1), high.unsqueeze(1), places)
    quantiles = _quantiles(samples_NF, intervals)
    quantiles = torch.cat([low.unsqueeze(1), quantiles[:, 1:-1], high.unsqueeze(1)], 1)
    inner = torch.lerp(even, quantiles, adaptivity)
    beyond = torch.arange(1, order + 1, device=low.device) * ((high - low) / intervals).unsqueeze(1)
    return torch.cat([low.unsqueeze(1) - beyond.flip(1), inner, high.unsqueeze(1) + beyond], 1)


def fitted_coefficients(basis_FNB: Tensor, values_FNU: Tensor) -> Tensor:
    """The coefficients with which splines come closest to given values: least squares, and the shortest of several.

    Shapes:
        basis_FNB: (features, samples, basis functions)
        values_FNU: (features, samples, units)
        output: (features, basis functions, units)
    """
    # By the pseudo-inverse: basis functions without samples below them have no unique coefficient.
    fitted: Tensor = torch.linalg.pinv(basis_FNB) @ values_FNU
    return fitted


def _quantiles(samples_NF: Tensor, intervals: int) -> Tensor:
    """(features, intervals + 1). Not `torch.quantile`, which takes no more than 16 million values."""
    ordered, count = samples_NF.sort(0).values, len(samples_NF)
    places = torch.linspace(0, count - 1, intervals + 1, dtype=samples_NF.dtype, device=samples_NF.device)
    below = places.floor().long()
    above = (below + 1).clamp(max=count - 1)
    return torch.lerp(ordered[below], ordered[above], (places - below).unsqueeze(1)).t()
