"""Operations of Keras's whose arguments must be worked out before torch can be called."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras.dtypes import to_torch
from labkeras.errors import SerializationError
from labkeras.graph.symbolic import KerasTensor, record
from labkeras.models.operation_call import check_settings, positional, tuples

__all__ = ["READERS", "Reader"]


_Settings = dict[str, Any]
_Args = Sequence[Any]
_Wanted = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]
_Read = Callable[[_Settings, _Args, _Settings], _Wanted]


class Reader:
    """An operation that is read by a function of its own.

    Args:
        read: from settings, arguments and keywords to the function of torch's to call, its arguments and keywords.
        settings: the names of the operation's settings.
    """

    def __init__(self, read: _Read, settings: Sequence[str] = ()) -> None:
        self._read = read
        self._settings = list(settings)

    def call(self, config: dict[str, Any], args: Sequence[Any], kwargs: dict[str, Any], name: str) -> Any:
        """Records the call that a config describes."""
        check_settings(config, self._settings)
        function, torch_args, torch_kwargs = self._read(config, args, kwargs)
        return record(function, torch_args, torch_kwargs, name=name)


def _read_getitem(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    if len(args) != 2 or kwargs or not isinstance(args[0], KerasTensor | Tensor):
        raise SerializationError(f"`GetItem` is called on a tensor and a key. Received: {len(args)} arguments")
    key = tuple(args[1]) if isinstance(args[1], list) else args[1]
    return operator.getitem, (args[0], key), {}


def _read_joining(function: Callable[..., Any]) -> _Read:
    def read(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
        if len(args) != 1 or kwargs or not isinstance(args[0], list | tuple):
            raise SerializationError("the operation is called on one list of tensors. Received: something else")
        return function, (list(args[0]),), {"dim": config.get("axis", 0)}

    return read


def _read_where(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    return torch.where, positional(args, kwargs, ("condition", "x1", "x2")), {}


def _read_reshape(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    (tensor,) = positional(args, kwargs, ("x",))
    shape = config.get("newshape")
    sizes = (shape,) if isinstance(shape, int) else shape
    if not isinstance(sizes, list | tuple):
        raise SerializationError(f"`newshape` must be a list of sizes. Received: newshape={shape!r}")
    return torch.reshape, (tensor, tuple(-1 if size is None else size for size in sizes)), {}


def _read_transpose(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    (tensor,) = positional(args, kwargs, ("x",))
    axes = config.get("axes")
    return torch.permute, (tensor, tuple(range(tensor.ndim))[::-1] if axes is None else tuple(axes)), {}


def _read_cast(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    (tensor,) = positional(args, kwargs, ("x",))
    return Tensor.to, (tensor, to_torch(config.get("dtype"))), {}


def _read_like(function: Callable[..., Any], takes_value: bool) -> _Read:
    def read(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
        tensors = positional(args, kwargs, ("x", "fill_value") if takes_value else ("x",))
        dtype = config.get("dtype")
        return function, tensors, {} if dtype is None else {"dtype": to_torch(dtype)}

    return read


def _read_clip(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    tensors = positional(args, kwargs, ("x",))
    return torch.clamp, tensors, {"min": config.get("x_min"), "max": config.get("x_max")}


def _read_moment(function: Callable[..., Any]) -> _Read:
    def read(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
        dim, keepdim = tuples(config).get("axis"), config.get("keepdims", False)
        tensors = positional(args, kwargs, ("x",))
        return function, tensors, {"dim": dim, "correction": 0, "keepdim": keepdim}

    return read


def _read_extreme(function: Callable[..., Any]) -> _Read:
    def read(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
        tensors = positional(args, kwargs, ("x",))
        if config.get("initial") is not None:
            raise SerializationError(f"`initial` is not supported. Received: initial={config['initial']!r}")
        axis = tuples(config).get("axis")
        return function, tensors, {"dim": () if axis is None else axis, "keepdim": config.get("keepdims", False)}

    return read


def _read_along(function: Callable[..., Any]) -> _Read:
    """Functions that torch has for one axis alone: `prod`, `cumsum`, `cumprod`."""

    def read(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
        (tensor,) = positional(args, kwargs, ("x",))
        axis, dtype = config.get("axis"), config.get("dtype")
        if not isinstance(axis, int) and not (axis is None and function is torch.prod and not config.get("keepdims")):
            raise SerializationError(f"`{function.__name__}` is read for one axis. Received: axis={axis!r}")
        options: dict[str, Any] = {} if axis is None else {"dim": axis}
        if config.get("keepdims"):
            options["keepdim"] = True
        if dtype is not None:
            options["dtype"] = to_torch(dtype)
        return function, (tensor,), options

    return read


def _read_split(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    (tensor,) = positional(args, kwargs, ("x",))
    parts, axis = config.get("indices_or_sections"), config.get("axis", 0)
    if isinstance(parts, int) and not isinstance(parts, bool):
        return torch.chunk, (tensor, parts), {"dim": axis}
    if not isinstance(parts, list | tuple):
        raise SerializationError(f"`indices_or_sections` must be an integer or a list. Received: {parts!r}")
    return torch.tensor_split, (tensor, tuple(parts)), {"dim": axis}


def _read_einsum(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    subscripts = config.get("subscripts")
    if not isinstance(subscripts, str) or kwargs:
        raise SerializationError(f"`subscripts` must be a string. Received: subscripts={subscripts!r}")
    return torch.einsum, (subscripts, *args), {}


def _read_pad(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    (tensor,) = positional(args, {}, ("x",))
    mode, widths = config.get("mode", "constant"), config.get("pad_width")
    value = kwargs.get("constant_values")
    if kwargs.keys() - {"constant_values"} or mode not in ("constant", "reflect") or isinstance(value, KerasTensor):
        raise SerializationError(
            f"`Pad` is read for the modes 'constant' and 'reflect'. Received: mode={mode!r}, {kwargs!r}"
        )
    pairs = _pairs(widths, tensor.ndim)
    while pairs and mode == "reflect" and pairs[0] == (0, 0):
        pairs = pairs[1:]
    flat = tuple(width for pair in reversed(pairs) for width in pair)
    return F.pad, (tensor, flat), {"mode": mode} | ({} if value is None else {"value": value})


def _pairs(widths: Any, rank: int) -> list[tuple[int, int]]:
    if isinstance(widths, int):
        return [(widths, widths)] * rank
    pairs = [tuple(pair) if isinstance(pair, list | tuple) else (pair, pair) for pair in widths or ()]
    if len(pairs) == 1:
        pairs *= rank
    if len(pairs) != rank or not all(
        len(pair) == 2 and all(isinstance(width, int) for width in pair) for pair in pairs
    ):
        raise SerializationError(
            f"`pad_width` must have a pair of integers for each of {rank} axes. Received: {widths!r}"
        )
    return pairs


def _read_gelu(config: _Settings, args: _Args, kwargs: _Settings) -> _Wanted:
    approximate = "tanh" if config.get("approximate", True) else "none"
    return F.gelu, positional(args, kwargs, ("x",)), {"approximate": approximate}


READERS: dict[str, Reader] = {
    "numpy.GetItem": Reader(_read_getitem),
    "numpy.Concatenate": Reader(_read_joining(torch.cat), ["axis"]),
    "numpy.Stack": Reader(_read_joining(torch.stack), ["axis"]),
    "numpy.Where": Reader(_read_where),
    "numpy.Reshape": Reader(_read_reshape, ["newshape"]),
    "numpy.Transpose": Reader(_read_transpose, ["axes"]),
    "core.Cast": Reader(_read_cast, ["dtype"]),
    "numpy.ZerosLike": Reader(_read_like(torch.zeros_like, takes_value=False), ["dtype"]),
    "numpy.OnesLike": Reader(_read_like(torch.ones_like, takes_value=False), ["dtype"]),
    "numpy.FullLike": Reader(_read_like(torch.full_like, takes_value=True), ["dtype"]),
    "numpy.Clip": Reader(_read_clip, ["x_min", "x_max"]),
    "numpy.Var": Reader(_read_moment(torch.var), ["axis", "keepdims"]),
    "numpy.Std": Reader(_read_moment(torch.std), ["axis", "keepdims"]),
    "numpy.Max": Reader(_read_extreme(torch.amax), ["axis", "keepdims", "initial"]),
    "numpy.Min": Reader(_read_extreme(torch.amin), ["axis", "keepdims", "initial"]),
    "numpy.Prod": Reader(_read_along(torch.prod), ["axis", "keepdims", "dtype"]),
    "numpy.Cumsum": Reader(_read_along(torch.cumsum), ["axis", "dtype"]),
    "numpy.Cumprod": Reader(_read_along(torch.cumprod), ["axis", "dtype"]),
    "numpy.Split": Reader(_read_split, ["indices_or_sections", "axis"]),
    "numpy.Einsum": Reader(_read_einsum, ["subscripts"]),
    "numpy.Pad": Reader(_read_pad, ["pad_width", "mode"]),
    "nn.Gelu": Reader(_read_gelu, ["approximate"]),
}
