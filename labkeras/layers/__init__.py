"""Layers: a file a layer, in Keras's families. A new layer needs its file, its test, and its line here."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.graph.input import Input as Input
    from labkeras.graph.input import InputLayer as InputLayer
    from labkeras.layers.core.dense import Dense as Dense
    from labkeras.layers.input_spec import InputSpec as InputSpec
    from labkeras.layers.layer import Layer as Layer

__all__, __getattr__, __dir__ = exports(__name__)
