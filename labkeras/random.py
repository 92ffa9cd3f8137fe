"""Seeds: `set_random_seed` for everything, `SeedGenerator` for one layer's own stream."""

import random as python_random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.distribution.replicas import current
from labkeras.errors import InvalidArgumentError
from labkeras.variable import Variable, VariableModule

__all__ = ["SeedGenerator", "set_random_seed"]

_32_BITS, _64_BITS = 2**32 - 1, 2**64 - 1


def set_random_seed(seed: int) -> None:
    """Seeds Python's, NumPy's and torch's generators.

    Args:
        seed: an integer in [0, 2³²).
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise InvalidArgumentError(f"`seed` must be an integer in [0, 2**32). Received: seed={seed!r}")
    python_random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class SeedGenerator(VariableModule):
    """A stream of seeds: a layer's own source of randomness, with a state that is saved with the layer.

    Args:
        seed: start of the stream, an integer. With `None` the layer draws from torch's global generator, which
            `set_random_seed` seeds; the state then only counts as a variable, as in Keras.
    """

    _keras_public_name = ("keras.random", "SeedGenerator")

    def __init__(self, seed: int | None = None, name: str | None = None) -> None:
        super().__init__()
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise InvalidArgumentError(f"`seed` must be an integer or None. Received: seed={seed!r}")
        self.seed = seed
        self.name = name or "seed_generator"
        start = np.array([(seed or 0) % 2**32, 0], dtype=np.int64)
        state = Variable(start, dtype="int64", trainable=False, name="seed_generator_state")
        state.path = f"{self.name}/{state.name}"
        self.register_buffer("state", state)
        self.state: Variable
        self.eval()

    def next_generator(self, device: torch.device) -> torch.Generator | None:
        """A torch generator for one draw, at the next place of the stream; None means torch's global one."""
        if self.seed is None:
            return None
        return _next_generator(self.state, device)

    def uniform(self, shape: Sequence[int], device: torch.device) -> Tensor:
        """Values in [0, 1), float32, at the next place of the stream; works in compiled and exported programs too.

        Args:
            shape: sizes of the axes.
            device: where the values are to be.
        """
        if self.seed is None:
            return torch.rand(shape, device=device)
        # Compilers cannot look into a torch.Generator: to them the draw is one operation, which else only costs time.
        draw = _drawn_uniform if torch.compiler.is_compiling() else _draw_uniform
        return draw(self.state, shape, device)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal generator."""
        return {"seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "SeedGenerator":
        """The generator that `get_config` described."""
        return cls(**config)


def _next_generator(state: Tensor, device: torch.device) -> torch.Generator:
    start, count = state.tolist()
    with torch.no_grad():
        state[1] += 1
    return torch.Generator(device).manual_seed(_mixed(start, count, current().rank))


def _mixed(start: int, count: int, rank: int) -> int:
    """A 32-bit seed for each place of each stream in each replica, by SplitMix64 (Steele et al. 2014).

    torch's generator on the CPU uses 32 bits of its seed and drops the rest without a word: seeds that differ only in
    the upper half would give the same numbers.
    """
    value = ((start << 32) + count + 0x9E3779B97F4A7C15 + rank * 0xD1B54A32D192ED03) & _64_BITS
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _64_BITS
    return (value ^ (value >> 31)) & _32_BITS


def _draw_uniform(state: Tensor, shape: Sequence[int], device: torch.device) -> Tensor:
    return torch.rand(shape, generator=_next_generator(state, device), device=device)


_drawn_uniform = torch.library.custom_op(
    "labkeras::uniform",
    _draw_uniform,
    mutates_args={"state"},
    schema="(Tensor(a!) state, SymInt[] shape, Device device) -> Tensor",
)


@_drawn_uniform.register_fake
def _(state: Tensor, shape: Sequence[int], device: torch.device) -> Tensor:
    return torch.empty(shape, device=device)
