"""InputSpec: what inputs a layer accepts, and the error when it gets others."""

from collections.abc import Mapping, Sequence
from typing import Any

from labkeras.dtypes import standardize_dtype
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import Shape, standardize_shape
from labkeras.nest import flatten

__all__ = ["InputSpec", "check_inputs"]


class InputSpec:
    """Rank, shape and data type that an input of a layer must have; None leaves a thing open.

    Args:
        dtype: data type.
        shape: exact shape, None for any size.
        ndim: exact number of axes.
        max_ndim: greatest number of axes.
        min_ndim: smallest number of axes.
        axes: axis → size, for single axes; negative axes count from the last.
        allow_last_axis_squeeze: whether (batch, n) and (batch, n, 1) are taken for each other.
        name: the name of the input, for dicts of inputs.
        optional: whether None is accepted.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Sequence[int | None] | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: Mapping[int, int | None] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ) -> None:
        self.dtype = None if dtype is None else standardize_dtype(dtype)
        self.shape = None if shape is None else standardize_shape(shape)
        self.ndim = len(self.shape) if self.shape is not None else ndim
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        self.name = name
        self.optional = optional
        most = self.ndim if self.ndim is not None else self.max_ndim
        if self.axes and most is not None and max(self.axes) >= most:
            raise InvalidArgumentError(f"`axes` names an axis that {most} axes do not have. Received: axes={axes!r}")

    def __repr__(self) -> str:
        settings = {
            name: value
            for name, value in vars(self).items()
            if value not in (None, False, {}) and not (name == "ndim" and self.shape is not None)
        }
        return f"InputSpec({', '.join(f'{name}={value!r}' for name, value in settings.items())})"

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal spec."""
        names = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "InputSpec":
        """The spec that `get_config` described."""
        return cls(**config)

    def fault(self, shape: Shape, dtype: str | None) -> str | None:
        """What is wrong with an input of this shape, as "expected …, found …"; None if nothing is."""
        rank = len(shape)
        if self.shape is not None and self.allow_last_axis_squeeze and rank != self.ndim:
            shape, rank = self._squeezed(shape), len(self._squeezed(shape))
        if self.ndim is not None and rank != self.ndim:
            return f"expected ndim={self.ndim}, found ndim={rank}"
        if self.max_ndim is not None and rank > self.max_ndim:
            return f"expected max_ndim={self.max_ndim}, found ndim={rank}"
        if self.min_ndim is not None and rank < self.min_ndim:
            return f"expected min_ndim={self.min_ndim}, found ndim={rank}"
        if self.dtype is not None and dtype is not None and dtype != self.dtype:
            return f"expected dtype={self.dtype}, found dtype={dtype}"
        for axis, size in self.axes.items():
            if size is not None and -rank <= axis < rank and shape[axis] not in (size, None):
                return f"expected axis {axis} of size {size}, found size {shape[axis]}"
        if self.shape is not None and any(
            None not in (want, found) and want != found for want, found in zip(self.shape, shape, strict=True)
        ):
            return f"expected shape={self.shape}, found another"
        return None

    def _squeezed(self, shape: Shape) -> Shape:
        assert self.ndim is not None
        if len(shape) == self.ndim + 1 and shape[-1] == 1:
            return shape[:-1]
        if len(shape) == self.ndim - 1 and self.shape is not None and self.shape[-1] == 1:
            return (*shape, 1)
        return shape


def check_inputs(input_spec: Any, inputs: Any, layer_name: str) -> None:
    """Raises if inputs do not fit a layer's `input_spec`.

    Args:
        input_spec: an InputSpec, or a nested structure of them, as the layer's inputs are nested.
        inputs: tensors or KerasTensors.
        layer_name: for the message.

    Raises:
        InvalidInputError: names the layer, what was expected and the shape that came.
    """
    specs = [input_spec] if isinstance(input_spec, InputSpec) else _aligned(input_spec, inputs)
    tensors = [inputs] if hasattr(inputs, "shape") else flatten(inputs)
    if len(specs) != len(tensors):
        raise InvalidInputError(
            f"layer {layer_name!r} expects {len(specs)} input(s). Received: {len(tensors)} input(s): {tensors!r}"
        )
    for index, (spec, tensor) in enumerate(zip(specs, tensors, strict=True)):
        if spec is None or (tensor is None and spec.optional):
            continue
        shape = getattr(tensor, "shape", None)
        if shape is None:
            raise InvalidInputError(
                f"layer {layer_name!r} expects a tensor as input {index}. Received: {type(tensor).__name__}: {tensor!r}"
            )
        fault = spec.fault(tuple(shape), None if spec.dtype is None else standardize_dtype(tensor.dtype))
        if fault is not None:
            which = f"input {index} of layer" if len(specs) > 1 else "input of layer"
            raise InvalidInputError(
                f"{which} {layer_name!r} is incompatible with the layer: {fault}. "
                f"Received: a tensor of shape={tuple(shape)}"
            )


def _aligned(input_spec: Any, inputs: Any) -> list[Any]:
    if isinstance(input_spec, dict) and isinstance(inputs, dict):
        missing = [name for name in input_spec if name not in inputs]
        if missing:
            raise InvalidInputError(f"the inputs lack {missing}. Received: a dict with the keys {sorted(inputs)}")
        return [input_spec.get(name) for name in sorted(inputs)]
    return flatten(input_spec)
