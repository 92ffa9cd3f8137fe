"""LossFunctionWrapper: a function of `(y_true, y_pred)` as a loss."""

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor

from labkeras import nest, serialization
from labkeras.losses.loss import Loss
from labkeras.losses.one_call import KEEPS_TARGETS, MEAN_IN_ONE_CALL
from labkeras.losses.reduction import MEANS
from labkeras.ops.conversion import to_tensor
from labkeras.ops.ranks import squeeze_or_expand_to_same_rank

__all__ = ["LossFunctionWrapper"]


class LossFunctionWrapper(Loss):
    """A loss made from a function, and the base of every loss of ours that has one.

    A loss of ours is a function, such as `mean_squared_error`, and a class on this one, whose `__init__` lists the
    arguments and passes them on: no method is needed.

    Args:
        fn: a function of `(y_true, y_pred, **kwargs)` that gives a value for each sample.
        reduction: what becomes of the values; see `Loss`.
        name: its name; that of the class unless given.
        dtype: the data type that is computed in; `floatx` unless given.
        **kwargs: further arguments of `fn`.

    Example:
        >>> LossFunctionWrapper(lambda y_true, y_pred: (y_true - y_pred).abs(), reduction="sum")([1.0], [3.0])
        tensor(2.)
    """

    # Keras keeps this class to itself, and writes it with the path of its private module.
    _keras_public_name = ("keras.src.losses.losses", "LossFunctionWrapper")

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.fn = fn
        self._fn_kwargs = kwargs
        self._casts_targets = fn not in KEEPS_TARGETS
        # A subclass with a `call` of its own computes something else.
        is_plain = type(self).call is LossFunctionWrapper.call
        self._mean = MEAN_IN_ONE_CALL.get(fn) if is_plain else None

    def call(self, y_true: Any, y_pred: Any) -> Tensor:
        if isinstance(y_true, Tensor) and isinstance(y_pred, Tensor):
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        elif nest.same_structure(y_true, y_pred):
            y_true, y_pred = _to_same_ranks(y_true, y_pred)
        values: Tensor = self.fn(y_true, y_pred, **self._fn_kwargs)
        return values

    def mean_over_batch(self, y_true: Any, y_pred: Any) -> Tensor | None:
        if self._mean is None or self.reduction not in MEANS:
            return None
        if not (isinstance(y_true, Tensor) and isinstance(y_pred, Tensor)):
            return None
        if y_true.ndim != y_pred.ndim:
            y_true, y_pred = squeeze_or_expand_to_same_rank(y_true, y_pred)
        return self._mean(y_true, y_pred, **self._fn_kwargs)

    def cast_targets(self, y_true: Any, device: torch.device | None = None) -> Any:
        # Differs from Keras: it casts class numbers to the loss's float type, which cannot hold the high ones.
        return self.cast(y_true, device) if self._casts_targets else to_tensor(y_true, device=device)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        if type(self) is LossFunctionWrapper:  # any other class brings its function itself
            config["fn"] = serialization.serialize_keras_object(self.fn)
        return {**config, **serialization.serialize_keras_object(self._fn_kwargs)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        if "fn" not in config:
            return cls(**config)
        arguments = serialization.deserialize_keras_object({k: v for k, v in config.items() if k != "fn"})
        return cls(fn=serialization.deserialize_keras_object(config["fn"], kind="losses"), **arguments)


def _to_same_ranks(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    pairs = [
        squeeze_or_expand_to_same_rank(*pair) for pair in zip(nest.flatten(y_true), nest.flatten(y_pred), strict=True)
    ]
    return nest.pack(y_true, (pair[0] for pair in pairs)), nest.pack(y_pred, (pair[1] for pair in pairs))
