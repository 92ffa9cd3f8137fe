"""Mixed precision: policies train as in Keras; Lightning's precision trains models of labkeras; both at once agree."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins import MixedPrecision
from torch import Tensor

import labkeras
from labkeras import models, naming
from labkeras.errors import InvalidArgumentError
from labkeras.optimizers import SGD, Adam, LossScaleOptimizer
from labkeras.random import set_random_seed
from tests.helpers.keras_pairs import CLASSES, FEATURES, OURS, classifier, sample_data

# Half of the last place of each type, a few dozen operations deep.
_TOLERANCE = {"bfloat16": 2e-2, "float16": 3e-3}
_IMAGES = np.random.default_rng(0).random((48, 8, 8, 3), dtype=np.float32)
_CLASSES = np.arange(48) % 3
_TOKENS = np.random.default_rng(1).integers(0, 20, (48, 6))


@pytest.fixture(autouse=True)
def _keras_as_it_was() -> Any:
    yield
    keras.config.set_dtype_policy("float32")


def _set_policies(name: str) -> None:
    labkeras.config.set_dtype_policy(name)
    keras.config.set_dtype_policy(name)


def _image_model(package: Any) -> Any:
    return package.Sequential(
        [
            package.layers.Input((8, 8, 3)),
            package.layers.Rescaling(2.0, offset=-1.0),
            package.layers.Conv2D(8, 3, activation="relu", kernel_regularizer="l2"),
            package.layers.BatchNormalization(),
            package.layers.MaxPooling2D(),
            package.layers.Conv2D(8, 3, padding="same"),
            package.layers.LayerNormalization(),
            package.layers.GlobalAveragePooling2D(),
            package.layers.Dense(3, activation="softmax"),
        ]
    )


def _token_model(package: Any) -> Any:
    inputs = package.Input((6,), dtype="int32")
    x = package.layers.Embedding(20, 8)(inputs)
    y = package.layers.Dense(8, activation="gelu")(x)
    x = package.layers.LayerNormalization()(package.layers.Add()([x, y]))
    x = package.layers.Flatten()(x)
    return package.Model(inputs, package.layers.Dense(3)(x))


def _head_in_float32(package: Any) -> Any:
    """What Keras's guide on mixed precision advises."""
    inputs = package.Input((8, 8, 3))
    x = package.layers.Flatten()(inputs)
    x = package.layers.Dense(16, activation="relu")(x)
    return package.Model(inputs, package.layers.Dense(3, activation="softmax", dtype="float32")(x))


_CASES: dict[str, tuple[Callable[[Any], Any], np.ndarray[Any, Any], bool]] = {
    "images": (_image_model, _IMAGES, False),
    "tokens": (_token_model, _TOKENS, True),
    "float32 head": (_head_in_float32, _IMAGES, False),
}


def _pair(make: Callable[[Any], Any], policy: str = "float32") -> tuple[Any, Any]:
    keras.utils.clear_session()  # forgets the policy as well
    naming.clear_names()
    _set_policies(policy)
    ours, theirs = make(OURS), make(keras)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


# --- policies, against Keras --------------------------------------------------------------------------------------


@pytest.mark.parametrize("type_name", ["bfloat16", "float16"])
@pytest.mark.parametrize("case", _CASES)
def test_fit_under_a_mixed_policy_is_keras(case: str, type_name: str) -> None:
    make, x, from_logits = _CASES[case]
    ours, theirs = _pair(make, f"mixed_{type_name}")
    for package, model in ((labkeras, ours), (keras, theirs)):
        loss = package.losses.SparseCategoricalCrossentropy(from_logits=from_logits)
        model.compile(package.optimizers.SGD(0.05, momentum=0.9), loss, metrics=["accuracy"])
    arguments: dict[str, Any] = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0}
    history = ours.fit(x, _CLASSES, **arguments).history
    expected = theirs.fit(x, _CLASSES, **arguments).history
    tolerance = _TOLERANCE[type_name]
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=tolerance)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    assert _types(ours.variables) == {"float32"} == {variable.dtype for variable in theirs.weights}
    assert type(ours.optimizer).__name__ == type(theirs.optimizer).__name__
    outputs, their_outputs = ours(x), theirs(x)
    assert outputs.dtype is their_outputs.dtype
    np.testing.assert_allclose(
        outputs.detach().float(), their_outputs.detach().cpu().float(), rtol=tolerance, atol=tolerance
    )
    evaluated = ours.evaluate(x, _CLASSES, verbose=0), theirs.evaluate(x, _CLASSES, verbose=0)
    np.testing.assert_allclose(evaluated[0][0], evaluated[1][0], rtol=tolerance)


@pytest.mark.parametrize("type_name", ["bfloat16", "float16"])
def test_a_layer_of_its_own_policy_in_a_float32_model(type_name: str) -> None:
    def make(package: Any) -> Any:
        dtype = f"mixed_{type_name}"
        inputs = package.Input((6,))
        x = package.layers.Dense(8, activation="relu", dtype=dtype)(inputs)
        x = package.layers.Dense(8, dtype=package.dtype_policies.DTypePolicy(dtype))(x)
        return package.Model(inputs, package.layers.Dense(3, activation="softmax")(x))

    class Package(type(OURS)):  # type: ignore[misc]
        dtype_policies = labkeras.dtype_policies

    x, y = sample_data()
    package = Package(**vars(OURS))
    keras.utils.clear_session()
    ours, theirs = make(package), make(keras)
    ours.set_weights(theirs.get_weights())
    for model in (ours, theirs):
        model.compile("sgd", "sparse_categorical_crossentropy")
    # The model's own policy is float32, and nothing is scaled.
    assert not isinstance(ours.optimizer, LossScaleOptimizer)
    arguments: dict[str, Any] = {"epochs": 3, "batch_size": 16, "shuffle": False, "verbose": 0}
    history, expected = ours.fit(x, y, **arguments), theirs.fit(x, y, **arguments)
    np.testing.assert_allclose(history.history["loss"], expected.history["loss"], rtol=_TOLERANCE[type_name])
    assert _compute_types(ours) == _compute_types(theirs) == [type_name, type_name, "float32"]
    assert ours(x).dtype is theirs(x).dtype is torch.float32


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_weights_gradients_loss_and_metrics_are_in_float32(policy: str) -> None:
    labkeras.config.set_dtype_policy(policy)
    model = classifier(OURS)
    losses: list[Tensor] = []

    class Noting(labkeras.losses.SparseCategoricalCrossentropy):
        def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
            losses.append(super().__call__(*args, **kwargs))
            return losses[-1]

    model.compile("adam", Noting(), metrics=["accuracy"])
    model.fit(*sample_data(), batch_size=16, verbose=0)
    assert _types(losses) == {"float32"}
    assert _types(model.parameters()) == {"float32"}
    assert _types([weight.grad for weight in model.parameters()]) == {"float32"}
    assert _types(variable for metric in model.metrics for variable in metric.variables) <= {"float32", "int32"}
    assert model(sample_data()[0]).dtype is getattr(torch, policy.removeprefix("mixed_"))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_what_overflows_in_16_bits_is_computed_as_in_keras(policy: str) -> None:
    x = (np.random.default_rng(3).normal(size=(32, 16)) * 3e2).astype(np.float32)
    _set_policies(policy)
    for make in (
        lambda package: package.layers.LayerNormalization(),
        lambda package: package.layers.BatchNormalization(),
        lambda package: package.layers.Activation("softmax"),
        lambda package: package.layers.Dense(4, activation="softmax", kernel_initializer="ones"),
    ):
        ours, theirs = make(OURS), make(keras)
        one, other = ours(x, training=True) if hasattr(ours, "momentum") else ours(x), None
        other = theirs(x, training=True) if hasattr(ours, "momentum") else theirs(x)
        assert bool(torch.isfinite(one).all())
        np.testing.assert_allclose(
            one.detach().float(), other.detach().cpu().float(), rtol=2e-2, atol=2e-2, err_msg=type(ours).__name__
        )


# --- loss scaling ---------------------------------------------------------------------------------------------------


def _float16_classifier() -> Any:
    set_random_seed(1)
    labkeras.config.set_dtype_policy("mixed_float16")
    return classifier(OURS)


def test_the_optimizer_is_wrapped_under_mixed_float16_alone() -> None:
    for policy, arguments, is_wrapped in (
        ("mixed_float16", {}, True),
        ("mixed_float16", {"auto_scale_loss": False}, False),
        ("mixed_bfloat16", {}, False),
        ("float16", {}, False),
    ):
        _set_policies(policy)
        ours, theirs = classifier(OURS), classifier(keras)
        for model in (ours, theirs):
            model.compile("adam", "mse", **arguments)
        assert isinstance(ours.optimizer, LossScaleOptimizer) is is_wrapped
        assert isinstance(theirs.optimizer, keras.optimizers.LossScaleOptimizer) is is_wrapped


def test_an_optimizer_that_scales_the_loss_is_not_wrapped_again() -> None:
    model = _float16_classifier()
    given = LossScaleOptimizer(SGD(), initial_scale=2.0)
    model.compile(given, "mse")
    assert model.optimizer is given


@pytest.mark.parametrize("trainer", [None, {"accumulate_grad_batches": 1, "max_steps": 100}])
def test_an_overflow_leaves_a_step_out_and_training_goes_on(trainer: dict[str, Any] | None) -> None:
    model = _float16_classifier()
    # The first scales are too high for float16: a few steps are left out until it has come down.
    model.compile(LossScaleOptimizer(SGD(0.05), initial_scale=2.0**24), "sparse_categorical_crossentropy")
    history = model.fit(*sample_data(), batch_size=10, epochs=8, verbose=0, trainer=trainer).history
    taken, left_out = model.optimizer.iterations.item(), 24 - np.log2(model.optimizer.dynamic_scale.item())
    assert left_out >= 1
    assert taken + left_out == 40
    assert history["loss"][-1] < history["loss"][0]


def test_the_losses_that_are_logged_are_not_scaled() -> None:
    x, y = sample_data()
    losses = []
    for optimizer in (SGD(0.0), SGD(0.0, loss_scale_factor=64.0), LossScaleOptimizer(SGD(0.0))):
        set_random_seed(1)
        model = classifier(OURS)
        model.compile(optimizer, "sparse_categorical_crossentropy", auto_scale_loss=False)
        losses.append(model.fit(x, y, batch_size=10, shuffle=False, verbose=0).history["loss"])
    assert losses[0] == losses[1] == losses[2]


@pytest.mark.parametrize("trainer", [None, {"max_steps": 15}])
@pytest.mark.parametrize("wrap", [lambda: SGD(0.1, loss_scale_factor=64.0), lambda: LossScaleOptimizer(SGD(0.1))])
def test_a_scale_changes_no_bit_of_the_weights(wrap: Callable[[], Any], trainer: dict[str, Any] | None) -> None:
    x, y = sample_data()
    weights = []
    for optimizer in (SGD(0.1), wrap()):
        set_random_seed(1)
        model = classifier(OURS)
        model.compile(optimizer, "sparse_categorical_crossentropy", auto_scale_loss=False)
        model.fit(x, y, batch_size=10, shuffle=False, epochs=3, verbose=0, trainer=trainer)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("way", ["norm", "value"])
@pytest.mark.parametrize("wrap", [lambda: SGD(0.1, loss_scale_factor=64.0), lambda: LossScaleOptimizer(SGD(0.1))])
def test_lightning_clips_gradients_at_their_own_scale(wrap: Callable[[], Any], way: str) -> None:
    x, y = sample_data()
    weights = []
    for optimizer in (SGD(0.1), wrap()):
        set_random_seed(1)
        model = classifier(OURS)
        model.compile(optimizer, "sparse_categorical_crossentropy", auto_scale_loss=False)
        trainer = {"gradient_clip_val": 0.05, "gradient_clip_algorithm": way}
        model.fit(x, y, batch_size=10, shuffle=False, epochs=3, verbose=0, trainer=trainer)
        weights.append(model.get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


def test_a_train_step_of_the_users_scales_the_loss_by_hand() -> None:
    def make(package: Any) -> Any:
        class Own(package.Model):  # type: ignore[misc]
            def train_step(self, data: Any) -> dict[str, Any]:
                x, y = data
                self.zero_grad()
                loss = self.compute_loss(y=y, y_pred=self(x, training=True))
                self.optimizer.scale_loss(loss).backward()
                weights = list(self.trainable_weights)
                grads = [weight.value.grad for weight in weights]
                with torch.no_grad():
                    self.optimizer.apply(grads, weights)
                return {"loss": loss}

        inputs = package.Input((FEATURES,))
        x = package.layers.Dense(8, activation="relu")(inputs)
        return Own(inputs, package.layers.Dense(CLASSES, activation="softmax")(x))

    ours, theirs = _pair(make, "mixed_float16")
    x, y = sample_data()
    losses = []
    for model in (ours, theirs):
        model.compile("sgd", "sparse_categorical_crossentropy")
        history = model.fit(x, y, batch_size=25, shuffle=False, epochs=4, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=3e-3)
    assert ours.optimizer.dynamic_scale.item() == float(theirs.optimizer.dynamic_scale)


def test_a_clipped_overflow_is_still_left_out() -> None:
    model = _float16_classifier()
    model.compile(LossScaleOptimizer(SGD(0.05), initial_scale=2.0**24), "sparse_categorical_crossentropy")
    trainer = {"gradient_clip_val": 0.5, "gradient_clip_algorithm": "value"}
    model.fit(*sample_data(), batch_size=10, epochs=4, verbose=0, trainer=trainer)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert model.optimizer.dynamic_scale.item() < 2.0**24


def test_moving_averages_of_the_inner_optimizer_end_up_in_the_weights() -> None:
    ours, theirs = _pair(classifier, "mixed_float16")
    x, y = sample_data()
    for package, model in ((labkeras, ours), (keras, theirs)):
        inner = package.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5)
        model.compile(
            package.optimizers.LossScaleOptimizer(inner, initial_scale=64.0), "sparse_categorical_crossentropy"
        )
        model.fit(x, y, batch_size=10, shuffle=False, epochs=2, verbose=0)
    for one, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=3e-3, atol=3e-3)
    averages = [ours.optimizer.state[weight]["average"] for weight in ours.trainable_variables]
    assert all(torch.equal(average, weight) for average, weight in zip(averages, ours.trainable_variables, strict=True))


@pytest.mark.parametrize("explicit", [True, False])
def test_models_with_a_scaled_loss_are_exchanged_with_keras(tmp_path: Any, explicit: bool) -> None:
    ours, theirs = _pair(classifier, "mixed_float16")
    x, y = sample_data()
    for package, model in ((labkeras, ours), (keras, theirs)):
        optimizer = package.optimizers.Adam(0.01)
        if explicit:
            optimizer = package.optimizers.LossScaleOptimizer(optimizer, initial_scale=16.0, dynamic_growth_steps=3)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        model.fit(x, y, batch_size=10, epochs=2, verbose=0)
    ours.save(tmp_path / "ours.keras")
    theirs.save(tmp_path / "theirs.keras")
    pairs = [
        (ours, keras.models.load_model(tmp_path / "ours.keras")),
        (theirs, models.load_model(tmp_path / "theirs.keras")),
        (ours, models.load_model(tmp_path / "ours.keras")),
    ]
    for written, read in pairs:
        assert type(read.optimizer).__name__ == "LossScaleOptimizer"
        assert read.optimizer.get_config()["initial_scale"] == written.optimizer.get_config()["initial_scale"]
        for one, other in zip(
            [*written.optimizer.variables, *written.weights], [*read.optimizer.variables, *read.weights], strict=True
        ):
            np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert pairs[2][1].optimizer.inner_optimizer.get_config()["learning_rate"] == 0.01
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")


# --- Lightning's precision ------------------------------------------------------------------------------------------


def _trained(trainer: Any, policy: str = "float32", epochs: int = 3) -> tuple[Any, list[float]]:
    labkeras.config.set_dtype_policy(policy)
    naming.clear_names()
    set_random_seed(1)
    model = _image_model(OURS)
    model.compile(Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        _IMAGES, _CLASSES, batch_size=16, shuffle=False, epochs=epochs, verbose=0, trainer=trainer
    ).history
    return model, history["loss"]


@pytest.mark.parametrize(
    ("precision", "type_name", "tolerance"),
    [("bf16-true", "bfloat16", 5e-2), ("64-true", "float64", 1e-3), ("16-true", "float16", 1e-2)],
)
def test_all_of_a_model_in_another_type(precision: str, type_name: str, tolerance: float) -> None:
    _, expected = _trained(None)
    model, losses = _trained({"precision": precision})
    np.testing.assert_allclose(losses, expected, rtol=tolerance)
    assert set(_compute_types(model)) == {type_name}
    assert _types(weight for weight in model.weights) == {type_name}
    assert np.isfinite(model.evaluate(_IMAGES, _CLASSES, verbose=0)).all()
    assert model.predict(_IMAGES, verbose=0).shape == (48, 3)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float32])
def test_a_model_of_a_mixed_policy_is_moved_to_one_type(dtype: torch.dtype) -> None:
    labkeras.config.set_dtype_policy("mixed_float16")
    set_random_seed(1)
    model = _image_model(OURS)
    expected = model(_IMAGES).detach().float()
    moved = model.to(dtype)
    outputs = moved(_IMAGES)
    assert outputs.dtype is (torch.float16 if dtype is torch.float32 else dtype)
    torch.testing.assert_close(outputs.detach().float(), expected, rtol=3e-2, atol=3e-2)
    assert len(moved.predict(_IMAGES, verbose=0)) == len(_IMAGES)


def test_lightnings_mixed_precision_keeps_weights_in_float32() -> None:
    _, expected = _trained(None)
    model, losses = _trained({"precision": "bf16-mixed"})
    np.testing.assert_allclose(losses, expected, rtol=5e-2)
    assert losses != expected
    assert _types(model.weights) == {"float32"}
    assert set(_compute_types(model)) == {"float32"}


def test_the_same_mixture_from_both_sides_is_the_same_as_from_one() -> None:
    _, expected = _trained(None, "mixed_bfloat16")
    _, losses = _trained({"precision": "bf16-mixed"}, "mixed_bfloat16")
    assert losses == expected


@pytest.mark.parametrize(
    ("precision", "policy"),
    [
        ("bf16-mixed", "mixed_float16"),
        ("bf16-true", "mixed_bfloat16"),
        ("64-true", "mixed_float16"),
        ("16-true", "mixed_float16"),
    ],
)
def test_two_mixtures_that_differ_are_refused(precision: str, policy: str) -> None:
    message = rf"dtype policy is '{policy}'.*leave `precision` out\. Received: precision='{precision}'"
    with pytest.raises(InvalidArgumentError, match=message):
        _trained({"precision": precision}, policy)


def test_the_full_precision_of_lightnings_default_goes_with_every_policy() -> None:
    _, expected = _trained(None, "mixed_float16", epochs=1)
    _, losses = _trained({"precision": "32-true"}, "mixed_float16", epochs=1)
    assert losses == expected


def test_float16_by_lightning_needs_a_gpu() -> None:
    with pytest.raises(InvalidArgumentError, match=r"needs a GPU: take 'bf16-mixed'.*Received: precision='16-mixed'"):
        _trained({"precision": "16-mixed", "accelerator": "cpu"})


def _scaler_plugin() -> MixedPrecision:
    """What "16-mixed" is on a GPU, made for the CPU."""
    return MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=1024.0))


def test_a_gradient_scaler_of_lightnings_trains_with_our_optimizers() -> None:
    _, expected = _trained(None)
    model, losses = _trained({"plugins": [_scaler_plugin()], "gradient_clip_val": 100.0})
    np.testing.assert_allclose(losses, expected, rtol=1e-2)
    assert model.optimizer.iterations.item() == 9


def test_a_loss_is_not_scaled_twice() -> None:
    labkeras.config.set_dtype_policy("mixed_float16")
    model = _image_model(OURS)
    model.compile("adam", "sparse_categorical_crossentropy")
    with pytest.raises(InvalidArgumentError, match=r"would be scaled twice.*`auto_scale_loss=False`\. Received: "):
        model.fit(_IMAGES, _CLASSES, verbose=0, trainer={"plugins": [_scaler_plugin()]})
    model.compile("adam", "sparse_categorical_crossentropy", auto_scale_loss=False)
    losses = model.fit(_IMAGES, _CLASSES, verbose=0, epochs=2, trainer={"plugins": [_scaler_plugin()]}).history["loss"]
    assert np.isfinite(losses).all()


def test_a_trainer_of_the_users_is_checked_as_well() -> None:
    labkeras.config.set_dtype_policy("mixed_float16")
    model = _image_model(OURS)
    model.compile("adam", "sparse_categorical_crossentropy")
    trainer = pl.Trainer(
        precision="bf16-true", max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False
    )
    with pytest.raises(InvalidArgumentError, match="dtype policy is 'mixed_float16'"):
        model.fit(_IMAGES, _CLASSES, verbose=0, trainer=trainer)


def _types(tensors: Any) -> set[str]:
    return {str(tensor.dtype).removeprefix("torch.") for tensor in tensors}


def _compute_types(model: Any) -> list[str]:
    return [layer.compute_dtype for layer in model.layers if layer.weights]
