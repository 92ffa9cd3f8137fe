"""Distribution: the base of the ways to use several devices, and the one that is set."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch.distributed as dist

from labkeras.distribution.current import get_current, set_current
from labkeras.distribution.device_mesh import DeviceMesh
from labkeras.distribution.launch import found_launch
from labkeras.distribution.tensor_layout import TensorLayout
from labkeras.errors import InvalidArgumentError

__all__ = ["Distribution", "distribution", "set_distribution"]


class Distribution:
    """Base of `DataParallel` and `ModelParallel`: which devices there are, and what is split along which of their axes.

    While one is set, `fit`, `evaluate` and `predict` run on its devices, and a batch is split among them:
    `batch_size` is that of all devices together.

    Args:
        device_mesh: the devices.
        batch_dim_name: the axis of the mesh along which batches are split.
        auto_shard_dataset: whether each process takes its part of the data; False if it gets only that anyway.
    """

    splits_weights = False
    """Whether weights may be split, rather than whole on each device."""

    def __init__(
        self, device_mesh: DeviceMesh, batch_dim_name: str | None = None, auto_shard_dataset: bool = True
    ) -> None:
        self._device_mesh = device_mesh
        self._batch_dim_name = batch_dim_name
        self.auto_shard_dataset = auto_shard_dataset

    @property
    def device_mesh(self) -> DeviceMesh:
        """The devices."""
        return self._device_mesh

    @property
    def batch_dim_name(self) -> str | None:
        """The axis of the mesh along which batches are split."""
        return self._batch_dim_name

    @property
    def num_processes(self) -> int:
        """The number of processes that have joined or were started together; 1 before a run starts its own."""
        if dist.is_available() and dist.is_initialized():
            return dist.get_world_size()
        launch = found_launch()
        return 1 if launch is None else launch.processes

    @property
    def num_model_replicas(self) -> int:
        """How many copies of the model there are."""
        raise NotImplementedError(f"{type(self).__name__} must have `num_model_replicas`.")

    @property
    def data_shard_id(self) -> int:
        """Which part of the data this process has, from 0."""
        if dist.is_available() and dist.is_initialized():
            rank = dist.get_rank()
        else:
            launch = found_launch()
            rank = 0 if launch is None else launch.rank
        return rank // max(self.num_processes // self.num_model_replicas, 1)

    def get_data_layout(self, data_shape: Sequence[int | None]) -> TensorLayout:
        """The layout of a batch of that shape: its first axis is split."""
        return TensorLayout([self.batch_dim_name, *[None] * (len(data_shape) - 1)], self.device_mesh)

    def get_variable_layout(self, variable: Any) -> TensorLayout:
        """The layout of a weight."""
        raise NotImplementedError(f"{type(self).__name__} must have `get_variable_layout`.")

    def get_tensor_layout(self, path: str) -> TensorLayout | None:
        """The layout of what a layer returns, by its path; None to leave it as it comes."""
        raise NotImplementedError(f"{type(self).__name__} must have `get_tensor_layout`.")

    def distribute_dataset(self, dataset: Any) -> Any:
        """The dataset as it is: `fit` gives each process its part of whatever it gets."""
        return dataset

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Within it, this is the distribution that is set."""
        before = distribution()
        set_distribution(self)
        try:
            yield
        finally:
            set_distribution(before)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} device_mesh={self.device_mesh}>"


def distribution() -> Distribution | None:
    """The distribution that is set, or None."""
    return get_current()


def set_distribution(value: Distribution | None) -> None:
    """Sets the distribution of all runs to come; None for one device.

    Args:
        value: a `DataParallel` or `ModelParallel`, or None.

    Raises:
        InvalidArgumentError: if it is neither.
    """
    if value is not None and not isinstance(value, Distribution):
        raise InvalidArgumentError(
            f"a distribution must be a DataParallel or a ModelParallel, or None. Received: value={value!r}"
        )
    set_current(value)
