"""Devices: what a set distribution, or whoever started this process, says about Lightning's Trainer."""

import sys
from typing import TYPE_CHECKING, Any

from labkeras.distribution import replicas
from labkeras.distribution.current import get_current
from labkeras.distribution.launch import Launch, found_launch

if TYPE_CHECKING:
    from labkeras.distribution.setting import Distribution

__all__ = ["distribution_of_run", "trainer_arguments"]


def distribution_of_run() -> "Distribution | None":
    """The distribution that a run is to follow; none within another run, where a process works for itself."""
    return None if replicas.busy() else get_current()


def trainer_arguments() -> dict[str, Any]:
    """Arguments of the Trainer where `trainer` does not say otherwise; none for a run on one device."""
    if replicas.busy():
        return {}
    wanted, launch = get_current(), found_launch()
    if wanted is None:
        return {} if launch is None else {**_of_launch(launch), "strategy": _ddp(launch)}
    mesh = wanted.device_mesh
    devices = _of_launch(launch) if launch is not None else {"devices": _devices(mesh.devices.flatten().tolist())}
    accelerator = "cpu" if mesh.device_type == "cpu" else "gpu"
    strategy = _model_parallel(wanted) if wanted.splits_weights else _ddp(launch)
    return {"accelerator": accelerator, **devices, "strategy": strategy}


def _model_parallel(wanted: "Distribution") -> Any:
    """Lightning's strategy for split weights, of which it starts and ends the processes."""
    from pytorch_lightning.strategies import ModelParallelStrategy  # loads Lightning, which is loaded by now

    count = wanted.num_model_replicas
    return ModelParallelStrategy(
        data_parallel_size=count,
        tensor_parallel_size=wanted.device_mesh.devices.size // count,
        save_distributed_checkpoint=False,
    )


def _of_launch(launch: Launch) -> dict[str, Any]:
    return {"devices": launch.devices, "num_nodes": launch.nodes}


def _devices(names: list[str]) -> int | list[int]:
    """A number of processors, or which graphics processors."""
    if names[0].startswith("cpu"):
        return len(names)
    return [int(name.partition(":")[2] or 0) for name in names]


def _ddp(launch: Launch | None) -> str:
    """Lightning's strategy; in a notebook there is no script that other processes could run."""
    is_interactive = hasattr(sys, "ps1") or bool(sys.flags.interactive)
    return "ddp_notebook" if is_interactive and launch is None else "ddp"
