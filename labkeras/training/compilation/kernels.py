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
    # inductor calls these kernels as they are, but takes what is kept for the backward pass for something else.
    "rnn": (
        "(Tensor x, Tensor weight0, Tensor weight1, Tensor weight2, Tensor weight3, Tensor hidden, Tensor cell, "
        "bool reverse, int[] batch_sizes, int mode, int hidden_size, int layers, bool biases, bool bidirectional, "
        "bool batch_first, bool train, int workspace) -> (Tensor, Tensor, Tensor, Tensor)"
    ),
    "rnn_backward": (
        "(Tensor x, Tensor weight0, Tensor weight1, Tensor weight2, Tensor weight3, Tensor hidden, Tensor cell, "
        "Tensor output, Tensor hidden_after, Tensor cell_after, Tensor? grad, Tensor? grad_hidden, Tensor? grad_cell, "
        "bool reverse, int mode, int hidden_size, int layers, bool biases, bool train, bool bidirectional, "
        "int[] batch_sizes, bool batch_first, Tensor workspace) "
        "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)"
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
        if node.target is _aten.mkldnn_rnn_layer.default:
            kept = node.meta["val"][3]  # what it keeps for a backward pass, if there is one
            node.args = (*node.args, kept.numel() if isinstance(kept, Tensor) else 0)
            node.target = torch.ops.labkeras.rnn.default
        elif node.target is _aten.mkldnn_rnn_layer_backward.default:
            node.target = torch.ops.labkeras.rnn_backward.default
        elif node.target in _NAMES and _is_for_kernel(node.args[0]):
            node.target = getattr(torch.ops.labkeras, _NAMES[node.target]).default
    graph.recompile()


def _is_for_kernel(node: Any) -> bool:
    value = node.meta.get("val")
    return isinstance(value, Tensor) and value.device.type == "cpu" and value.ndim == 4 and value.numel() > _FEW


def _define(name: str, kernel: Callable[..., Any], fake: Callable[..., Any] | None = None) -> None:
    torch.library.define(f"labkeras::{name}", _SCHEMAS[name])
    torch.library.impl(f"labkeras::{name}", "CPU")(lambda *args: kernel(*args))
    # Most kernels know the shapes of their results, also where there are no values.
    torch.library.register_fake(f"labkeras::{name}")(lambda *args: (fake or kernel)(*args))


def _rnn(*args: Any) -> Any:
    given = [arg.detach() if isinstance(arg, Tensor) else arg for arg in args[:-1]]
    workspace: int = args[-1]
    # The kernel goes by the state of autograd whether there will be a backward pass, for which it keeps something.
    with torch.set_grad_enabled(workspace > 0):
        output, hidden, cell, kept = _aten.mkldnn_rnn_layer.default(*given)
    return output, hidden, cell, kept if workspace else output.new_empty((0,), dtype=torch.uint8)


def _rnn_shapes(*args: Any) -> Any:
    # How much it keeps for the backward pass, only the run that was recorded could tell.
    x, hidden, cell, workspace = args[0], args[5], args[6], args[-1]
    output = x.new_empty((*x.shape[:2], hidden.shape[-1]))
    return output, torch.empty_like(hidden), torch.empty_like(cell), x.new_empty((workspace,), dtype=torch.uint8)


for _name, _kernel in _KERNELS.items():
    _define(_name, _kernel)
_define("rnn", _rnn, _rnn_shapes)
_define("rnn_backward", _aten.mkldnn_rnn_layer_backward.default)

_NAMES = {kernel: name for name, kernel in _KERNELS.items()}
