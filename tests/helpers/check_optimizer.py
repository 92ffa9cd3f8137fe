"""The contract of any optimizer: Keras's numbers, config and saved variables; torch's `state_dict` and resumption."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import torch

from labkeras import config, optimizers
from labkeras.optimizers import Optimizer
from labkeras.testing.optimizers import copies, optimizer_case, resumption
from labkeras.testing.properties import checked, named
from labkeras.variable import Variable, name_scope

__all__ = ["COMMON_ARGUMENTS", "check_optimizer", "gradients", "labkeras_weights", "train"]

# Each is tried with every optimizer.
COMMON_ARGUMENTS: list[dict[str, Any]] = [
    {},
    {"weight_decay": 0.1},
    {"clipnorm": 0.5},
    {"clipvalue": 0.2},
    {"global_clipnorm": 1.0},
    {"use_ema": True, "ema_momentum": 0.9},
    {"use_ema": True, "ema_overwrite_frequency": 4},
    {"loss_scale_factor": 8.0},
    {"gradient_accumulation_steps": 3},
    {
        "gradient_accumulation_steps": 2,
        "use_ema": True,
        "ema_overwrite_frequency": 3,
        "weight_decay": 0.01,
        "global_clipnorm": 0.7,
    },
]
STEPS = 24
_SHAPES = {"kernel": (4, 3), "bias": (3,), "cube": (2, 2, 2)}
# Keras computes norms and factors of clips in float32 even where everything else is in float64.
_TOLERANCE = {"float64": {"rtol": 2e-6, "atol": 1e-8}, "float32": {"rtol": 2e-4, "atol": 2e-5}}


def check_optimizer(name: str, arguments: dict[str, Any]) -> None:
    """Asserts that labkeras's optimizer of a class name does all that Keras's does with these arguments."""
    for dtype in ("float64", "float32"):
        with _floatx(dtype):
            _check_numbers(name, arguments, dtype)
    _check_config(name, arguments)
    _check_exchange_of_variables(name, arguments)
    case = optimizer_case(getattr(optimizers, name), arguments)
    checked(named(resumption, copies), case)


def gradients(dtype: str = "float32", steps: int = STEPS) -> list[list[np.ndarray[Any, Any]]]:
    """Random gradients of several magnitudes, for the weights of this file, for each step."""
    generator = np.random.default_rng(1)
    return [
        [(generator.normal(size=shape) * 10 ** generator.uniform(-3, 1)).astype(dtype) for shape in _SHAPES.values()]
        for _ in range(steps)
    ]


def labkeras_weights(dtype: str = "float32") -> list[Variable]:
    """Three trainable variables, with the same values each time."""
    with name_scope("dense"):
        return [Variable(values, dtype=dtype, name=name) for name, values in _start(dtype).items()]


def train(optimizer: torch.optim.Optimizer, weights: list[Variable], grads: list[list[np.ndarray[Any, Any]]]) -> None:
    """Steps as torch has them: through `.grad`, `step` and `zero_grad`."""
    for values in grads:
        for weight, value in zip(weights, values, strict=True):
            weight.grad = torch.tensor(value)
        optimizer.step()
        optimizer.zero_grad()


def _check_numbers(name: str, arguments: dict[str, Any], dtype: str) -> None:
    grads = gradients(dtype)
    theirs, their_weights = _keras_trained(name, arguments, grads, dtype)
    ours, weights = _built(name, arguments, dtype)
    train(ours, weights, grads)
    _assert_same(weights, their_weights, dtype)
    assert [variable.path for variable in ours.variables] == [variable.path for variable in theirs.variables]
    _assert_same(ours.variables, theirs.variables, dtype)
    applied, applied_weights = _built(name, arguments, dtype)
    for values in grads:
        applied.apply(values, applied_weights)
    for one, other in zip(weights, applied_weights, strict=True):
        assert torch.equal(one, other)


def _check_config(name: str, arguments: dict[str, Any]) -> None:
    theirs = getattr(keras.optimizers, name)(**arguments, name="opt")
    ours = getattr(optimizers, name)(**arguments, name="opt")
    their_config, our_config = theirs.get_config(), ours.get_config()
    assert list(our_config) == list(their_config)
    # Keras's learning rate is a float32 variable; ours is the number that was given.
    assert np.float32(our_config.pop("learning_rate")) == np.float32(their_config.pop("learning_rate"))
    assert our_config == their_config
    assert keras.optimizers.deserialize(optimizers.serialize(ours)).get_config() == theirs.get_config()
    read = optimizers.deserialize(keras.optimizers.serialize(theirs))
    assert type(read) is type(ours)
    assert read.get_config() == {**our_config, "learning_rate": read.get_config()["learning_rate"]}


def _check_exchange_of_variables(name: str, arguments: dict[str, Any]) -> None:
    grads = gradients()
    theirs, their_weights = _keras_trained(name, arguments, grads[:7], "float32")
    store: dict[str, Any] = {}
    theirs.save_own_variables(store)
    ours, weights = _built(name, arguments, "float32")
    for weight, value in zip(weights, their_weights, strict=True):
        weight.assign(value.numpy())
    ours.load_own_variables(store)
    saved: dict[str, Any] = {}
    ours.save_own_variables(saved)
    assert list(saved) == list(store)
    for key, value in store.items():
        np.testing.assert_array_equal(saved[key], value)
        assert saved[key].dtype == np.asarray(value).dtype
    train(ours, weights, grads[7:])
    for values in grads[7:]:
        theirs.apply([torch.tensor(value) for value in values], their_weights)
    _assert_same(weights, their_weights, "float32")
    back = getattr(keras.optimizers, name)(**arguments, name="opt")
    back.build(their_weights)
    back.load_own_variables(saved)


def _built(name: str, arguments: dict[str, Any], dtype: str) -> tuple[Optimizer, list[Variable]]:
    optimizer = getattr(optimizers, name)(**arguments, name="opt")
    weights = labkeras_weights(dtype)
    optimizer.build(weights)
    return optimizer, weights


def _keras_trained(name: str, arguments: dict[str, Any], grads: Any, dtype: str) -> tuple[Any, list[Any]]:
    optimizer = getattr(keras.optimizers, name)(**arguments, name="opt")
    with keras.name_scope("dense"):
        weights = [keras.Variable(values, dtype=dtype, name=name) for name, values in _start(dtype).items()]
    for values in grads:
        optimizer.apply([torch.tensor(value) for value in values], weights)
    return optimizer, weights


def _start(dtype: str) -> dict[str, np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=shape).astype(dtype) for name, shape in _SHAPES.items()}


def _assert_same(ours: list[Variable], theirs: list[Any], dtype: str) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), **_TOLERANCE[dtype], err_msg=other.path)


@contextmanager
def _floatx(dtype: str) -> Iterator[None]:
    keras.config.set_floatx(dtype)
    config.set_floatx(dtype)
    try:
        yield
    finally:
        keras.config.set_floatx("float32")
        config.set_floatx("float32")
