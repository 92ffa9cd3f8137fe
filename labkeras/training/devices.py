"""Devices: what a set distribution, or whoever started this process, says about Lightning's Trainer."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from labkeras.distribution import replicas
from labkeras.distribution.current import get_current
from labkeras.distribution.launch import Launch, found_launch

if TYPE_CHECKING:
    from labkeras.distribution.setting import Distribution

__all__ = ["DevicePlan", "planned"]


@dataclass(frozen=True)
class DevicePlan:
    """The devices of a run.

    Args:
        arguments: those of Lightning's Trainer.
        distribution: the distribution that it follows; None where Lightning's strategy says all.
        splits_batches: whether the batches that were asked for are shared by all devices.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    distribution: "Distribution | None" = None
    splits_batches: bool = False


def planned(wanted: Mapping[str, Any]) -> DevicePlan:
    """The plan for a run; within another run, a process works for itself.

    Args:
        wanted: the arguments of the Trainer that the user gave, which come before those of a distribution.
    """
    if replicas.busy():
        return DevicePlan(dict(wanted))
    launch, distribution = found_launch(), get_current()
    devices = {} if launch is None else {"devices": launch.devices, "num_nodes": launch.nodes}
    if distribution is not None:
        return DevicePlan({**_arguments_of(distribution, launch), **devices, **wanted}, distribution, True)
    if launch is not None:
        wanted = {**devices, "strategy": _ddp(launch), **wanted}
    return _fully_sharded(wanted) if wanted.get("strategy") == "fsdp" else DevicePlan(dict(wanted))


def _arguments_of(distribution: "Distribution", launch: Launch | None) -> dict[str, Any]:
    names = distribution.device_mesh.devices.flatten().tolist()
    is_cpu = distribution.device_mesh.device_type == "cpu"
    return {
        "accelerator": "cpu" if is_cpu else "gpu",
        "devices": len(names) if is_cpu else [int(name.partition(":")[2] or 0) for name in names],
        "strategy": _model_parallel(distribution) if distribution.splits_weights else _ddp(launch),
    }


def _ddp(launch: Launch | None) -> str:
    """Lightning's strategy; in a notebook there is no script that other processes could run."""
    is_interactive = hasattr(sys, "ps1") or bool(sys.flags.interactive)
    return "ddp_notebook" if is_interactive and launch is None else "ddp"


def _model_parallel(distribution: "Distribution") -> Any:
    """Lightning's strategy for split weights, of which it starts and ends the processes."""
    from pytorch_lightning.strategies import ModelParallelStrategy  # loads Lightning, which is loaded by now

    count = distribution.num_model_replicas
    return ModelParallelStrategy(
        data_parallel_size=count,
        tensor_parallel_size=distribution.device_mesh.devices.size // count,
        save_distributed_checkpoint=False,
    )


def _fully_sharded(wanted: Mapping[str, Any]) -> DevicePlan:
    """FSDP2 for Lightning's word "fsdp": its own strategy of that name is the older one, which needs a GPU."""
    from labkeras.distribution.fully_sharded import FullySharded  # loads a part of torch, slowly

    on_gpu = wanted.get("accelerator", "auto") not in ("cpu",) and torch.cuda.is_available()
    count = _device_count(wanted.get("devices", 1), on_gpu) * int(wanted.get("num_nodes", 1))
    if count == 1:
        return DevicePlan({**wanted, "strategy": "auto"})
    distribution = FullySharded("gpu" if on_gpu else "cpu", count)
    return DevicePlan({**wanted, "strategy": _model_parallel(distribution)}, distribution)


def _device_count(devices: Any, on_gpu: bool) -> int:
    """How many devices of one machine Lightning's argument means."""
    if isinstance(devices, list | tuple):
        return len(devices)
    if devices in ("auto", -1, "-1"):
        return torch.cuda.device_count() if on_gpu else 1
    return len(str(devices).split(",")) if "," in str(devices) else int(devices)
