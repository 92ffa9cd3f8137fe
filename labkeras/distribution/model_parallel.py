"""ModelParallel: weights split among devices, as a LayoutMap says."""

from typing import Any

from labkeras.distribution.layout_map import LayoutMap
from labkeras.distribution.setting import Distribution
from labkeras.distribution.tensor_layout import TensorLayout
from labkeras.errors import InvalidArgumentError

__all__ = ["ModelParallel"]


class ModelParallel(Distribution):
    """Splits weights among the devices, and batches along one axis of the mesh.

    A weight that is split along the other axes is computed with in parts (torch's tensor parallelism); one that is
    split along the axis of the batches is kept in parts and put together when it is needed (FSDP2). Weights that no
    expression of the map matches are whole on each device.

    Args:
        layout_map: the layouts of weights, by their paths.
        batch_dim_name: the axis of the mesh along which batches are split; the first unless given.
        auto_shard_dataset: whether each process takes its part of the data; False if it gets only that anyway.

    Raises:
        InvalidArgumentError: if `layout_map` is no LayoutMap with a mesh.

    Example:
        >>> layouts = LayoutMap(DeviceMesh((1, 2), ["batch", "model"], ["cpu:0", "cpu:1"]))
        >>> layouts[".*kernel"] = (None, "model")
        >>> ModelParallel(layout_map=layouts).num_model_replicas
        1
    """

    splits_weights = True

    def __init__(
        self,
        *,
        layout_map: LayoutMap | None = None,
        batch_dim_name: str | None = None,
        auto_shard_dataset: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("device_mesh", None)  # Keras's older argument; the map has the mesh
        if kwargs:
            raise InvalidArgumentError(f"ModelParallel has no such arguments. Received: {sorted(kwargs)}")
        if not isinstance(layout_map, LayoutMap) or layout_map.device_mesh is None:
            raise InvalidArgumentError(
                f"`layout_map` must be a LayoutMap that has a mesh. Received: layout_map={layout_map!r}"
            )
        mesh = layout_map.device_mesh
        batch_dim_name = batch_dim_name or mesh.axis_names[0]
        if batch_dim_name not in mesh.axis_names:
            raise InvalidArgumentError(
                f"`batch_dim_name` must be an axis of the mesh, {mesh.axis_names}. "
                f"Received: batch_dim_name={batch_dim_name!r}"
            )
        super().__init__(mesh, batch_dim_name, auto_shard_dataset)
        self._layout_map = layout_map

    @property
    def num_model_replicas(self) -> int:
        return int(self.device_mesh.shape[list(self.device_mesh.axis_names).index(str(self.batch_dim_name))])

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        found = self._layout_map[variable.path]
        return TensorLayout([None] * len(variable.shape), self.device_mesh) if found is None else found

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        return self._layout_map[path]
