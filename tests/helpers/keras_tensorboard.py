"""What Keras's own TensorBoard callback writes, taken down without TensorFlow, which it writes with."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np

__all__ = ["keras_writes"]

Written = dict[str, dict[tuple[str, str], list[tuple[int, Any]]]]


def keras_writes(model: Any, log_dir: Path, fit: dict[str, Any], **arguments: Any) -> Written:
    """Trains a model with Keras's callback.

    Returns:
        Part → (kind, tag) → its (step, value) pairs; of a histogram and of images the tensor.
    """
    callback = keras.callbacks.TensorBoard(log_dir, write_graph=False, **arguments)
    notes = _Notes()
    callback._summary_module = notes
    model.fit(**fit, verbose=0, callbacks=[callback])
    return {part: dict(written) for part, written in notes.written.items()}


class _Notes:
    """Stands in for the module `tensorflow.summary`."""

    def __init__(self) -> None:
        self.written: dict[str, Any] = defaultdict(lambda: defaultdict(list))
        self._open: list[tuple[str, Any]] = []
        self._recording: list[bool] = []

    def create_file_writer(self, folder: str) -> "_Writer":
        return _Writer(self, Path(folder).name)

    @contextmanager
    def record_if(self, condition: Any) -> Iterator[None]:
        self._recording.append(bool(condition() if callable(condition) else condition))
        try:
            yield
        finally:
            self._recording.pop()

    def scalar(self, tag: str, value: Any, step: Any = None) -> None:
        self._note("scalar", tag, float(value), step)

    def histogram(self, tag: str, value: Any, step: Any = None) -> None:
        self._note("histogram", tag, np.array(keras.ops.convert_to_numpy(value)), step)

    def image(self, tag: str, value: Any, step: Any = None) -> None:
        self._note("image", tag, np.array(value), step)

    def _note(self, kind: str, tag: str, value: Any, step: Any) -> None:
        if self._open and all(self._recording):
            part, default_step = self._open[-1]
            self.written[part][kind, tag].append((int(default_step if step is None else step), value))


class _Writer:
    def __init__(self, notes: _Notes, part: str) -> None:
        self._notes, self._part = notes, part

    @contextmanager
    def as_default(self, step: Any = None) -> Iterator[None]:
        self._notes._open.append((self._part, step))
        try:
            yield
        finally:
            self._notes._open.pop()

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
