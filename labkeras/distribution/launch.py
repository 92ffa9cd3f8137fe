"""Launch: whether this process is one of several that torchrun, Slurm or `initialize` started, and of how many."""

import os
from dataclasses import dataclass

__all__ = ["Launch", "found_launch"]


@dataclass(frozen=True)
class Launch:
    """Processes that somebody else started, each of which is to have one device.

    Args:
        processes: how many there are on all machines.
        nodes: the number of machines.
        rank: the number of this process, from 0.
    """

    processes: int
    nodes: int
    rank: int

    @property
    def devices(self) -> int:
        """The processes of one machine."""
        return self.processes // self.nodes


def found_launch() -> Launch | None:
    """What the environment says; None if this process is alone, or was started by Lightning itself.

    torchrun and `initialize` set LOCAL_WORLD_SIZE, which Lightning's own launcher does not; Slurm's interactive jobs
    are one process, whatever they have reserved.
    """
    environment = os.environ
    if "LOCAL_WORLD_SIZE" in environment and "WORLD_SIZE" in environment:
        processes = int(environment["WORLD_SIZE"])
        nodes = max(processes // int(environment["LOCAL_WORLD_SIZE"]), 1)
        rank = int(environment.get("RANK", "0"))
    elif "SLURM_NTASKS" in environment and "SLURM_PROCID" in environment:
        if environment.get("SLURM_JOB_NAME") in ("bash", "interactive"):
            return None
        processes = int(environment["SLURM_NTASKS"])
        nodes = int(environment.get("SLURM_NNODES") or environment.get("SLURM_JOB_NUM_NODES") or "1")
        rank = int(environment["SLURM_PROCID"])
    else:
        return None
    return Launch(processes, nodes, rank) if processes > 1 else None
