"""What is in event files, as TensorBoard reads it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

__all__ = ["images", "scalars", "tags_of", "tensors", "texts"]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Tag → its (step, value) pairs, of all event files in a folder."""
    events = _read(folder)
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def tags_of(folder: Path, plugin: str) -> list[str]:
    """The tags of what one of TensorBoard's plugins shows: "histograms", "images", "text", "pr_curves"."""
    events = _read(folder)
    try:
        return sorted(events.PluginTagToContent(plugin))
    except KeyError:
        return []


def tensors(folder: Path, tag: str) -> list[tuple[int, np.ndarray]]:
    """The (step, tensor) pairs of a tag."""
    return [(event.step, make_ndarray(event.tensor_proto)) for event in _read(folder).Tensors(tag)]


def images(folder: Path, tag: str) -> list[tuple[int, np.ndarray]]:
    """The (step, images) pairs of a tag, the images of a step as (count, height, width[, channels])."""
    found = []
    for step, tensor in tensors(folder, tag):
        width, height, *files = tensor.tolist()
        pictures = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
        assert pictures.shape[1:3] == (int(height), int(width))
        found.append((step, pictures))
    return found


def texts(folder: Path, tag: str) -> list[tuple[int, Any]]:
    """The (step, text) pairs of a tag; of a table its rows."""
    decode = np.vectorize(lambda text: text.decode())
    return [(step, decode(tensor).tolist()) for step, tensor in tensors(folder, tag)]


def _read(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
    events.Reload()
    return events
