"""Kernels: operations that torch's own kernels do better on the CPU than what inductor would make of them.

inductor takes batch normalization and pooling apart, to join the parts with what is around them. For images on the CPU
that loses more than it wins: its loops over the axes of an image are not those of torch's kernels, which know how the
channels lie in memory. A call that inductor cannot look into stays one.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule

__all__ = ["keep_kernels"]

# Below this many values a call costs more than its work, and joining the parts wins.
_FEW = 32_768

_aten = torch.ops.aten

_SCHEMAS = {
    "batch_norm": (
        "(Tensor x, Tensor? weight, Tensor? bias, Tensor(a!)? mean, Tensor(b!)? variance, bool training, "
        "float momentum, float epsilon) -> (Tensor, Tensor, Tensor)"
    ),
    "batch_norm_backward": (
        "(Tensor grad, Tensor x, Tensor? weight, Tensor? mean, Tensor? variance, Tensor? saved_mean, "
        "Tensor? saved_inverse, bool training, float epsilon, bool[3] mask) -> (Tensor, Tensor, Tensor)"
    ),
    "max_pool2d": (
        "(Tensor x, int[2] size, int[2] stride=[], int[2] padding=0, int[2] dilation=1, bool ceil=False) "
        "-> (Tensor, Tensor)"
    ),
    "max_pool2d_backward": (
        "(Tensor grad, Tensor x, int[2] size, int[2] stride, int[2] padding, int[2] dilation, bool ceil, "
        "Tensor indices) -> Tensor"
    ),
}
_KERNELS = {
    "batch_norm": _aten.native_batch_norm.default,
    "batch_norm_backward": _aten.native_batch_norm_backward.default,
    "max_pool2d": _aten.max_pool2d_with_indices.default,
    "max_pool2d_backward": _aten.max_pool2d_with_indices_backward.default,
}


def keep_kernels(graph: GraphModule) -> None:
    """Has a graph, as it was recorded, call torch's kernels where they are the better ones."""
    for node in graph.graph.nodes:
        name = _NAMES.get(node.target)
        if name is not None and _is_for_kernel(node.args[0]):
            node.target = getattr(torch.ops.labkeras, name).default
    graph.recompile()


def _is_for_kernel(node: Any) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.device.type == "cpu" and value.ndim == 4 and value.numel() > _FEW


def _define(name: str, kernel: Callable[..., Any]) -> None:
    torch.library.define(f"labkeras::{name}", _SCHEMAS[name])
    torch.library.impl(f"labkeras::{name}", "CPU")(lambda *args: kernel(*args))
    # The kernel itself knows the shapes of its results, also where there are no values.
    torch.library.register_fake(f"labkeras::{name}")(lambda *args: kernel(*args))


for _name, _kernel in _KERNELS.items():
    _define(_name, _kernel)

_NAMES = {kernel: name for name, kernel in _KERNELS.items()}
