"""GatedDense: a dense layer that learns how much of each output to let through."""

from typing import Any

from torch import Tensor

from labkeras import activations
from labkeras.errors import InvalidArgumentError
from labkeras.layers import Layer


class GatedDense(Layer):
    """A linear map times a gate: `(inputs @ kernel + bias) * gate_activation(inputs @ gate_kernel + gate_bias)`.

    Args:
        units: size of the output's last axis, a positive integer.
        gate_activation: function that the gate goes through, or its registered name.
        base: what every layer takes, such as `name`.

    Shapes:
        inputs: (batch, …, features)
        output: (batch, …, units)

    Reference:
        Y. N. Dauphin et al. (2017), "Language Modeling with Gated Convolutional Networks", https://arxiv.org/abs/1612.08083

    Example:
        >>> GatedDense(3)(torch.ones(2, 5)).shape
        torch.Size([2, 3])
    """

    def __init__(self, units: int, gate_activation: Any = "sigmoid", **base: Any) -> None:
        super().__init__(**base)
        if not (isinstance(units, int) and units > 0):
            raise InvalidArgumentError(f"`units` must be a positive integer. Received: units={units!r}")
        self.units = units
        self.gate_activation = activations.get(gate_activation)
        self.supports_masking = True  # a step of the input is a step of the output

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        shape = (input_shape[-1], self.units)
        self.kernel = self.add_weight(name="kernel", shape=shape)
        self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
        self.gate_kernel = self.add_weight(name="gate_kernel", shape=shape)
        self.gate_bias = self.add_weight(name="gate_bias", shape=(self.units,), initializer="zeros")

    def call(self, inputs: Tensor) -> Tensor:
        gate = self.gate_activation(inputs @ self.gate_kernel + self.gate_bias)
        outputs: Tensor = (inputs @ self.kernel + self.bias) * gate
        return outputs

    def get_config(self) -> dict[str, Any]:
        own = {"units": self.units, "gate_activation": activations.serialize(self.gate_activation)}
        return {**super().get_config(), **own}
