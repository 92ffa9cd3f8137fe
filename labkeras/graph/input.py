"""Input: where a functional model begins."""

from collections.abc import Sequence
from typing import Any

from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError
from labkeras.graph.symbolic import KerasTensor, Node, standardize_shape
from labkeras.naming import auto_name

__all__ = ["Input", "InputLayer"]


class InputLayer:
    """The entry of a graph: what its placeholder promises about the data. Made by `Input`, listed in `model.layers`.

    Args:
        shape: sizes of the axes without the batch, None where unknown.
        batch_size: size of the batch, if it is fixed.
        dtype: data type.
        batch_shape: sizes of all axes, in place of `shape` and `batch_size`.
        name: name of the input; keys of dict data refer to it.
    """

    _keras_public_name = ("keras.layers", "InputLayer")
    trainable = False
    built = True

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: KerasTensor | None = None,
        optional: bool = False,
        name: str | None = None,
    ) -> None:
        self.name = name if name is not None else auto_name("input_layer")
        for argument, value in (("sparse", sparse), ("ragged", ragged), ("optional", optional)):
            if value:
                raise UnsupportedArgumentError(
                    f"`Input` does not support `{argument}` yet. Received: {argument}={value!r}"
                )
        self._inbound_nodes: list[Node] = []
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise InvalidArgumentError(f"`tensor` must be a KerasTensor. Received: tensor={input_tensor!r}")
            batch_shape, dtype = input_tensor.shape, dtype or input_tensor.dtype
        if batch_shape is None:
            if shape is None:
                raise InvalidArgumentError(
                    f"`Input` needs `shape`, the sizes without the batch axis, such as Input(shape=(28, 28, 1)). "
                    f"Received: shape=None for the input {self.name!r}"
                )
            batch_shape = (batch_size, *standardize_shape(shape))
        elif shape is not None:
            raise InvalidArgumentError(
                f"`shape` and `batch_shape` cannot both be given. Received: shape={shape!r}, "
                f"batch_shape={batch_shape!r}"
            )
        self.batch_shape = standardize_shape(batch_shape)
        tensor = input_tensor if input_tensor is not None else KerasTensor(self.batch_shape, dtype, name=self.name)
        self.dtype = tensor.dtype
        Node(self, (), {}, tensor, name=self.name)

    @property
    def output(self) -> KerasTensor:
        """The placeholder."""
        return self._inbound_nodes[0].output_tensors[0]

    @property
    def variables(self) -> list[Any]:
        """None: an input has no weights."""
        return []

    weights = trainable_weights = non_trainable_weights = trainable_variables = non_trainable_variables = variables

    def count_params(self) -> int:
        """0: an input has no weights."""
        return 0

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal input."""
        return {
            "batch_shape": list(self.batch_shape),
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": False,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "InputLayer":
        """The input that `get_config` described."""
        return cls(**config)

    def __getstate__(self) -> dict[str, Any]:
        # Its placeholder belongs to a graph; a copy of the graph makes another one.
        return {**self.__dict__, "_inbound_nodes": []}

    def __repr__(self) -> str:
        return f"<InputLayer name={self.name}, batch_shape={self.batch_shape}, dtype={self.dtype}>"


def Input(
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: KerasTensor | None = None,
    optional: bool = False,
) -> KerasTensor:
    """A placeholder for the data that a functional model is given.

    Args:
        shape: sizes of the axes without the batch, None where unknown: (28, 28, 1), (None, 16).
        batch_size: size of the batch, if it is fixed.
        dtype: data type; `floatx` unless given.
        sparse, ragged, optional: not supported yet; only False and None are taken.
        batch_shape: sizes of all axes, in place of `shape` and `batch_size`.
        name: name of the input; keys of dict data refer to it.
        tensor: an existing placeholder whose shape and dtype to take.

    Returns:
        A `KerasTensor` of shape (batch_size, *shape).

    Raises:
        InvalidArgumentError: for a missing or malformed shape.

    Example:
        >>> Input(shape=(4,)).shape
        (None, 4)
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        input_tensor=tensor,
        optional=optional,
        name=name,
    )
    return layer.output
