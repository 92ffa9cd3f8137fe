"""Whether a Trainer can have what it is told: devices that are there, and a strategy and a precision for them.

GPUs are counted without starting CUDA, which would take memory on them and forbid processes to be forked.
"""

import importlib
from collections.abc import Mapping
from typing import Any

from labkeras.experiment.config.words import nearest

__all__ = ["check_devices", "visible_gpus"]

_ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
_OF_GPU = ("gpu", "cuda")
# What Lightning's registry has and labkeras runs with; "fsdp" is FSDP2 here.
_STRATEGIES = (
    "auto",
    "ddp",
    "ddp_find_unused_parameters_false",
    "ddp_find_unused_parameters_true",
    "ddp_fork",
    "ddp_fork_find_unused_parameters_false",
    "ddp_fork_find_unused_parameters_true",
    "ddp_notebook",
    "ddp_notebook_find_unused_parameters_false",
    "ddp_notebook_find_unused_parameters_true",
    "ddp_spawn",
    "ddp_spawn_find_unused_parameters_false",
    "ddp_spawn_find_unused_parameters_true",
    "fsdp",
    "single_device",
)


def visible_gpus() -> int:
    """How many NVIDIA or AMD GPUs this process may use."""
    # By name: torch takes a second to import, and most configs leave devices to Lightning.
    return int(importlib.import_module("torch").cuda.device_count())


def check_devices(trainer: Any, faults: list[str]) -> None:
    """Adds what a Trainer is told and cannot have here.

    Args:
        trainer: the group `trainer` of a config.
        faults: sentences are added here.
    """
    if not isinstance(trainer, Mapping):
        return
    accelerator, devices = trainer.get("accelerator"), trainer.get("devices")
    accelerator = "auto" if accelerator is None else accelerator
    if isinstance(accelerator, str) and accelerator not in _ACCELERATORS and not _known(accelerator, "accelerators"):
        near = nearest(accelerator, _ACCELERATORS, "Accelerators")
        faults.append(f"trainer.accelerator={accelerator!r}: there is no such accelerator.{near}")
        return
    wanted = _wanted(devices)
    if isinstance(wanted, str):
        faults.append(f"trainer.devices={devices!r}: {wanted}")
        return
    _check_there(accelerator, devices, wanted, faults)
    _check_strategy(trainer.get("strategy"), devices, wanted, faults)
    if trainer.get("precision") in ("16-mixed", "16", 16) and not _on_gpu(accelerator):
        faults.append(
            f"trainer.precision={trainer['precision']!r}: mixed precision in float16 needs a GPU, and there is none in "
            f"use (trainer.accelerator={accelerator!r}). Take 'bf16-mixed'"
        )


def _wanted(devices: Any) -> list[int] | int | str | None:
    """What `devices` means: some of them, a number of them, None for as many as Lightning likes; else what is wrong."""
    if devices in (None, "auto"):
        return None
    if isinstance(devices, str):
        parts = [part.strip() for part in devices.split(",") if part.strip()]
        if not parts or not all(part.removeprefix("-").isdigit() for part in parts):
            return "expected 'auto', how many, a list of device numbers, or such a list as text: '0,1'"
        numbers = [int(part) for part in parts]
        devices = numbers if "," in devices else numbers[0]
    if isinstance(devices, list) and all(isinstance(one, int) and not isinstance(one, bool) for one in devices):
        if not devices:
            return "expected at least one device"
        if len(set(devices)) < len(devices) or min(devices) < 0:
            return "expected different device numbers, counted from 0"
        return devices
    if isinstance(devices, int) and not isinstance(devices, bool):
        return devices if devices >= 1 or devices == -1 else "expected at least one device, or -1 for all"
    return None  # of another type, which is reported as such


def _check_there(accelerator: Any, devices: Any, wanted: list[int] | int | None, faults: list[str]) -> None:
    if accelerator == "mps" and not importlib.import_module("torch").backends.mps.is_available():
        faults.append("trainer.accelerator='mps': this machine has no Apple GPU that torch can use")
    count = visible_gpus() if accelerator in _OF_GPU or (accelerator == "auto" and wanted is not None) else 0
    there = "no GPU is visible" if not count else f"{count} {'GPU is' if count == 1 else 'GPUs are'} visible"
    if accelerator in _OF_GPU and count == 0:
        faults.append(f"trainer.accelerator={accelerator!r}: {there}. Take trainer=cpu, or trainer=auto")
    elif count and isinstance(wanted, list) and max(wanted) >= count:
        faults.append(f"trainer.devices={devices!r}: there is no device {max(wanted)}: {there}, counted from 0")
    elif count and isinstance(wanted, int) and wanted > count:
        faults.append(f"trainer.devices={devices!r}: there are not as many: {there}")
    elif accelerator in ("auto", "cpu") and not count and (isinstance(wanted, list) or wanted == -1):
        faults.append(f"trainer.devices={devices!r}: on the CPU expected how many processes, at least 1, or 'auto'")


def _check_strategy(strategy: Any, devices: Any, wanted: list[int] | int | None, faults: list[str]) -> None:
    if not isinstance(strategy, str):
        return
    if strategy not in _STRATEGIES and not _known(strategy, "strategies"):
        faults.append(
            f"trainer.strategy={strategy!r}: there is no such strategy.{nearest(strategy, _STRATEGIES, 'Strategies')}"
        )
    several = (isinstance(wanted, list) and len(wanted) > 1) or (isinstance(wanted, int) and wanted > 1)
    if strategy == "single_device" and several:
        faults.append(f"trainer.strategy='single_device': contradicts trainer.devices={devices!r}. Take 'ddp'")


def _known(name: str, what: str) -> bool:
    """Whether Lightning, or a package that adds to it, has an accelerator or a strategy of this name."""
    # By name: Lightning takes seconds to import, and only unusual names are looked up there.
    registry = {"accelerators": "AcceleratorRegistry", "strategies": "StrategyRegistry"}[what]
    return name in getattr(importlib.import_module(f"pytorch_lightning.{what}"), registry)


def _on_gpu(accelerator: Any) -> bool:
    return accelerator in (*_OF_GPU, "mps") or (accelerator == "auto" and visible_gpus() > 0)
