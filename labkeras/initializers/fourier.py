"""STFT: convolution kernels that compute a short-time Fourier transform."""

import importlib
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.signal import windows

from labkeras.dtypes import to_torch
from labkeras.errors import InvalidArgumentError
from labkeras.initializers.initializer import Initializer
from labkeras.serialization import deserialize_keras_object, serialize_keras_object

__all__ = ["STFT", "STFTInitializer", "stft"]


def _box(length: int, sym: bool, dtype: torch.dtype) -> Tensor:
    del sym
    return torch.ones(length, dtype=dtype)


# Windows that torch has; any other name is SciPy's to make. The coefficients are those of the cosine sums' definitions.
_WINDOWS: dict[str, Callable[..., Tensor]] = {
    "bartlett": windows.bartlett,
    "blackman": windows.blackman,
    "blackmanharris": partial(windows.general_cosine, a=[0.35875, 0.48829, 0.14128, 0.01168]),
    "boxcar": _box,
    "cosine": windows.cosine,
    "flattop": partial(windows.general_cosine, a=[0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368]),
    "hamming": windows.hamming,
    "hann": windows.hann,
    "nuttall": windows.nuttall,
}


class STFT(Initializer):
    """The real or the imaginary half of a short-time Fourier transform, as the kernel of a 1D convolution.

    `kernel[t, 0, k] = window[t] * cos(-2π t k / F)`, or `sin` in place of `cos`, F being the length of the transform.

    Args:
        side: "real" or "imag".
        window: name of a window ("hann", "hamming", "blackman", …; names that torch does not know need SciPy), its
            values, or None for no window.
        scaling: "density" divides by the window's root sum of squares, "spectrum" by its sum, None by nothing.
        periodic: whether a named window is periodic rather than symmetric.

    Shapes:
        result: (frame length, 1, F / 2 + 1)

    Example:
        >>> STFT(window=None)((4, 1, 3))[:, 0, 1].round()
        tensor([ 1.,  0., -1., -0.])
    """

    def __init__(
        self,
        side: str = "real",
        window: str | Sequence[float] | np.ndarray[Any, Any] | Tensor | None = "hann",
        scaling: str | None = "density",
        periodic: bool = False,
    ) -> None:
        if side not in ("real", "imag"):
            raise InvalidArgumentError(f"`side` must be 'real' or 'imag'. Received: side={side!r}")
        if scaling not in ("density", "spectrum", None):
            raise InvalidArgumentError(
                f"`scaling` must be 'density', 'spectrum' or None. Received: scaling={scaling!r}"
            )
        if isinstance(window, str):
            _named_window(window, 1, periodic)
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Tensor:
        if len(shape) != 3 or shape[1] != 1 or shape[2] < 2:
            raise InvalidArgumentError(
                f"STFT makes kernels of the shape (frame length, 1, frequencies), at least two. "
                f"Received: shape={tuple(shape)}"
            )
        frame_length, _, frequencies = shape
        # In float64, whatever the result is: in float32 the angles of long frames lose four digits.
        time = torch.arange(frame_length, dtype=torch.float64)
        frequency = torch.arange(frequencies, dtype=torch.float64) / (2 * (frequencies - 1))
        angle = -2 * math.pi * torch.outer(time, frequency)
        kernel = torch.cos(angle) if self.side == "real" else torch.sin(angle)
        if self.window is not None:
            kernel *= self._scaled_window(frame_length)[:, None]
        return kernel[:, None, :].to(to_torch(dtype))

    def get_config(self) -> dict[str, Any]:
        return {
            "side": self.side,
            "window": serialize_keras_object(self.window),
            "periodic": self.periodic,
            "scaling": self.scaling,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, "window": deserialize_keras_object(config.get("window", "hann"))})

    def _scaled_window(self, length: int) -> Tensor:
        if isinstance(self.window, str):
            window = _named_window(self.window, length, self.periodic)
        else:
            window = torch.as_tensor(self.window, dtype=torch.float64)
        if window.shape != (length,):
            raise InvalidArgumentError(
                f"`window` must have as many values as the kernel has steps, {length}. "
                f"Received: window of shape {tuple(window.shape)}"
            )
        if self.scaling == "density":
            return window / window.square().sum().sqrt()
        return window / window.abs().sum() if self.scaling == "spectrum" else window


def _named_window(name: str, length: int, periodic: bool) -> Tensor:
    if name in _WINDOWS:
        return _WINDOWS[name](length, sym=not periodic, dtype=torch.float64)
    try:
        signal = importlib.import_module("scipy.signal")  # optional: only for the windows that torch lacks
    except ImportError as error:
        raise InvalidArgumentError(
            f"`window` must be one of {sorted(_WINDOWS)}, or one of SciPy's if that is installed. "
            f"Received: window={name!r}"
        ) from error
    try:
        return torch.from_numpy(np.array(signal.get_window(name, length, fftbins=periodic), dtype=np.float64))
    except ValueError as error:
        raise InvalidArgumentError(f"SciPy has no window for this. Received: window={name!r}: {error}") from error


# Keras's second names.
STFTInitializer = STFT
stft = STFT
