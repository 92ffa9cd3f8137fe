"""Pictures as arrays of bytes: a confusion matrix, samples with captions, filters, true values against predicted."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

__all__ = ["as_image", "captioned", "confusion_matrix", "filter_grid", "scatter"]

_WHITE, _BLACK, _GREY, _BLUE = (255, 255, 255), (30, 30, 30), (140, 140, 140), (31, 88, 166)
_FONT_SIZE = 12
_CELL = 30  # of a matrix with numbers
_SMALL_CELL = 8
_MOST_NUMBERS = 25
_TILE = 72  # of a sample, in pixels
_FILTER = 40
_GAP = 4
_PLOT, _MARGIN = 300, 40
_SHAPES = (1, 3, 4)
_LEAST_SIDE, _MOST_SIDE, _MOST_RATIO = 4, 1024, 4


def confusion_matrix(labels: np.ndarray, found: np.ndarray, classes: int) -> np.ndarray:
    """How often each class, a row, was taken for each other, a column; the darker, the greater a part of its row.

    Shapes:
        labels, found: (count,)
        output: (height, width, 3)
    """
    counts = np.bincount(labels * classes + found, minlength=classes * classes).reshape(classes, classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cell = _CELL if classes <= _MOST_NUMBERS else _SMALL_CELL
    size = _MARGIN + classes * cell + _GAP
    picture = Image.new("RGB", (size, size), _WHITE)
    draw, font = ImageDraw.Draw(picture), _font()
    for row, column in np.ndindex(classes, classes):
        left, top = _MARGIN + column * cell, _MARGIN + row * cell
        share = float(shares[row, column])
        colour = tuple(round(white + (blue - white) * share) for white, blue in zip(_WHITE, _BLUE, strict=True))
        draw.rectangle((left, top, left + cell - 1, top + cell - 1), fill=colour)
        if cell == _CELL and counts[row, column]:
            shade = _WHITE if share > 0.5 else _BLACK
            _centred(draw, font, (left + cell / 2, top + cell / 2), str(counts[row, column]), shade)
    step = 1 if cell == _CELL else max(1, 50 // cell)
    for one in range(0, classes, step):
        middle = _MARGIN + (one + 0.5) * cell
        _centred(draw, font, (middle, _MARGIN - 10), str(one), _BLACK)
        _centred(draw, font, (_MARGIN - 12, middle), str(one), _BLACK)
    _centred(draw, font, (_MARGIN + classes * cell / 2, 10), "predicted", _GREY)
    draw.text((2, 2), "true", fill=_GREY, font=font)
    return np.asarray(picture)


def captioned(images: np.ndarray, captions: Sequence[str], columns: int = 5) -> np.ndarray:
    """Images in a grid, each with a line below it.

    Shapes:
        images: (count, height, width, channels), uint8
        output: (height, width, 3)
    """
    columns = min(columns, len(images))
    height = round(_TILE * images.shape[1] / images.shape[2])
    line = _FONT_SIZE + _GAP
    rows = -(-len(images) // columns)
    width = columns * (_TILE + _GAP) + _GAP
    picture = Image.new("RGB", (width, rows * (height + line + _GAP) + _GAP), _WHITE)
    draw, font = ImageDraw.Draw(picture), _font()
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(index, columns)
        left, top = _GAP + column * (_TILE + _GAP), _GAP + row * (height + line + _GAP)
        picture.paste(_resized(image, _TILE, height), (left, top))
        _centred(draw, font, (left + _TILE / 2, top + height + line / 2), caption, _BLACK)
    return np.asarray(picture)


def filter_grid(kernels: np.ndarray, columns: int = 8) -> np.ndarray:
    """Filters in a grid, all on one scale: grey is 0.

    Shapes:
        kernels: (height, width, channels, count), with 1 or 3 channels
        output: (height, width, 3)
    """
    largest = np.abs(kernels).max() or 1.0
    images = np.moveaxis((kernels / (2 * largest) + 0.5) * 255, -1, 0).round().astype(np.uint8)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    step = _FILTER + _GAP
    picture = Image.new("RGB", (columns * step + _GAP, rows * step + _GAP), _WHITE)
    for index, image in enumerate(images):
        row, column = divmod(index, columns)
        picture.paste(_resized(image, _FILTER, _FILTER), (_GAP + column * step, _GAP + row * step))
    return np.asarray(picture)


def scatter(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """A point for each value: the true one from left to right, the predicted one upwards; on the line they are equal.

    Shapes:
        true, found: (count,)
        output: (height, width, 3)
    """
    low, high = float(min(true.min(), found.min())), float(max(true.max(), found.max()))
    span = (high - low) or 1.0
    size = _PLOT + 2 * _MARGIN
    picture = Image.new("RGB", (size, size), _WHITE)
    draw, font = ImageDraw.Draw(picture), _font()
    left, right = _MARGIN, _MARGIN + _PLOT
    draw.rectangle((left, left, right, right), outline=_GREY)
    draw.line((left, right, right, left), fill=_GREY)
    for x, y in zip((true - low) / span * _PLOT, (found - low) / span * _PLOT, strict=True):
        centre = left + float(x), right - float(y)
        draw.ellipse((centre[0] - 2, centre[1] - 2, centre[0] + 2, centre[1] + 2), fill=_BLUE)
    for value, place in ((low, left), (high, right)):
        _centred(draw, font, (place, right + 12), f"{value:.3g}", _BLACK)
        _centred(draw, font, (_MARGIN / 2, left + right - place), f"{value:.3g}", _BLACK)
    _centred(draw, font, (size / 2, right + 28), "true", _GREY)
    _centred(draw, font, (size / 2, _MARGIN / 2), "predicted, upwards", _GREY)
    return np.asarray(picture)


def as_image(samples: np.ndarray, channels_first: bool = False) -> np.ndarray | None:
    """Samples as images, the least of all their values black, the greatest white; None if they cannot be images.

    Shapes:
        samples: (count, height, width) or (count, height, width, channels); (count, channels, height, width)
        output: (count, height, width, 1, 3 or 4), uint8
    """
    if samples.ndim == 3:
        samples = samples[..., None]
    elif samples.ndim == 4 and channels_first:
        samples = np.moveaxis(samples, 1, -1)
    if samples.ndim != 4 or samples.shape[-1] not in _SHAPES or samples.dtype.kind not in "biuf":
        return None
    sides = samples.shape[1:3]
    if min(sides) < _LEAST_SIDE or max(sides) > _MOST_SIDE or max(sides) > _MOST_RATIO * min(sides):
        return None
    if samples.dtype == np.uint8 and samples.max(initial=0) > 127:
        return samples
    values = np.nan_to_num(samples.astype(np.float64))
    low = values.min(initial=0.0)
    span = (values.max(initial=0.0) - low) or 1.0
    image: np.ndarray = ((values - low) / span * 255).round().astype(np.uint8)
    return image


def _resized(image: np.ndarray, width: int, height: int) -> Image.Image:
    """One image, with its pixels as they are where it is enlarged."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("RGB")
    is_larger = width >= picture.width
    return picture.resize((width, height), Image.Resampling.NEAREST if is_larger else Image.Resampling.BOX)


def _centred(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
    centre: tuple[float, float],
    text: str,
    colour: tuple[int, int, int],
) -> None:
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    draw.text((centre[0] - (left + right) / 2, centre[1] - (top + bottom) / 2), text, fill=colour, font=font)


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(_FONT_SIZE)
