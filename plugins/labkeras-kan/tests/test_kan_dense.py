"""KANDense: its formula, its grid, the penalty of the paper, its errors."""

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from torch.testing import assert_close

from labkeras import Sequential
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras_kan.kan_dense import KANDense


def test_it_is_the_sum_of_a_curve_and_a_spline_of_each_feature() -> None:
    layer = KANDense(3, use_bias=True, bias_initializer="ones", dtype="float64")
    inputs = torch.rand(7, 2, dtype=torch.float64) * 1.9 - 0.95
    output = layer(inputs).detach().numpy()
    base, spline, grid = (weight.detach().numpy() for weight in (layer.base_kernel, layer.spline_kernel, layer.grid))
    for unit in range(3):
        wanted = np.ones(7)
        for feature in range(2):
            x = inputs[:, feature].numpy()
            wanted += base[feature, unit] * x / (1 + np.exp(-x))
            wanted += BSpline(grid[feature], spline[feature, :, unit], 3)(x)
        np.testing.assert_allclose(output[:, unit], wanted, rtol=1e-10)


def test_its_edges_add_up_to_its_output() -> None:
    layer = KANDense(4)
    inputs = torch.randn(2, 6, 3)
    output = layer(inputs)
    assert layer.edges(inputs).shape == (2, 6, 3, 4)
    assert_close(layer.edges(inputs).sum(-2), output)


def test_far_outside_the_grid_the_curve_is_left() -> None:
    layer = KANDense(2)
    inputs = torch.full((1, 3), 50.0)
    assert_close(layer(inputs), torch.nn.functional.silu(inputs) @ layer.base_kernel)


def test_no_tensor_has_batch_features_and_units() -> None:
    layer, largest = KANDense(64), 0
    layer.build((None, 32))

    class Sizes(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            largest = max(largest, result.numel() if isinstance(result, torch.Tensor) else 0)
            return result

    inputs = torch.randn(128, 32)
    with Sizes():
        layer(inputs).sum().backward()
    assert largest <= 128 * 32 * 12  # basis functions of degree 0, one more than the knots' intervals


def test_a_new_grid_leaves_the_function_as_it_was() -> None:
    layer = KANDense(4, dtype="float64", grid_range=(-1, 3))
    layer.build((None, 2))
    line = torch.linspace(-1, 3, 8, dtype=torch.float64)  # a cubic over the whole grid is a spline on any other
    with torch.no_grad():
        layer.spline_kernel.copy_(line[None, :, None].expand_as(layer.spline_kernel))
    samples = torch.rand(500, 2, dtype=torch.float64)
    before = layer(samples)
    layer.update_grid(samples, margin=0.0)
    assert_close(layer(samples), before)
    assert_close(layer.grid[:, 3], samples.amin(0))
    assert_close(layer.grid[:, -4], samples.amax(0))


def test_a_new_grid_comes_close_to_any_function() -> None:
    layer = KANDense(4, grid_size=20)
    samples = torch.rand(2000, 3) * 1.8 - 0.9
    before = layer(samples)
    layer.update_grid(samples)
    assert (layer(samples) - before).abs().max() < 0.1 * before.abs().max()


def test_constant_features_keep_their_knots() -> None:
    layer = KANDense(2)
    samples = torch.cat([torch.rand(100, 1) * 5, torch.full((100, 1), 0.25)], 1)
    layer.build((None, 2))
    knots = layer.grid.clone()
    layer.update_grid(samples)
    assert_close(layer.grid[1], knots[1])
    assert layer.grid[0].max() > 5
    output = layer(torch.full((10, 2), 0.5))
    layer.update_grid(torch.full((10, 2), 0.5))
    assert_close(layer(torch.full((10, 2), 0.5)), output)


def test_a_grid_needs_samples_of_its_features() -> None:
    layer = KANDense(2, name="kan")
    layer.build((None, 3))
    with pytest.raises(InvalidInputError, match=r"'kan' needs at least two samples of 3 features.*\(1, 3\)"):
        layer.update_grid(torch.ones(1, 3))
    with pytest.raises(InvalidInputError, match=r"Received: inputs of the shape \(6, 2\)"):
        layer.update_grid(torch.ones(6, 2))


def test_the_penalty_is_that_of_the_paper() -> None:
    layer = KANDense(3, edge_l1=0.5, edge_entropy=2.0)
    inputs = torch.randn(20, 2)
    layer(inputs, training=True)
    sizes = layer.edges(inputs).abs().mean(0)
    total = sizes.sum()
    shares = sizes / total
    wanted = 0.5 * total - 2.0 * (shares * shares.log()).sum()
    assert len(layer.losses) == 1
    assert_close(layer.losses[0], wanted)
    layer(inputs, training=False)
    assert layer.losses == []


def test_the_entropy_of_equal_edges_is_the_logarithm_of_their_number() -> None:
    layer = KANDense(4, edge_entropy=1.0, base_initializer="ones", spline_initializer="zeros")
    layer(torch.full((5, 2), 0.7), training=True)
    assert_close(layer.losses[0], torch.tensor(math.log(8)))


def test_an_edge_that_is_zero_has_a_finite_gradient() -> None:
    layer = KANDense(2, edge_l1=1.0, edge_entropy=1.0, base_initializer="zeros", spline_initializer="zeros")
    layer(torch.randn(4, 3), training=True)
    layer.losses[0].backward()
    assert all(weight.grad.isfinite().all() for weight in layer.trainable_weights)


def test_the_knots_stay_exact_under_mixed_precision() -> None:
    layer = KANDense(3, dtype="mixed_bfloat16", grid_size=50)
    layer.build((None, 2))
    assert layer.grid.dtype == torch.float32
    assert layer(torch.rand(4, 2)).dtype == torch.bfloat16


def test_it_learns_a_product_that_sums_of_curves_cannot_show() -> None:
    torch.manual_seed(0)
    x = torch.rand(512, 2) * 2 - 1
    y = (x[:, :1] * x[:, 1:]).numpy()
    model = Sequential([KANDense(4), KANDense(1)])
    model.compile("adam", "mse")
    model.optimizer.learning_rate = 0.03
    history = model.fit(x.numpy(), y, epochs=30, batch_size=64, verbose=0)
    assert history.history["loss"][-1] < 0.02 * float(y.var())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"units": 0}, r"`units` must be a positive integer\. Received: units=0"),
        ({"units": 2, "grid_size": 0}, r"Received: grid_size=0"),
        ({"units": 2, "spline_order": 0}, r"Received: spline_order=0"),
        ({"units": 2, "grid_range": (1, -1)}, r"must be low before high\. Received: grid_range=\(1, -1\)"),
        ({"units": 2, "grid_range": 3}, r"must be two numbers, low and high\. Received: grid_range=3"),
        ({"units": 2, "edge_l1": -1}, r"at least 0\. Received: edge_l1=-1"),
        ({"units": 2, "edge_entropy": "x"}, r"at least 0\. Received: edge_entropy='x'"),
    ],
)
def test_it_names_the_bad_argument(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        KANDense(**arguments)  # type: ignore[arg-type]
