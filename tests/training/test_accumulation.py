"""Accumulation, clipping and moving averages in `fit`: as in Keras, as one big batch, and alike by Lightning."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import pytorch_lightning as pl
import torch

import labkeras
from labkeras import naming
from labkeras.optimizers import SGD, Adam, AdamW, LossScaleOptimizer
from labkeras.random import set_random_seed
from tests.helpers.keras_pairs import CLASSES, FEATURES, OURS, classifier, fit_both, pair

_X = np.random.default_rng(0).normal(size=(48, FEATURES)).astype(np.float32)
_Y = np.random.default_rng(1).integers(0, CLASSES, 48)


def _batch_norm_model(package: Any) -> Any:
    return package.Sequential(
        [
            package.layers.Input((FEATURES,)),
            package.layers.Dense(8, activation="relu", kernel_regularizer="l2"),
            package.layers.BatchNormalization(),
            package.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def _trained(
    optimizer: Any,
    trainer: Any = None,
    *,
    rows: int = 48,
    batch_size: int = 4,
    epochs: int = 2,
    make: Callable[[Any], Any] = classifier,
    **fit: Any,
) -> tuple[Any, Any]:
    """A model trained from a fixed start, and its History."""
    naming.clear_names()
    set_random_seed(1)
    model = make(OURS)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    arguments = {"batch_size": batch_size, "epochs": epochs, "shuffle": False, "verbose": 0, "trainer": trainer, **fit}
    return model, model.fit(_X[:rows], _Y[:rows], **arguments)


def _assert_close(one: Any, other: Any, tolerance: float = 1e-6) -> None:
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


def _assert_equal(one: Any, other: Any) -> None:
    for mine, theirs in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


# --- accumulation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda **more: SGD(0.1, momentum=0.9, **more), lambda **more: Adam(0.01, **more)])
@pytest.mark.parametrize("limits", [{}, {"global_clipnorm": 0.3}, {"clipvalue": 0.02}])
def test_accumulated_steps_are_one_step_of_the_big_batch(make: Callable[..., Any], limits: dict[str, float]) -> None:
    small, _ = _trained(make(gradient_accumulation_steps=4, **limits), batch_size=4)
    big, _ = _trained(make(**limits), batch_size=16)
    _assert_close(small, big)
    assert small.optimizer.iterations.item() == big.optimizer.iterations.item() == 6


@pytest.mark.parametrize("make", [lambda: SGD(0.1, momentum=0.9), lambda: Adam(0.01)])
def test_lightning_accumulates_to_one_step_of_the_big_batch(make: Callable[[], Any]) -> None:
    small, history = _trained(make(), {"accumulate_grad_batches": 4}, batch_size=4)
    big, expected = _trained(make(), batch_size=16)
    _assert_close(small, big)
    assert small.optimizer.iterations.item() == 6
    np.testing.assert_allclose(history.history["loss"], expected.history["loss"], rtol=1e-5)


@pytest.mark.parametrize(
    "clip",
    [
        {"gradient_clip_val": 0.3},
        {"gradient_clip_val": 0.3, "gradient_clip_algorithm": "norm"},
        {"gradient_clip_val": 0.02, "gradient_clip_algorithm": "value"},
    ],
)
def test_lightning_clips_the_accumulated_gradient(clip: dict[str, Any]) -> None:
    small, _ = _trained(SGD(0.1), {"accumulate_grad_batches": 4, **clip}, batch_size=4)
    limit = {"clipvalue": 0.02} if clip.get("gradient_clip_algorithm") == "value" else {"global_clipnorm": 0.3}
    big, _ = _trained(SGD(0.1, **limit), batch_size=16)
    # Lightning's clip by norm divides by the norm and 1e-6 more.
    _assert_close(small, big, 1e-5)


def test_the_last_group_of_an_epoch_may_be_short() -> None:
    # 40 rows: ten batches, in groups of 4, 4, 2. Lightning divides each loss by 4 all the same.
    small, _ = _trained(SGD(0.1), {"accumulate_grad_batches": 4}, rows=40, epochs=1)
    naming.clear_names()
    set_random_seed(1)
    by_hand = classifier(OURS)
    loss = labkeras.losses.SparseCategoricalCrossentropy()
    optimizer = SGD(0.1)
    optimizer.build(by_hand.trainable_variables)
    for group in ((0, 16), (16, 32), (32, 40)):
        optimizer.zero_grad()
        for start in range(*group, 4):
            rows = slice(start, start + 4)
            (loss(torch.tensor(_Y[rows]), by_hand(torch.tensor(_X[rows]), training=True)) / 4).backward()
        optimizer.step()
    _assert_close(small, by_hand)
    assert small.optimizer.iterations.item() == 3


def test_what_an_optimizer_accumulates_goes_over_the_end_of_an_epoch() -> None:
    # Ten batches an epoch, in groups of 4: 4 4 2|2 4 4. Keras does the same.
    ours, theirs = pair()
    for package, model in ((labkeras, ours), (keras, theirs)):
        model.compile(package.optimizers.SGD(0.1, gradient_accumulation_steps=4), "sparse_categorical_crossentropy")
    fit_both(ours, theirs, _X[:40], _Y[:40], batch_size=4)
    assert ours.optimizer.iterations.item() == int(theirs.optimizer.iterations) == 5


def test_both_accumulations_multiply() -> None:
    small, _ = _trained(SGD(0.1, gradient_accumulation_steps=3), {"accumulate_grad_batches": 2}, batch_size=4)
    big, _ = _trained(SGD(0.1), batch_size=24)
    _assert_close(small, big)


def test_a_scaled_loss_is_accumulated_too() -> None:
    for trainer, steps in (({"accumulate_grad_batches": 4}, None), (None, 4)):
        inner = SGD(0.1, gradient_accumulation_steps=steps)
        small, _ = _trained(LossScaleOptimizer(inner, initial_scale=1024.0), trainer, batch_size=4)
        big, _ = _trained(SGD(0.1), batch_size=16)
        _assert_close(small, big)
        assert small.optimizer.step_counter.item() == (6 if trainer else 24)


def test_batch_normalization_sees_each_small_batch() -> None:
    small, _ = _trained(SGD(0.0), {"accumulate_grad_batches": 4}, make=_batch_norm_model)
    plain, _ = _trained(SGD(0.0), make=_batch_norm_model)
    _assert_equal(small, plain)


def test_the_logs_are_means_over_all_batches() -> None:
    _, history = _trained(SGD(0.0), {"accumulate_grad_batches": 4}, rows=44)
    _, expected = _trained(SGD(0.0), rows=44)
    assert history.history == expected.history


# --- our own steps and Lightning's ------------------------------------------------------------------------------------

_OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: SGD(0.1, momentum=0.9, nesterov=True),
    "adam, clipnorm": lambda: Adam(0.01, clipnorm=0.1),
    "adam, clipvalue": lambda: Adam(0.01, clipvalue=0.01),
    "adamw, global_clipnorm": lambda: AdamW(0.01, global_clipnorm=0.2),
    "accumulation": lambda: Adam(0.01, gradient_accumulation_steps=5),
    "averages": lambda: SGD(0.1, use_ema=True, ema_momentum=0.8),
    "averages, overwriting": lambda: Adam(0.01, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3),
    "scale": lambda: Adam(0.01, loss_scale_factor=16.0),
    "moving scale": lambda: LossScaleOptimizer(Adam(0.01), initial_scale=16.0, dynamic_growth_steps=4),
    "all": lambda: SGD(
        0.1,
        weight_decay=0.01,
        clipnorm=0.2,
        use_ema=True,
        ema_overwrite_frequency=4,
        loss_scale_factor=8.0,
        gradient_accumulation_steps=3,
    ),
}


class _Passive(pl.Callback):
    """Of Lightning's kind: with it, each step is Lightning's own."""


@pytest.mark.parametrize("name", _OPTIMIZERS)
def test_our_own_steps_and_lightnings_give_the_same_bits(name: str) -> None:
    make = _OPTIMIZERS[name]
    ours, history = _trained(make(), make=_batch_norm_model)
    lightnings, expected = _trained(make(), make=_batch_norm_model, callbacks=[_Passive()])
    one_by_one, _ = _trained(make(), {"accumulate_grad_batches": 1, "max_steps": -1}, make=_batch_norm_model)
    assert history.history == expected.history
    for other in (lightnings, one_by_one):
        _assert_equal(ours, other)
        for mine, theirs in zip(ours.optimizer.variables, other.optimizer.variables, strict=True):
            np.testing.assert_array_equal(mine.numpy(), theirs.numpy(), err_msg=mine.path)


# --- against Keras ----------------------------------------------------------------------------------------------------

_ARGUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "clipnorm": ("Adam", {"learning_rate": 0.01, "clipnorm": 0.1}),
    "clipvalue": ("SGD", {"learning_rate": 0.1, "clipvalue": 0.01}),
    "global_clipnorm": ("RMSprop", {"learning_rate": 0.01, "global_clipnorm": 0.2}),
    "accumulation": ("SGD", {"learning_rate": 0.1, "gradient_accumulation_steps": 3}),
    "accumulation, clip": ("Adam", {"learning_rate": 0.01, "gradient_accumulation_steps": 3, "global_clipnorm": 0.1}),
    "scale": ("SGD", {"learning_rate": 0.1, "loss_scale_factor": 16.0}),
    "averages": ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.7}),
    "averages, every step": ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_overwrite_frequency": 1}),
    "averages, over epochs": ("Adam", {"learning_rate": 0.01, "use_ema": True, "ema_overwrite_frequency": 7}),
    "averages, accumulation": (
        "SGD",
        {
            "learning_rate": 0.1,
            "use_ema": True,
            "ema_momentum": 0.5,
            "ema_overwrite_frequency": 2,
            "gradient_accumulation_steps": 2,
        },
    ),
}


@pytest.mark.parametrize("name", _ARGUMENTS)
def test_fit_is_keras(name: str) -> None:
    optimizer, arguments = _ARGUMENTS[name]
    ours, theirs = pair(_batch_norm_model)
    for package, model in ((labkeras, ours), (keras, theirs)):
        model.compile(
            getattr(package.optimizers, optimizer)(**arguments), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
    # 5 batches an epoch: groups go over the end of an epoch. The second `fit` goes on from what the first one left.
    data = {"validation_data": (_X[40:], _Y[40:]), "epochs": 3, "batch_size": 8}
    fit_both(ours, theirs, _X[:40], _Y[:40], **data)
    fit_both(ours, theirs, _X[:40], _Y[:40], **data)
    assert ours.optimizer.iterations.item() == int(theirs.optimizer.iterations)
    for mine, other in zip(ours.optimizer.variables, theirs.optimizer.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=2e-4, atol=1e-5, err_msg=other.path)


def test_a_scale_without_auto_scale_loss_is_keras_too() -> None:
    ours, theirs = pair()
    for package, model in ((labkeras, ours), (keras, theirs)):
        model.compile(
            package.optimizers.SGD(0.1, loss_scale_factor=16.0),
            "sparse_categorical_crossentropy",
            auto_scale_loss=False,
        )
    fit_both(ours, theirs, _X, _Y)
