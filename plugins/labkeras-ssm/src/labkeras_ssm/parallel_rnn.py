"""ParallelRNN: a recurrent layer whose cell can take all steps of a sequence at once."""

from typing import Any, Self

import torch
from torch import Tensor

from labkeras.layers import RNN
from labkeras.layers.signature import config_of_arguments
from labkeras.nest import flatten

__all__ = ["ParallelRNN"]


class ParallelRNN(RNN):
    """What `S4D` and `Mamba` share: an RNN that does not go from step to step.

    Its cell has, beside what an RNN's cell has, `run(sequences, states, mask, all_outputs, zero_masked, wants_states)`,
    which returns the outputs, of all steps or of the last one, and the states after it if they are wanted. `states` is
    None for a sequence that begins with zeros, which is cheaper.

    Args:
        cell: the cell.
        options: what every RNN takes.
    """

    def __init__(self, cell: Any, **options: Any) -> None:
        super().__init__(cell, **options)

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Any = None,
        training: bool = False,
    ) -> Any:
        del training  # nothing in a cell depends on it
        begins = initial_state is not None or self.states is not None
        states = self._begin(sequences, initial_state) if begins else None
        mask = mask[0] if isinstance(mask, list | tuple) else mask
        if self.go_backwards:
            sequences, mask = sequences.flip(1), None if mask is None else mask.flip(1)
        outputs, states = self.cell.run(
            sequences,
            states,
            None if mask is None else mask.bool(),
            self.return_sequences,
            self.zero_output_for_mask,
            self.return_state or self.stateful,
        )
        if self.states is not None:
            with torch.no_grad():
                for variable, state in zip(flatten(self.states), states, strict=True):
                    variable.copy_(state)
        return (outputs, *states) if self.return_state else outputs

    def __getattr__(self, name: str) -> Any:
        # `s4d.units`, `s4d.activation` and so on are the cell's.
        cell = self.__dict__.get("_modules", {}).get("cell")
        if cell is not None and name in type(cell).settings:
            return getattr(cell, name)
        return super().__getattr__(name)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **config_of_arguments(self)}
        del config["cell"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        del custom_objects  # everything in the config is a plain argument
        return cls(**config)
