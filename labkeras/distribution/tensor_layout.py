"""TensorLayout: which axis of a tensor is split along which axis of a mesh."""

from collections.abc import Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Placement, Replicate, Shard
from torch.distributed.tensor import distribute_tensor as split

from labkeras.distribution.device_mesh import DeviceMesh
from labkeras.errors import InvalidArgumentError

__all__ = ["TensorLayout", "distribute_tensor"]


class TensorLayout:
    """For each axis of a tensor, the axis of the mesh along which it is split, or None.

    Args:
        axes: names of mesh axes, and None for what stays whole; one a tensor axis.
        device_mesh: the mesh; it may be given later.

    Raises:
        InvalidArgumentError: if the mesh has no axis of such a name.

    Example:
        >>> mesh = DeviceMesh((2,), ["model"], ["cpu:0", "cpu:1"])
        >>> TensorLayout((None, "model"), mesh).backend_layout
        (Shard(dim=1),)
    """

    def __init__(self, axes: Iterable[str | None], device_mesh: DeviceMesh | None = None) -> None:
        self._axes = tuple(axes)
        self._device_mesh = device_mesh
        self._check_axes()

    @property
    def axes(self) -> tuple[str | None, ...]:
        """Names of mesh axes, and None."""
        return self._axes

    @property
    def device_mesh(self) -> DeviceMesh | None:
        """The mesh; it can be set once."""
        return self._device_mesh

    @device_mesh.setter
    def device_mesh(self, device_mesh: DeviceMesh) -> None:
        if self._device_mesh is not None:
            raise InvalidArgumentError(
                f"the mesh of a layout can be set only once; it is {self._device_mesh}. "
                f"Received: device_mesh={device_mesh}"
            )
        self._device_mesh = device_mesh
        self._check_axes()

    @property
    def backend_layout(self) -> tuple[Placement, ...]:
        """torch's placements: for each axis of the mesh, which axis of the tensor it splits, if any."""
        if self._device_mesh is None:
            raise InvalidArgumentError(f"a layout without a mesh says nothing about devices. Received: {self}")
        return tuple(
            Shard(self._axes.index(name)) if name in self._axes else Replicate()
            for name in self._device_mesh.axis_names
        )

    def _check_axes(self) -> None:
        if self._device_mesh is None:
            return
        known = set(self._device_mesh.axis_names)
        unknown = [name for name in self._axes if name is not None and name not in known]
        if unknown:
            raise InvalidArgumentError(
                f"a layout must name axes of its mesh, {sorted(known)}. Received: {unknown} in axes={self._axes}"
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} axes={self.axes}, device_mesh={self.device_mesh}>"


def distribute_tensor(tensor: Any, layout: TensorLayout | tuple[Placement, ...]) -> Any:
    """The tensor in a layout: a `DTensor` of torch, of which each process holds its part.

    Placeholders, and tensors of a process that has not joined others, stay as they are.

    Args:
        tensor: a tensor, equal in all processes; or a `DTensor`, whose layout is changed.
        layout: the layout.
    """
    if not isinstance(tensor, Tensor) or not isinstance(layout, TensorLayout) or not dist.is_initialized():
        return tensor
    if layout.device_mesh is None:
        raise InvalidArgumentError(f"the layout needs a mesh. Received: layout={layout}")
    mesh = layout.device_mesh.backend_mesh
    if isinstance(tensor, DTensor):
        return tensor.redistribute(mesh, layout.backend_layout)
    return split(torch.as_tensor(tensor), mesh, layout.backend_layout)
