"""DataParallel: the whole model on each device, and a part of each batch."""

import warnings
from collections.abc import Sequence
from typing import Any

from labkeras.distribution.device_mesh import DeviceMesh
from labkeras.distribution.devices import list_devices
from labkeras.distribution.setting import Distribution
from labkeras.distribution.tensor_layout import TensorLayout
from labkeras.errors import InvalidArgumentError

__all__ = ["DataParallel"]


class DataParallel(Distribution):
    """Each device has the whole model and works on its part of each batch; Lightning's DDP.

    Args:
        device_mesh: the devices, as a mesh of one axis.
        devices: or as a list; all there are, unless either is given.
        auto_shard_dataset: whether each process takes its part of the data; False if it gets only that anyway.

    Raises:
        InvalidArgumentError: if `device_mesh` is no mesh.

    Example:
        >>> distribution = DataParallel(devices=["cpu:0", "cpu:1"])
        >>> distribution.num_model_replicas
        2
    """

    def __init__(
        self,
        device_mesh: DeviceMesh | None = None,
        devices: Sequence[str] | None = None,
        auto_shard_dataset: bool = True,
    ) -> None:
        if device_mesh is None:
            listed = list(devices or list_devices())
            device_mesh = DeviceMesh((len(listed),), ["batch"], listed)
        if not isinstance(device_mesh, DeviceMesh):
            raise InvalidArgumentError(
                f"`device_mesh` must be a DeviceMesh. Received: device_mesh={device_mesh!r} of type "
                f"{type(device_mesh).__name__}"
            )
        if device_mesh.devices.ndim != 1:
            warnings.warn(
                "DataParallel splits batches along the first axis of the mesh; "
                f"Received: a mesh of {device_mesh.devices.ndim} axes",
                stacklevel=2,
            )
        super().__init__(device_mesh, device_mesh.axis_names[0], auto_shard_dataset)

    @property
    def num_model_replicas(self) -> int:
        return int(self.device_mesh.devices.size)

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        return TensorLayout([None] * len(variable.shape), self.device_mesh)

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        return None
