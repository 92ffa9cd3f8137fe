"""Summaries: images, histograms and texts as TensorBoard's tabs read them, in the form that TensorFlow writes.

The functions import TensorBoard when they are called: it takes a while, and most programs that import callbacks don't
write any event files.
"""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError

__all__ = ["array_of", "bucketed", "histogram_summary", "image_summary", "text_summary"]

_BUCKETS = 30
_IMAGES = 3
_CHANNELS = (1, 3, 4)
_WHITE = 255


def array_of(values: Any) -> np.ndarray:
    """Tensors, lists and arrays as an array in the host's memory."""
    if isinstance(values, Tensor):
        values = values.detach()
        # NumPy has no bfloat16.
        values = (values.float() if values.dtype is torch.bfloat16 else values).cpu().numpy()
    array: np.ndarray = np.asarray(values)
    return array


def histogram_summary(tag: str, buckets: np.ndarray) -> Any:
    """A summary of buckets, as `bucketed` returns them."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.histogram.metadata import create_summary_metadata
    from tensorboard.util.tensor_util import make_tensor_proto

    metadata = create_summary_metadata(display_name=None, description=None)
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=make_tensor_proto(buckets, np.float64))])


def bucketed(values: Tensor) -> np.ndarray:
    """Counts values in 30 buckets of equal width, from the least to the greatest.

    What is not finite is left out. Where all values are the same, the last bucket has them; where there is none, all is
    zero.

    Shapes:
        values: any
        output: (30, 3): left edge, right edge, count
    """
    flat = values.detach().reshape(-1)
    if flat.device.type == "mps":
        flat = flat.cpu()  # it has no float64
    flat = flat.double()  # or values at the edge of a bucket go into the one beside it
    if flat.numel() == 0:
        return np.zeros((_BUCKETS, 3))
    low, high = (float(bound) for bound in torch.aminmax(flat))
    if not np.isfinite(high - low):
        return bucketed(flat[torch.isfinite(flat)])
    counts = np.zeros(_BUCKETS)
    if high == low:
        counts[-1] = flat.numel()
        return np.stack([np.full(_BUCKETS, low), np.full(_BUCKETS, high), counts], axis=1)
    counts[:] = torch.histc(flat, _BUCKETS, low, high).cpu().numpy()
    edges = np.linspace(low, high, _BUCKETS + 1)
    return np.stack([edges[:-1], edges[1:], counts], axis=1)


def image_summary(tag: str, image: Any) -> Any:
    """A summary of an image, or of up to three, those in front.

    Args:
        tag: its name.
        image: uint8, or floats in [0, 1]; what lies outside is drawn as the nearest.

    Shapes:
        image: (height, width), (height, width, channels) or (count, height, width, channels), with 1, 3 or 4 channels
    """
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING
    from tensorboard.plugins.image.metadata import create_summary_metadata

    pictures = _pictures(image)
    height, width = pictures.shape[1:3]
    strings = [str(width).encode(), str(height).encode(), *map(_png, pictures[:_IMAGES])]
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(strings))])
    metadata = create_summary_metadata(display_name=None, description=None)
    tensor = TensorProto(dtype=DT_STRING, string_val=strings, tensor_shape=shape)
    return Summary(value=[Summary.Value(tag=tag, metadata=metadata, tensor=tensor)])


def text_summary(tag: str, text: str | Sequence[Sequence[str]]) -> Any:
    """A summary of a text in Markdown, or of a table of texts."""
    from tensorboard.plugins.text.summary_v2 import text_pb

    return text_pb(tag, text if isinstance(text, str) else np.array(text, dtype=object))


def _pictures(image: Any) -> np.ndarray:
    given = array_of(image)
    pictures = given
    if pictures.ndim == 2:
        pictures = pictures[..., None]
    if pictures.ndim == 3:
        pictures = pictures[None]
    if pictures.ndim != 4 or pictures.shape[-1] not in _CHANNELS or 0 in pictures.shape:
        raise InvalidArgumentError(
            "`image` must have the shape (height, width), (height, width, channels) or (count, height, width, "
            f"channels), with 1, 3 or 4 channels. Received: image of shape {given.shape}"
        )
    if pictures.dtype == np.uint8:
        return pictures
    if not np.issubdtype(pictures.dtype, np.floating):
        raise InvalidArgumentError(
            f"`image` must hold uint8, or floats in [0, 1]. Received: image of dtype {pictures.dtype}"
        )
    # As TensorFlow does it: the same values as those of Keras's callback.
    drawn: np.ndarray = (np.nan_to_num(pictures) * (_WHITE + 0.5)).clip(0, _WHITE).astype(np.uint8)
    return drawn


def _png(picture: np.ndarray) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture).save(file, format="PNG")
    return file.getvalue()
