"""Variable: Keras's face, torch's inside."""

import copy
import pickle
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import Variable, config, initializers
from labkeras.errors import InvalidArgumentError
from labkeras.variable import VariableModule, name_scope


@pytest.mark.parametrize(
    "value",
    [1.5, [1.0, 2.0], np.ones((2, 3), "float64"), np.arange(3, dtype="int32"), torch.ones(2, dtype=torch.float16)],
    ids=["number", "list", "float64", "int32", "float16"],
)
def test_values_and_types_are_keras(value: Any) -> None:
    # Keras fails to make integers trainable, where ours are not.
    ours, theirs = Variable(value), keras.Variable(value, trainable="int" not in str(getattr(value, "dtype", "")))
    assert str(ours.dtype).removeprefix("torch.") == theirs.dtype
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
    assert Variable(value, dtype="float64").dtype == torch.float64


def test_an_initializer_is_called_with_shape_and_type() -> None:
    variable = Variable(initializers.get("ones"), shape=(2, 3), dtype="float16", name="kernel")
    assert_close(variable.detach(), torch.ones(2, 3, dtype=torch.float16))
    assert variable.initializer is not None
    with pytest.raises(InvalidArgumentError, match="`shape` is needed"):
        Variable(initializers.get("ones"))


def test_it_is_a_parameter_wherever_torch_takes_one() -> None:
    variable = Variable([1.0, 2.0])
    assert isinstance(variable, torch.nn.Parameter)
    (variable * 3).sum().backward()
    assert variable.grad is not None
    assert variable.value.grad.tolist() == [3.0, 3.0]
    assert type(variable * 2) is torch.Tensor
    module = torch.nn.Module()
    module.weight = variable
    assert list(module.parameters()) == [variable]


def test_assignments_are_keras() -> None:
    for variable in (Variable([1.0, 2.0]), keras.Variable([1.0, 2.0])):
        variable.assign([3.0, 4.0])
        variable.assign_add(np.array([1.0, 1.0]))
        variable.assign_sub(torch.tensor([0.5, 0.0]))
        np.testing.assert_array_equal(variable.numpy(), [3.5, 5.0])
    variable = Variable([1.0, 2.0], name="scale")
    assert variable.assign([0.0, 0.0]) is variable
    with pytest.raises(InvalidArgumentError, match=r"'scale' must have its shape, \(2,\). Received: shape=\(3,\)"):
        variable.assign([1.0, 2.0, 3.0])


def test_assignments_are_no_part_of_a_graph() -> None:
    variable = Variable([1.0])
    variable.assign(variable * 2)
    assert variable.is_leaf
    assert variable.requires_grad


def test_trainable_is_requires_grad_and_integers_are_not_trained() -> None:
    variable = Variable([1.0])
    assert variable.trainable
    variable.trainable = False
    assert not variable.requires_grad
    assert not Variable([1.0], trainable=False).requires_grad
    assert not Variable(np.arange(3)).trainable


def test_names_and_paths() -> None:
    with name_scope("model"), name_scope("dense"):
        assert Variable([1.0], name="kernel").path == "model/dense/kernel"
    assert Variable([1.0]).name == "variable"
    assert Variable([1.0]).name == "variable_1"
    with pytest.raises(InvalidArgumentError, match="must not contain '/'"):
        Variable([1.0], name="a/b")


def test_a_scope_of_the_same_owner_adds_nothing() -> None:
    owner, other = object(), object()
    with name_scope("a", owner=owner), name_scope("a", owner=owner):
        assert Variable([1.0], name="w").path == "a/w"
        with name_scope("a", owner=other):
            assert Variable([1.0], name="w").path == "a/a/w"


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))], ids=["deepcopy", "pickle"])
def test_copies_keep_everything_and_share_nothing(twin: Any) -> None:
    with name_scope("layer"):
        variable = Variable([1.0, 2.0], name="kernel", trainable=False)
    variable.constraint = initializers.get("ones")
    other = twin(variable)
    assert (type(other), other.path, other.name, other.trainable) == (Variable, "layer/kernel", "kernel", False)
    assert type(other.constraint) is type(variable.constraint)
    other.assign([0.0, 0.0])
    assert variable.tolist() == [1.0, 2.0]


def test_a_copied_structure_keeps_one_variable_one() -> None:
    variable = Variable([1.0])
    first, second = copy.deepcopy([variable, variable])
    assert first is second


def test_moves_keep_variables_and_their_names() -> None:
    module = VariableModule()
    module.weight = Variable([1.0, 2.0], name="weight")
    module.register_buffer("state", Variable([1.0], name="state", trainable=False))
    weight = module.weight
    module.double()
    assert module.weight is weight
    for move in (module.half, lambda: module.to("meta"), lambda: module.to_empty(device="cpu"), module.float):
        move()
        assert (type(module.weight), module.weight.path) == (Variable, "weight")
        assert (type(module.state), module.state.name) == (Variable, "state")


def test_bfloat16_and_arrays() -> None:
    variable = Variable([1.0, 2.0], dtype="bfloat16")
    assert variable.numpy().dtype == np.float32
    assert np.asarray(Variable([1.0]), dtype="float64").dtype == np.float64
    array = Variable([1.0]).numpy()
    array[0] = 5.0  # a copy: nothing else changes


def test_the_text_of_a_variable_says_what_keras_does() -> None:
    config.set_floatx("float64")
    assert repr(Variable([1.0], name="w")) == "<Variable path=w, shape=(1,), dtype=float64, value=[1.0]>"
