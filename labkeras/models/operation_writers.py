"""Calls of torch's functions whose arguments must be worked out before Keras's operation is known."""

import operator
from collections.abc import Callable
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras.dtypes import standardize_dtype
from labkeras.graph.symbolic import KerasTensor, Node
from labkeras.models.operation_call import ALIASES, Call, has_small_integers, is_plain

__all__ = ["WRITERS"]


def _named(node: Node, *names: str, spread: bool = False) -> dict[str, Any] | None:
    """The arguments of a call by names; None if there are others."""
    args, kwargs = node.args, {ALIASES.get(name, name): value for name, value in node.kwargs.items()}
    if spread and len(args) > 1 and not isinstance(args[1], list | tuple):
        args = (args[0], tuple(args[1:]))
    if len(args) > len(names) or not kwargs.keys() <= set(names):
        return None
    return dict(zip(names, args, strict=False)) | kwargs


def _write_getitem(node: Node) -> Call | None:
    tensor, key = node.args
    if not isinstance(tensor, KerasTensor | Tensor):
        return None
    if isinstance(key, list):
        # Keras takes a list for a tuple, one index an axis; as a tensor it is what it is in torch.
        key = torch.tensor(key)
    return Call("numpy.GetItem", {}, (tensor, key))


def _write_joining(operation: str) -> Callable[[Node], Call | None]:
    def write(node: Node) -> Call | None:
        given = _named(node, "tensors", "dim")
        if given is None or not isinstance(given["tensors"], list | tuple):
            return None
        return Call(operation, {"axis": given.get("dim", 0)}, (list(given["tensors"]),))

    return write


def _write_where(node: Node) -> Call | None:
    given = _named(node, "condition", "input", "other")
    if given is None or len(given) != 3:
        return None
    if node.operation is Tensor.where:  # x.where(condition, other)
        given = dict(zip(("input", "condition", "other"), given.values(), strict=True))
    return Call("numpy.Where", {}, (given["condition"], given["input"], given["other"]))


def _write_masked_fill(node: Node) -> Call | None:
    given = _named(node, "input", "mask", "value")
    # Keras makes a number a tensor of float32, which would change any other type.
    if given is None or len(given) != 3 or getattr(given["input"], "dtype", None) not in ("float32", torch.float32):
        return None
    return Call("numpy.Where", {}, (given["mask"], given["value"], given["input"]))


def _write_reshape(node: Node) -> Call | None:
    given = _named(node, "input", "shape", spread=True)
    if given is None or len(given) != 2:
        return None
    shape = given["shape"]
    sizes = (shape,) if isinstance(shape, int) else shape
    if not isinstance(sizes, list | tuple):
        return None
    if all(isinstance(size, int) for size in sizes):
        return Call("numpy.Reshape", {"newshape": tuple(sizes)}, (given["input"],))
    return _shaped_as_result(node, given["input"])


def _write_flatten(node: Node) -> Call | None:
    return _shaped_as_result(node, node.args[0] if node.args else node.kwargs.get("input"))


def _shaped_as_result(node: Node, tensor: Any) -> Call | None:
    """A reshape to the shape of the result, if at most one of its sizes is unknown."""
    shape = node.output_tensors[0].shape
    if shape.count(None) > 1:
        return None
    return Call("numpy.Reshape", {"newshape": tuple(-1 if size is None else size for size in shape)}, (tensor,))


def _write_permute(node: Node) -> Call | None:
    given = _named(node, "input", "dims", spread=True)
    if given is None or len(given) != 2 or not is_plain(given["dims"]):
        return None
    return Call("numpy.Transpose", {"axes": tuple(given["dims"])}, (given["input"],))


def _write_attribute(node: Node) -> Call | None:
    tensor, name = node.args
    return Call("numpy.Transpose", {"axes": None}, (tensor,)) if name == "T" else None


def _write_to(node: Node) -> Call | None:
    given = _named(node, "input", "dtype")
    if given is None or not isinstance(given.get("dtype"), torch.dtype):
        return None
    return Call("core.Cast", {"dtype": standardize_dtype(given["dtype"])}, (given["input"],))


def _write_cast_method(dtype: str) -> Callable[[Node], Call | None]:
    def write(node: Node) -> Call | None:
        return Call("core.Cast", {"dtype": dtype}, node.args) if len(node.args) == 1 and not node.kwargs else None

    return write


def _write_like(operation: str, *names: str) -> Callable[[Node], Call | None]:
    def write(node: Node) -> Call | None:
        given = _named(node, *names, "dtype")
        if given is None or not all(name in given for name in names) or isinstance(given.get("fill_value"), bool):
            return None
        dtype = given.get("dtype")
        return Call(
            operation,
            {"dtype": None if dtype is None else standardize_dtype(dtype)},
            tuple(given[name] for name in names),
        )

    return write


def _write_clamp(node: Node) -> Call | None:
    given = _named(node, "input", "min", "max")
    if given is None:
        return None
    tensor, low, high = given["input"], given.get("min"), given.get("max")
    if low is None and high is not None:
        return Call("numpy.Minimum", {}, (tensor, high))
    if high is None and low is not None:
        return Call("numpy.Maximum", {}, (tensor, low))
    return Call("numpy.Clip", {"x_min": low, "x_max": high}, (tensor,)) if is_plain((low, high)) else None


def _write_moment(operation: str) -> Callable[[Node], Call | None]:
    def write(node: Node) -> Call | None:
        """torch divides by n − 1 unless told otherwise; Keras by n."""
        given = _named(node, "input", "dim", "unbiased", "keepdim", "correction")
        if given is None or isinstance(given.get("dim"), bool):
            return None
        if given.get("correction", None if "unbiased" not in given else int(given["unbiased"])) != 0:
            return None
        axis = given.get("dim")
        return Call(operation, {"axis": axis, "keepdims": given.get("keepdim", False)}, (given["input"],))

    return write


def _write_extreme(operation: str) -> Callable[[Node], Call | None]:
    def write(node: Node) -> Call | None:
        """`amax`; and `max` of a whole tensor: along an axis it returns indices as well."""
        given = _named(node, "input", "dim", "keepdim")
        is_plain = node.operation in (torch.max, torch.min, Tensor.max, Tensor.min)
        if given is None or (is_plain and len(given) > 1):
            return None
        dim = given.get("dim", ())
        axis = None if dim == () else dim
        return Call(
            operation, {"axis": axis, "keepdims": given.get("keepdim", False), "initial": None}, (given["input"],)
        )

    return write


def _write_along(operation: str, *settings: str) -> Callable[[Node], Call | None]:
    def write(node: Node) -> Call | None:
        given = _named(node, "input", "dim", *(["keepdim"] if "keepdims" in settings else []), "dtype")
        if given is None:
            return None
        dtype = given.get("dtype")
        config = {"axis": given.get("dim"), "dtype": None if dtype is None else standardize_dtype(dtype)}
        if "keepdims" in settings:
            config["keepdims"] = given.get("keepdim", False)
        cast = "int64" if dtype is None and has_small_integers(given["input"]) else None
        return Call(operation, config, (given["input"],), cast=cast)

    return write


def _write_chunk(node: Node) -> Call | None:
    given = _named(node, "input", "chunks", "dim")
    if given is None or not isinstance(given.get("chunks"), int):
        return None
    return _split_call(node, given["input"], given.get("dim", 0))


def _write_split(node: Node) -> Call | None:
    given = _named(node, "input", "split_size_or_sections", "dim")
    given = given if given is not None else _named(node, "input", "split_size", "dim")
    return None if given is None else _split_call(node, given["input"], given.get("dim", 0))


def _split_call(node: Node, tensor: Any, dim: int) -> Call | None:
    """A split into the sizes that the parts have: equal ones by their number, others by where they begin."""
    sizes = [part.shape[dim] for part in node.output_tensors]
    if None in sizes:
        return None
    starts = list(accumulate(size for size in sizes if size is not None))[:-1]
    parts = len(sizes) if len(set(sizes)) == 1 else starts
    return Call("numpy.Split", {"indices_or_sections": parts, "axis": dim}, (tensor,))


def _write_tensor_split(node: Node) -> Call | None:
    given = _named(node, "input", "indices_or_sections", "dim")
    if given is None or not isinstance(given.get("indices_or_sections"), list | tuple | int):
        return None
    return _split_call(node, given["input"], given.get("dim", 0))


def _write_einsum(node: Node) -> Call | None:
    subscripts, *operands = node.args
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = list(operands[0])
    return Call("numpy.Einsum", {"subscripts": subscripts}, tuple(operands)) if isinstance(subscripts, str) else None


def _write_pad(node: Node) -> Call | None:
    given = _named(node, "input", "pad", "mode", "value")
    if given is None or not is_plain(given.get("pad")) or given.get("mode", "constant") not in ("constant", "reflect"):
        return None
    flat = given["pad"]
    if any(width < 0 for width in flat):
        return None
    padded = [(flat[place], flat[place + 1]) for place in range(0, len(flat), 2)]
    widths = [(0, 0)] * (given["input"].ndim - len(padded)) + padded[::-1]
    mode, value = given.get("mode", "constant"), given.get("value")
    return Call("numpy.Pad", {"pad_width": tuple(widths), "mode": mode}, (given["input"],), {"constant_values": value})


def _write_gelu(node: Node) -> Call | None:
    given = _named(node, "input", "approximate")
    if given is None:
        return None
    return Call("nn.Gelu", {"approximate": given.get("approximate", "none") == "tanh"}, (given["input"],))


def _write_logical(operation: str) -> Callable[[Node], Call | None]:
    def write(node: Node) -> Call | None:
        """`a & b` of truth values; of integers it is another operation, in the table."""
        is_logical = all(isinstance(arg, KerasTensor | Tensor) and _is_bool(arg) for arg in node.args)
        return Call(operation, {}, node.args) if is_logical else None

    return write


def _is_bool(tensor: KerasTensor | Tensor) -> bool:
    return tensor.dtype in ("bool", torch.bool)


WRITERS: dict[Any, Callable[[Node], Call | None]] = {
    operator.getitem: _write_getitem,
    getattr: _write_attribute,
    F.pad: _write_pad,
    torch.einsum: _write_einsum,
    operator.and_: _write_logical("numpy.LogicalAnd"),
    operator.or_: _write_logical("numpy.LogicalOr"),
    operator.xor: _write_logical("numpy.LogicalXor"),
    operator.invert: _write_logical("numpy.LogicalNot"),
}
for _writer, _names in (
    (_write_joining("numpy.Concatenate"), ("cat", "concat", "concatenate")),
    (_write_joining("numpy.Stack"), ("stack",)),
    (_write_where, ("where",)),
    (_write_masked_fill, ("masked_fill",)),
    (_write_reshape, ("reshape", "view")),
    (_write_flatten, ("flatten",)),
    (_write_permute, ("permute",)),
    (_write_to, ("to",)),
    (_write_like("numpy.ZerosLike", "input"), ("zeros_like",)),
    (_write_like("numpy.OnesLike", "input"), ("ones_like",)),
    (_write_like("numpy.FullLike", "input", "fill_value"), ("full_like",)),
    (_write_clamp, ("clamp", "clip")),
    (_write_moment("numpy.Var"), ("var",)),
    (_write_moment("numpy.Std"), ("std",)),
    (_write_extreme("numpy.Max"), ("max", "amax")),
    (_write_extreme("numpy.Min"), ("min", "amin")),
    (_write_along("numpy.Prod", "keepdims"), ("prod",)),
    (_write_along("numpy.Cumsum"), ("cumsum",)),
    (_write_along("numpy.Cumprod"), ("cumprod",)),
    (_write_chunk, ("chunk",)),
    (_write_split, ("split",)),
    (_write_tensor_split, ("tensor_split",)),
    (_write_gelu, ("gelu",)),
    (_write_cast_method("float32"), ("float",)),
    (_write_cast_method("float64"), ("double",)),
    (_write_cast_method("float16"), ("half",)),
    (_write_cast_method("bfloat16"), ("bfloat16",)),
    (_write_cast_method("int32"), ("int",)),
    (_write_cast_method("int64"), ("long",)),
    (_write_cast_method("bool"), ("bool",)),
):
    for _name in _names:
        _places = (
            (Tensor,)
            if _names[0] in ("float", "double", "half", "bfloat16", "int", "long", "bool")
            else (torch, Tensor, F)
        )
        for _place in _places:
            _found = getattr(_place, _name, None)
            if callable(_found):
                WRITERS.setdefault(_found, _writer)
