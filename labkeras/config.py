"""Global settings with Keras's names: float type, epsilon, image layout, interactive logging."""

from typing import TYPE_CHECKING

from labkeras.errors import InvalidArgumentError
from labkeras.lazy import exports

if TYPE_CHECKING:
    # On first use: policies need torch, which settings alone must not import.
    from labkeras.dtypes import dtype_policy as dtype_policy
    from labkeras.dtypes import set_dtype_policy as set_dtype_policy

__all__ = [
    "disable_interactive_logging",
    "dtype_policy",
    "enable_interactive_logging",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_interactive_logging_enabled",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "standardize_data_format",
]

_, __getattr__, __dir__ = exports(__name__)

_FLOAT_TYPES = ("bfloat16", "float16", "float32", "float64")
_DATA_FORMATS = ("channels_first", "channels_last")

_floatx = "float32"
_epsilon = 1e-7
_image_data_format = "channels_last"
_interactive_logging = True


def floatx() -> str:
    """The float type of weights and inputs for which none is named: "float32" unless changed."""
    return _floatx


def set_floatx(value: str) -> None:
    """Sets the default float type.

    Args:
        value: one of "bfloat16", "float16", "float32", "float64".

    Raises:
        InvalidArgumentError: for any other value.
    """
    global _floatx
    if value not in _FLOAT_TYPES:
        raise InvalidArgumentError(f"`floatx` must be one of {_FLOAT_TYPES}. Received: value={value!r}")
    _floatx = value


def epsilon() -> float:
    """The small number that keeps logarithms and divisions finite: 1e-7 unless changed."""
    return _epsilon


def set_epsilon(value: float) -> None:
    """Sets the small number used in numeric expressions, a positive float."""
    global _epsilon
    if not value > 0:
        raise InvalidArgumentError(f"`epsilon` must be a positive number. Received: value={value!r}")
    _epsilon = float(value)


def image_data_format() -> str:
    """The default layout of images: "channels_last" (batch, height, width, channels) unless changed."""
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Sets the default layout of images, "channels_last" or "channels_first"."""
    global _image_data_format
    _image_data_format = standardize_data_format(data_format)


def standardize_data_format(data_format: str | None) -> str:
    """`data_format` checked, or the global default for `None`.

    Raises:
        InvalidArgumentError: if it is neither "channels_last" nor "channels_first".
    """
    if data_format is None:
        return _image_data_format
    if data_format not in _DATA_FORMATS:
        raise InvalidArgumentError(
            f"`data_format` must be 'channels_last' or 'channels_first'. Received: data_format={data_format!r}"
        )
    return data_format


def enable_interactive_logging() -> None:
    """Shows progress bars in the terminal, which is the default."""
    global _interactive_logging
    _interactive_logging = True


def disable_interactive_logging() -> None:
    """Writes a line an epoch in place of progress bars where `verbose="auto"`."""
    global _interactive_logging
    _interactive_logging = False


def is_interactive_logging_enabled() -> bool:
    """Whether `verbose="auto"` means a progress bar."""
    return _interactive_logging
