"""Arrays of a kind that tests of several files need."""

import tempfile

import numpy as np

__all__ = ["on_disk"]


def on_disk(values: np.ndarray) -> np.ndarray:
    """An array in a file that is only read, and has no name by now."""
    with tempfile.TemporaryFile() as file:
        file.write(values.tobytes())
        file.flush()
        return np.memmap(file, values.dtype, "r", shape=values.shape)
