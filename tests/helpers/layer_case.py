"""KerasLayerCase: one layer with its settings and inputs, made here and in real Keras alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from labkeras.layers import Layer
from labkeras.testing.layer_case import LayerCase


@dataclass(frozen=True)
class KerasLayerCase(LayerCase):
    """A layer class of ours; Keras's has the same name and takes the same arguments."""

    @property
    def keras_cls(self) -> Any:
        return getattr(keras.layers, self.cls.__name__)

    def theirs(self, **more: Any) -> Any:
        return self.keras_cls(**{"name": "checked", **self.arguments, **more})

    def pair(self, **more: Any) -> tuple[Layer, Any]:
        """Our layer and Keras's, with the same weights."""
        ours, theirs = self.built(**more), self.theirs(**more)
        self.run(theirs, training=False)
        theirs.set_weights(ours.get_weights())
        return ours, theirs

    def fill(self, layer: Layer) -> None:
        """Values for all weights, running means among them. Positive, because variances are."""
        random = np.random.default_rng(1)
        weights = layer.get_weights()
        layer.set_weights([random.uniform(0.2, 1.0, size=one.shape).astype(one.dtype) for one in weights])


def weight_names(layer: Any) -> list[str]:
    return [weight.path for weight in layer.weights]


Step = Callable[[KerasLayerCase], None]
STEPS: dict[str, Step] = {}
"""What `check_layer` does beside the properties of any layer, by name; files of steps add to it with `@step(...)`."""


def step(name: str) -> Callable[[Step], Step]:
    """Files a function as a step of `check_layer`."""

    def file(function: Step) -> Step:
        STEPS[name] = function
        return function

    return file
