"""StackedRNNCells: several cells that act as one."""

from collections.abc import Mapping, Sequence
from typing import Any, Self, Unpack

import torch
from torch import Tensor

from labkeras import serialization
from labkeras.errors import InvalidArgumentError
from labkeras.graph.symbolic import Shape
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.nest import flatten, map_structure

__all__ = ["StackedRNNCells", "zero_states"]


class StackedRNNCells(Layer):
    """Cells on top of each other: each gets the output of the one below, and keeps states of its own.

    Args:
        cells: the cells, the lowest first; each with `call(inputs, states)` and `state_size`.

    Shapes:
        inputs: (batch, features)
        states: a list of the states of each cell
        output: that of the last cell

    Example:
        >>> RNN(StackedRNNCells([LSTMCell(4), LSTMCell(2)]))(torch.ones(3, 5, 6)).shape
        torch.Size([3, 2])
    """

    def __init__(self, cells: Sequence[Any], **base: Unpack[LayerOptions]) -> None:
        super().__init__(**base)
        for cell in cells:
            if not (callable(getattr(cell, "call", None)) and hasattr(cell, "state_size")):
                raise InvalidArgumentError(
                    f"all cells must have `call(inputs, states)` and `state_size`. Received: {cell!r}"
                )
        self.cells = list(cells)

    @property
    def state_size(self) -> list[Any]:
        """The sizes of the states of each cell."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> int:
        """The number of features of the output."""
        return _output_size(self.cells[-1])

    def build(self, input_shape: Shape) -> None:
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            input_shape = (input_shape[0], _output_size(cell))

    def call(
        self, inputs: Tensor, states: Sequence[Any], training: bool = False, masks: Sequence[Any] | None = None
    ) -> tuple[Tensor, list[Any]]:
        new_states: list[Any] = []
        for index, (cell, state) in enumerate(zip(self.cells, states, strict=True)):
            is_list = isinstance(state, list | tuple)
            spec = getattr(cell, "_call_spec", None)
            options: dict[str, Any] = {"training": training} if spec is not None and spec.takes_training else {}
            if masks is not None and masks[index] is not None:
                options["masks"] = masks[index]
            inputs, after = cell(inputs, list(state) if is_list else [state], **options)
            after = list(after) if isinstance(after, list | tuple) else [after]
            new_states.append(after if is_list else after[0])
        return inputs, new_states

    def dropout_masks(self, inputs: Tensor, states: Sequence[Any]) -> list[Any]:
        """What each cell drops in a batch; None for cells that drop nothing."""
        masks: list[Any] = []
        for cell, state in zip(self.cells, states, strict=True):
            listed = state if isinstance(state, list | tuple) else [state]
            masks.append(cell.dropout_masks(inputs, listed) if hasattr(cell, "dropout_masks") else None)
            inputs = inputs.new_empty((inputs.shape[0], _output_size(cell)))
        return masks

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """The states that a batch begins with, those of each cell."""
        states: list[Any] = []
        for cell in self.cells:
            own = getattr(cell, "get_initial_state", None)
            states.append(zero_states(cell.state_size, batch_size, self) if own is None else own(batch_size=batch_size))
        return states

    def get_config(self) -> dict[str, Any]:
        cells = [serialization.serialize_keras_object(cell) for cell in self.cells]
        return {**super().get_config(), "cells": cells}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        config = dict(config)
        cells = [
            serialization.deserialize_keras_object(cell, custom_objects, kind="layers") for cell in config.pop("cells")
        ]
        return cls(cells, **config)


def zero_states(sizes: Any, batch_size: int, layer: Layer) -> Any:
    """States of zeros, of the layer's compute type, nested as their sizes are."""
    dtype = layer.dtype_policy.torch_compute_dtype
    return map_structure(lambda size: torch.zeros((batch_size, size), dtype=dtype), sizes)


def _output_size(cell: Any) -> int:
    size = getattr(cell, "output_size", None)
    return int(size if size is not None else flatten(cell.state_size)[0])
