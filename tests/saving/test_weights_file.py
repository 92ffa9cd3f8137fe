"""`.weights.h5`: with Keras both ways, into other models, in part, and never by half."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras import Input, Model, Sequential, layers
from labkeras.errors import FileFormatError, InvalidArgumentError, UnsupportedArgumentError
from labkeras.saving import load_weights, save_weights
from tests.helpers.saved_models import BUILDERS, KERAS, OURS, data_for, difference

each_model = pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.weights.h5"


def dense_model(units: int = 3, last: int = 2) -> Any:
    x = Input((4,), name="x")
    return Model(x, layers.Dense(last, name="b")(layers.Dense(units, name="a")(x)), name="m")


@each_model
def test_keras_takes_our_weights(build: Callable[[Any], Any], path: Path) -> None:
    ours, theirs = build(OURS), build(KERAS)
    ours.save_weights(path)
    theirs.load_weights(path)
    data = data_for(ours)
    assert difference(theirs(data), ours(data)) < 1e-5


@each_model
def test_we_take_the_weights_of_keras(build: Callable[[Any], Any], path: Path) -> None:
    ours, theirs = build(OURS), build(KERAS)
    theirs.save_weights(path)
    ours.load_weights(path)
    data = data_for(ours)
    assert difference(theirs(data), ours(data)) < 1e-5


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_weights_of_other_types_keep_their_bits(dtype: str, path: Path) -> None:
    x = Input((4,), name="x")
    ours = Model(x, layers.Dense(2, dtype=dtype)(x))
    y = keras.Input((4,), name="x")
    theirs = keras.Model(y, keras.layers.Dense(2, dtype=dtype)(y))
    ours.save_weights(path)
    theirs.load_weights(path)
    assert torch.equal(theirs.weights[0].value.detach(), ours.weights[0].detach().as_subclass(torch.Tensor))
    theirs.save_weights(path)
    ours.set_weights([values * 0 for values in ours.get_weights()])
    ours.load_weights(path)
    assert torch.equal(theirs.weights[0].value.detach(), ours.weights[0].detach().as_subclass(torch.Tensor))


def test_weights_of_another_width_are_cast(path: Path) -> None:
    x = Input((4,), name="x")
    wide, narrow = Model(x, layers.Dense(2)(x)), Model(x, layers.Dense(2, dtype="float16")(x))
    wide.save_weights(path)
    narrow.load_weights(path)
    np.testing.assert_allclose(narrow.get_weights()[0], wide.get_weights()[0], atol=1e-3)


def test_weights_come_out_of_a_whole_model_too(tmp_path: Path) -> None:
    model, other = dense_model(), dense_model()
    model.save(tmp_path / "m.keras")
    other.load_weights(tmp_path / "m.keras")
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_the_state_of_the_optimizer_goes_along(path: Path) -> None:
    model, other = dense_model(), dense_model()
    data = np.ones((4, 4), "float32"), np.ones((4, 2), "float32")
    for one in (model, other):
        one.compile("adam", "mse")
    model.fit(*data, epochs=2, verbose=0)
    model.save_weights(path)
    other.load_weights(path)
    assert int(other.optimizer.iterations) == 2
    for one in (model, other):
        one.fit(*data, verbose=0)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_another_optimizer_starts_afresh_with_a_warning(path: Path) -> None:
    model, other = dense_model(), dense_model()
    model.compile("adam", "mse")
    model.fit(np.ones((4, 4), "float32"), np.ones((4, 2), "float32"), verbose=0)
    other.compile("sgd", "mse")
    model.save_weights(path)
    with pytest.warns(UserWarning, match="state of the optimizer 'sgd' is not loaded"):
        other.load_weights(path)
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])


def test_all_that_does_not_fit_is_said_at_once_and_nothing_is_changed(path: Path) -> None:
    dense_model().save_weights(path)
    other = dense_model(units=5, last=7)
    before = other.get_weights()
    with pytest.raises(FileFormatError) as caught:
        other.load_weights(path)
    message = str(caught.value)
    assert str(path) in message
    assert "layers/dense/vars/0 (a/kernel): the model has the shape (4, 5), the file (4, 3)" in message
    assert "layers/dense_1/vars/1 (b/bias): the model has the shape (7,), the file (2,)" in message
    assert "Nothing was changed" in message
    for one, same in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_layers_that_do_not_fit_can_be_skipped(path: Path) -> None:
    model, other = dense_model(), dense_model(last=7)
    model.save_weights(path)
    before = other.get_layer("b").get_weights()
    with pytest.warns(UserWarning, match=r"layers/dense_1/vars/0 \(b/kernel\)"):
        other.load_weights(path, skip_mismatch=True)
    np.testing.assert_array_equal(other.get_layer("a").get_weights()[0], model.get_layer("a").get_weights()[0])
    np.testing.assert_array_equal(other.get_layer("b").get_weights()[0], before[0])


def test_parts_can_be_left_out(path: Path) -> None:
    model, other = dense_model(), dense_model()
    model.save_weights(path, objects_to_skip=[model.get_layer("b")])
    with pytest.raises(FileFormatError, match=r"layers/dense_1 \(Dense 'b'\) has 2 variable\(s\), the file 0"):
        other.load_weights(path)
    other.load_weights(path, objects_to_skip=[other.get_layer("b")])
    np.testing.assert_array_equal(other.get_weights()[0], model.get_weights()[0])
    assert (other.get_weights()[2] != model.get_weights()[2]).any()


def test_a_layer_that_raises_while_loading_leaves_everything_as_it_was(path: Path) -> None:
    class Fussy(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight(shape=(4, 4), initializer="zeros", name="kernel")

        def call(self, inputs: Any) -> Any:
            return inputs @ self.kernel

        def load_own_variables(self, store: Any) -> None:
            self.kernel.assign(store["0"])
            raise RuntimeError("not today")

    model, other = (Sequential([Input((4,)), layers.Dense(4), Fussy()]) for _ in range(2))
    model.set_weights([values + 1 for values in model.get_weights()])
    before = other.get_weights()
    model.save_weights(path)
    with pytest.raises(FileFormatError, match="not today"):
        other.load_weights(path)
    for one, same in zip(before, other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_modules_of_torch_in_the_graph_can_be_saved_by_weights_alone(path: Path) -> None:
    def build() -> Any:
        x = Input((4,), name="x")
        return Model(x, torch.nn.Bilinear(4, 4, 2)(x, x) * torch.nn.Parameter(torch.ones(2)))

    model, other = build(), build()
    model.set_weights([values + 1 for values in model.get_weights()])
    model.save_weights(path)
    other.load_weights(path)
    for one, same in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, same)


def test_models_without_weights_say_what_to_do(path: Path) -> None:
    model = Sequential([layers.Dense(2)], name="new")
    for act in (model.save_weights, model.load_weights):
        with pytest.raises(InvalidArgumentError, match="call the model 'new' on data"):
            act(path)


@pytest.mark.parametrize("name", ["m.h5", "m.hdf5", "m.weights.json"])
def test_formats_for_later_are_named(name: str) -> None:
    for act in (save_weights, load_weights):
        with pytest.raises(UnsupportedArgumentError, match=r"'\.weights\.h5'"):
            act(dense_model(), name)


def test_other_names_and_arguments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"must end in '\.weights\.h5'\. Received: filepath='m\.pt'"):
        save_weights(dense_model(), "m.pt")
    with pytest.raises(InvalidArgumentError, match=r"'\.weights\.h5' or '\.keras'"):
        load_weights(dense_model(), "m.pt")
    with pytest.raises(InvalidArgumentError, match="must be a path"):
        save_weights(dense_model(), b"m.weights.h5")  # type: ignore[arg-type]
    with pytest.raises(UnsupportedArgumentError, match="max_shard_size=1"):
        save_weights(dense_model(), tmp_path / "m.weights.h5", max_shard_size=1)
    with pytest.raises(FileNotFoundError):
        load_weights(dense_model(), tmp_path / "absent.weights.h5")


def test_an_existing_file_is_replaced_only_if_wanted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"mine")
    monkeypatch.setattr("builtins.input", lambda question: "no")
    dense_model().save_weights(path, overwrite=False)
    assert path.read_bytes() == b"mine"
