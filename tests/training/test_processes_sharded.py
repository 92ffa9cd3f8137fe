"""Weights split among processes: the same training as in one process, and whole weights afterwards."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labkeras import callbacks, layers, models, optimizers
from labkeras.distribution import DeviceMesh, LayoutMap, ModelParallel
from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError
from labkeras.layers import BatchNormalization, Conv2D, Dense, Flatten, Input
from labkeras.random import set_random_seed
from tests.helpers.processes import run_ranks

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no fork"),
    pytest.mark.timeout(120),
]
ROWS = np.random.default_rng(0)
X = ROWS.normal(size=(41, 6)).astype("float32")
IMAGES = ROWS.normal(size=(41, 8, 8, 3)).astype("float32")
Y = ROWS.integers(0, 3, 41)
LAYOUTS: dict[str, tuple[tuple[int, ...], list[str], dict[str, tuple[str | None, ...]]]] = {
    "fully": ((2,), ["batch"], {".*dense.*kernel": ("batch", None)}),
    "columns": ((1, 2), ["batch", "model"], {".*dense.*kernel": (None, "model"), ".*dense.*bias": ("model",)}),
    "rows": ((1, 2), ["batch", "model"], {".*dense.*kernel": ("model", None)}),
    "filters": ((1, 2), ["batch", "model"], {".*conv.*kernel": (None, None, None, "model")}),
    "columns, two replicas": ((2, 2), ["batch", "model"], {".*dense.*kernel": (None, "model")}),
    "both ways": ((2, 2), ["batch", "model"], {".*dense.*kernel": ("batch", "model"), ".*dense.*bias": ("model",)}),
}


def _distribution(name: str) -> ModelParallel:
    shape, names, layouts = LAYOUTS[name]
    layout_map = LayoutMap(DeviceMesh(shape, names, [f"cpu:{index}" for index in range(int(np.prod(shape)))]))
    for pattern, axes in layouts.items():
        layout_map[pattern] = axes
    return ModelParallel(layout_map=layout_map)


def _mlp(optimizer: Any = "adam") -> Any:
    model = models.Sequential(
        [
            Input((6,)),
            Dense(8, activation="tanh", kernel_regularizer="l2"),
            Dense(7, activation="tanh"),  # an odd number, which two cannot share evenly
            Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _cnn() -> Any:
    model = models.Sequential(
        [
            Input((8, 8, 3)),
            Conv2D(4, 3, activation="relu"),
            BatchNormalization(synchronized=True),
            Flatten(),
            Dense(8, activation="tanh"),
            Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _train(make: Callable[[], Any], x: Any, path: Path, **arguments: Any) -> list[Any]:
    set_random_seed(0)
    model = make()
    saves = callbacks.ModelCheckpoint(path)
    first = model.fit(x, Y, 20, 2, 0, validation_data=(x, Y), callbacks=[saves], **arguments)
    second = model.fit(x, Y, 20, 1, 0)
    return [
        *first.history.values(),
        *second.history.values(),
        *model.get_weights(),
        *(variable.numpy() for variable in model.optimizer.variables),
        model.predict(x, verbose=0),
        model.evaluate(x, Y, verbose=0),
        model.layers[0].kernel.stride(),
    ]


def _assert_alike(found: list[Any], expected: list[Any]) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "make"), [(name, make) for name in LAYOUTS for make in (_mlp, _cnn) if (name, make) != ("filters", _mlp)]
)
def test_split_weights_train_as_whole_ones_do(name: str, make: Callable[[], Any], tmp_path: Path) -> None:
    x = X if make is _mlp else IMAGES
    expected = _train(make, x, tmp_path / "one.keras")

    def split() -> list[Any]:
        with _distribution(name).scope():
            return _train(make, x, tmp_path / "split.keras")

    for found in run_ranks(split, count=4 if LAYOUTS[name][0] == (2, 2) else 2):
        _assert_alike(found, expected)
    one, saved = (models.load_model(tmp_path / f"{which}.keras") for which in ("one", "split"))
    _assert_alike(saved.get_weights(), one.get_weights())
    _assert_alike([v.numpy() for v in saved.optimizer.variables], [v.numpy() for v in one.optimizer.variables])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fully", "columns"])
def test_the_norm_of_gradients_is_that_of_whole_ones(name: str, tmp_path: Path) -> None:
    clips = {"trainer": {"gradient_clip_val": 0.05}}
    expected = _train(lambda: _mlp("sgd"), X, tmp_path / "one.keras", **clips)

    def split() -> list[Any]:
        with _distribution(name).scope():
            return _train(lambda: _mlp("sgd"), X, tmp_path / "split.keras", **clips)

    for found in run_ranks(split):
        _assert_alike(found, expected)


def test_the_word_fsdp_splits_all_weights(tmp_path: Path) -> None:
    def run(batch_size: int, trainer: dict[str, Any]) -> list[Any]:
        set_random_seed(0)
        model = _cnn()
        history = model.fit(IMAGES, Y, batch_size, 2, 0, trainer=trainer)
        return [*history.history.values(), *model.get_weights(), model.predict(IMAGES, verbose=0, trainer=trainer)]

    expected = run(20, {"accelerator": "cpu"})
    for found in run_ranks(run, 10, {"accelerator": "cpu", "strategy": "fsdp"}):
        _assert_alike(found, expected)


def test_each_process_holds_its_part_while_training_lasts() -> None:
    class Looks(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            kernel = self.model.layers[0].kernel
            self.seen = tuple(kernel.shape), tuple(kernel.to_local().shape), self.sizes()

        def sizes(self) -> set[tuple[int, ...]]:
            return {tuple(variable.shape) for variable in self.model.optimizer.variables if variable.ndim == 2}

    def split() -> Any:
        looks = Looks()
        model = _mlp()
        with _distribution("columns").scope():
            model.fit(X, Y, 20, 1, 0, callbacks=[looks])
        return *looks.seen, looks.sizes(), tuple(model.layers[0].kernel.shape)

    for shape, part, state, whole_state, after in run_ranks(split):
        assert (shape, part, after) == ((6, 8), (6, 4), (6, 8))
        assert (6, 4) in state
        assert (6, 8) in whole_state


def _fit_split(model: Any, layouts: dict[str, Any]) -> str:
    layout_map = LayoutMap(DeviceMesh((1, 2), ["batch", "model"], ["cpu:0", "cpu:1"]))
    for pattern, axes in layouts.items():
        layout_map[pattern] = axes
    with ModelParallel(layout_map=layout_map).scope():
        try:
            model.fit(X, Y, 20, 1, 0)
        except (InvalidArgumentError, UnsupportedArgumentError) as error:
            return f"{type(error).__name__}: {error}"
    return ""


def test_what_needs_whole_weights_is_refused() -> None:
    split = {".*kernel": (None, "model")}

    def run() -> list[str]:
        constrained = models.Sequential([Input((6,)), layers.Dense(3, kernel_constraint="max_norm")])
        constrained.compile("sgd", "sparse_categorical_crossentropy")
        return [
            _fit_split(_mlp(optimizers.Adam(clipnorm=1.0)), split),
            _fit_split(constrained, split),
            _fit_split(_mlp(), {".*kernel": ("model",)}),
        ]

    for clip, constraint, layout in run_ranks(run):
        assert "cannot look at the norms of whole gradients" in clip
        assert "kernel' needs the whole weight" in constraint
        assert "must have an item for each of its 2 axes. Received: axes=('model',)" in layout
