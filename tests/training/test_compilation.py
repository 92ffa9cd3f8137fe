"""`jit_compile=True`: what is recorded computes what the eager step does, and is recorded once.

Most tests run the recorded graph as it is, operation by operation: recording is ours, and takes milliseconds. Those
that have torch's compiler make programs of it are slow, and few.
"""

import copy
import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import labkeras
from labkeras import layers, losses, metrics, optimizers
from labkeras.callbacks import Callback, LambdaCallback, ReduceLROnPlateau
from labkeras.errors import NonFiniteLossError
from labkeras.models import Model, Sequential
from labkeras.training.compilation import inductor, programs
from labkeras.training.compilation.recording import NotRecordableError, record

X = np.random.default_rng(0).normal(size=(40, 6)).astype("float32")
Y = np.random.default_rng(1).integers(0, 3, 40)
WEIGHT = np.random.default_rng(2).random(40).astype("float32")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The graphs for which programs were made, which run as they are."""
    graphs: list[Any] = []

    def run_as_it_is(graph: Any, examples: Any) -> Any:
        graphs.append(graph)
        return graph

    monkeypatch.setattr(programs, "made_program", run_as_it_is)
    return graphs


def build(**dense: Any) -> Model:
    labkeras.utils.set_random_seed(0)
    return Sequential([layers.Input((6,)), layers.Dense(8, activation="tanh", **dense), layers.Dense(3)])


def compiled(model: Model, optimizer: Any = "adam", jit_compile: Any = True, **options: Any) -> Model:
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(**{"loss": loss, "metrics": ["accuracy"], **options}, optimizer=optimizer, jit_compile=jit_compile)
    return model


def run(model: Model, seed: int = 5, **fit: Any) -> tuple[dict[str, list[float]], list[np.ndarray]]:
    """What `fit` logs, and the weights after it."""
    labkeras.utils.set_random_seed(seed)
    history = model.fit(**{"x": X, "y": Y, "batch_size": 10, "epochs": 3, "verbose": 0, **fit})
    return history.history, model.get_weights()


def check_equal(make: Callable[[], Model], fit: dict[str, Any] | None = None, **options: Any) -> None:
    """Trains eagerly and compiled; logs and weights must be equal, but for rounding."""
    make_optimizer = options.pop("optimizer", lambda: "adam")
    logs, weights = run(compiled(make(), make_optimizer(), False, **options), **(fit or {}))
    jit_logs, jit_weights = run(compiled(make(), make_optimizer(), True, **options), **(fit or {}))
    assert jit_logs.keys() == logs.keys()
    for name, values in logs.items():
        np.testing.assert_allclose(jit_logs[name], values, rtol=2e-5, atol=1e-6, err_msg=name)
    for after, expected in zip(jit_weights, weights, strict=True):
        np.testing.assert_allclose(after, expected, rtol=2e-5, atol=2e-6)


ADAM = partial(optimizers.Adam, 0.01)
OPTIMIZERS = {
    "sgd": partial(optimizers.SGD, 0.1),
    "momentum": partial(optimizers.SGD, 0.1, momentum=0.9),
    "nesterov": partial(optimizers.SGD, 0.1, momentum=0.9, nesterov=True),
    "adam": ADAM,
    "amsgrad": partial(ADAM, amsgrad=True),
    "adamw": partial(optimizers.AdamW, 0.01, weight_decay=0.1),
    "rmsprop": partial(optimizers.RMSprop, 0.01),
    "rmsprop, all of it": partial(optimizers.RMSprop, 0.01, momentum=0.5, centered=True),
    "clipnorm": partial(ADAM, clipnorm=0.1),
    "global_clipnorm": partial(ADAM, global_clipnorm=0.1),
    "clipvalue": partial(ADAM, clipvalue=0.01),
    "decay": partial(optimizers.SGD, 0.1, weight_decay=0.05),
    "averages": partial(ADAM, use_ema=True, ema_momentum=0.8),
    "averages that overwrite": partial(ADAM, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=3),
    "accumulation": partial(ADAM, gradient_accumulation_steps=3),
    "loss scale": partial(optimizers.SGD, 0.1, loss_scale_factor=8.0),
    "schedule": lambda: optimizers.Adam(optimizers.schedules.CosineDecay(0.05, 10)),
    "function": lambda: optimizers.Adam(lambda: 0.02),
    "of torch": lambda: partial(torch.optim.SGD, lr=0.1, momentum=0.9),
    "loss scaling": lambda: optimizers.LossScaleOptimizer(ADAM(), initial_scale=4.0),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_trains_as_it_does_eagerly(name: str, made: list[Any]) -> None:
    check_equal(build, optimizer=OPTIMIZERS[name])
    assert made


class HalfStep(optimizers.Optimizer):
    """Somebody's optimizer, written Keras's way."""

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: Any) -> None:
        self.assign_sub(variable, gradient * float(learning_rate) / (1 + float(self.iterations)))


def test_an_optimizer_of_somebody_elses_takes_the_gradients_that_the_graph_gives(made: list[Any]) -> None:
    check_equal(build, optimizer=lambda: HalfStep(0.2))
    assert len(made) == 1


def with_extras() -> Model:
    labkeras.utils.set_random_seed(0)
    x = inputs = layers.Input((6,))
    x = layers.Dense(8, kernel_regularizer="l2", activity_regularizer="l1", kernel_constraint="max_norm")(x)
    x = layers.Dense(5, trainable=False)(layers.LayerNormalization()(layers.BatchNormalization(momentum=0.5)(x)))
    return Model(inputs, layers.Dense(3)(x))


class AddsLoss(layers.Layer):
    def call(self, inputs: Tensor) -> Tensor:
        self.add_loss(inputs.square().mean())
        return inputs


def adding() -> Model:
    labkeras.utils.set_random_seed(0)
    return Sequential([layers.Input((6,)), layers.Dense(4), AddsLoss(), layers.Dense(3)])


def masked() -> Model:
    labkeras.utils.set_random_seed(0)
    x = layers.Embedding(7, 4, mask_zero=True)(inputs := layers.Input((5,), dtype="int64"))
    return Model(inputs, layers.Dense(3)(x))


def two_outputs() -> Model:
    labkeras.utils.set_random_seed(0)
    x = layers.Dense(4)(inputs := layers.Input((6,)))
    return Model(inputs, {"a": layers.Dense(3, name="a")(x), "b": layers.Dense(1, name="b")(x)})


TOKENS = np.random.default_rng(3).integers(0, 7, (40, 5))
CASES: dict[str, tuple[Callable[[], Model], dict[str, Any], dict[str, Any]]] = {
    "regularizers, constraints, normalization, a frozen layer": (with_extras, {}, {}),
    "a loss that a layer adds": (adding, {}, {}),
    "sample weights": (build, {"sample_weight": WEIGHT}, {"weighted_metrics": ["accuracy"]}),
    "class weights": (build, {"class_weight": {0: 1.0, 1: 2.0, 2: 0.5}}, {}),
    "masks": (masked, {"x": TOKENS, "y": TOKENS % 3}, {}),
    "validation": (build, {"validation_data": (X[:7], Y[:7])}, {}),
    "a short last batch": (build, {"batch_size": 16}, {}),
    "several outputs": (
        two_outputs,
        {"y": {"a": Y, "b": WEIGHT}},
        {
            "loss": {"a": losses.SparseCategoricalCrossentropy(from_logits=True), "b": "mse"},
            "metrics": {"a": ["accuracy"], "b": ["mae"]},
            "loss_weights": {"a": 1.0, "b": 0.5},
        },
    ),
    "metrics of many kinds": (
        lambda: Sequential([build(), layers.Dense(1, activation="sigmoid")]),
        {"y": Y % 2},
        {"loss": "binary_crossentropy", "metrics": [metrics.AUC(), metrics.Precision(), metrics.Recall(), "mse"]},
    ),
    "callbacks that look at logs": (
        build,
        {"callbacks": [LambdaCallback(on_batch_end=lambda b, logs: dict(logs))]},
        {},
    ),
    "groups of steps": (build, {}, {"steps_per_execution": 3}),
    "samples in their order": (build, {"shuffle": False}, {}),
}


@pytest.mark.parametrize("name", CASES)
def test_fit_logs_and_trains_as_it_does_eagerly(name: str, made: list[Any]) -> None:
    make, fit, options = CASES[name]
    check_equal(make, fit, **options)
    assert made


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64", "mixed_float16"])
def test_a_precision_trains_as_it_does_eagerly(policy: str, made: list[Any]) -> None:
    labkeras.config.set_dtype_policy(policy)
    try:
        check_equal(build)
    finally:
        labkeras.config.set_dtype_policy("float32")
    assert made


def test_evaluate_and_predict_give_what_they_give_eagerly(made: list[Any]) -> None:
    eager, jit = compiled(with_extras(), jit_compile=False), compiled(with_extras())
    np.testing.assert_allclose(jit.evaluate(X, Y, verbose=0), eager.evaluate(X, Y, verbose=0), rtol=1e-6)
    np.testing.assert_allclose(jit.predict(X, verbose=0), eager.predict(X, verbose=0), rtol=1e-6)
    assert len(made) == 2


def test_on_batch_methods_give_what_they_give_eagerly(made: list[Any]) -> None:
    eager, jit = compiled(build(), jit_compile=False), compiled(build())
    for model in (eager, jit):
        model.train_on_batch(X, Y)
    np.testing.assert_allclose(jit.train_on_batch(X, Y), eager.train_on_batch(X, Y), rtol=1e-6)
    np.testing.assert_allclose(jit.test_on_batch(X, Y), eager.test_on_batch(X, Y), rtol=1e-6)
    np.testing.assert_allclose(jit.predict_on_batch(X), eager.predict_on_batch(X), rtol=1e-5)
    assert len(made) == 3


def test_a_second_fit_makes_no_new_program(made: list[Any]) -> None:
    model = compiled(build())
    run(model, validation_data=(X, Y))
    count = len(made)
    run(model, validation_data=(X, Y))
    model.evaluate(X, Y, batch_size=32, verbose=0)
    assert len(made) == count == 2


def test_learning_rates_and_steps_are_read_anew_in_each_step(made: list[Any]) -> None:
    class Halves(Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.1 / 2**epoch

    check_equal(build, {"callbacks": [Halves()]}, optimizer=lambda: optimizers.SGD(0.1))
    check_equal(build, {"callbacks": [ReduceLROnPlateau("loss", 0.1, patience=0, min_delta=9.0)]}, optimizer=ADAM)
    assert len(made) == 2


def test_iterations_count_on(made: list[Any]) -> None:
    model = compiled(build(), ADAM())
    run(model)
    assert int(model.optimizer.iterations) == 12


def test_weights_are_read_live(made: list[Any]) -> None:
    model = compiled(build())
    before = model.predict(X, verbose=0)
    model.set_weights([2 * weight for weight in model.get_weights()])
    doubled = model.predict(X, verbose=0)
    assert len(made) == 1
    assert not np.allclose(before, doubled)
    np.testing.assert_allclose(doubled, model(X).detach().numpy(), rtol=1e-6)


def test_a_layer_that_is_frozen_stays_as_it_is(made: list[Any]) -> None:
    model = compiled(build())
    run(model)
    model.layers[0].trainable = False
    compiled(model)
    frozen, free = model.layers[0].kernel.numpy(), model.layers[1].kernel.numpy()
    run(model)
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), frozen)
    assert not np.allclose(model.layers[1].kernel.numpy(), free)


def test_a_model_in_another_type_gets_programs_of_its_own(made: list[Any]) -> None:
    model = compiled(build())
    model.predict(X, verbose=0)
    model.double()
    assert model.predict(X.astype("float64"), verbose=0).dtype == np.float64
    assert len(made) == 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_trains_apart_from_its_original(copied: Any, made: list[Any]) -> None:
    model = compiled(build())
    run(model)
    twin = copied(model)
    weights = model.get_weights()
    run(twin)
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)
    assert len(made) == 2


def test_recording_leaves_no_trace() -> None:
    state, batch = torch.ones(2), torch.zeros(2)

    def step(leaves: Any) -> list[Tensor]:
        return [state.add_(torch.rand(2)), leaves[0].add_(1)]

    before = torch.get_rng_state()
    recording = record(step, [state], [batch], [])
    assert torch.equal(torch.get_rng_state(), before)
    assert state.tolist() == [1, 1]
    assert batch.tolist() == [0, 0]
    recording.graph(*recording.tensors, batch)
    assert state.min() > 1
    assert batch.tolist() == [1, 1]


def test_tensors_from_elsewhere_are_read_anew_and_written_to() -> None:
    held, counted = torch.tensor(2.0), torch.zeros(())
    recording = record(lambda leaves: [leaves[0] * held, counted.add_(1)], [], [torch.ones(())], [])
    held.fill_(5.0)
    product, _ = recording.graph(*recording.tensors, torch.ones(()))
    assert (product.item(), counted.item()) == (5.0, 2.0)


def test_random_layers_are_reproducible(made: list[Any]) -> None:
    def make() -> Model:
        labkeras.utils.set_random_seed(0)
        return Sequential(
            [layers.Input((6,)), layers.Dense(8), layers.Dropout(0.5), layers.Dropout(0.2, seed=3), layers.Dense(3)]
        )

    first, second = run(compiled(make())), run(compiled(make()))
    assert first[0] == second[0]
    assert run(compiled(make()), seed=6)[0] != first[0]


@pytest.mark.parametrize("trainer", [{"gradient_clip_val": 0.1}, {"precision": "bf16-mixed"}])
def test_a_loss_that_lightning_goes_backward_from_knows_its_gradients(trainer: Any, made: list[Any]) -> None:
    check_equal(build, {"trainer": trainer})
    assert len(made) == 1


class OwnStep(Model):
    """Trains as the guide for torch shows."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = layers.Dense(8, activation="tanh"), layers.Dense(3)
        self.own_loss = metrics.Mean(name="own")

    def call(self, inputs: Tensor) -> Tensor:
        return self.second(self.first(inputs))

    def train_step(self, data: Any) -> dict[str, Any]:
        x, y = data
        self.zero_grad()
        loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
        loss.backward()
        weights = self.trainable_weights
        with torch.no_grad():
            self.optimizer.apply([weight.grad for weight in weights[:2]] + [weight.grad * 2 for weight in weights[2:]])
        self.own_loss.update_state(loss)
        return {metric.name: metric.result() for metric in self.metrics}

    def predict_step(self, data: Any) -> Tensor:
        return torch.softmax(self(data, training=False), -1)


def test_a_step_of_the_models_own_trains_as_it_does_eagerly(made: list[Any]) -> None:
    def make() -> Model:
        labkeras.utils.set_random_seed(0)
        model = OwnStep()
        model.build((None, 6))
        return model

    check_equal(make, optimizer=ADAM)
    assert len(made) == 1
    eager, jit = compiled(make(), jit_compile=False), compiled(make())
    np.testing.assert_allclose(jit.predict(X, verbose=0), eager.predict(X, verbose=0), rtol=1e-5)
    assert len(made) == 2


class Adversaries(Model):
    """Two networks with an optimizer each."""

    def __init__(self) -> None:
        super().__init__()
        self.maker, self.judge = (Sequential([layers.Input((6,)), layers.Dense(size)]) for size in (6, 1))

    def compile(self, maker_optimizer: Any, judge_optimizer: Any, **options: Any) -> None:
        super().compile(**options)
        self.maker_optimizer, self.judge_optimizer = maker_optimizer, judge_optimizer

    def train_step(self, x: Tensor) -> dict[str, Tensor]:
        judged = (self.judge(x).sigmoid() - self.judge(self.maker(-x)).sigmoid()).mean()
        weights = self.judge.trainable_weights
        self.judge_optimizer.apply(torch.autograd.grad(judged, weights), weights)
        self.zero_grad()
        made = -self.judge(self.maker(-x)).sigmoid().mean()
        made.backward()
        self.maker_optimizer.apply([weight.grad for weight in self.maker.trainable_weights])
        return {"judged": judged.detach(), "made": made.detach()}


def test_a_step_with_two_optimizers_trains_as_it_does_eagerly(made: list[Any]) -> None:
    results = []
    for jit_compile in (False, True):
        labkeras.utils.set_random_seed(0)
        model = Adversaries()
        maker, judge = optimizers.Adam(0.05), optimizers.SGD(0.1, momentum=0.9)
        maker.build(model.maker.trainable_weights)
        model.compile(maker, judge, jit_compile=jit_compile)
        history = model.fit(X, batch_size=10, epochs=3, shuffle=False, verbose=0).history
        results.append((history["judged"], history["made"], int(maker.iterations), int(judge.iterations)))
    assert len(made) == 1
    for jit, eager in zip(results[1], results[0], strict=True):
        np.testing.assert_allclose(jit, eager, rtol=1e-5)


# --- what cannot be compiled ------------------------------------------------------------------------------------------


def looks_at_values(y_true: Tensor, y_pred: Tensor) -> Tensor:
    difference = y_pred.mean(-1) - y_true
    return difference.square() if float(difference.detach().sum()) > 0 else difference.abs()


def test_what_cannot_be_recorded_runs_eagerly_with_one_warning(made: list[Any]) -> None:
    logs, _ = run(compiled(build(), loss=looks_at_values, jit_compile=False))
    with pytest.warns(UserWarning, match="reads values of a tensor, with `Tensor.__float__`") as warned:
        jit_logs, _ = run(compiled(build(), loss=looks_at_values))
    assert jit_logs == logs
    assert len(warned) == 1
    assert not made


def test_a_module_that_exchanges_its_tensors_cannot_be_recorded() -> None:
    module = torch.nn.BatchNorm1d(2)
    mean = module.running_mean

    def step(leaves: Any) -> list[Tensor]:
        module.running_mean = module.running_mean + 1
        return [leaves[0] * 2]

    with pytest.raises(NotRecordableError, match="in place of 'running_mean' of 'BatchNorm1d'"):
        record(step, [mean], [torch.ones(2)], [module])
    assert module.running_mean is mean


def test_an_error_of_the_model_is_its_own() -> None:
    model = compiled(build())
    with pytest.raises(ValueError, match="shape"):
        model.fit(X[:, :4], Y, verbose=0)


@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_a_loss_that_is_not_finite_stops_training_with_the_name_of_the_layer(way: str, made: list[Any]) -> None:
    def root(x: Tensor) -> Tensor:
        return torch.sqrt(x)

    labkeras.utils.set_random_seed(0)
    model = Sequential([layers.Input((6,)), layers.Dense(3, name="first"), layers.Activation(root, name="root")])
    compiled(model, jit_compile=way == "compiled")
    with pytest.raises(NonFiniteLossError, match="layer 'root'"):
        run(model)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_a_machine_without_a_compiler_is_named_when_compile_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inductor.shutil, "which", lambda name: None)
    with pytest.warns(UserWarning, match="no C\\+\\+ compiler"):
        model = compiled(build())
    run(model)


def test_run_eagerly_wins_with_a_warning(made: list[Any]) -> None:
    with pytest.warns(UserWarning, match="has no effect: `run_eagerly=True`"):
        model = compiled(build(), run_eagerly=True)
    run(model)
    assert not made


class CountsBatches(metrics.Metric):
    """Somebody's metric, which keeps its state where no graph has it."""

    def __init__(self) -> None:
        super().__init__(name="batches")
        self.count = 0

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.count += int(y_pred.sum().item() > -1e9)

    def result(self) -> Tensor:
        return torch.tensor(float(self.count))

    def reset_state(self) -> None:
        self.count = 0


def test_a_metric_that_cannot_be_recorded_takes_in_the_outputs_of_the_graph(made: list[Any]) -> None:
    logs, _ = run(compiled(build(), jit_compile=False, metrics=[CountsBatches(), "accuracy"]))
    jit_logs, _ = run(compiled(build(), metrics=[CountsBatches(), "accuracy"]))
    assert jit_logs["batches"] == logs["batches"] == [4.0, 4.0, 4.0]
    np.testing.assert_allclose(jit_logs["accuracy"], logs["accuracy"])
    assert len(made) == 1


class LightningStep(OwnStep):
    """Trains as a LightningModule does."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        return self.compute_loss(x=x, y=y, y_pred=self(x, training=True))


def test_a_step_of_lightnings_kind_is_not_compiled_and_said_so(made: list[Any]) -> None:
    with pytest.warns(UserWarning, match="a `training_step` of Lightning's kind is not compiled"):
        compiled(LightningStep()).fit(X, Y, verbose=0)
    assert not made


# --- torch's compiler -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_programs_train_evaluate_and_predict_as_the_eager_model_does() -> None:
    # Not Adam: a bias before a normalization has a gradient of rounding errors, which Adam would blow up.
    make = partial(optimizers.SGD, 0.05, momentum=0.9)
    eager, jit = compiled(with_extras(), make(), jit_compile=False), compiled(with_extras(), make())
    logs, weights = run(eager)
    jit_logs, jit_weights = run(jit)
    for name, values in logs.items():
        np.testing.assert_allclose(jit_logs[name], values, rtol=1e-4, err_msg=name)
    for after, expected in zip(jit_weights, weights, strict=True):
        np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jit.evaluate(X, Y, verbose=0), eager.evaluate(X, Y, verbose=0), rtol=1e-4)
    np.testing.assert_allclose(jit.predict(X, verbose=0), eager.predict(X, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_programs_of_images_call_the_kernels_of_torch() -> None:
    def make() -> Model:
        labkeras.utils.set_random_seed(0)
        normed = layers.BatchNormalization()
        head = [layers.MaxPooling2D(), layers.Flatten(), layers.Dense(3)]
        return Sequential([layers.Input((40, 40, 1)), layers.Conv2D(4, 3, activation="relu"), normed, *head])

    images = np.random.default_rng(0).random((20, 40, 40, 1), "float32")
    eager, jit = compiled(make(), jit_compile=False), compiled(make())
    fit = {"x": images, "y": Y[:20], "epochs": 2}
    logs, weights = run(eager, **fit)
    jit_logs, jit_weights = run(jit, **fit)
    np.testing.assert_allclose(jit_logs["loss"], logs["loss"], rtol=1e-4)
    for after, expected in zip(jit_weights, weights, strict=True):
        np.testing.assert_allclose(after, expected, rtol=1e-3, atol=1e-4)


class Recurrent(layers.Layer):
    """The last output of torch's LSTM."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(4, 5, batch_first=True)

    def call(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.lstm(inputs)[0][:, -1]
        return outputs


@pytest.mark.slow
def test_programs_call_the_recurrent_kernels_of_torch() -> None:
    def make() -> Model:
        labkeras.utils.set_random_seed(0)
        return Sequential([layers.Input((5,), dtype="int64"), layers.Embedding(7, 4), Recurrent(), layers.Dense(3)])

    eager, jit = compiled(make(), ADAM(), jit_compile=False), compiled(make(), ADAM())
    logs, weights = run(eager, x=TOKENS)
    jit_logs, jit_weights = run(jit, x=TOKENS)
    np.testing.assert_allclose(jit_logs["loss"], logs["loss"], rtol=1e-4)
    for after, expected in zip(jit_weights, weights, strict=True):
        np.testing.assert_allclose(after, expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(jit.predict(TOKENS, verbose=0), eager.predict(TOKENS, verbose=0), rtol=1e-3, atol=1e-4)
