"""MultiHeadAttention: several learned ways for each position to take from others what it needs."""

import math
from collections.abc import Sequence
from typing import Any, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor

from labkeras import constraints, initializers, regularizers
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import KerasTensor, Shape
from labkeras.layers.arguments import fraction, positive_integer
from labkeras.layers.attention.masking import causal_mask, joined_mask, sliding_mask
from labkeras.layers.core.einsum_dense import EinsumDense
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.regularization.dropout import Dropout
from labkeras.layers.signature import config_of_arguments
from labkeras.ranges import Fraction, PositiveInt

__all__ = ["MultiHeadAttention"]


class MultiHeadAttention(Layer):
    """Projects query, key and value to several heads; each takes means of the values, weighted by how well a query and
    the keys agree: `softmax(query @ key.T / sqrt(key_dim)) @ value`.

    Args:
        num_heads: number of heads, a positive integer.
        key_dim: size of each head's query and key, a positive integer.
        value_dim: size of each head's value; `key_dim` unless given.
        dropout: fraction of the weights that training sets to zero, in [0, 1].
        use_bias: whether the projections have biases.
        output_shape: size of the output's last axis, or sizes of several; that of the query unless given.
        attention_axes: the axes along which positions attend; all but the batch and the features unless given.
        sliding_window: how far a position sees: to `sliding_window - 1` others on either side; None: to all.
        flash_attention: taken for Keras's sake: torch's kernel is used wherever it computes what was asked for.
        kernel_initializer, bias_initializer: start values of the projections' weights.
        kernel_regularizer, bias_regularizer: penalties on them, added to the loss.
        activity_regularizer: penalty on the projections' outputs, and on the layer's.
        kernel_constraint, bias_constraint: functions that they go through after each update.
        use_gate: whether the heads' outputs are multiplied by a learned gate, `sigmoid` of a projection of the query.
        seed: start of the stream of random numbers of `dropout`.

    Shapes:
        query: (batch, …, length, features)
        value, key: (batch, …, other length, features); `key` is `value` unless given
        attention_mask: (batch, length, other length), True where a query may see a value; with an axis of heads as well
        output: that of the query, with the last axis of `output_shape`; with `return_attention_scores` also the
            weights, (batch, heads, length, other length)

    Reference:
        Vaswani et al. (2017), Attention Is All You Need.

    Example:
        >>> MultiHeadAttention(num_heads=2, key_dim=8)(torch.ones(3, 5, 16), torch.ones(3, 7, 16)).shape
        torch.Size([3, 5, 16])
    """

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place, as in Keras
        self,
        num_heads: PositiveInt,
        key_dim: PositiveInt,
        value_dim: PositiveInt | None = None,
        dropout: Fraction = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: PositiveInt | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        self.supports_masking = True
        self.num_heads = positive_integer(num_heads, "num_heads")
        self.key_dim = positive_integer(key_dim, "key_dim")
        self.value_dim = self.key_dim if value_dim is None else positive_integer(value_dim, "value_dim")
        self.dropout = fraction(dropout, "dropout")
        self.use_bias = use_bias
        self.use_gate = use_gate
        self.sliding_window = None if sliding_window is None else positive_integer(sliding_window, "sliding_window")
        if flash_attention and dropout > 0:
            raise InvalidArgumentError(
                f"flash attention has no dropout: set `dropout` to 0. Received: dropout={dropout!r}, "
                f"flash_attention={flash_attention!r}"
            )
        self.flash_attention = flash_attention
        self._wanted_shape = None if output_shape is None else _sizes(output_shape, "output_shape")
        self.attention_axes = None if attention_axes is None else _sizes(attention_axes, "attention_axes")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.seed = seed
        self._scale = 1.0 / math.sqrt(self.key_dim)

    def build(  # type: ignore[override]  # it has several inputs
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self._check_shapes(query_shape, value_shape, key_shape)
        self.query_dense = self._projection("query", query_shape, self.key_dim)
        self.key_dense = self._projection("key", key_shape, self.key_dim)
        if self.use_gate:
            self._gate_dense = self._projection("gate", query_shape, self.value_dim, activation="sigmoid")
        self.value_dense = self._projection("value", value_shape, self.value_dim)
        rank = len(query_shape) + 1  # with the axis of heads
        axes = tuple(range(1, rank - 2)) if self.attention_axes is None else self.attention_axes
        self.attention_axes = tuple(axis if axis >= 0 else rank - 1 + axis for axis in axes)
        self._scores_equation, self._output_equation = _equations(rank, self.attention_axes)
        self._is_sequence = rank == 4
        self._dropout_layer = Dropout(self.dropout, dtype=self.dtype_policy, seed=self.seed)
        wanted = (query_shape[-1],) if self._wanted_shape is None else self._wanted_shape
        free, made = _letters(len(query_shape) - 1), _letters(len(wanted), 20)
        self.output_dense = EinsumDense(
            f"{free}yz,yz{made}->{free}{made}",
            output_shape=(*(None for _ in free[1:]), *wanted),
            bias_axes=made if self.use_bias else None,
            name="attention_output",
            **self._options(),
        )
        self.output_dense.build((*query_shape[:-1], self.num_heads, self.value_dim))

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        key_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
    ) -> Any:
        # Differs from Keras: a `query_mask` that is given counts; there the one that the tensor carries replaces it.
        given = (query_mask, value_mask, key_mask, attention_mask, self.sliding_window)
        is_causal = use_causal_mask and all(one is None for one in given)
        mask = None if is_causal else self._mask(query, value, *given[:4], use_causal_mask)
        # `_run`: conversions and checks were done for this layer.
        queries = self.query_dense._run(query)
        keys = self.key_dense._run(value if key is None else key)
        values = self.value_dense._run(value)
        outputs, scores = self._compute_attention(
            queries,
            keys,
            values,
            mask,
            training,
            return_attention_scores,
            **({"use_causal_mask": True} if is_causal else {}),
        )
        if self.use_gate:
            outputs = outputs * self._gate_dense._run(query)
        outputs = self.output_dense._run(outputs)
        return (outputs, scores) if return_attention_scores else outputs

    def _compute_attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None = None,
        training: bool | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attends, with projected inputs; a subclass may override it.

        Args:
            query, key, value: shape (batch, …, length, heads, size of a head).
            attention_mask: True where a query may see a value.
            training: whether weights are dropped.
            return_attention_scores: whether the weights are wanted.
            use_causal_mask: whether a position sees only those before it; given only if there is no other mask.

        Returns:
            The heads' outputs, shaped as the query, and the weights, or None.
        """
        drops = self.dropout if training else 0.0
        if self._is_sequence and not return_attention_scores and (not drops or self.seed is None):
            mask = None if attention_mask is None else self._penalty(attention_mask, query)
            outputs = F.scaled_dot_product_attention(
                query.transpose(1, 2),
                key.transpose(1, 2),
                value.transpose(1, 2),
                attn_mask=mask,
                dropout_p=drops,
                is_causal=use_causal_mask,
                scale=self._scale,
            )
            return outputs.transpose(1, 2), None
        if use_causal_mask:
            attention_mask = causal_mask(query, value)
        scores = self._softmax(torch.einsum(self._scores_equation, key, query * self._scale), attention_mask)
        kept = self._dropout_layer._run(scores, training=bool(training))
        return torch.einsum(self._output_equation, kept, value), scores

    def _softmax(self, scores: Tensor, mask: Tensor | None) -> Tensor:
        if mask is not None:
            scores = scores + self._penalty(mask, scores)
        count = len(self.attention_axes or ())
        return scores.flatten(-count).softmax(-1).reshape(scores.shape)

    def _penalty(self, mask: Tensor, scores: Tensor) -> Tensor:
        """What to add to scores: much below zero where the mask is False.

        Not minus infinity: with nothing to see, a position would get NaN; it sees all alike. The mask gets axes of size
        1 before those of the positions, for the heads and what else it does not tell apart.
        """
        place = -2 * len(self.attention_axes or ()) - 1
        while mask.ndim < scores.ndim:
            mask = mask.unsqueeze(place)
        return torch.zeros_like(mask, dtype=scores.dtype).masked_fill_(~mask, torch.finfo(scores.dtype).min * 0.7)

    def _mask(
        self,
        query: Tensor,
        value: Tensor,
        query_mask: Tensor | None,
        value_mask: Tensor | None,
        key_mask: Tensor | None,
        attention_mask: Tensor | None,
        use_causal_mask: bool,
    ) -> Tensor | None:
        masks = [
            None if query_mask is None else query_mask.bool().unsqueeze(-1),
            None if value_mask is None else value_mask.bool().unsqueeze(-2),
            None if key_mask is None else key_mask.bool().unsqueeze(-2),
            causal_mask(query, value) if use_causal_mask else None,
            None if self.sliding_window is None else sliding_mask(query, value, self.sliding_window),
            None if attention_mask is None else attention_mask.bool(),
        ]
        return joined_mask(masks)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        # That of the query: the values' has been used up.
        return mask

    def compute_output_shape(  # type: ignore[override]  # it has several inputs
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> Shape:
        self._check_shapes(query_shape, value_shape, value_shape if key_shape is None else key_shape)
        wanted = (query_shape[-1],) if self._wanted_shape is None else self._wanted_shape
        return (*query_shape[:-1], *wanted)

    def compute_output_spec(
        self,
        query: KerasTensor,
        value: KerasTensor,
        key: KerasTensor | None = None,
        return_attention_scores: bool = False,
        **others: Any,
    ) -> Any:
        del others  # masks and flags, which change no shape
        shape = self.compute_output_shape(query.shape, value.shape, None if key is None else key.shape)
        outputs = KerasTensor(shape, self.compute_dtype)
        if not return_attention_scores:
            return outputs
        axes = self.attention_axes if self.attention_axes is not None else tuple(range(1, len(query.shape) - 1))
        positions = [axis if axis >= 0 else len(query.shape) + axis for axis in axes]
        others_ = [query.shape[axis] for axis in range(1, len(query.shape) - 1) if axis not in positions]
        lengths = [tensor.shape[axis] for tensor in (query, value) for axis in positions]
        scores = KerasTensor((query.shape[0], *others_, self.num_heads, *lengths), self.compute_dtype)
        return outputs, scores

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), **config_of_arguments(self)}
        config.pop("flash_attention", None)  # a way to compute, which files of Keras's leave out as well
        return {**config, "output_shape": self._wanted_shape}

    def _projection(self, name: str, shape: Shape, size: int, activation: Any = None) -> EinsumDense:
        """A layer from the features to the heads, each of so many numbers."""
        free = _letters(len(shape) - 1)
        dense = EinsumDense(
            f"{free}x,xyz->{free}yz",
            output_shape=(*(None for _ in free[1:]), self.num_heads, size),
            bias_axes="yz" if self.use_bias else None,
            activation=activation,
            name=name,
            **self._options(),
        )
        dense.build(shape)
        return dense

    def _options(self) -> dict[str, Any]:
        """What all projections have in common."""
        return {
            "kernel_initializer": _copied(self.kernel_initializer),
            "bias_initializer": _copied(self.bias_initializer),
            "kernel_regularizer": self.kernel_regularizer,
            "bias_regularizer": self.bias_regularizer,
            "activity_regularizer": self.activity_regularizer,
            "kernel_constraint": self.kernel_constraint,
            "bias_constraint": self.bias_constraint,
            "dtype": self.dtype_policy,
        }

    def _check_shapes(self, query_shape: Shape, value_shape: Shape, key_shape: Shape) -> None:
        if value_shape[1:-1] != key_shape[1:-1]:
            raise InvalidInputError(
                f"layer {self.name!r} needs keys and values of the same shape but for the last axis. "
                f"Received: value shape {tuple(value_shape)}, key shape {tuple(key_shape)}"
            )
        if len(query_shape) < 3 or len(query_shape) != len(value_shape):
            raise InvalidInputError(
                f"layer {self.name!r} attends between sequences: query, value and key need a batch, positions and "
                f"features. Received: query shape {tuple(query_shape)}, value shape {tuple(value_shape)}"
            )


def _copied(initializer: Any) -> Any:
    """One that draws other numbers than the given one, where that was made without a seed."""
    return initializer.from_config(initializer.get_config()) if hasattr(initializer, "from_config") else initializer


def _sizes(value: Any, argument: str) -> tuple[int, ...]:
    sizes = (value,) if isinstance(value, int) else value
    if isinstance(sizes, list | tuple) and all(isinstance(size, int) and not isinstance(size, bool) for size in sizes):
        return tuple(sizes)
    raise InvalidArgumentError(f"`{argument}` must be an integer, or a list of them. Received: {argument}={value!r}")


def _letters(count: int, start: int = 0) -> str:
    return "".join(chr(ord("a") + start + index) for index in range(count))


def _equations(rank: int, axes: tuple[int, ...]) -> tuple[str, str]:
    """Einsum equations: keys and queries to scores, scores and values to outputs, all of so many axes.

    Scores have the axes that are not attended along, heads among them, then those of the queries and of the keys.
    """
    query = _letters(rank)
    key = "".join(chr(ord("A") + axis) if axis in axes else letter for axis, letter in enumerate(query))
    batch = "".join(letter for axis, letter in enumerate(query[:-1]) if axis not in axes)
    scores = batch + "".join(query[axis] for axis in axes) + "".join(key[axis] for axis in axes)
    return f"{key},{query}->{scores}", f"{scores},{key}->{query}"
