"""DeviceMesh: devices in rows and columns, each axis with a name."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.distributed.device_mesh import DeviceMesh as TorchMesh

from labkeras.distribution.devices import list_devices
from labkeras.errors import InvalidArgumentError

__all__ = ["DeviceMesh"]


class DeviceMesh:
    """Devices as an array whose axes have names.

    Args:
        shape: the sizes of the axes: (8,) to share data among 8 devices, (4, 2) to share weights between 2 as well.
        axis_names: a name for each axis.
        devices: as many devices, "gpu:0" and so on; those of `list_devices()` unless given.

    Raises:
        InvalidArgumentError: if shape, names and devices do not go together.

    Example:
        >>> DeviceMesh((1, 2), ["batch", "model"], ["cpu:0", "cpu:1"])
        <DeviceMesh shape=(1, 2), axis_names=['batch', 'model']>
    """

    def __init__(self, shape: Sequence[int], axis_names: Sequence[str], devices: Any = None) -> None:
        if not shape or not axis_names or len(shape) != len(axis_names):
            raise InvalidArgumentError(
                "`shape` and `axis_names` must have one item for each axis, and at least one. "
                f"Received: shape={shape}, axis_names={axis_names}"
            )
        listed = np.array(list_devices() if devices is None else devices)
        if math.prod(shape) != listed.size:
            raise InvalidArgumentError(
                f"a mesh of shape {tuple(shape)} has {math.prod(shape)} devices. "
                f"Received: {listed.size} device(s), {listed.flatten().tolist()}"
            )
        self._shape = shape
        self._axis_names = axis_names
        self._devices = listed.reshape(tuple(shape))
        self._backend_mesh: TorchMesh | None = None

    @property
    def shape(self) -> Sequence[int]:
        """The sizes of the axes."""
        return self._shape

    @property
    def axis_names(self) -> Sequence[str]:
        """The names of the axes."""
        return self._axis_names

    @property
    def devices(self) -> np.ndarray[Any, Any]:
        """The devices, an array of `shape`."""
        return self._devices

    @property
    def device_type(self) -> str:
        """What torch calls the devices: "cpu" or "cuda"."""
        kind = str(self._devices.flat[0]).partition(":")[0].lower()
        return "cuda" if kind in ("gpu", "cuda") else kind

    @property
    def backend_mesh(self) -> TorchMesh:
        """torch's own mesh of the processes, one a device; it exists once they are joined."""
        if self._backend_mesh is None:
            ranks = torch.arange(self._devices.size).reshape(tuple(self._shape))
            self._backend_mesh = TorchMesh(self.device_type, ranks, mesh_dim_names=tuple(self._axis_names))
        return self._backend_mesh

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_backend_mesh": None}  # process groups belong to one process

    def __repr__(self) -> str:
        return f"<{type(self).__name__} shape={self.shape}, axis_names={self.axis_names}>"
