"""EinsumDense: a learned linear map over any axes, as an einsum equation says."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor

from labkeras import activations, constraints, initializers, regularizers
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import Shape
from labkeras.initializers.fan_scaling import VarianceScaling
from labkeras.layers.arguments import refuse
from labkeras.layers.input_spec import InputSpec
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.layers.signature import config_of_arguments

__all__ = ["EinsumDense"]


class EinsumDense(Layer):
    """Contracts axes of the inputs with a learned kernel: `activation(einsum(equation, inputs, kernel) + bias)`.

    Args:
        equation: of the form "abc,cd->abd": the inputs' axes, the kernel's, the output's. "..." stands for any axes:
            "...x,xy->...y".
        output_shape: sizes of the output's axes without the batch; None for those that are the inputs'. A number if
            there is one axis, as with "...".
        activation: function, or its registered name; `None` leaves the result as it is.
        bias_axes: the letters of the output's axes that have a learned bias; `None` for no bias.
        kernel_initializer: start values of `kernel`.
        bias_initializer: start values of `bias`.
        kernel_regularizer: penalty on `kernel`, added to the loss.
        bias_regularizer: penalty on `bias`.
        activity_regularizer: penalty on the output.
        kernel_constraint: a function that `kernel` goes through after each update.
        bias_constraint: the same for `bias`.
        lora_rank, lora_alpha, gptq_unpacked_column_size, quantization_config: not supported yet; only None is taken.

    Shapes:
        inputs, output: as the equation says

    Raises:
        InvalidArgumentError: if the equation or `bias_axes` make no sense.

    Example:
        >>> EinsumDense("abc,cde->abde", output_shape=(None, 4, 8), bias_axes="de")(torch.ones(2, 5, 16)).shape
        torch.Size([2, 5, 4, 8])
    """

    bias: Any  # a Variable, or None

    _optional_config = frozenset(
        {"activity_regularizer", "lora_rank", "lora_alpha", "gptq_unpacked_column_size", "quantization_config"}
    )

    def __init__(  # type: ignore[misc]  # `activity_regularizer` has its own place
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: None = None,
        lora_alpha: None = None,
        gptq_unpacked_column_size: None = None,
        quantization_config: None = None,
        *,
        activity_regularizer: Any = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(activity_regularizer=activity_regularizer, **base)
        refuse(
            "EinsumDense",
            lora_rank=lora_rank,
            lora_alpha=lora_alpha,
            gptq_unpacked_column_size=gptq_unpacked_column_size,
            quantization_config=quantization_config,
        )
        self.equation = equation
        self.partial_output_shape = (output_shape,) if isinstance(output_shape, int) else tuple(output_shape)
        self.activation = activations.get(activation)
        self.bias_axes = bias_axes
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self._letters = _parsed(equation)

    def build(self, input_shape: Shape) -> None:
        plan = self._plan(input_shape)
        self.input_spec = InputSpec(ndim=len(input_shape))
        self.kernel = self.add_weight(
            name="kernel",
            shape=plan.kernel_shape,
            initializer=self._aware_of_axes(plan),
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.bias = None
        if plan.bias_shape is not None:
            self.bias = self.add_weight(
                name="bias",
                shape=plan.bias_shape,
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self._kept = plan.kept_if_matmul
        self._joined = math.prod(plan.kernel_shape[: len(input_shape) - self._kept]) if self._kept else 0
        self._made = plan.kernel_shape[len(input_shape) - self._kept :] if self._kept else ()
        self._einsum = plan.equation

    def call(self, inputs: Tensor) -> Tensor:
        if not inputs.is_floating_point():
            inputs = inputs.to(self.dtype_policy.torch_compute_dtype)
        return self.activation(self._product(inputs))

    def _product(self, x: Tensor) -> Tensor:
        """The contraction and the bias; one matrix product where the axes are in its order, as they mostly are."""
        kernel, bias = self.kernel, self.bias
        if not self._kept:
            outputs = torch.einsum(self._einsum, x, kernel)
            return outputs if bias is None else outputs + bias
        rows, matrix = x.reshape(-1, self._joined), kernel.reshape(self._joined, -1)
        if bias is not None and bias.shape == self._made:
            outputs = torch.addmm(bias.reshape(-1), rows, matrix)
            return outputs.reshape(*x.shape[: self._kept], *self._made)
        outputs = torch.mm(rows, matrix).reshape(*x.shape[: self._kept], *self._made)
        return outputs if bias is None else outputs + bias

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return self._plan(input_shape).output_shape

    def _plan(self, input_shape: Shape) -> "_Plan":
        return _planned(self._letters, self.equation, self.bias_axes, tuple(input_shape), self.partial_output_shape)

    def _aware_of_axes(self, plan: "_Plan") -> Any:
        """The kernel's initializer; one that scales by the fans is told which axes they are."""
        initializer = self.kernel_initializer
        if not isinstance(initializer, VarianceScaling) or initializer.input_axes is not None:
            return initializer
        axes = {"input_axes": plan.input_axes, "output_axes": plan.output_axes}
        return type(initializer).from_config({**initializer.get_config(), "seed": initializer.seed, **axes})

    def get_config(self) -> dict[str, Any]:
        absent = {"activity_regularizer": None, "quantization_config": None}
        config = {**absent, **super().get_config(), **config_of_arguments(self)}
        return {**config, "output_shape": self.partial_output_shape}


@dataclass(frozen=True)
class _Plan:
    """What an equation means for inputs of a shape.

    Args:
        equation: with letters in place of "...".
        kernel_shape, bias_shape, output_shape: bias_shape None for no bias.
        input_axes, output_axes: the axes of the kernel that are contracted, and those that stay.
        kept_if_matmul: how many leading axes of the inputs stay, if all others are contracted with the first axes of
            the kernel and its last ones come last: a matrix product. 0 if it is none.
    """

    equation: str
    kernel_shape: tuple[int, ...]
    bias_shape: tuple[int, ...] | None
    output_shape: Shape
    input_axes: list[int]
    output_axes: list[int]
    kept_if_matmul: int


def _parsed(equation: Any) -> tuple[str, str, str]:
    """The letters of the inputs, the kernel and the output; an ellipsis is "0"."""
    found = re.fullmatch(r"([a-zA-Z.]+),([a-zA-Z]+)->([a-zA-Z.]+)", equation) if isinstance(equation, str) else None
    if found is not None:
        inputs, kernel, output = (part.replace("...", "0") for part in found.groups())
        has_ellipsis = "0" in inputs
        at_an_end = all(not part.strip("0").count("0") for part in (inputs, output))
        if "." not in inputs + output and ("0" in output) == has_ellipsis and at_an_end:
            return inputs, kernel, output
    raise InvalidArgumentError(
        'the equation must be of the form "abc,cd->abd", with "..." first or last in inputs and output, if at all. '
        f"Received: equation={equation!r}"
    )


def _planned(
    letters: tuple[str, str, str], equation: str, bias_axes: str | None, input_shape: Shape, wanted: Shape
) -> _Plan:
    inputs, kernel, output = letters
    if "0" in inputs:
        free = len(input_shape) - len(inputs) + 1
        spare = [letter for letter in "zyxwvutsrqponmlkjihgfedcbaZYXWVUTSRQPONMLKJIHGFEDCBA" if letter not in equation]
        inputs, output = (part.replace("0", "".join(spare[: max(free, 0)])) for part in (inputs, output))
        none = (None,) * free
        wanted = (input_shape[0], *wanted, *none) if letters[2].endswith("0") else (*none, *wanted)
    else:
        wanted = (input_shape[0] if input_shape else None, *wanted)
    if len(inputs) != len(input_shape):
        raise InvalidInputError(
            f"the equation {equation!r} takes inputs with {len(inputs)} axes. Received: input shape {input_shape}"
        )
    sizes: dict[str, int | None] = dict(zip(inputs, input_shape, strict=True))
    if len(wanted) != len(output):
        raise InvalidArgumentError(
            f"`output_shape` must have a size for each of the axes of the output in {equation!r}, without the batch. "
            f"Received: output_shape={wanted}"
        )
    for letter, size in zip(output, wanted, strict=True):
        if letter not in sizes and letter not in kernel:
            raise InvalidArgumentError(
                f"the axis {letter!r} of the output is neither one of the inputs nor of the kernel. "
                f"Received: equation={equation!r}"
            )
        if letter in sizes and None not in (size, sizes[letter]) and size != sizes[letter]:
            raise InvalidArgumentError(
                f"the axis {letter!r} has the size {sizes[letter]} in the inputs and {size} in `output_shape`. "
                f"Received: equation={equation!r}, input shape {input_shape}"
            )
        sizes[letter] = size if sizes.get(letter) is None else sizes[letter]
    for letter in kernel:
        if sizes.get(letter) is None:
            raise InvalidArgumentError(
                f"the size of the axis {letter!r} of the kernel is not known from the inputs or `output_shape`. "
                f"Received: equation={equation!r}, input shape {input_shape}, output_shape={wanted}"
            )
    contracted = [index for index, letter in enumerate(kernel) if letter in inputs]
    made = [index for index, letter in enumerate(kernel) if letter in output]
    return _Plan(
        equation=f"{inputs},{kernel}->{output}",
        kernel_shape=tuple(int(sizes[letter] or 0) for letter in kernel),
        bias_shape=_bias_shape(bias_axes, output, sizes, equation),
        output_shape=tuple(sizes[letter] for letter in output),
        input_axes=contracted,
        output_axes=made,
        kept_if_matmul=_kept_if_matmul(inputs, kernel, output),
    )


def _bias_shape(
    bias_axes: str | None, output: str, sizes: dict[str, int | None], equation: str
) -> tuple[int, ...] | None:
    if not bias_axes:
        return None
    unknown = [letter for letter in bias_axes if letter not in output]
    if unknown:
        raise InvalidArgumentError(
            f"`bias_axes` names {unknown}, which the output of {equation!r} does not have. "
            f"Received: bias_axes={bias_axes!r}"
        )
    first = min(output.index(letter) for letter in bias_axes)
    # The sizes from the first axis with a bias on; 1 where there is none, to be stretched.
    shape = [sizes[letter] if letter in bias_axes else 1 for letter in output[first:]]
    if None in shape:
        raise InvalidArgumentError(
            f"the sizes of the axes with a bias must be known. Received: bias_axes={bias_axes!r}, sizes {shape}"
        )
    return tuple(int(size or 0) for size in shape)


def _kept_if_matmul(inputs: str, kernel: str, output: str) -> int:
    kept = next((index for index, letter in enumerate(inputs) if letter in kernel), len(inputs))
    contracted = inputs[kept:]
    is_matmul = kernel.startswith(contracted) and output == inputs[:kept] + kernel[len(contracted) :]
    return (
        kept
        if is_matmul and 0 < kept < len(inputs) and len(set(inputs + kernel)) == len(set(output)) + len(contracted)
        else 0
    )
