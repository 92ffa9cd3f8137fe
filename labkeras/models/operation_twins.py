"""Operations of Keras's that are one function of torch's under other names: the table, both ways."""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras.graph.symbolic import KerasTensor, keras_tensors, record
from labkeras.models import keras_functions
from labkeras.models.operation_call import (
    ALIASES,
    Call,
    check_settings,
    has_small_integers,
    is_plain,
    positional,
    tuples,
)

__all__ = ["TWINS", "Twin"]


@dataclass(frozen=True)
class Twin:
    """An operation of Keras's, and functions of torch's that compute the same.

    Args:
        functions: the functions; the first is what the operation is read as.
        tensors: torch's names of what it is called on.
        settings: torch's names of the settings → Keras's name, torch's default.
        fixed: other arguments of torch's, with the values without which the two do not compute the same.
        spread: the setting that a method takes as several arguments: `x.permute(0, 2, 1)`.
        when: whether the two compute the same for these arguments; always, unless given.
        read: what the operation is read as, with Keras's settings, where that is not the first function.
        result: "int32" if Keras's result is of that type, where torch's is int64; "small" if it is for integers that
            are not int64.
    """

    functions: tuple[Callable[..., Any], ...]
    tensors: tuple[str, ...] = ("input",)
    settings: Mapping[str, tuple[str, Any]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    spread: str | None = None
    when: Callable[[dict[str, Any]], bool] | None = None
    read: Callable[..., Any] | None = None
    result: str | None = None

    def write(self, operation: str, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call | None:
        """The call of the operation that equals a call of one of the functions; None if there is none."""
        given = self._bind(args, kwargs)
        if given is None or any(name not in given for name in self.tensors):
            return None
        tensors = tuple(given[name] for name in self.tensors)
        config = {keras: given.get(name, default) for name, (keras, default) in self.settings.items()}
        differs = any(given.get(name, value) != value for name, value in self.fixed.items())
        if differs or (self.when is not None and not self.when(given)) or not all(map(is_plain, config.values())):
            return None
        is_torch = function is not self.read
        return Call(operation, config, tensors, cast=self._cast(tensors) if is_torch else None)

    def call(self, config: dict[str, Any], args: Sequence[Any], kwargs: dict[str, Any], name: str) -> Any:
        """Records the call that a config describes."""
        named = dict(zip((keras for keras, _ in self.settings.values()), self.settings, strict=True))
        check_settings(config, list(named))
        tensors = positional(args, kwargs, self.tensors)
        if self.read is not None:
            return record(self.read, tensors, tuples(config), name=name)
        settings = {named[key]: value for key, value in tuples(config).items()}
        return record(self.functions[0], tensors, settings, name=name)

    def _cast(self, tensors: tuple[Any, ...]) -> str | None:
        """torch counts in int64, Keras mostly in int32."""
        if self.result is None or (self.result == "small" and not has_small_integers(tensors)):
            return None
        return "int64"

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any] | None:
        """The arguments of a call by torch's names; None if the call has others."""
        names = [*self.tensors, *self.settings, *(name for name in self.fixed if name not in self.settings)]
        kwargs = {ALIASES.get(name, name): value for name, value in kwargs.items()}
        count = len(self.tensors)
        if self.spread is not None and len(args) > count and isinstance(args[count], int | KerasTensor):
            args = (*args[:count], tuple(args[count:]))
        if len(args) > len(names) or not kwargs.keys() <= set(names):
            return None
        return dict(zip(names, args, strict=False)) | kwargs


def _both(*names: str) -> tuple[Callable[..., Any], ...]:
    """`torch.name` and `x.name()`, as far as torch has them; and `torch.nn.functional.name`."""
    found = (getattr(place, name, None) for name in names for place in (torch, Tensor, F))
    return tuple(dict.fromkeys(function for function in found if function is not None))


def _all_int(given: dict[str, Any]) -> bool:
    return all("int" in tensor.dtype for tensor in keras_tensors(list(given.values())))


def _has_dim(given: dict[str, Any]) -> bool:
    return isinstance(given.get("dim"), int)


def _is_tensor(given: dict[str, Any]) -> bool:
    return isinstance(given.get("other"), KerasTensor | Tensor) and isinstance(given.get("input"), KerasTensor | Tensor)


def _unary(*names: str, **options: Any) -> Twin:
    return Twin(_both(*names), **options)


def _binary(*functions: Callable[..., Any], **options: Any) -> Twin:
    return Twin(functions, ("input", "other"), **options)


def _reduction(*names: str, dim: Any = None, **options: Any) -> Twin:
    settings = {"dim": ("axis", dim), "keepdim": ("keepdims", False)}
    return Twin(_both(*names), settings=settings, **options)


_INPLACE = {"inplace": False}
_NO_DTYPE = {"dtype": None}
_SOFTMAX = {"_stacklevel": 3, "dtype": None}  # torch.nn.functional's own default, which it passes on

TWINS: dict[str, Twin] = {
    # arithmetic
    "numpy.Add": _binary(operator.add, *_both("add"), fixed={"alpha": 1}),
    "numpy.Subtract": _binary(operator.sub, *_both("sub", "subtract"), fixed={"alpha": 1}),
    "numpy.Multiply": _binary(operator.mul, *_both("mul", "multiply")),
    "numpy.TrueDivide": _binary(
        operator.truediv, *_both("div", "divide", "true_divide"), fixed={"rounding_mode": None}
    ),
    "numpy.Divide": _binary(operator.truediv),
    "numpy.FloorDivide": _binary(operator.floordiv, *_both("floor_divide")),
    "numpy.Mod": _binary(operator.mod, *_both("remainder")),
    "numpy.Power": _binary(operator.pow, *_both("pow")),
    "numpy.Matmul": _binary(operator.matmul, *_both("matmul", "bmm", "mm", "mv")),
    "numpy.Negative": Twin((operator.neg, *_both("neg", "negative"))),
    "numpy.Absolute": Twin((operator.abs, *_both("abs", "absolute"))),
    "numpy.Abs": Twin((operator.abs,)),
    "numpy.Maximum": _binary(keras_functions.maximum, *_both("maximum"), read=keras_functions.maximum),
    "numpy.Minimum": _binary(keras_functions.minimum, *_both("minimum"), read=keras_functions.minimum),
    "numpy.Arctan2": _binary(*_both("atan2", "arctan2")),
    "numpy.Logaddexp": _binary(*_both("logaddexp")),
    # comparison and logic
    "numpy.Equal": _binary(operator.eq, *_both("eq")),
    "numpy.NotEqual": _binary(operator.ne, *_both("ne", "not_equal")),
    "numpy.Greater": _binary(operator.gt, *_both("gt", "greater")),
    "numpy.GreaterEqual": _binary(operator.ge, *_both("ge", "greater_equal")),
    "numpy.Less": _binary(operator.lt, *_both("lt", "less")),
    "numpy.LessEqual": _binary(operator.le, *_both("le", "less_equal")),
    "numpy.LogicalAnd": _binary(*_both("logical_and"), when=_is_tensor),
    "numpy.LogicalOr": _binary(*_both("logical_or"), when=_is_tensor),
    "numpy.LogicalXor": _binary(*_both("logical_xor"), when=_is_tensor),
    "numpy.LogicalNot": _unary("logical_not"),
    "numpy.BitwiseAnd": _binary(operator.and_, *_both("bitwise_and"), when=_all_int),
    "numpy.BitwiseOr": _binary(operator.or_, *_both("bitwise_or"), when=_all_int),
    "numpy.BitwiseXor": _binary(operator.xor, *_both("bitwise_xor"), when=_all_int),
    "numpy.BitwiseInvert": Twin((operator.invert, *_both("bitwise_not")), when=_all_int),
    "numpy.BitwiseLeftShift": _binary(operator.lshift, *_both("bitwise_left_shift"), when=_all_int),
    "numpy.BitwiseRightShift": _binary(operator.rshift, *_both("bitwise_right_shift"), when=_all_int),
    "numpy.Isnan": _unary("isnan"),
    "numpy.Isfinite": _unary("isfinite"),
    "numpy.Isinf": _unary("isinf"),
    # functions of one number
    **{
        f"numpy.{keras}": _unary(*names)
        for keras, *names in (
            *(("Exp", "exp"), ("Exp2", "exp2"), ("Expm1", "expm1"), ("Log", "log"), ("Log10", "log10")),
            *(("Log1p", "log1p"), ("Log2", "log2"), ("Sqrt", "sqrt"), ("Square", "square")),
            *(("Reciprocal", "reciprocal"), ("Ceil", "ceil"), ("Floor", "floor"), ("Sign", "sign")),
            *(("Sin", "sin"), ("Cos", "cos"), ("Tan", "tan"), ("Sinh", "sinh"), ("Cosh", "cosh"), ("Tanh", "tanh")),
            *(("Arcsin", "asin", "arcsin"), ("Arccos", "acos", "arccos"), ("Arctan", "atan", "arctan")),
            *(("Arcsinh", "asinh", "arcsinh"), ("Arccosh", "acosh", "arccosh"), ("Arctanh", "atanh", "arctanh")),
        )
    },
    "math.Rsqrt": _unary("rsqrt"),
    "math.Erf": _unary("erf"),
    "numpy.Round": _unary("round", settings={"decimals": ("decimals", 0)}),
    # activations
    "nn.Relu": _unary("relu", fixed=_INPLACE),
    "nn.Relu6": _unary("relu6", fixed=_INPLACE),
    "nn.Sigmoid": _unary("sigmoid"),
    "nn.Softplus": _unary("softplus", fixed={"beta": 1.0, "threshold": 20.0}),
    "nn.Softsign": _unary("softsign"),
    "nn.Silu": _unary("silu", fixed=_INPLACE),
    "nn.LogSigmoid": _unary("logsigmoid"),
    "nn.LeakyRelu": _unary("leaky_relu", settings={"negative_slope": ("negative_slope", 0.01)}, fixed=_INPLACE),
    "nn.HardSigmoid": _unary("hardsigmoid", fixed=_INPLACE),
    "nn.HardSilu": _unary("hardswish", fixed=_INPLACE),
    "nn.Elu": _unary("elu", settings={"alpha": ("alpha", 1.0)}, fixed=_INPLACE),
    "nn.Selu": _unary("selu", fixed=_INPLACE),
    "nn.Celu": _unary("celu", settings={"alpha": ("alpha", 1.0)}, fixed=_INPLACE),
    "nn.Glu": _unary("glu", settings={"dim": ("axis", -1)}),
    "nn.TanhShrink": _unary("tanhshrink"),
    "nn.HardTanh": _unary("hardtanh", fixed={"min_val": -1.0, "max_val": 1.0, "inplace": False}),
    "nn.HardShrink": _unary("hardshrink", settings={"lambd": ("threshold", 0.5)}),
    "nn.SoftShrink": _unary("softshrink", settings={"lambd": ("threshold", 0.5)}),
    "nn.Threshold": _unary("threshold", settings={"threshold": ("threshold", None), "value": ("default_value", None)}),
    "nn.Softmax": _unary("softmax", settings={"dim": ("axis", None)}, fixed=_SOFTMAX, when=_has_dim),
    "nn.LogSoftmax": _unary("log_softmax", settings={"dim": ("axis", None)}, fixed=_SOFTMAX, when=_has_dim),
    # over axes
    "numpy.Mean": _reduction("mean", fixed=_NO_DTYPE),
    "numpy.Sum": _reduction("sum", fixed=_NO_DTYPE, result="small"),
    "numpy.All": _reduction("all"),
    "numpy.Any": _reduction("any"),
    "numpy.Argmax": _reduction("argmax", read=keras_functions.argmax, result="int32"),
    "numpy.Argmin": _reduction("argmin", read=keras_functions.argmin, result="int32"),
    "numpy.Argsort": Twin((keras_functions.argsort,), settings={"dim": ("axis", -1)}, read=keras_functions.argsort),
    "numpy.Sort": Twin((keras_functions.sort,), settings={"dim": ("axis", -1)}, read=keras_functions.sort),
    "math.Logsumexp": _reduction("logsumexp", when=lambda given: given.get("dim") is not None),
    "math.TopK": Twin(
        (keras_functions.top_k,),
        settings={"k": ("k", None), "sorted": ("sorted", True)},
        read=keras_functions.top_k,
    ),
    # shapes
    "numpy.ExpandDims": _unary("unsqueeze", settings={"dim": ("axis", None)}, read=keras_functions.expand_dims),
    "numpy.Squeeze": _unary("squeeze", settings={"dim": ("axis", None)}),
    "numpy.Swapaxes": _unary(
        *("transpose", "swapaxes", "swapdims"), settings={"dim0": ("axis1", None), "dim1": ("axis2", None)}
    ),
    "numpy.Moveaxis": _unary(
        *("movedim", "moveaxis"), settings={"source": ("source", None), "destination": ("destination", None)}
    ),
    "numpy.BroadcastTo": _unary("broadcast_to", settings={"size": ("shape", None)}),
    "numpy.Tile": _unary("tile", settings={"dims": ("repeats", None)}, spread="dims"),
    "numpy.Flip": _unary("flip", settings={"dims": ("axis", None)}, spread="dims"),
    "numpy.Roll": _unary("roll", settings={"shifts": ("shift", None), "dims": ("axis", None)}),
    "numpy.Repeat": Twin(
        (keras_functions.repeat,),
        settings={"repeats": ("repeats", None), "dim": ("axis", None)},
        read=keras_functions.repeat,
    ),
    "numpy.Tril": _unary("tril", settings={"diagonal": ("k", 0)}),
    "numpy.Triu": _unary("triu", settings={"diagonal": ("k", 0)}),
    "numpy.Ravel": _unary("ravel"),
    "numpy.Copy": _unary("clone"),
    "numpy.Take": Twin(
        (keras_functions.take,), ("x", "indices"), settings={"dim": ("axis", None)}, read=keras_functions.take
    ),
    "numpy.TakeAlongAxis": Twin(
        (keras_functions.take_along_axis,),
        ("x", "indices"),
        settings={"dim": ("axis", None)},
        read=keras_functions.take_along_axis,
    ),
    "nn.OneHot": Twin(
        (keras_functions.one_hot,),
        settings={
            "num_classes": ("num_classes", None),
            "dim": ("axis", -1),
            "dtype": ("dtype", None),
            "sparse": ("sparse", False),
        },
        read=keras_functions.one_hot,
    ),
    "core.StopGradient": _unary("detach"),
}
