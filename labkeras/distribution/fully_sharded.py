"""FullySharded: all weights in parts, as Lightning's word "fsdp" asks for."""

from typing import Any

from labkeras.distribution.device_mesh import DeviceMesh
from labkeras.distribution.setting import Distribution
from labkeras.distribution.tensor_layout import TensorLayout

__all__ = ["FullySharded"]


class FullySharded(Distribution):
    """Each device keeps a part of every weight (FSDP2), and works on its own samples.

    Args:
        device_type: "cpu" or "gpu".
        count: the number of devices.
    """

    splits_weights = True

    def __init__(self, device_type: str, count: int) -> None:
        super().__init__(DeviceMesh((count,), ["batch"], [f"{device_type}:{index}" for index in range(count)]), "batch")

    @property
    def num_model_replicas(self) -> int:
        return int(self.device_mesh.devices.size)

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        axes = ["batch", *[None] * (len(variable.shape) - 1)] if len(variable.shape) else []
        return TensorLayout(axes, self.device_mesh)

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        return None
