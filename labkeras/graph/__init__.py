"""Symbolic tensors, the calls between them, and the Function that runs those calls."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.graph.function import Function as Function
    from labkeras.graph.input import Input as Input
    from labkeras.graph.symbolic import KerasTensor as KerasTensor
    from labkeras.graph.symbolic import Node as Node
    from labkeras.graph.symbolic import record as record

__all__, __getattr__, __dir__ = exports(__name__)
