"""KANEdges: pictures of the functions that KAN layers have learned, for TensorBoard."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from labkeras.callbacks import Callback
from labkeras.layers.arguments import positive_integer
from labkeras.ranges import PositiveInt
from labkeras_kan.kan_dense import KANDense

__all__ = ["KANEdges", "drawn_edges"]

_WIDTH, _HEIGHT, _MARGIN = 72, 54, 5
_POINTS = 65  # at which a curve is evaluated: one a pixel of its panel


class KANEdges(Callback):
    """Draws the edges of each `KANDense` layer, a panel an edge, into the Images tab of TensorBoard.

    Rows are features, columns units. A curve goes over the grid of its feature, from its least to its greatest value;
    the more an edge varies, compared with the others of its layer, the darker is its curve. Without the callback
    `tensorboard` in the same fit it does nothing.

    Args:
        every: number of epochs between two pictures; the last epoch has one in any case.
        features: how many features are drawn at most, the first ones.
        units: how many units are drawn at most, the first ones.

    Reference:
        Z. Liu et al. (2024), "KAN: Kolmogorov-Arnold Networks", section 2.5.1, https://arxiv.org/abs/2404.19756

    Example:
        >>> KANEdges(every=10).every
        10
    """

    def __init__(self, every: PositiveInt = 5, features: PositiveInt = 8, units: PositiveInt = 8) -> None:
        super().__init__()
        self.every = positive_integer(every, "every")
        self.features = positive_integer(features, "features")
        self.units = positive_integer(units, "units")
        self._drawn: int | None = None
        self._epoch = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        del logs
        self._epoch = epoch
        if epoch % self.every == 0:
            self._draw()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        del logs
        if self._drawn != self._epoch:
            self._draw()

    def _draw(self) -> None:
        self._drawn = self._epoch
        if self.board is None:
            return
        for layer in self.model.modules():
            if isinstance(layer, KANDense):
                image = drawn_edges(layer, self.features, self.units)
                self.board.add_image(f"kan/{layer.name}", image, self._epoch, part="train")


def drawn_edges(layer: KANDense, features: int = 8, units: int = 8) -> NDArray[np.uint8]:
    """The functions on a layer's edges as a picture; rows are features, columns units.

    Args:
        layer: a built one.
        features: how many features are drawn at most.
        units: how many units are drawn at most.

    Shapes:
        output: (height, width, 3)

    Example:
        >>> layer = KANDense(4)
        >>> layer.build((None, 2))
        >>> drawn_edges(layer).shape
        (108, 288, 3)
    """
    curves = _curves(layer)[:, :features, :units]
    count, rows, columns = curves.shape
    low, high = curves.min(0), curves.max(0)
    spread = high - low
    strength = spread / max(float(spread.max()), 1e-12)
    heights = (curves - low) / np.maximum(spread, 1e-12)
    image = Image.new("RGB", (columns * _WIDTH, rows * _HEIGHT), "white")
    canvas = ImageDraw.Draw(image)
    across = np.linspace(_MARGIN, _WIDTH - _MARGIN, count)
    for row in range(rows):
        for column in range(columns):
            left, top = column * _WIDTH, row * _HEIGHT
            down = top + _HEIGHT - _MARGIN - heights[:, row, column] * (_HEIGHT - 2 * _MARGIN)
            shade = round(225 * (1 - float(strength[row, column])))
            canvas.rectangle((left, top, left + _WIDTH - 1, top + _HEIGHT - 1), outline=(235, 235, 235))
            line = [(left + float(x), float(y)) for x, y in zip(across, down, strict=True)]
            canvas.line(line, fill=(shade, shade, shade), width=2)
    return np.asarray(image)


@torch.no_grad()
def _curves(layer: KANDense) -> NDArray[np.float32]:
    """The edges over the grid of each feature: (points, features, units)."""
    order = layer.spline_order
    knots: Tensor = layer.grid
    low, high = knots[:, order], knots[:, -order - 1]
    places = torch.linspace(0, 1, _POINTS, dtype=knots.dtype, device=knots.device).unsqueeze(1)
    dtype = layer.dtype_policy.torch_compute_dtype
    curves = layer.edges(torch.lerp(low, high, places).to(dtype))
    return curves.float().cpu().numpy()
