"""Losses of predicted probabilities: the cross-entropies."""

from typing import Any

from labkeras.losses.wrapper import LossFunctionWrapper
from labkeras.ops.probabilistic import (
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"]


class BinaryCrossentropy(LossFunctionWrapper):
    """The cross-entropy of yes-or-no predictions: `mean(-t · log(p) - (1 - t) · log(1 - p))`.

    Args:
        from_logits: whether `y_pred` holds logits rather than probabilities; more exact, and faster.
        label_smoothing: in [0, 1]; how far targets are drawn towards 0.5: 0.2 makes 0 and 1 into 0.1 and 0.9.
        axis: the axis that the mean of a sample is taken over.
        reduction: what becomes of the values of the samples; see `Loss`.
        name: its name.
        dtype: the data type that is computed in; `floatx` unless given.

    Shapes:
        y_true, y_pred: (batch, …, features)
        result: (); (batch, …) with reduction "none"

    Example:
        >>> BinaryCrossentropy()([[0.0], [1.0]], [[0.5], [0.5]])
        tensor(0.6931)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            binary_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class CategoricalCrossentropy(LossFunctionWrapper):
    """The cross-entropy of one-hot targets: `-Σ t · log(p)` over the classes.

    Args:
        from_logits: whether `y_pred` holds logits rather than probabilities; more exact, and faster.
        label_smoothing: in [0, 1]; the part of each target that is spread evenly over all classes.
        axis: the axis of the classes.
        reduction: what becomes of the values of the samples; see `Loss`.
        name: its name.
        dtype: the data type that is computed in; `floatx` unless given.

    Shapes:
        y_true, y_pred: (batch, …, classes)
        result: (); (batch, …) with reduction "none"

    Example:
        >>> CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])
        tensor(0.6931)
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """The cross-entropy of class numbers: `-log(p[t])`.

    Args:
        from_logits: whether `y_pred` holds logits rather than probabilities; more exact, and faster.
        ignore_class: a class number, often -1 or 255, that stands for "no answer" and counts for nothing.
        reduction: what becomes of the values of the samples; see `Loss`.
        axis: the axis of the classes.
        name: its name.
        dtype: the data type that is computed in; `floatx` unless given.

    Shapes:
        y_true: (batch, …), or (batch, …, 1)
        y_pred: (batch, …, classes)
        result: (); (batch, …) with reduction "none"

    Raises:
        InvalidArgumentError: when called on a class number out of range. On other devices than the CPU the loss is NaN
            instead: to look would mean to wait for the device in each step.

    Example:
        >>> SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])
        tensor(0.6931)
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            reduction=reduction,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        # Differs from Keras: it forgets the axis. Written only where it matters, the config is Keras's everywhere else.
        if config["axis"] == -1:
            del config["axis"]
        return config
