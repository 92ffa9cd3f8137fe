"""Losses: how far predictions are from the truth, as classes and as functions."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.losses.choice import loss_for as loss_for
    from labkeras.losses.choice import resolve_crossentropy as resolve_crossentropy
    from labkeras.losses.lookup import deserialize as deserialize
    from labkeras.losses.lookup import get as get
    from labkeras.losses.lookup import serialize as serialize
    from labkeras.losses.loss import Loss as Loss
    from labkeras.losses.probabilistic import BinaryCrossentropy as BinaryCrossentropy
    from labkeras.losses.probabilistic import CategoricalCrossentropy as CategoricalCrossentropy
    from labkeras.losses.probabilistic import SparseCategoricalCrossentropy as SparseCategoricalCrossentropy
    from labkeras.losses.regression import MeanAbsoluteError as MeanAbsoluteError
    from labkeras.losses.regression import MeanSquaredError as MeanSquaredError
    from labkeras.losses.wrapper import LossFunctionWrapper as LossFunctionWrapper
    from labkeras.ops.probabilistic import binary_crossentropy as binary_crossentropy
    from labkeras.ops.probabilistic import categorical_crossentropy as categorical_crossentropy
    from labkeras.ops.probabilistic import sparse_categorical_crossentropy as sparse_categorical_crossentropy
    from labkeras.ops.regression import mean_absolute_error as mean_absolute_error
    from labkeras.ops.regression import mean_squared_error as mean_squared_error

__all__, __getattr__, __dir__ = exports(__name__)

ALIASES = {"bce": "BinaryCrossentropy", "mae": "MeanAbsoluteError", "mse": "MeanSquaredError"}
