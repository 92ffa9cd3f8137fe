"""Reliability diagrams, drawn with Pillow: it comes with TensorBoard, and is quick."""

import functools
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from labkeras_calibration.bins import Bins

__all__ = ["reliability_image"]

_SCALE = 2  # drawn so many times as large, and made smaller, for smooth edges
_WIDTH, _HEIGHT = 480, 600
_LEFT, _TOP, _SIDE = 58, 56, 400  # the square of accuracy over confidence
_COUNTS_TOP, _COUNTS_HEIGHT = 484, 72

_INK, _PALE, _GRID = (38, 38, 38), (120, 120, 120), (226, 226, 226)
# Told apart by readers who do not see red and green as two colours.
_BAR, _OVER, _UNDER = (104, 142, 184), (214, 72, 72), (214, 140, 30)
_OVER_PALE, _UNDER_PALE = (244, 184, 184), (250, 216, 160)

Box: TypeAlias = tuple[float, float, float, float]


def reliability_image(bins: Bins, title: str, is_binary: bool = False) -> NDArray[np.uint8]:
    """Accuracy over confidence, bin by bin, with the gap between the two, and below how many samples there are.

    Args:
        bins: what was said, and what came true.
        title: the line above.
        is_binary: whether confidence is that of yes, so that the bars are frequencies of yes.

    Shapes:
        result: (600, 480, 3), RGB
    """
    picture = _Picture()
    picture.text((_WIDTH / 2, 22), title, 17, anchor="mm")
    weight, confidence, accuracy = (
        np.asarray(one.double().cpu().numpy()) for one in (bins.weight, bins.mean_confidence, bins.accuracy)
    )
    edges = _edges(confidence)
    _axes(picture, "frequency of yes" if is_binary else "accuracy")
    for place in np.flatnonzero(weight > 0):
        _bar(picture, edges[place], edges[place + 1], confidence[place], accuracy[place])
    picture.dashes((_x(0), _y(0)), (_x(1), _y(1)))
    _legend(picture)
    _counts(picture, weight, edges)
    picture.text((_x(0.5), _HEIGHT - 12), "probability of yes" if is_binary else "confidence", 14, anchor="mm")
    return picture.pixels()


class _Picture:
    """A canvas in the coordinates of the finished image."""

    def __init__(self) -> None:
        self._image = Image.new("RGB", (_WIDTH * _SCALE, _HEIGHT * _SCALE), "white")
        self._draw = ImageDraw.Draw(self._image, "RGBA")

    def box(self, box: Box, fill: Any = None, outline: Any = None) -> None:
        x0, x1 = sorted((box[0], box[2]))
        y0, y1 = sorted((box[1], box[3]))
        self._draw.rectangle([value * _SCALE for value in (x0, y0, x1, y1)], fill, outline, _SCALE)

    def line(self, start: tuple[float, float], end: tuple[float, float], fill: Any, width: float = 1) -> None:
        self._draw.line([value * _SCALE for value in (*start, *end)], fill, round(width * _SCALE))

    def dashes(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        places = np.linspace(np.array(start), np.array(end), 81)
        for a, b in zip(places[::2], places[1::2], strict=False):
            self.line((a[0], a[1]), (b[0], b[1]), _INK, 1.5)

    def text(self, place: tuple[float, float], text: str, size: int, fill: Any = _INK, anchor: str = "mm") -> None:
        font = _font(size)
        self._draw.text((place[0] * _SCALE, place[1] * _SCALE), text, fill, font, anchor)

    def sideways(self, place: tuple[float, float], text: str, size: int) -> None:
        """Text that is read from below, around a place."""
        font = _font(size)
        _, _, width, height = map(int, font.getbbox(text))
        line = Image.new("L", (width, height + _SCALE), 0)
        ImageDraw.Draw(line).text((0, 0), text, 255, font)
        turned = line.rotate(90, expand=True)
        corner = (int(place[0] * _SCALE - turned.width / 2), int(place[1] * _SCALE - turned.height / 2))
        self._image.paste(Image.new("RGB", turned.size, _INK), corner, turned)

    def pixels(self) -> NDArray[np.uint8]:
        return np.asarray(self._image.reduce(_SCALE))


@functools.cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size * _SCALE)


def _axes(picture: _Picture, name: str) -> None:
    for tick in np.linspace(0, 1, 6):
        picture.line((_x(0), _y(tick)), (_x(1), _y(tick)), _GRID)
        picture.line((_x(tick), _y(0)), (_x(tick), _y(1)), _GRID)
        picture.text((_x(0) - 8, _y(tick)), f"{tick:.1f}", 12, _PALE, "rm")
        picture.text((_x(tick), _COUNTS_TOP + _COUNTS_HEIGHT + 12), f"{tick:.1f}", 12, _PALE)
    picture.sideways((14, _TOP + _SIDE / 2), name, 14)


def _bar(picture: _Picture, low: float, high: float, confidence: float, accuracy: float) -> None:
    """What was said and came true, and above it the gap: what was said alone, or what came true alone."""
    picture.box((_x(low), _y(0), _x(high), _y(min(accuracy, confidence))), _BAR, "white")
    colour, pale = (_OVER, _OVER_PALE) if confidence > accuracy else (_UNDER, _UNDER_PALE)
    picture.box((_x(low), _y(accuracy), _x(high), _y(confidence)), pale, colour)


def _legend(picture: _Picture) -> None:
    lines = (
        ("came true as said", _BAR, _BAR),
        ("said, and did not come true", _OVER_PALE, _OVER),
        ("came true, and was not said", _UNDER_PALE, _UNDER),
    )
    for place, (text, fill, outline) in enumerate(lines):
        y = _TOP + 16 + 20 * place
        picture.box((_x(0) + 12, y - 6, _x(0) + 26, y + 6), fill, outline)
        picture.text((_x(0) + 34, y), text, 13, anchor="lm")


def _counts(picture: _Picture, weight: NDArray[Any], edges: NDArray[Any]) -> None:
    """How much each bin holds, as bars with numbers."""
    bottom, highest = _COUNTS_TOP + _COUNTS_HEIGHT, max(float(weight.max()), 1e-12)
    picture.line((_x(0), bottom), (_x(1), bottom), _PALE)
    picture.sideways((14, bottom - _COUNTS_HEIGHT / 2), "samples", 14)
    for place in np.flatnonzero(weight > 0):
        low, high = _x(edges[place]), _x(edges[place + 1])
        top = bottom - (_COUNTS_HEIGHT - 14) * float(weight[place]) / highest
        picture.box((low, bottom, high, top), (*_PALE, 160), "white")
        if high - low > 20:
            picture.text(((low + high) / 2, top - 7), f"{weight[place]:.4g}", 10, _PALE)


def _edges(confidence: NDArray[Any]) -> NDArray[Any]:
    """Where bins begin and end: evenly spaced, unless the confidences in them say that they cannot be."""
    count = len(confidence)
    even = np.linspace(0, 1, count + 1)
    fits = np.isnan(confidence) | ((confidence >= even[:-1] - 1e-6) & (confidence <= even[1:] + 1e-6))
    if fits.all():
        return even
    # Of bins of equal mass: halfway between one's mean and the next's; an empty one has no width.
    filled = np.flatnonzero(~np.isnan(confidence))
    inner = (confidence[filled][:-1] + confidence[filled][1:]) / 2
    edges = np.zeros(count + 1)
    first = max(0.0, 2 * confidence[filled[0]] - inner[0]) if len(inner) else 0.0
    for place, start in enumerate([first, *inner]):
        edges[filled[place] : count + 1] = start
    edges[: filled[0]] = first
    edges[filled[-1] + 1 :] = 1.0
    return edges


def _x(value: float) -> float:
    return _LEFT + _SIDE * float(value)


def _y(value: float) -> float:
    return _TOP + _SIDE * (1 - float(value))
