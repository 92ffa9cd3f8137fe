"""The callbacks that follow the inputs of KAN layers, and that draw what these have learned."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.testing import assert_close

from labkeras import Sequential
from labkeras.callbacks import TensorBoard
from labkeras.errors import InvalidArgumentError
from labkeras.layers import Dense
from labkeras_kan.kan_dense import KANDense
from labkeras_kan.kan_edges import KANEdges, drawn_edges
from labkeras_kan.kan_grids import KANGrids


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).random((64, 3), dtype=np.float32) * 10
    return x, x.sum(1, keepdims=True)


def fitted(model: Sequential, data: tuple[np.ndarray, np.ndarray], *callbacks: object, epochs: int = 3) -> Sequential:
    model.compile("adam", "mse")
    model.fit(*data, epochs=epochs, batch_size=16, verbose=0, callbacks=list(callbacks))
    return model


def test_grids_follow_the_inputs(data: tuple[np.ndarray, np.ndarray]) -> None:
    first, second = fitted(Sequential([KANDense(4), KANDense(1)]), data, KANGrids(epochs=2)).layers
    assert_close(first.grid[:, 3], torch.tensor(data[0].min(0)), atol=0.2, rtol=0)
    assert_close(first.grid[:, -4], torch.tensor(data[0].max(0)), atol=0.2, rtol=0)
    assert (second.grid[:, -4] - second.grid[:, 3] - 2).abs().min() > 0.1
    assert not first._forward_pre_hooks


def test_grids_stay_after_the_first_epochs(data: tuple[np.ndarray, np.ndarray]) -> None:
    model = fitted(Sequential([KANDense(4), KANDense(1)]), data, KANGrids(epochs=1), epochs=1)
    grid = model.layers[1].grid.clone()
    model.fit(*data, epochs=4, initial_epoch=1, verbose=0, callbacks=[KANGrids(epochs=1)])
    assert_close(model.layers[1].grid, grid, rtol=0, atol=0)


def test_grids_keep_no_more_samples_than_wanted(data: tuple[np.ndarray, np.ndarray]) -> None:
    layer = KANDense(1)
    model = Sequential([layer])
    model.compile("adam", "mse")
    model.fit(*data, epochs=1, batch_size=16, shuffle=False, verbose=0, callbacks=[KANGrids(epochs=1, samples=16)])
    assert_close(layer.grid[:, -4], torch.tensor(data[0][:16].max(0)), atol=0.2, rtol=0)


def test_a_model_without_grids_is_left_alone(data: tuple[np.ndarray, np.ndarray]) -> None:
    model = fitted(Sequential([Dense(1)]), data, KANGrids(), epochs=1)
    assert not model.layers[0]._forward_pre_hooks


def test_a_layer_that_training_does_not_come_by_is_named(data: tuple[np.ndarray, np.ndarray]) -> None:
    model = Sequential([Dense(1)])
    model.aside = KANDense(1, name="aside")
    model.aside.build((None, 1))
    with pytest.raises(InvalidArgumentError, match=r"saw no inputs of layer 'aside'.*Received: epoch=0"):
        fitted(model, data, KANGrids())


def test_edges_are_drawn_for_tensorboard(tmp_path: Path, data: tuple[np.ndarray, np.ndarray]) -> None:
    model = Sequential([KANDense(4, name="first"), KANDense(1, name="second")])
    fitted(model, data, TensorBoard(str(tmp_path), write_graph=False), KANEdges(every=2), epochs=4)
    events = EventAccumulator(str(tmp_path / "train"), size_guidance={"tensors": 0}).Reload()
    steps = {tag: [event.step for event in events.Tensors(tag)] for tag in events.Tags()["tensors"] if "kan/" in tag}
    assert steps == {"kan/first": [0, 2, 3], "kan/second": [0, 2, 3]}


def test_without_tensorboard_nothing_is_drawn(data: tuple[np.ndarray, np.ndarray]) -> None:
    fitted(Sequential([KANDense(1)]), data, KANEdges(every=1), epochs=1)


def test_a_panel_shows_its_edge() -> None:
    layer = KANDense(2, spline_order=1, grid_size=2, base_initializer="zeros", spline_initializer="zeros")
    layer.build((None, 1))
    with torch.no_grad():
        layer.spline_kernel[0, :, 0] = torch.tensor([0.0, 1.0, 0.0])  # a tent; the other edge is zero
    image = drawn_edges(layer)
    assert image.shape == (54, 144, 3)
    dark = np.argwhere(image[:, :72].sum(-1) == 0)
    assert dark[:, 0].min() <= 6  # its top
    assert abs(dark[dark[:, 0].argmin(), 1] - 36) <= 2  # in the middle
    assert image[:, 72:].min() > 200


def test_only_the_first_edges_are_drawn() -> None:
    layer = KANDense(20)
    layer.build((None, 30))
    assert drawn_edges(layer, features=2, units=3).shape == (2 * 54, 3 * 72, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KANGrids(epochs=0), "Received: epochs=0"),
        (lambda: KANGrids(samples=1.5), "Received: samples=1.5"),
        (lambda: KANGrids(adaptivity=2), "Received: adaptivity=2"),
        (lambda: KANEdges(every=0), "Received: every=0"),
        (lambda: KANEdges(features=0), "Received: features=0"),
        (lambda: KANEdges(units=-1), "Received: units=-1"),
    ],
)
def test_they_name_the_bad_argument(make: object, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()  # type: ignore[operator]
