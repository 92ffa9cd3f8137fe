"""Regularizers: penalties on weights and outputs that are added to the loss, by Keras's names."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.regularizers.lookup import deserialize as deserialize
    from labkeras.regularizers.lookup import get as get
    from labkeras.regularizers.lookup import serialize as serialize
    from labkeras.regularizers.magnitude import L1 as L1
    from labkeras.regularizers.magnitude import L1L2 as L1L2
    from labkeras.regularizers.magnitude import L2 as L2
    from labkeras.regularizers.magnitude import l1 as l1
    from labkeras.regularizers.magnitude import l1_l2 as l1_l2
    from labkeras.regularizers.magnitude import l2 as l2
    from labkeras.regularizers.orthogonal import OrthogonalRegularizer as OrthogonalRegularizer
    from labkeras.regularizers.orthogonal import orthogonal_regularizer as orthogonal_regularizer
    from labkeras.regularizers.regularizer import Regularizer as Regularizer

__all__, __getattr__, __dir__ = exports(__name__)
