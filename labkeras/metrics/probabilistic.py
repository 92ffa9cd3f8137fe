"""Metrics of predicted probabilities: the cross-entropies."""

from typing import Any

from labkeras.metrics.reduction import MeanMetricWrapper
from labkeras.ops.probabilistic import (
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)

__all__ = ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"]


class BinaryCrossentropy(MeanMetricWrapper):
    """The cross-entropy of yes-or-no predictions.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.
        from_logits: whether `y_pred` holds logits rather than probabilities.
        label_smoothing: in [0, 1]; how far targets are drawn towards 0.5: 0.2 makes 0 and 1 into 0.1 and 0.9.

    Example:
        >>> BinaryCrossentropy()([[0.0], [1.0]], [[0.5], [0.5]])
        tensor(0.6931)
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            binary_crossentropy, name=name, dtype=dtype, from_logits=from_logits, label_smoothing=label_smoothing
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing


class CategoricalCrossentropy(MeanMetricWrapper):
    """The cross-entropy of one-hot targets.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.
        from_logits: whether `y_pred` holds logits rather than probabilities.
        label_smoothing: in [0, 1]; the part of each target that is spread evenly over all classes.
        axis: the axis of the classes.

    Example:
        >>> CategoricalCrossentropy()([[0.0, 1.0]], [[0.5, 0.5]])
        tensor(0.6931)
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing
        self.axis = axis


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The cross-entropy of class numbers.

    Args:
        name: its name.
        dtype: the data type of its state and result; `floatx` unless given.
        from_logits: whether `y_pred` holds logits rather than probabilities.
        ignore_class: a class number that stands for "no answer"; as in Keras, such a sample counts with a value of 0
            unless there are sample weights, and then does not count.
        axis: the axis of the classes.

    Example:
        >>> SparseCategoricalCrossentropy()([1], [[0.5, 0.5]])
        tensor(0.6931)
    """

    _direction = "down"

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            name=name,
            dtype=dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        self.axis = axis
