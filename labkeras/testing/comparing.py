"""Values for checks, and whether two results are the same."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.nest import flatten, map_structure
from labkeras.testing.properties import expect

__all__ = ["assert_same", "mixed", "sample", "tensors_of"]

# What each type can tell apart, after a few operations. float64 too: some functions compute in float32 throughout.
_TOLERANCE = {torch.float16: 4e-3, torch.bfloat16: 3e-2, torch.float32: 2e-5, torch.float64: 1e-6}


def sample(shape: tuple[int, ...], dtype: str = "float32", seed: int = 0) -> np.ndarray[Any, Any]:
    """Values for a check: normal floats, booleans, or integers from 0 to 3.

    Args:
        shape: sizes of the axes.
        dtype: data type.
        seed: other values for another number.
    """
    random = np.random.default_rng([seed, *shape])
    if "float" in dtype:
        return random.normal(size=shape).astype(dtype)
    return random.integers(0, 2 if dtype == "bool" else 4, size=shape).astype(dtype)


def tensors_of(arrays: Any, requires_grad: bool = False) -> Any:
    """Arrays, nested in any way, as new tensors; those of floats with gradients if asked for."""

    def tensor(array: Any) -> Tensor:
        values = torch.tensor(np.asarray(array))
        return values.requires_grad_() if requires_grad and values.is_floating_point() else values

    return map_structure(tensor, arrays)


def mixed(outputs: Any) -> Tensor:
    """The sum of all elements, each times a number of its own that is the same in each call: something to derive."""
    terms = []
    for output in flatten(outputs):
        if isinstance(output, Tensor) and (output.is_floating_point() or output.is_complex()):
            generator = torch.Generator().manual_seed(5)
            factors = torch.rand(output.shape, generator=generator, dtype=torch.float64) + 0.5
            terms.append((output * factors.to(device=output.device, dtype=output.dtype)).sum())
    return torch.stack([term.real if term.is_complex() else term for term in terms]).sum()


def assert_same(actual: Any, expected: Any, what: str, tolerance: float | None = None) -> None:
    """Equal structure, shapes and data types, and values within what the type can tell apart.

    Args:
        actual: what came.
        expected: what should have come.
        what: what it is, as the beginning of a sentence.
        tolerance: relative and absolute; that of the data type unless given.

    Raises:
        FaultError: if they differ.
    """
    actual, expected = flatten(actual), flatten(expected)
    expect(len(actual) == len(expected), f"{what}: number of tensors", expected=len(expected), received=len(actual))
    for one, other in zip(actual, expected, strict=True):
        one, other = torch.as_tensor(one).detach(), torch.as_tensor(other).detach()
        shapes = tuple(one.shape), tuple(other.shape)
        expect(shapes[0] == shapes[1], f"{what}: shape", expected=shapes[1], received=shapes[0])
        expect(one.dtype == other.dtype, f"{what}: data type", expected=other.dtype, received=one.dtype)
        near = _TOLERANCE.get(one.dtype, 0.0) if tolerance is None else tolerance
        if not torch.allclose(one, other, rtol=near, atol=near, equal_nan=True):
            place = int((one - other).abs().nan_to_num(torch.inf).argmax()) if one.dtype != torch.bool else 0
            values = other.flatten()[place].item(), one.flatten()[place].item()
            expect(False, f"{what}: the values differ by more than {near:g}", expected=values[0], received=values[1])
