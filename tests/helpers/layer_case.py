"""LayerCase: one layer with its settings and inputs, made here and in real Keras alike."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import torch
from torch import Tensor

from labkeras.dtypes import to_torch
from labkeras.graph.symbolic import KerasTensor
from labkeras.layers import Layer
from labkeras.nest import flatten, map_structure, pack

NAME = "checked"
# float64 too: some of Keras's operations compute it in float32.
_TOLERANCE = {torch.float16: 4e-3, torch.bfloat16: 3e-2, torch.float32: 2e-5, torch.float64: 1e-6}


@dataclass(frozen=True)
class LayerCase:
    """A layer class, how to make it, and what to call it on.

    Args:
        cls: the class; Keras's has the same name.
        kwargs: constructor arguments that both take.
        inputs: arrays, nested as the layer takes them.
        call_kwargs: further arguments of the call, such as a mask.
        is_random: whether training draws random numbers, so that it cannot be compared with Keras.
    """

    cls: type[Layer]
    kwargs: dict[str, Any]
    inputs: Any
    call_kwargs: dict[str, Any] = field(default_factory=dict)
    is_random: bool = False

    @property
    def keras_cls(self) -> Any:
        return getattr(keras.layers, self.cls.__name__)

    def ours(self, **more: Any) -> Layer:
        return self.cls(**{"name": NAME, **self.kwargs, **more})

    def theirs(self, **more: Any) -> Any:
        return self.keras_cls(**{"name": NAME, **self.kwargs, **more})

    def built(self, **more: Any) -> Layer:
        """Our layer with weights that are not the usual zeros and ones, which would hide mistakes."""
        layer = self.ours(**more)
        self.run(layer, training=False)
        layer.set_weights(_random_weights(layer.get_weights()))
        return layer

    def pair(self, **more: Any) -> tuple[Layer, Any]:
        """Our layer and Keras's, with the same weights."""
        ours, theirs = self.built(**more), self.theirs(**more)
        self.run(theirs, training=False)
        theirs.set_weights(ours.get_weights())
        return ours, theirs

    def tensors(self, requires_grad: bool = False) -> Any:
        """The inputs as new tensors."""

        def tensor(array: np.ndarray) -> Tensor:
            values = torch.tensor(array)
            return values.requires_grad_() if requires_grad and values.is_floating_point() else values

        return map_structure(tensor, self.inputs)

    def placeholders(self, shapes: Any = None) -> Any:
        """Placeholders for the inputs: the batch unknown, or of the shapes given."""
        arrays = flatten(self.inputs)
        shapes = [(None, *array.shape[1:]) for array in arrays] if shapes is None else shapes
        return pack(self.inputs, [KerasTensor(shape, a.dtype.name) for shape, a in zip(shapes, arrays, strict=True)])

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        return [array.shape for array in flatten(self.inputs)]

    @property
    def input_shape(self) -> Any:
        """What `build` and `compute_output_shape` take."""
        return self.as_input_shape(self.shapes)

    def as_input_shape(self, shapes: list[Any]) -> Any:
        return pack(self.inputs, shapes)

    def run(self, layer: Any, training: bool | None = None, inputs: Any = None) -> Any:
        inputs = self.tensors() if inputs is None else inputs
        kwargs = self.call_kwargs if training is None else {**self.call_kwargs, "training": training}
        return layer(inputs, **kwargs)

    def seeded_run(self, layer: Any, training: bool | None = None, inputs: Any = None) -> Any:
        """A run that draws the same random numbers each time, for layers without a seed of their own."""
        torch.manual_seed(3)
        return self.run(layer, training, inputs)

    def gradients(self, layer: Any, weights: list[Any], training: bool) -> list[Tensor]:
        """Gradients, for the float inputs and then for weights, of the output's elements in a fixed random mix."""
        inputs = self.tensors(requires_grad=True)
        outputs = flatten(self.seeded_run(layer, training, inputs))
        leaves = [*(leaf for leaf in flatten(inputs) if leaf.requires_grad), *weights]
        mixed = sum((output * _weighting(output)).sum() for output in outputs if output.requires_grad)
        return list(torch.autograd.grad(mixed, leaves)) if isinstance(mixed, Tensor) and leaves else []


def weight_names(layer: Any) -> list[str]:
    return [weight.path for weight in layer.weights]


def assert_same(actual: Any, expected: Any, what: str) -> None:
    """Equal structure, shapes and types, and values within what the type can tell apart."""
    actual, expected = flatten(actual), flatten(expected)
    assert len(actual) == len(expected), f"{what}: {len(actual)} tensors, expected {len(expected)}"
    for one, other in zip(actual, expected, strict=True):
        assert tuple(one.shape) == tuple(other.shape), (
            f"{what}: shape {tuple(one.shape)}, expected {tuple(other.shape)}"
        )
        assert one.dtype == other.dtype, f"{what}: {one.dtype}, expected {other.dtype}"
        tolerance = _TOLERANCE.get(one.dtype, 0.0)
        torch.testing.assert_close(
            one.detach(), other.detach(), rtol=tolerance, atol=tolerance, msg=lambda text: f"{what}: {text}"
        )


def sample(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Values for a test: normal floats, or integers from 0 to 3."""
    random = np.random.default_rng([seed, *shape])
    if "float" in dtype:
        return random.normal(size=shape).astype(dtype)
    return random.integers(0, 2 if dtype == "bool" else 4, size=shape).astype(dtype)


def _random_weights(weights: list[np.ndarray]) -> list[np.ndarray]:
    # Positive, because variances are among them.
    random = np.random.default_rng(1)
    return [random.uniform(0.2, 1.0, size=weight.shape).astype(weight.dtype) for weight in weights]


def _weighting(output: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(output.shape, generator=generator, dtype=torch.float64).to(output.dtype) + 0.5


def torch_dtype(name: str) -> torch.dtype:
    return to_torch(name)


Step = Callable[[LayerCase], None]
STEPS: dict[str, Step] = {}
"""What `check_layer` does, by name; files of steps add to it with `@step(...)`."""


def step(name: str) -> Callable[[Step], Step]:
    """Files a function as a step of `check_layer`."""

    def file(function: Step) -> Step:
        STEPS[name] = function
        return function

    return file
