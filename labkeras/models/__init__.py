"""Models: Sequential, functional and subclassed, with compile, fit, evaluate and predict."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.models.model import Model as Model
    from labkeras.models.sequential import Sequential as Sequential

__all__, __getattr__, __dir__ = exports(__name__)
