"""RandomTranslation: in training, moves each image by a random distance, so that a model learns not to mind."""

from collections.abc import Sequence
from typing import Any, Unpack

import torch
from torch import Tensor

from labkeras import config
from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.graph.symbolic import Shape
from labkeras.layers.layer import Layer, LayerOptions
from labkeras.random import SeedGenerator

__all__ = ["RandomTranslation"]

_FILL_MODES = ("reflect", "wrap", "constant", "nearest")
_INTERPOLATIONS = ("nearest", "bilinear")


class RandomTranslation(Layer):
    """In training moves each image down or up and to a side, by distances drawn for each image.

    Args:
        height_factor: how far down, as fractions of the height in [-1, 1]: the least and the most, or one number f for
            -f to f. Negative fractions move up.
        width_factor: the same to the right, of the width; negative fractions move to the left.
        fill_mode: what comes in at the edge: "reflect" (d c b a | a b c d | d c b a), "wrap" (the other edge),
            "constant" (`fill_value`) or "nearest" (the edge itself).
        interpolation: "bilinear", which mixes pixels for parts of one, or "nearest".
        seed: start of the layer's own stream of random numbers; with None it draws from torch's global generator.
        fill_value: what "constant" fills with.
        data_format: "channels_last" or "channels_first"; `config.image_data_format()` unless given.

    Shapes:
        inputs: (batch, height, width, channels), with "channels_first" (batch, channels, height, width); or one image,
            without the batch
        output: that of the inputs, as floating point numbers

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Example:
        >>> images = torch.arange(4.0).reshape(1, 2, 2, 1)
        >>> RandomTranslation((0.5, 0.5), 0, fill_mode="constant")(images, training=True)[0, ..., 0]
        tensor([[0., 0.],
                [0., 1.]])
    """

    def __init__(
        self,
        height_factor: float | Sequence[float],
        width_factor: float | Sequence[float],
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **base: Unpack[LayerOptions],
    ) -> None:
        super().__init__(**base)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self.height_lower, self.height_upper = _ends(height_factor, "height_factor")
        self.width_lower, self.width_upper = _ends(width_factor, "width_factor")
        self.fill_mode = _one_of(fill_mode, "fill_mode", _FILL_MODES)
        self.interpolation = _one_of(interpolation, "interpolation", _INTERPOLATIONS)
        self.fill_value = fill_value
        formats = ("channels_last", "channels_first")
        self.data_format = _one_of(data_format or config.image_data_format(), "data_format", formats)
        self.seed = seed
        self.seed_generator = SeedGenerator(seed)

    def call(self, inputs: Tensor, training: bool = True) -> Tensor:
        if not isinstance(inputs, Tensor) or inputs.ndim not in (3, 4):
            raise InvalidInputError(
                f"layer {self.name!r} takes images alone, of 4 axes, or one of 3. "
                f"Received: {tuple(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__}"
            )
        images = inputs.to(self.dtype_policy.torch_compute_dtype)
        if not training:
            return images
        return self.transform_images(images, self.get_random_transformation(images))

    def get_random_transformation(self, images: Tensor) -> dict[str, Any]:
        """Draws how far each image is moved.

        Returns:
            {"translations": shape (batch, 2), pixels to the right and down; "input_shape": that of the images}
        """
        batch = images.shape[0] if images.ndim == 4 else 1
        height, width = (images.shape[axis] for axis in self._axes(images.ndim))
        right, down = self.seed_generator.uniform((2, batch), images.device)
        right = (self.width_lower + right * (self.width_upper - self.width_lower)) * width
        down = (self.height_lower + down * (self.height_upper - self.height_lower)) * height
        return {"translations": torch.stack([right, down], 1), "input_shape": tuple(images.shape)}

    def transform_images(self, images: Tensor, transformation: dict[str, Any]) -> Tensor:
        """Moves images.

        Args:
            images: as the layer's inputs.
            transformation: what `get_random_transformation` returned.
        """
        right, down = transformation["translations"].unbind(1)
        several = images if images.ndim == 4 else images.unsqueeze(0)
        vertical, horizontal = self._axes(several.ndim)
        if self.height_lower or self.height_upper:
            several = self._moved(several, down, vertical)
        if self.width_lower or self.width_upper:
            several = self._moved(several, right, horizontal)
        return several if images.ndim == 4 else several.squeeze(0)

    def _axes(self, ndim: int) -> tuple[int, int]:
        """The axes of height and width."""
        first = ndim - 3 if self.data_format == "channels_last" else ndim - 2
        return first, first + 1

    def _moved(self, images: Tensor, distances: Tensor, axis: int) -> Tensor:
        """Images moved along one axis: each pixel is what stood at a place that many pixels before it.

        Moving along one axis after the other is the same as interpolating between the four pixels around a place.
        """
        size = images.shape[axis]
        places = torch.arange(size, device=images.device) - distances[:, None]
        if self.interpolation == "nearest":
            return self._pixels(images, places.round(), axis)
        before = places.floor()
        share = _along(places - before, axis, images.ndim).to(images.dtype)
        return torch.lerp(self._pixels(images, before, axis), self._pixels(images, before + 1, axis), share)

    def _pixels(self, images: Tensor, places: Tensor, axis: int) -> Tensor:
        """The pixels at whole places, of which some may be outside."""
        size = images.shape[axis]
        places = places.long()
        if self.fill_mode == "wrap":
            inside = places % size
        elif self.fill_mode == "reflect":
            places = places % (2 * size)
            inside = torch.minimum(places, 2 * size - 1 - places)
        else:
            inside = places.clamp(0, size - 1)
        pixels = torch.take_along_dim(images, _along(inside, axis, images.ndim), axis)
        if self.fill_mode != "constant":
            return pixels
        return torch.where(_along(inside == places, axis, images.ndim), pixels, self.fill_value)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        names = ("data_format", "height_factor", "width_factor", "fill_mode", "interpolation", "seed", "fill_value")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


def _along(values: Tensor, axis: int, ndim: int) -> Tensor:
    """(batch, size) as a tensor that goes with images: the second axis at `axis`, all others of size 1."""
    shape = [1] * ndim
    shape[0], shape[axis] = values.shape
    return values.reshape(shape)


def _ends(factor: Any, argument: str) -> tuple[float, float]:
    """The least and the most of a factor."""
    ends = list(factor) if isinstance(factor, Sequence) and not isinstance(factor, str) else [factor]
    numbers = [end for end in ends if isinstance(end, int | float) and not isinstance(end, bool) and -1 <= end <= 1]
    if len(ends) not in (1, 2) or len(numbers) != len(ends):
        raise InvalidArgumentError(
            f"`{argument}` must be a number in [-1, 1], or a pair of them. Received: {argument}={factor!r}"
        )
    if len(ends) == 1:
        return -abs(float(ends[0])), abs(float(ends[0]))
    return float(min(ends)), float(max(ends))


def _one_of(value: str, argument: str, known: Sequence[str]) -> str:
    if value not in known:
        raise InvalidArgumentError(
            f"`{argument}` must be {', '.join(map(repr, known[:-1]))} or {known[-1]!r}. Received: {argument}={value!r}"
        )
    return value
