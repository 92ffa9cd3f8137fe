"""Chebyshev polynomials, bells, and filters: their formulas."""

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras_kan.chebyshev_kan_dense import ChebyshevKANDense
from labkeras_kan.kan_conv2d import KANConv2D
from labkeras_kan.kan_dense import KANDense
from labkeras_kan.rbf_kan_dense import RBFKANDense


def test_chebyshev_polynomials_are_those_of_numpy() -> None:
    layer = ChebyshevKANDense(3, degree=5, dtype="float64", bias_initializer="ones")
    inputs = torch.randn(6, 2, dtype=torch.float64)
    output = layer(inputs).detach().numpy()
    kernel, x = layer.kernel.detach().numpy(), np.tanh(inputs.numpy())
    wanted = sum(chebyshev.chebval(x[:, f], np.concatenate([np.zeros((1, 3)), kernel[f]])).T for f in range(2))
    np.testing.assert_allclose(output, wanted + 1, rtol=1e-10)
    assert_close(layer.edges(inputs).sum(-2) + 1, layer(inputs))


def test_chebyshev_starts_as_its_reference_says() -> None:
    layer = ChebyshevKANDense(500, degree=4)
    layer.build((None, 20))
    assert float(layer.kernel.detach().std()) == pytest.approx(1 / 100, rel=0.05)


def test_bells_are_gauss_curves_of_normalized_features() -> None:
    layer = RBFKANDense(3, grid_size=5, grid_range=(-2, 2), dtype="float64")
    inputs = torch.randn(6, 4, dtype=torch.float64)
    z = (inputs - inputs.mean(1, keepdim=True)) / (inputs.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    bells = torch.exp(-((z.unsqueeze(-1) - torch.tensor([-2.0, -1, 0, 1, 2])) ** 2))  # the distance of bells is 1
    wanted = torch.nn.functional.silu(inputs) @ layer(inputs).new_tensor(layer.base_kernel.detach().numpy())
    wanted = wanted + torch.einsum("nfb,fbu->nu", bells, layer.kernel)
    assert_close(layer(inputs), wanted)
    assert_close(layer.edges(inputs).sum(-2), layer(inputs))


def test_the_width_of_a_bell_is_the_distance_of_two() -> None:
    layer = RBFKANDense(1, grid_size=3, grid_range=(0, 1), normalize=False, base_initializer="zeros")
    layer.build((None, 1))
    with torch.no_grad():
        layer.kernel.copy_(torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1))
    assert_close(layer(torch.tensor([[0.5]])), torch.tensor([[float(np.exp(-1))]]))


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("strides", "padding"), [(1, "valid"), (2, "valid"), (1, "same"), (2, "same")])
def test_a_filter_is_a_dense_layer_on_each_window(data_format: str, strides: int, padding: str) -> None:
    layer = KANConv2D(4, (2, 3), strides, padding, data_format, use_bias=True, bias_initializer="ones", dtype="float64")
    images = torch.rand(2, 5, 6, 3, dtype=torch.float64) * 2 - 1
    first = data_format == "channels_first"
    output = layer(images.permute(0, 3, 1, 2) if first else images)
    output = output.permute(0, 2, 3, 1) if first else output
    assert output.shape == (
        2,
        *layer.compute_output_shape((2, 3, 5, 6) if first else (2, 5, 6, 3))[2 if first else 1 :][:2],
        4,
    )
    # Far outside the grid both curve (a sigmoid times x) and splines are zero: such pixels add nothing.
    rows, columns = output.shape[1:3]
    if padding == "same":
        below, beside = (rows - 1) * strides + 2 - 5, (columns - 1) * strides + 3 - 6
        pads = (0, 0, max(beside, 0) // 2, -(-max(beside, 0) // 2), max(below, 0) // 2, -(-max(below, 0) // 2))
        images = torch.nn.functional.pad(images, pads, value=-1e4)
    dense = KANDense(4, dtype="float64")
    dense.build((None, 18))
    with torch.no_grad():
        dense.base_kernel.copy_(layer.base_kernel.reshape(18, 4))
        dense.spline_kernel.copy_(layer.spline_kernel.reshape(18, 8, 4))
    for row in range(rows):
        for column in range(columns):
            window = images[:, row * strides : row * strides + 2, column * strides : column * strides + 3]
            assert_close(output[:, row, column], dense(window.reshape(2, 18)) + 1)


def test_filters_need_the_number_of_channels() -> None:
    with pytest.raises(InvalidInputError, match="number of channels"):
        KANConv2D(2, 3).build((None, 8, 8, None))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ChebyshevKANDense(2, degree=0), r"Received: degree=0"),
        (lambda: RBFKANDense(2, grid_size=1), r"at least 2 bells.*Received: grid_size=1"),
        (lambda: KANConv2D(0, 3), r"Received: filters=0"),
    ],
)
def test_they_name_the_bad_argument(make: object, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()  # type: ignore[operator]
