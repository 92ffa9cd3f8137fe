"""Functions on tensors with the names of `keras.ops`."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.ops.crossentropy import binary_crossentropy as binary_crossentropy
    from labkeras.ops.crossentropy import categorical_crossentropy as categorical_crossentropy
    from labkeras.ops.crossentropy import sparse_categorical_crossentropy as sparse_categorical_crossentropy
    from labkeras.ops.division import divide_no_nan as divide_no_nan

__all__, __getattr__, __dir__ = exports(__name__)
