"""Metrics: what is measured during training and evaluation, kept up from batch to batch."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.metrics.accuracy import Accuracy as Accuracy
    from labkeras.metrics.accuracy import BinaryAccuracy as BinaryAccuracy
    from labkeras.metrics.accuracy import CategoricalAccuracy as CategoricalAccuracy
    from labkeras.metrics.accuracy import SparseCategoricalAccuracy as SparseCategoricalAccuracy
    from labkeras.metrics.accuracy import binary_accuracy as binary_accuracy
    from labkeras.metrics.accuracy import categorical_accuracy as categorical_accuracy
    from labkeras.metrics.accuracy import sparse_categorical_accuracy as sparse_categorical_accuracy
    from labkeras.metrics.auc import AUC as AUC
    from labkeras.metrics.choice import metric_for as metric_for
    from labkeras.metrics.choice import resolve_accuracy as resolve_accuracy
    from labkeras.metrics.lookup import deserialize as deserialize
    from labkeras.metrics.lookup import get as get
    from labkeras.metrics.lookup import serialize as serialize
    from labkeras.metrics.metric import Metric as Metric
    from labkeras.metrics.precision_recall import Precision as Precision
    from labkeras.metrics.precision_recall import Recall as Recall
    from labkeras.metrics.probabilistic import BinaryCrossentropy as BinaryCrossentropy
    from labkeras.metrics.probabilistic import CategoricalCrossentropy as CategoricalCrossentropy
    from labkeras.metrics.probabilistic import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
    from labkeras.metrics.reduction import Mean as Mean
    from labkeras.metrics.reduction import MeanMetricWrapper as MeanMetricWrapper
    from labkeras.metrics.regression import MeanAbsoluteError as MeanAbsoluteError
    from labkeras.metrics.regression import MeanSquaredError as MeanSquaredError
    from labkeras.ops.probabilistic import binary_crossentropy as binary_crossentropy
    from labkeras.ops.probabilistic import categorical_crossentropy as categorical_crossentropy
    from labkeras.ops.probabilistic import sparse_categorical_crossentropy as sparse_categorical_crossentropy
    from labkeras.ops.regression import mean_absolute_error as mean_absolute_error
    from labkeras.ops.regression import mean_squared_error as mean_squared_error

__all__, __getattr__, __dir__ = exports(__name__)

ALIASES = {"bce": "BinaryCrossentropy", "mae": "MeanAbsoluteError", "mse": "MeanSquaredError"}
