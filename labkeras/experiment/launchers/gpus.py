"""Which graphics cards each trial sees, found without taking any of them."""

import os
import subprocess
import sys
from collections.abc import Sequence

from labkeras.errors import ConfigError

__all__ = ["gpu_slots", "visible_gpus"]


def gpu_slots(gpus: Sequence[int] | None, slots_per_gpu: int = 1, gpus_per_trial: int = 1) -> list[str]:
    """What `CUDA_VISIBLE_DEVICES` is for each trial that runs at the same time; empty without graphics cards.

    Args:
        gpus: positions in the list of visible cards, from 0; all unless given.
        slots_per_gpu: how many trials share a card.
        gpus_per_trial: how many cards a trial has.

    Raises:
        ConfigError: for cards that are not there, or several cards a trial that are shared.
    """
    visible = visible_gpus()
    chosen = range(len(visible)) if gpus is None else gpus
    missing = [number for number in chosen if not 0 <= number < len(visible)]
    faults = []
    if missing:
        faults.append(f"launcher.gpus={list(chosen)}: there are {len(visible)} graphics cards here; {missing} are not")
    if gpus_per_trial > 1 and slots_per_gpu > 1:
        faults.append(
            f"launcher.slots_per_gpu={slots_per_gpu}: trials with several graphics cards "
            f"(launcher.gpus_per_trial={gpus_per_trial}) do not share them; set it to 1"
        )
    if chosen and gpus_per_trial > len(chosen):
        faults.append(f"launcher.gpus_per_trial={gpus_per_trial}: only {len(chosen)} graphics cards are to be used")
    if faults:
        raise ConfigError(faults)
    cards = [visible[number] for number in chosen]
    groups = [cards[first : first + gpus_per_trial] for first in range(0, len(cards), gpus_per_trial)]
    whole = [",".join(group) for group in groups if len(group) == gpus_per_trial]
    # All cards get their first trial before any gets its second.
    return whole * slots_per_gpu


def visible_gpus() -> list[str]:
    """The names by which `CUDA_VISIBLE_DEVICES` knows the cards that this process may use."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        names = [name.strip() for name in given.split(",")]
        return [name for name in names if name and name != "-1"]
    return [str(number) for number in range(_count())]


def _count() -> int:
    # By another process: to ask here may start CUDA, which then holds memory of a card, and forbids to fork.
    if not any(os.path.exists(path) for path in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")):
        return 0
    code = "import torch; print(torch.cuda.device_count())"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return int(asked.stdout) if asked.returncode == 0 else 0
