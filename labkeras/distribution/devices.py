"""Devices: which there are, under Keras's names, "gpu:0" or "cpu:1"."""

import torch

from labkeras.distribution.launch import found_launch
from labkeras.errors import InvalidArgumentError

__all__ = ["get_device_count", "list_devices"]

_TYPES = ("cpu", "gpu", "tpu")


def list_devices(device_type: str | None = None) -> list[str]:
    """The devices of one type; under torchrun, Slurm or after `initialize`, those of all processes.

    Args:
        device_type: "cpu", "gpu" or "tpu"; "gpu" if there is one and "cpu" otherwise, unless given.

    Raises:
        InvalidArgumentError: for another type.

    Example:
        >>> list_devices("cpu")
        ['cpu:0']
    """
    kind = (device_type or _default_type()).lower()
    if kind not in _TYPES:
        raise InvalidArgumentError(f"`device_type` must be one of {_TYPES}. Received: device_type={device_type!r}")
    return [f"{kind}:{index}" for index in range(_count(kind))]


def get_device_count(device_type: str | None = None) -> int:
    """The number of devices that `list_devices` names.

    Args:
        device_type: as for `list_devices`.
    """
    return len(list_devices(device_type))


def _default_type() -> str:
    return "gpu" if torch.cuda.is_available() else "cpu"


def _count(kind: str) -> int:
    if kind == "tpu":
        return 0  # torch itself has none
    if kind == "gpu" and not torch.cuda.is_available():
        return 0
    launch = found_launch()
    if launch is not None:
        return launch.processes  # each has one device
    return 1 if kind == "cpu" else torch.cuda.device_count()
