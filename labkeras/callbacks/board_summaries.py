"""Summaries: images, histograms and texts as TensorBoard's tabs read them, in the form that TensorFlow writes.

The functions import TensorBoard when they are called: it takes a while, and most programs that import callbacks don't
write any event files.
"""

import copy
import functools
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError

__all__ = [
    "array_of",
    "bucketed",
    "histogram_summary",
    "image_summary",
    "joined",
    "scalar_summary",
    "text_summary",
]

_BUCKETS = 30
# So many values NumPy counts faster than torch.
_FEW = 100_000
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


def joined(summaries: Iterable[Any]) -> Any:
    """One summary of several: each that is written on its own wakes the thread that writes."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    whole = Summary()
    for summary in summaries:
        whole.MergeFrom(summary)
    return whole


def scalar_summary(values: Mapping[str, float]) -> Any:
    """A summary of numbers, by their tags."""
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def histogram_summary(tag: str, buckets: np.ndarray) -> Any:
    """A summary of buckets, as `bucketed` returns them."""
    summary = copy.deepcopy(_empty_histogram())
    summary.value[0].tag = tag
    summary.value[0].tensor.tensor_content = buckets.astype("<f8").tobytes()
    return summary


def bucketed(values: Tensor) -> np.ndarray:
    """Counts values in 30 buckets of equal width, from the least to the greatest.

    What is not finite is left out. Where all values are the same, the last bucket has them; where there is none, all is
    zero.

    Shapes:
        values: any
        output: (30, 3): left edge, right edge, count
    """
    if values.numel() > _FEW or not values.is_cpu:
        return _bucketed_by_torch(values.detach().reshape(-1))
    flat = (
        array_of(values).reshape(-1).astype(np.float64)
    )  # or values at the edge of a bucket go into the one beside it
    if not np.isfinite(flat).all():
        flat = flat[np.isfinite(flat)]
    if flat.size == 0:
        return np.zeros((_BUCKETS, 3))
    low, high = flat.min(), flat.max()
    if low == high:
        return _table(low, high, np.array([0] * (_BUCKETS - 1) + [flat.size]))
    places = ((flat - low) / ((high - low) / _BUCKETS)).astype(np.int64)
    return _table(low, high, np.bincount(np.minimum(places, _BUCKETS - 1), minlength=_BUCKETS))


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


@functools.cache
def _empty_histogram() -> Any:
    """All of a histogram's summary that is always the same, which takes longer to make than to copy."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_DOUBLE
    from tensorboard.plugins.histogram.metadata import create_summary_metadata

    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in (_BUCKETS, 3)])
    metadata = create_summary_metadata(display_name=None, description=None)
    tensor = TensorProto(dtype=DT_DOUBLE, tensor_shape=shape)
    return Summary(value=[Summary.Value(metadata=metadata, tensor=tensor)])


def _bucketed_by_torch(flat: Tensor) -> np.ndarray:
    """The same where the values are, or for many."""
    flat = (flat.cpu() if flat.device.type == "mps" else flat).double()  # which has no float64
    low, high = (float(bound) for bound in torch.aminmax(flat))
    if not np.isfinite(high - low):
        return bucketed(flat[torch.isfinite(flat)])
    if low == high:
        return _table(low, high, np.array([0] * (_BUCKETS - 1) + [flat.numel()]))
    return _table(low, high, torch.histc(flat, _BUCKETS, low, high).cpu().numpy())


def _table(low: float, high: float, counts: np.ndarray) -> np.ndarray:
    table = np.empty((_BUCKETS, 3))
    edges = np.linspace(low, high, _BUCKETS + 1)
    table[:, 0], table[:, 1], table[:, 2] = edges[:-1], edges[1:], counts
    return table


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
