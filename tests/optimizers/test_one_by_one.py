"""Optimizers written as Keras's guide has it: variables in `build`, a formula for one variable."""

from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers import Adam, Optimizer
from labkeras.variable import Variable
from tests.helpers.check_optimizer import gradients, labkeras_weights, train


class Momentum(Optimizer):
    """Keras's own example of an optimizer of one's own, in our words."""

    def build(self, variables: Any) -> None:
        super().build(variables)
        self.momentums = [
            self.add_variable_from_reference(reference_variable=variable, name="momentum") for variable in variables
        ]

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        momentum = self.momentums[self._get_variable_index(variable)]
        self.assign(momentum, momentum * 0.9 - gradient * learning_rate)
        self.assign_add(variable, momentum)


class HalfAdam(Adam):
    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        super().update_step(gradient, variable, learning_rate / 2)


def test_an_optimizer_written_for_keras_trains() -> None:
    ours, theirs = labkeras_weights(), labkeras_weights()
    train(_built(Momentum(0.1), ours), ours, gradients())
    sgd = keras.optimizers.SGD(0.1, momentum=0.9)
    variables = [keras.Variable(weight.numpy()) for weight in theirs]
    for values in gradients():
        sgd.apply([torch.tensor(value) for value in values], variables)
    for one, other in zip(ours, variables, strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other.numpy(), rtol=1e-5, atol=1e-5)


def test_its_variables_are_saved_and_stay_those_that_it_holds() -> None:
    weights = labkeras_weights()
    optimizer = Momentum(0.1, name="opt")
    train(_built(optimizer, weights), weights, gradients()[:3])
    assert [variable.path for variable in optimizer.variables] == [
        "opt/iteration",
        "opt/learning_rate",
        "opt/dense_kernel_momentum",
        "opt/dense_bias_momentum",
        "opt/dense_cube_momentum",
    ]
    other = Momentum(0.1)
    other.build(labkeras_weights())
    other.load_state_dict(optimizer.state_dict())
    assert torch.equal(other.momentums[0], optimizer.momentums[0])
    # As Lightning does when it moves an optimizer to another device.
    moved = optimizer.state[weights[0]]["momentum"].clone().zero_()
    optimizer.state[weights[0]]["momentum"] = moved
    train(optimizer, weights, [[np.ones_like(weight.numpy()) for weight in weights]])
    assert optimizer.momentums[0].data_ptr() == moved.data_ptr()
    assert torch.all(moved == -0.1)


def test_a_subclass_may_change_one_step_of_a_built_in_optimizer() -> None:
    ours, theirs = labkeras_weights(), labkeras_weights()
    train(_built(HalfAdam(0.1), ours), ours, gradients())
    train(_built(Adam(0.05), theirs), theirs, gradients())
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_variables_of_its_own_have_shape_name_and_place() -> None:
    optimizer = Momentum(0.1, name="opt")
    optimizer.build([Variable([1.0, 2.0], name="w")])
    scale = optimizer.add_variable((2, 2), initializer="ones", name="scale")
    optimizer.assign_sub(scale, 0.5)
    assert [variable.path for variable in optimizer.variables][-1] == "opt/scale"
    assert optimizer.variables[-1].numpy().tolist() == [[0.5, 0.5], [0.5, 0.5]]
    state = optimizer.state_dict()
    again = Momentum(0.1)
    again.build([Variable([1.0, 2.0], name="w")])
    again.add_variable((2, 2), name="scale")
    again.load_state_dict(state)
    assert again.variables[-1].numpy().tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_an_optimizer_without_a_formula_says_what_to_override() -> None:
    with pytest.raises(NotImplementedError, match="Optimizer must override `update` or `update_step`"):
        Optimizer(0.1).apply([torch.ones(1)], [torch.nn.Parameter(torch.ones(1))])


def test_a_strange_variable_is_refused() -> None:
    optimizer = Momentum(0.1)
    optimizer.build([Variable([1.0], name="w")])
    with pytest.raises(InvalidArgumentError, match="was not built with this variable"):
        optimizer.add_variable_from_reference(Variable([1.0], name="v"))
    with pytest.raises(InvalidArgumentError, match="was not built with this variable"):
        optimizer._get_variable_index(Variable([1.0], name="v"))


def _built(optimizer: Optimizer, weights: list[Variable]) -> Optimizer:
    optimizer.build(weights)
    return optimizer
