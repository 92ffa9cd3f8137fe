"""Embedding: a learned vector for each index."""

from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import constraints, initializers, regularizers
from labkeras.errors import InvalidInputError
from labkeras.graph.symbolic import Shape
from labkeras.layers.arguments import positive_integer, refuse
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.signature import config_of_arguments
from labkeras.ranges import PositiveInt

__all__ = ["Embedding"]

_INDEX_DTYPES = (torch.int64, torch.int32)


class Embedding(Layer):
    """Looks up a learned vector for each index: `embeddings[inputs]`.

    Args:
        input_dim: number of indices, which go from 0 to `input_dim - 1`; a positive integer.
        output_dim: length of a vector, a positive integer.
        embeddings_initializer: start values of `embeddings`, shape (input_dim, output_dim).
        embeddings_regularizer: penalty on `embeddings`, added to the loss.
        embeddings_constraint: a function that `embeddings` goes through after each update.
        mask_zero: whether index 0 is padding: the output then carries a mask that is False where the input is 0.
        weights: start values as an array of shape (input_dim, output_dim), or a list with that array.
        lora_rank, lora_alpha, quantization_config: not supported yet; only None is taken.

    Shapes:
        inputs: any, indices; floats lose their fraction
        output: (*inputs, output_dim)

    Example:
        >>> Embedding(1000, 64)(torch.tensor([[4, 20, 7]])).shape
        torch.Size([1, 3, 64])
    """

    _optional_config = frozenset({"lora_rank", "lora_alpha"})

    def __init__(  # type: ignore[misc]  # here `input_dim` is something else
        self,
        input_dim: PositiveInt,
        output_dim: PositiveInt,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        quantization_config: None = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**base)
        refuse("Embedding", lora_rank=lora_rank, lora_alpha=lora_alpha, quantization_config=quantization_config)
        self.input_dim = positive_integer(input_dim, "input_dim")
        self.output_dim = positive_integer(output_dim, "output_dim")
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self.supports_masking = mask_zero
        # Indices as floats must not be rounded to 16 bits before they are looked up.
        self.autocast = False
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, input_shape: Shape | None = None) -> None:
        if self.built:
            return
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            # The rows that are looked up are cast, not the whole table; and gradients of a row that occurs often would
            # overflow in float16 where they are summed.
            autocast=False,
        )

    def call(self, inputs: Tensor) -> Tensor:
        indices = inputs if inputs.dtype in _INDEX_DTYPES else inputs.to(torch.int32)
        try:
            vectors = F.embedding(indices, self.embeddings)
        except IndexError as error:
            # torch looks only on the CPU, and names neither index nor table. On a GPU a look would stall every call.
            # Differs from Keras: a negative index is an error, and does not count from the end of the table.
            raise self._out_of_range(indices) from error
        dtype = self.dtype_policy.torch_compute_dtype
        return vectors if vectors.dtype is dtype else vectors.to(dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.output_dim)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return inputs != 0 if self.mask_zero else None

    def get_config(self) -> dict[str, Any]:
        config = {"activity_regularizer": None, **super().get_config(), **config_of_arguments(self)}
        del config["weights"]  # start values: a saved model has its own
        return config

    def _out_of_range(self, indices: Tensor) -> InvalidInputError:
        return InvalidInputError(
            f"layer {self.name!r} has vectors for the indices 0 to {self.input_dim - 1} (input_dim={self.input_dim}). "
            f"Received: indices from {int(indices.min())} to {int(indices.max())}"
        )
