"""EinsumDense, against Keras and torch.einsum."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import Input
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.layers import EinsumDense
from tests.helpers.check_layer import check_layer

EQUATIONS = pytest.mark.parametrize(
    ("equation", "output_shape", "input_shape", "bias_axes"),
    [
        ("ab,bc->ac", 6, (3, 4), "c"),
        ("abc,cd->abd", (None, 6), (2, 3, 4), "d"),
        ("...x,xy->...y", 6, (2, 3, 4), "y"),
        ("abc,cde->abde", (None, 2, 3), (2, 3, 4), "de"),
        ("abc,cde->abde", (None, 2, 3), (2, 3, 4), "e"),
        ("abc,cde->abde", (None, 2, 3), (2, 3, 4), "d"),
        ("abcd,cde->abe", (None, 6), (2, 3, 4, 5), "e"),
        ("abc,bde->acde", (None, 2, 3), (2, 3, 4), None),
        ("ab...,bc->ac...", 5, (2, 3, 4, 6), "c"),
        ("abc,bd->adc", (5, None), (2, 3, 4), None),
    ],
)


@EQUATIONS
def test_weights_outputs_and_gradients_are_keras(
    equation: str, output_shape: Any, input_shape: tuple[int, ...], bias_axes: str | None
) -> None:
    ours, theirs = (
        cls(equation, output_shape, bias_axes=bias_axes, bias_initializer="ones", activation="tanh")
        for cls in (EinsumDense, keras.layers.EinsumDense)
    )
    x = np.random.default_rng(0).normal(size=input_shape).astype("float32")
    ours(x), theirs(x)
    assert [tuple(weight.shape) for weight in ours.weights] == [tuple(weight.shape) for weight in theirs.weights]
    ours.set_weights(theirs.get_weights())
    results = []
    for layer in (ours, theirs):
        inputs = torch.tensor(x, requires_grad=True)
        outputs = layer(inputs)
        outputs.square().sum().backward()
        results.append([outputs, inputs.grad, *(weight.value.grad for weight in layer.trainable_weights)])
    for a, b in zip(*results, strict=True):
        assert_close(a, b, rtol=1e-5, atol=1e-5)


@EQUATIONS
def test_shapes_are_those_of_the_output(
    equation: str, output_shape: Any, input_shape: tuple[int, ...], bias_axes: str | None
) -> None:
    layer = EinsumDense(equation, output_shape, bias_axes=bias_axes)
    # Differs from Keras, which takes sizes that `output_shape` leaves open as unknown even where the inputs have them.
    assert layer.compute_output_shape(input_shape) == tuple(layer(torch.zeros(input_shape)).shape)
    assert layer(Input(input_shape[1:])).shape[1:] == layer.compute_output_shape(input_shape)[1:]


def test_it_keeps_the_layer_contract() -> None:
    check_layer(
        EinsumDense,
        {"equation": "ab,bcd->acd", "output_shape": (2, 3), "bias_axes": "cd", "kernel_regularizer": "l2"},
        input_shape=(2, 4),
        output_shape=(2, 2, 3),
        trainable_weights=2,
    )


def test_glorot_counts_the_axes_of_the_equation() -> None:
    # fan_in 100, fan_out 2·50: with the axes taken as those of a convolution it would be another limit.
    layer = EinsumDense("ab,bcd->acd", (2, 50))
    layer.build((None, 100))
    assert 0.165 < layer.kernel.abs().max() <= (6 / 200) ** 0.5


@pytest.mark.parametrize(
    ("equation", "output_shape", "bias_axes", "words"),
    [
        ("ab,bc", 3, None, "must be of the form"),
        ("a...b,bc->a...c", 3, None, "must be of the form"),
        (None, 3, None, "must be of the form"),
        ("ab,bc->az", 3, None, "neither one of the inputs nor of the kernel"),
        ("ab,bc->ac", (3, 4), None, "a size for each of the axes"),
        ("ab,bc->ac", (None,), None, "is not known"),
        ("ab,bc->ac", 3, "z", "`bias_axes` names"),
    ],
)
def test_what_makes_no_sense_is_said(equation: Any, output_shape: Any, bias_axes: Any, words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        EinsumDense(equation, output_shape, bias_axes=bias_axes).build((None, 5))


def test_inputs_with_another_number_of_axes_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="takes inputs with 2 axes"):
        EinsumDense("ab,bc->ac", 3)(torch.zeros(2, 3, 4))
