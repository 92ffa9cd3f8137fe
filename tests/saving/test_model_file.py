"""Whole models in files: Keras opens ours and we open Keras's, with the same weights, predictions and next step."""

import contextlib
import io
import json
import os
import pickle
import pickletools
import subprocess
import sys
import zipfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import torch

import labkeras
from labkeras import Input, Model, Sequential, files, layers
from labkeras.errors import (
    FileFormatError,
    InvalidArgumentError,
    SerializationError,
    UnsupportedArgumentError,
)
from labkeras.saving import load_model, register_keras_serializable, save_model
from tests.helpers.saved_models import BUILDERS, KERAS, OURS, arrays, data_for, difference, embedding, sequential_cnn

each_model = pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.keras"


def places(path: Path) -> dict[str, tuple[int, ...]]:
    """The datasets in the weights of an archive, with their shapes."""
    found: dict[str, tuple[int, ...]] = {}
    with zipfile.ZipFile(path) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(lambda name, item: found.update({name: item.shape}) if isinstance(item, h5py.Dataset) else None)
    return found


def targets(model: Any, data: Any) -> Any:
    return [np.ones_like(array) for array in arrays(model(data))]


# --- both ways --------------------------------------------------------------------------------------------------------


@each_model
def test_keras_opens_our_file(build: Callable[[Any], Any], path: Path) -> None:
    model = build(OURS)
    data = data_for(model)
    model.save(path)
    theirs = keras.saving.load_model(path)
    assert difference(theirs(data), model(data)) < 1e-5
    for ours, other in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, other)


@each_model
def test_we_open_the_file_of_keras(build: Callable[[Any], Any], path: Path) -> None:
    theirs = build(KERAS)
    theirs.save(path)
    model = load_model(path)
    data = data_for(model)
    assert difference(theirs(data), model(data)) < 1e-5
    for ours, other in zip(model.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, other)


@each_model
def test_our_own_file_gives_the_same_bits(build: Callable[[Any], Any], path: Path) -> None:
    model = build(OURS)
    data = data_for(model)
    model.save(path)
    assert difference(load_model(path)(data), model(data)) == 0


@each_model
def test_weights_are_in_the_same_places_as_in_files_of_keras(build: Callable[[Any], Any], tmp_path: Path) -> None:
    build(OURS).save(tmp_path / "ours.keras")
    build(KERAS).save(tmp_path / "theirs.keras")
    ours, theirs = places(tmp_path / "ours.keras"), places(tmp_path / "theirs.keras")
    # Keras 3 does not save the state of seeds; we do, and it passes over them.
    assert {place: shape for place, shape in ours.items() if "seed_generator" not in place} == theirs


def trained_pair(path: Path, by: str) -> tuple[Any, Any, Any, Any]:
    """A model that one library trained and saved, with what the other one made of the file."""
    k, library, load = (KERAS, keras, load_model) if by == "keras" else (OURS, labkeras, keras.saving.load_model)
    x = k.Input((4,), name="x")
    y = k.layers.Dense(5, activation="relu", name="hidden")(x)
    y = k.layers.BatchNormalization(name="norm")(y)
    model = k.Model(x, k.layers.Dense(2, name="out")(y), name="m")
    model.get_layer("hidden").trainable = True
    model.compile(
        # Not Adam: it makes steps of the noise in the gradient of `hidden`'s bias, which `norm` takes off again.
        optimizer=library.optimizers.SGD(library.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9), momentum=0.9),
        loss="mse",
        metrics=["mae"],
    )
    data = np.random.default_rng(0).random((32, 4), dtype="float32")
    model.fit(data, data[:, :2], batch_size=8, epochs=2, verbose=0, shuffle=False)
    model.save(path)
    return model, load(path), data, data[:, :2]


@pytest.mark.parametrize("by", ["labkeras", "keras"])
def test_training_goes_on_in_the_other_library(by: str, path: Path) -> None:
    model, twin, x, y = trained_pair(path, by)
    for one, other in zip(model.optimizer.variables, twin.optimizer.variables, strict=True):
        np.testing.assert_allclose(np.asarray(one.numpy()), np.asarray(other.numpy()))
    for one in (model, twin):
        one.fit(x, y, batch_size=8, epochs=1, verbose=0, shuffle=False)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


def test_training_goes_on_with_the_same_bits_in_labkeras(path: Path) -> None:
    x = Input((4,), name="x")
    model = Model(x, layers.Dense(2)(layers.Dropout(0.5, seed=7)(layers.Dense(6)(x))))
    model.compile("adam", "mse")
    data = np.random.default_rng(0).random((16, 4), dtype="float32")
    model.fit(data, data[:, :2], batch_size=4, epochs=1, verbose=0, shuffle=False)
    model.save(path)
    twin = load_model(path)
    for one in (model, twin):
        one.fit(data, data[:, :2], batch_size=4, epochs=1, verbose=0, shuffle=False)
    for one, other in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [v.numpy().tolist() for v in model.variables] == [v.numpy().tolist() for v in twin.variables]


def test_a_model_that_was_never_trained_is_loaded_compiled(path: Path) -> None:
    for k, save_by in ((KERAS, "keras"), (OURS, "ours")):
        model = k.Sequential([k.Input((3,)), k.layers.Dense(2)], name=save_by)
        model.compile("adam", "mse", metrics=["mae"])
        model.save(path)
        twin = load_model(path)
        assert twin.compiled
        assert (type(twin.optimizer).__name__, int(twin.optimizer.iterations)) == ("Adam", 0)


def test_compile_can_be_left_out(path: Path) -> None:
    model = sequential_cnn(OURS)
    model.compile("sgd", "mse")
    model.save(path)
    assert not load_model(path, compile=False).compiled


def test_frozen_layers_and_mixed_policies_are_kept(path: Path) -> None:
    def build(k: Any) -> Any:
        x = k.Input((4,), name="x")
        frozen = k.layers.Dense(3, name="frozen")
        frozen.trainable = False
        y = k.layers.Dense(3, dtype="mixed_bfloat16", name="mixed")(frozen(x))
        y = k.layers.Dense(2, dtype="bfloat16", name="half")(y)
        return k.Model(x, y, name="m")

    data = np.random.default_rng(0).random((4, 4), dtype="float32")
    ours, theirs = build(OURS), build(KERAS)
    ours.save(path)
    twin = keras.saving.load_model(path)
    assert [w.shape for w in twin.trainable_weights] == [tuple(w.shape) for w in ours.trainable_weights]
    assert difference(twin(data), ours(data)) < 1e-2
    theirs.save(path)
    back = load_model(path)
    assert [tuple(w.shape) for w in back.trainable_weights] == [w.shape for w in theirs.trainable_weights]
    assert [str(w.dtype) for w in back.weights][-1] == "torch.bfloat16"
    assert difference(theirs(data), back(data)) < 1e-2
    for one, other in zip(theirs.weights, back.weights, strict=True):
        assert torch.equal(one.value.detach(), other.detach().as_subclass(torch.Tensor))


# --- subclassed models and layers of one's own ------------------------------------------------------------------------


def classes(k: Any, register: Any, seed_generator: Any) -> tuple[Any, Any]:
    @register("tests_saving")
    class Gate(k.layers.Layer):
        def __init__(self, units: int = 3, **options: Any) -> None:
            super().__init__(**options)
            self.units = units
            self.inner = k.layers.Dense(units)

        def build(self, input_shape: Any) -> None:
            self.scale = self.add_weight(shape=(self.units,), initializer="ones", name="scale")
            self.average = self.add_weight(shape=(), initializer="zeros", trainable=False, name="average")
            self.shift = self.add_weight(shape=(self.units,), initializer="zeros", name="shift")
            self.inner.build(input_shape)

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs) * self.scale + self.shift + self.average

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    @register("tests_saving")
    class Net(k.Model):
        def __init__(self, units: int = 3, **options: Any) -> None:
            super().__init__(**options)
            self.units = units
            self.aa = k.layers.Dense(units)
            self.zz = k.layers.Dense(units)
            self._hidden = k.layers.Dense(units)
            self.blocks = [k.layers.Dense(units), [k.layers.Dense(units)], {"u": k.layers.Dense(units)}]
            self.gate = Gate(units)
            self.again = self.aa
            self.seed_generator = seed_generator(3)
            self.extra = self.add_weight(shape=(units,), initializer="ones", name="extra")

        def call(self, x: Any) -> Any:
            for layer in (
                self.aa,
                self.zz,
                self._hidden,
                self.blocks[0],
                self.blocks[1][0],
                self.blocks[2]["u"],
                self.gate,
            ):
                x = layer(x)
            return x + self.extra

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self.units}

    return Gate, Net


GATE, NET = classes(OURS, register_keras_serializable, labkeras.random.SeedGenerator)
KERAS_GATE, KERAS_NET = classes(KERAS, keras.saving.register_keras_serializable, keras.random.SeedGenerator)
DATA = np.random.default_rng(0).random((4, 3), dtype="float32")


def called(model: Any) -> Any:
    model(DATA)
    # Values that tell the layers apart.
    model.set_weights([values + index / 20 for index, values in enumerate(model.get_weights())])
    return model


def test_the_weights_of_a_subclassed_model_are_where_keras_looks(tmp_path: Path) -> None:
    called(NET()).save(tmp_path / "ours.keras")
    called(KERAS_NET()).save(tmp_path / "theirs.keras")
    ours, theirs = places(tmp_path / "ours.keras"), places(tmp_path / "theirs.keras")
    assert {place: shape for place, shape in ours.items() if "seed_generator" not in place} == theirs


def test_a_subclassed_model_goes_to_keras_and_comes_back(path: Path) -> None:
    model = called(NET())
    model.save(path)
    assert difference(keras.saving.load_model(path)(DATA), model(DATA)) < 1e-3
    theirs = called(KERAS_NET())
    theirs.save(path)
    assert difference(theirs(DATA), load_model(path)(DATA)) < 1e-3


def test_a_registered_layer_in_a_graph_goes_to_keras_and_comes_back(path: Path) -> None:
    x = Input((3,), name="x")
    model = called(Model(x, GATE(3, name="gate")(x), name="m"))
    model.save(path)
    assert difference(keras.saving.load_model(path)(DATA), model(DATA)) < 1e-5
    x = keras.Input((3,), name="x")
    theirs = called(keras.Model(x, KERAS_GATE(3, name="gate")(x), name="m"))
    theirs.save(path)
    assert difference(theirs(DATA), load_model(path)(DATA)) < 1e-5


def test_custom_objects_need_not_be_registered(path: Path) -> None:
    class Plain(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs * 2

    Sequential([Input((3,)), Plain()]).save(path)
    with pytest.raises(FileFormatError, match=r"config\.json.*'Plain'"):
        load_model(path)
    model = load_model(path, custom_objects={"Plain": Plain})
    assert difference(model(DATA), torch.as_tensor(DATA) * 2) == 0


@register_keras_serializable("tests_saving")
def double_error(y_true: Any, y_pred: Any) -> Any:
    return 2 * (y_true - y_pred).abs().mean(-1)


def test_a_registered_loss_function_is_found_again(path: Path) -> None:
    model = Sequential([Input((3,)), layers.Dense(2)])
    model.compile("sgd", double_error, metrics=[double_error])
    model.save(path)
    twin = load_model(path)
    data = (DATA, DATA[:, :2])
    assert twin.evaluate(*data, verbose=0) == pytest.approx(model.evaluate(*data, verbose=0))


def test_a_layer_may_save_in_a_way_of_its_own(path: Path) -> None:
    @register_keras_serializable("tests_saving")
    class Table(layers.Layer):
        def build(self, input_shape: Any) -> None:
            self.table = self.add_weight(shape=(3,), initializer="zeros", name="table")

        def call(self, inputs: Any) -> Any:
            return inputs + self.table

        def save_own_variables(self, store: Any) -> None:
            store["halves"] = self.table.numpy() / 2

        def load_own_variables(self, store: Any) -> None:
            assert list(store) == ["halves"]
            self.table.assign(store["halves"] * 2)

    model = Sequential([Input((3,)), Table()])
    model.set_weights([np.array([1.0, 2.0, 3.0])])
    model.save(path)
    assert places(path)["layers/table/vars/halves"] == (3,)
    np.testing.assert_array_equal(load_model(path).get_weights()[0], [1.0, 2.0, 3.0])


def test_modules_of_torch_keep_their_weights(path: Path) -> None:
    x = Input((3,), name="x")
    model = Model(x, torch.nn.BatchNorm1d(4)(torch.nn.Linear(3, 4)(x)))
    model(DATA, training=True)
    model.save(path)
    assert [place for place in places(path) if "linear" in place] == ["layers/linear/vars/0", "layers/linear/vars/1"]
    assert difference(load_model(path)(DATA), model(DATA)) == 0


def test_a_layer_shared_with_a_nested_model_is_one_layer_again(path: Path) -> None:
    p, x = Input((3,), name="p"), Input((3,), name="x")
    dense = layers.Dense(3, name="dense")
    model = Model(x, dense(Model(p, dense(p), name="inner")(x)), name="outer")
    model.save(path)
    twin = load_model(path)
    assert len(twin.weights) == 2
    assert difference(twin(DATA), model(DATA)) == 0


# --- files ------------------------------------------------------------------------------------------------------------


def test_the_archive_holds_what_that_of_keras_holds(path: Path) -> None:
    embedding(OURS).save(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["metadata.json", "config.json", "model.weights.h5"]
        assert json.loads(archive.read("metadata.json")).keys() >= {"keras_version", "date_saved"}


@pytest.mark.parametrize("name", ["model.h5", "model.hdf5", "hf://user/model"])
def test_formats_for_later_are_named(name: str) -> None:
    model = embedding(OURS)
    with pytest.raises(UnsupportedArgumentError, match=r"must end in '\.keras'"):
        model.save(name)
    with pytest.raises(UnsupportedArgumentError, match=r"must end in '\.keras'"):
        load_model(name)


def test_other_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"must end in '\.keras'.* Received: filepath='model'"):
        embedding(OURS).save("model")
    with pytest.raises(InvalidArgumentError, match=r"must end in '\.keras'"):
        load_model("model.pt")
    with pytest.raises(UnsupportedArgumentError, match="folders"):
        load_model(tmp_path)
    with pytest.raises(UnsupportedArgumentError, match="folders"):
        embedding(OURS).save(tmp_path / "m", zipped=False)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "absent.keras")
    with pytest.raises(InvalidArgumentError, match="can be saved"):
        save_model(3, tmp_path / "m.keras")


def test_there_is_no_unsafe_mode(path: Path) -> None:
    with pytest.raises(SerializationError, match="no unsafe mode"):
        load_model(path, safe_mode=False)


def test_overwriting_asks_first(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"mine")
    monkeypatch.setattr("builtins.input", lambda question: "n")
    embedding(OURS).save(path, overwrite=False)
    assert path.read_bytes() == b"mine"
    monkeypatch.setattr("builtins.input", lambda question: "y")
    embedding(OURS).save(path, overwrite=False)
    assert path.read_bytes() != b"mine"

    def nobody(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(InvalidArgumentError, match="overwrite=True"):
        embedding(OURS).save(path, overwrite=False)


def test_a_model_without_weights_is_saved_with_a_warning(path: Path) -> None:
    model = Sequential([layers.Dense(2)])
    with pytest.warns(UserWarning, match="before it is built"):
        model.save(path)
    assert not load_model(path).built


def test_a_model_that_cannot_be_described_leaves_the_old_file(path: Path) -> None:
    path.write_bytes(b"old")
    x = Input((2,))
    with pytest.raises(SerializationError, match="Bilinear"):
        Model(x, torch.nn.Bilinear(2, 2, 1)(x, x)).save(path)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["model.keras"]


def test_every_failing_write_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = embedding(OURS)
    model.save(path)
    old = path.read_bytes()
    original, count = files._create, 0

    class Failing(io.RawIOBase):
        """A file whose n-th write fails."""

        def __init__(self, inner: Any, fail_at: int) -> None:
            self._inner, self._fail_at = inner, fail_at

        def write(self, data: Any) -> int:
            nonlocal count
            count += 1
            if count == self._fail_at:
                raise OSError(28, "No space left on device")
            return int(self._inner.write(data))

        def __getattribute__(self, name: str) -> Any:
            if name in ("write", "_inner", "_fail_at", "__class__"):
                return object.__getattribute__(self, name)
            return getattr(object.__getattribute__(self, "_inner"), name)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *exception: object) -> None:
            self._inner.close()

    survived = 0
    for fail_at in range(1, 400):
        count = 0
        monkeypatch.setattr(files, "_create", lambda *args, n=fail_at: Failing(original(*args), n))
        with contextlib.suppress(OSError):
            model.save(path)
            survived = fail_at
            break
        assert path.read_bytes() == old
        assert os.listdir(path.parent) == ["model.keras"]
    assert survived > 5  # there were writes to fail


def test_numbers_that_json_has_not_are_refused_or_kept(path: Path) -> None:
    x = Input((3,), name="x")
    model = Model(x, torch.nn.functional.pad(x, (1, 1), value=float("-inf")))
    model.save(path)
    assert difference(torch.exp(load_model(path)(DATA)), torch.exp(model(DATA))) == 0
    with pytest.raises(SerializationError, match="NaN"):
        Model(x, torch.nn.functional.pad(x, (1, 1), value=float("nan"))).save(path)


def test_h5py_comes_with_the_first_file(tmp_path: Path) -> None:
    program = (
        "import sys, labkeras; from labkeras import Sequential, Input, layers; import labkeras.saving.model_file\n"
        "m = Sequential([Input((2,)), layers.Dense(1)]); assert 'h5py' not in sys.modules\n"
        f"m.save({str(tmp_path / 'm.keras')!r}); assert 'h5py' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_copies_and_pickles_hold_the_same_model() -> None:
    model = embedding(OURS)
    model.compile("adam", "mse")
    data = data_for(model)
    for twin in (deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert difference(twin(data), model(data)) == 0
        assert twin.get_weights()[0] is not model.get_weights()[0]


def test_a_pickle_calls_no_loader_of_files() -> None:
    # Keras's pickles call its loader with safe_mode=False.
    data = pickle.dumps(embedding(OURS), protocol=0)
    names = {str(argument) for operation, argument, _ in pickletools.genops(data) if operation.name == "GLOBAL"}
    assert names
    assert not [name for name in names if "labkeras.saving" in name or "deserialize" in name]
