import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import labkeras
from labkeras import layers, models, optimizers, registry
from labkeras.callbacks import BackupAndRestore, Callback, Diagnostics, TensorBoard
from labkeras.callbacks.board_summaries import bucketed
from labkeras.distribution import DeviceMesh, LayoutMap, ModelParallel
from labkeras.errors import InvalidArgumentError
from tests.helpers.event_files import scalars, tags_of, tensors
from tests.helpers.interrupted_run import InterruptionError, dies_at
from tests.helpers.processes import run_ranks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 6, 6, 1)).astype("float32")
Y = RNG.normal(size=(24, 2)).astype("float32")
EVERYTHING = {"weights": True, "gradients": True, "activations": True}


def made(optimizer: Any = None, **compile_arguments: Any) -> Any:
    """A model in which layers take the next one along, with a model inside."""
    labkeras.utils.set_random_seed(0)
    inner = models.Sequential([layers.Input((8,)), layers.Dense(4, activation="tanh", name="deep")], name="inner")
    model = models.Sequential(
        [
            layers.Input((6, 6, 1)),
            layers.Conv2D(4, 3, name="conv1"),
            layers.Activation("relu", name="relu"),
            layers.Conv2D(2, 2, activation="relu", padding="same", name="conv2"),
            layers.MaxPooling2D(name="pool"),
            layers.Flatten(name="flat"),
            layers.Dropout(0.2, name="drop"),
            inner,
            layers.Dense(2, name="out"),
        ]
    )
    model.compile(optimizer or optimizers.SGD(0.1), "mse", **compile_arguments)
    return model


def fit(model: Any, folder: Path, *more: Any, epochs: int = 2, trainer: Any = None, **arguments: Any) -> Any:
    """Trains on six batches an epoch."""
    listed = [TensorBoard(folder), Diagnostics(**arguments), *more]
    model.fit(X, Y, epochs=epochs, batch_size=4, shuffle=False, verbose=0, callbacks=listed, trainer=trainer)
    return model


def first_gradients(model: Any) -> dict[str, torch.Tensor]:
    """The gradients of the first batch, by autograd."""
    labkeras.utils.set_random_seed(0)
    loss = ((model(X[:4], training=True) - torch.as_tensor(Y[:4])) ** 2).mean()
    names = [name for name, _ in model.named_parameters()]
    return dict(zip(names, torch.autograd.grad(loss, list(model.parameters())), strict=True))


def norm(*tensors: torch.Tensor) -> float:
    return float(torch.sqrt(sum((tensor.double() ** 2).sum() for tensor in tensors)))  # type: ignore[arg-type]


@pytest.mark.parametrize("trainer", [None, {"logger": False, "max_steps": 1000}], ids=["ours", "lightning"])
def test_training_is_the_same_bit_for_bit(tmp_path: Path, trainer: Any) -> None:
    watched = fit(made(), tmp_path, every=1, trainer=trainer, **EVERYTHING)
    alone = made()
    alone.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0, trainer=trainer)
    for ours, theirs in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_norms_are_those_of_the_gradients(tmp_path: Path) -> None:
    model = made()
    model.layers[5].rate = 0.0
    gradients = first_gradients(model)
    written = scalars(fit(model, tmp_path, every=100, epochs=1) and tmp_path / "train")
    expected = {
        "": list(gradients.values()),
        "/conv1": [gradients["conv1.kernel"], gradients["conv1.bias"]],
        "/conv2": [gradients["conv2.kernel"], gradients["conv2.bias"]],
        "/inner/deep": [gradients["inner.deep.kernel"], gradients["inner.deep.bias"]],
        "/out": [gradients["out.kernel"], gradients["out.bias"]],
    }
    found = {tag: pairs for tag, pairs in written.items() if tag.startswith("gradient_norm")}
    assert found == {f"gradient_norm{name}": [(1, pytest.approx(norm(*of), rel=1e-5))] for name, of in expected.items()}


def test_update_ratio_is_the_step_over_the_weights(tmp_path: Path) -> None:
    model = made()
    model.layers[5].rate = 0.0
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    gradients = first_gradients(model)
    fit(model, tmp_path, every=100, epochs=1)
    written = scalars(tmp_path / "train")
    assert written["update_ratio"] == [(1, pytest.approx(0.1 * norm(*gradients.values()) / norm(*before.values())))]
    kernel, bias = "inner.deep.kernel", "inner.deep.bias"
    step = 0.1 * norm(gradients[kernel], gradients[bias])
    assert written["update_ratio/inner/deep"] == [(1, pytest.approx(step / norm(before[kernel], before[bias])))]


def test_histograms_are_of_trainable_weights_gradients_and_outputs(tmp_path: Path) -> None:
    model = made(optimizers.SGD(0.0))
    model.layers[5].rate = 0.0
    gradients = first_gradients(model)
    outputs = torch.as_tensor(X[:4])
    expected = {f"gradients/{name.replace('.', '/')}": gradient for name, gradient in gradients.items()}
    expected |= {f"weights/{name.replace('.', '/')}": weight for name, weight in model.named_parameters()}
    for layer in model.layers:
        outputs = layer(outputs)
        expected[f"activations/{layer.name if layer.name != 'inner' else 'inner/deep'}"] = outputs
    fit(model, tmp_path, every=100, epochs=1, **EVERYTHING)
    assert tags_of(tmp_path / "train", "histograms") == sorted(expected)
    for tag, tensor in expected.items():
        [(step, written)] = tensors(tmp_path / "train", tag)
        assert step == 1
        np.testing.assert_allclose(written[:, :2], bucketed(tensor)[:, :2], rtol=1e-4, atol=1e-6)
        assert written[:, 2].sum() == tensor.numel()


def test_it_looks_at_the_first_of_so_many_batches(tmp_path: Path) -> None:
    fit(made(), tmp_path, every=5, epochs=3)
    assert [step for step, _ in scalars(tmp_path / "train")["gradient_norm"]] == [1, 6, 11, 16]


def test_it_looks_once_an_epoch(tmp_path: Path) -> None:
    fit(made(), tmp_path, epochs=3)
    assert [step for step, _ in scalars(tmp_path / "train")["gradient_norm"]] == [0, 1, 2]


def test_batches_between_are_left_alone(tmp_path: Path) -> None:
    class Watch(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            hooks = [len(layer._forward_hooks) for layer in self.model.layers if layer.name != "inner"]
            weights = [weight._post_accumulate_grad_hooks for weight in self.model.parameters()]
            seen.append((set(hooks), any(weights)))

    seen: list[Any] = []
    model = fit(made(), tmp_path, Watch(), every=4, epochs=1, **EVERYTHING)
    looked, left_alone = ({1}, True), ({0}, False)
    assert seen == [looked, *[left_alone] * 3, looked, left_alone]
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.SGD(0.1, loss_scale_factor=512.0),
        optimizers.LossScaleOptimizer(optimizers.SGD(0.1), initial_scale=1024.0),
        optimizers.SGD(0.1, global_clipnorm=0.01),
    ],
    ids=["loss_scale_factor", "LossScaleOptimizer", "global_clipnorm"],
)
def test_gradients_are_unscaled_and_not_clipped(optimizer: Any, tmp_path: Path) -> None:
    fit(made(), tmp_path / "plain", every=100, epochs=1, gradients=True)
    fit(made(optimizer), tmp_path / "other", every=100, epochs=1, gradients=True)
    plain, other = (scalars(tmp_path / name / "train") for name in ("plain", "other"))
    assert other["gradient_norm"] == [(1, pytest.approx(plain["gradient_norm"][0][1], rel=1e-5))]
    [(_, theirs)], [(_, ours)] = (tensors(tmp_path / n / "train", "gradients/out/kernel") for n in ("plain", "other"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)


def test_mixed_precision_of_a_trainer(tmp_path: Path) -> None:
    fit(made(), tmp_path / "plain", every=100, epochs=1)
    fit(made(), tmp_path / "mixed", every=100, epochs=1, activations=True, trainer={"precision": "bf16-mixed"})
    plain, mixed = (scalars(tmp_path / name / "train") for name in ("plain", "mixed"))
    assert mixed["gradient_norm"] == [(1, pytest.approx(plain["gradient_norm"][0][1], rel=0.05))]
    assert "activations/conv1" in tags_of(tmp_path / "mixed" / "train", "histograms")


def test_where_gradients_are_accumulated_it_looks_until_the_weights_change(tmp_path: Path) -> None:
    model = made(optimizers.SGD(0.1, gradient_accumulation_steps=3))
    before = [weight.detach().clone() for weight in model.parameters()]
    after: list[Any] = []

    class Watch(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 2:
                after.extend(weight.detach().clone() for weight in self.model.parameters())

    fit(model, tmp_path, Watch(), every=4, epochs=1)
    written = scalars(tmp_path / "train")["update_ratio"]
    assert [step for step, _ in written] == [1, 5]
    step = norm(*(new - old for new, old in zip(after, before, strict=True)))
    assert written[0][1] == pytest.approx(step / norm(*before), rel=1e-5)


def test_where_lightning_accumulates_it_sees_the_sum(tmp_path: Path) -> None:
    model = made()
    model.layers[5].rate = 0.0
    labkeras.utils.set_random_seed(0)
    loss = ((model(X[:8], training=True) - torch.as_tensor(Y[:8])) ** 2).mean()
    expected = norm(*torch.autograd.grad(loss, list(model.parameters())))
    fit(model, tmp_path, every=100, epochs=1, trainer={"accumulate_grad_batches": 2})
    assert scalars(tmp_path / "train")["gradient_norm"] == [(1, pytest.approx(expected, rel=1e-4))]


@pytest.mark.parametrize("way", ["backward", "gradients"])
def test_a_train_step_of_the_models_own(way: str, tmp_path: Path) -> None:
    class Own(models.Model):
        def train_step(self, data: Any) -> dict[str, Any]:
            x, y = data
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
            if way == "backward":
                self.zero_grad()
                loss.backward()
                self.optimizer.step()
                self.zero_grad()  # it does not matter what becomes of them
            else:
                weights = self.trainable_weights
                self.optimizer.apply(torch.autograd.grad(loss, weights), weights)
            return {"loss": loss}

    inputs = layers.Input((6, 6, 1))
    model = Own(inputs, layers.Dense(2, name="out")(layers.Flatten()(inputs)))
    model.compile("sgd", "mse")
    fit(model, tmp_path, every=100, epochs=1)
    written = scalars(tmp_path / "train")
    assert "update_ratio/out" in written
    # Gradients that never came to be in `weight.grad` are not seen.
    assert ("gradient_norm/out" in written) == (way == "backward")


def test_frozen_layers_and_shared_ones(tmp_path: Path) -> None:
    frozen, shared = layers.Dense(6, name="frozen", trainable=False), layers.Dense(6, name="shared")
    inputs = layers.Input((6,))
    model = models.Model(inputs, layers.Dense(2, name="out")(shared(shared(frozen(inputs)))))
    model.compile("sgd", "mse")
    listed = [TensorBoard(tmp_path), Diagnostics(**EVERYTHING)]
    model.fit(X[:, 0, :, 0], Y, batch_size=8, verbose=0, callbacks=listed)
    written = scalars(tmp_path / "train")
    assert {tag for tag in written if "/" in tag} == {
        f"{kind}/{name}" for kind in ("gradient_norm", "update_ratio") for name in ("shared", "out")
    }
    [(_, outputs)] = tensors(tmp_path / "train", "activations/shared")
    assert outputs[:, 2].sum() == 8 * 6  # of the first call


def test_weights_of_the_model_itself_and_of_modules_of_torch(tmp_path: Path) -> None:
    class Subclassed(models.Model):
        def __init__(self) -> None:
            super().__init__(name="subclassed")
            self.linear = torch.nn.Linear(6, 2)
            self.shift = self.add_weight(shape=(2,), initializer="ones", name="shift")

        def call(self, x: Any) -> Any:
            return self.linear(x) + self.shift

    model = Subclassed()
    model.compile("sgd", "mse")
    listed = [TensorBoard(tmp_path, histogram_freq=1), Diagnostics(weights=True)]
    model.fit(X[:, 0, :, 0], Y, verbose=0, callbacks=listed)
    assert {"update_ratio/linear", "update_ratio/subclassed"} <= scalars(tmp_path / "train").keys()
    assert tags_of(tmp_path / "train", "histograms") == [
        "linear/bias/histogram",
        "linear/weight/histogram",
        "weights/linear/bias",
        "weights/linear/weight",
        "weights/subclassed/shift",
    ]


@pytest.mark.slow
def test_of_a_compiled_step_it_shows_what_can_be_seen(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="cannot see gradients and outputs of layers in a model with `jit_compile"):
        watched = fit(made(jit_compile=True), tmp_path, every=1, **EVERYTHING)
    alone = made(jit_compile=True)
    alone.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    for ours, theirs in zip(watched.get_weights(), alone.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    written = scalars(tmp_path / "train")
    assert [step for step, _ in written["update_ratio"]] == list(range(1, 13))
    assert "gradient_norm" not in written
    assert all(tag.startswith("weights/") for tag in tags_of(tmp_path / "train", "histograms"))


def test_a_run_that_is_taken_up_again_writes_what_it_would_have_written(tmp_path: Path) -> None:
    def run(folder: Path, *more: Any) -> Any:
        backup = BackupAndRestore(folder / "backup", save_freq=2, delete_checkpoint=False)
        fit(made(), folder / "logs", backup, *more, every=4, epochs=3, **EVERYTHING)

    run(tmp_path / "whole")
    with pytest.raises(InterruptionError):
        run(tmp_path / "broken", dies_at(1, 5))
    run(tmp_path / "broken")
    whole, broken = (tmp_path / name / "logs" / "train" for name in ("whole", "broken"))
    assert scalars(broken) == scalars(whole)
    assert tags_of(broken, "histograms") == tags_of(whole, "histograms")
    for tag in tags_of(whole, "histograms"):
        for (step, ours), (expected_step, theirs) in zip(tensors(broken, tag), tensors(whole, tag), strict=True):
            assert step == expected_step
            np.testing.assert_array_equal(ours, theirs)


def test_hooks_of_a_run_that_was_broken_off_are_gone_with_the_next(tmp_path: Path) -> None:
    model = made()

    class Breaks(Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            raise InterruptionError

    diagnostics = Diagnostics(**EVERYTHING)
    with pytest.raises(InterruptionError):
        model.fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path), diagnostics, Breaks()])
    assert any(module._forward_hooks for module in model.modules())
    diagnostics.set_model(model)
    assert not any(module._forward_hooks for module in model.modules())


def test_its_charts_are_in_the_layout(tmp_path: Path) -> None:
    fit(made(), tmp_path, epochs=1)
    [(_, layout)] = tensors(tmp_path / "train", "custom_scalars__config__")
    assert b"^gradient_norm" in layout.item()
    assert b"^update_ratio" in layout.item()


def test_without_a_board_it_says_what_to_add() -> None:
    with pytest.raises(InvalidArgumentError, match=r"add one to the callbacks, such as TensorBoard\('logs'\)"):
        made().fit(X, Y, verbose=0, callbacks=[Diagnostics()])


@pytest.mark.parametrize("every", [0, -1, "batch", 1.5, True])
def test_bad_every_is_named(every: Any) -> None:
    with pytest.raises(
        InvalidArgumentError, match=f"'epoch' or a positive number of batches. Received: every={every!r}"
    ):
        Diagnostics(every=every)


def test_is_a_component() -> None:
    assert registry.callbacks.get("diagnostics") is Diagnostics


def test_other_processes_need_no_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Diagnostics().needs_batch_hooks("train")
    assert not Diagnostics().needs_batch_hooks("test")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    assert not Diagnostics().needs_batch_hooks("train")


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_of_several_processes_the_first_writes_the_gradients_of_all(tmp_path: Path) -> None:
    def train(folder: Path, batch_size: int) -> Any:
        model = made()
        model.layers[5].rate = 0.0
        listed = [TensorBoard(folder), Diagnostics(every=2, **EVERYTHING)]
        model.fit(X, Y, epochs=2, batch_size=batch_size, shuffle=False, verbose=0, callbacks=listed)

    run_ranks(train, tmp_path / "two", 4)
    train(tmp_path / "one", 8)
    two, one = (scalars(tmp_path / name / "train") for name in ("two", "one"))
    assert sorted(two) == sorted(one)
    for tag in (tag for tag in one if tag.startswith(("gradient_norm", "update_ratio"))):
        assert two[tag] == [(step, pytest.approx(value, rel=1e-4)) for step, value in one[tag]]


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.parametrize(
    ("shape", "axes"), [((2,), ("batch", None)), ((1, 2), (None, "model"))], ids=["fsdp", "tensor"]
)
def test_of_split_weights_it_says_that_it_cannot_look(shape: Any, axes: Any, tmp_path: Path) -> None:
    def train() -> list[str]:
        layout = LayoutMap(DeviceMesh(shape, ["batch", "model"][: len(shape)], ["cpu:0", "cpu:1"]))
        layout[".*out.*kernel"] = axes
        labkeras.distribution.set_distribution(ModelParallel(layout_map=layout))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            fit(made(), tmp_path, epochs=1, **EVERYTHING)
        return [str(one.message) for one in said if "weights are split" in str(one.message)]

    first, second = run_ranks(train)
    assert len(first) == 1
    assert second == []
    assert not any("gradient" in tag for tag in scalars(tmp_path / "train"))
