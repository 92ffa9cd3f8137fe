"""A model's weights on a TensorBoard: how they are distributed, and as images."""

from typing import TYPE_CHECKING, Any

import numpy as np

from labkeras import config
from labkeras.callbacks.board_summaries import array_of
from labkeras.callbacks.model_parts import named_weights

if TYPE_CHECKING:
    from labkeras.callbacks.tensorboard import TensorBoard

__all__ = ["weight_images", "write_weights"]

_CHANNELS = (1, 3, 4)


def write_weights(board: "TensorBoard", model: Any, epoch: int, with_images: bool) -> None:
    """Writes the weights of all layers, each under its path.

    Args:
        board: where to.
        model: whose.
        epoch: the step to write them for.
        with_images: whether to draw them, too.
    """
    for name, weight in named_weights(model).items():
        board.add_histogram(f"{name}/histogram", weight, epoch)
        images = weight_images(array_of(weight)) if with_images else None
        if images is not None:
            board.add_image(f"{name}/image", images, epoch, part="train")


def weight_images(weight: np.ndarray) -> np.ndarray | None:
    """The images that Keras makes of a weight; None if it makes none.

    A vector is a line, a matrix an image that is wider than high, and of three axes one is that of images, the last or,
    with channels first, the first; of four, with 1, 3 or 4 channels at the end, each is what it is in an image.

    Differs from Keras: values from the negative of the largest to the largest go from black to white, and 0 is gray.
    There, what is not in [0, 1] is black or white, and most of a weight is not.

    Shapes:
        weight: any
        output: (count, height, width, channels)
    """
    squeezed = np.squeeze(weight)
    if squeezed.ndim == 1:
        shaped = squeezed.reshape(1, -1, 1, 1)
    elif squeezed.ndim == 2:
        wide = squeezed.T if squeezed.shape[0] > squeezed.shape[1] else squeezed
        shaped = wide[None, :, :, None]
    elif squeezed.ndim == 3:
        is_last = config.image_data_format() == "channels_last"
        shaped = (squeezed.transpose(2, 0, 1) if is_last else squeezed)[..., None]
    else:
        shaped = squeezed
    if shaped.ndim != 4 or shaped.shape[-1] not in _CHANNELS or shaped.size == 0:
        return None
    values = np.nan_to_num(shaped.astype(np.float64))
    largest = np.abs(values).max()
    return values / (2 * largest) + 0.5 if largest > 0 else np.full_like(values, 0.5)
