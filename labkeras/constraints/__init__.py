"""Constraints: what weights are brought back to after each step of training, by Keras's names."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.constraints.constraint import Constraint as Constraint
    from labkeras.constraints.lookup import deserialize as deserialize
    from labkeras.constraints.lookup import get as get
    from labkeras.constraints.lookup import serialize as serialize
    from labkeras.constraints.norms import MaxNorm as MaxNorm
    from labkeras.constraints.norms import MinMaxNorm as MinMaxNorm
    from labkeras.constraints.norms import UnitNorm as UnitNorm
    from labkeras.constraints.norms import max_norm as max_norm
    from labkeras.constraints.norms import min_max_norm as min_max_norm
    from labkeras.constraints.norms import unit_norm as unit_norm
    from labkeras.constraints.signs import NonNeg as NonNeg
    from labkeras.constraints.signs import non_neg as non_neg

__all__, __getattr__, __dir__ = exports(__name__)
