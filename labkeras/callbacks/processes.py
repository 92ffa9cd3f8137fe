"""What callbacks of several training processes must agree on: who writes and speaks, and what they decide together."""

from typing import Any

import torch
import torch.distributed

__all__ = ["gathered", "in_any_process", "is_distributed", "is_main_process", "own_rank", "wait_for_all"]


def is_distributed() -> bool:
    """Whether this is one of several processes of a run."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def is_main_process() -> bool:
    """Whether this is the only process, or the first of a distributed run."""
    return own_rank() == 0


def own_rank() -> int:
    """The number of this process in a distributed run; 0 if it is the only one."""
    return torch.distributed.get_rank() if is_distributed() else 0


def in_any_process(finding: bool) -> bool:
    """Whether any process of a distributed run found something; each must ask, and they wait for each other.

    Args:
        finding: what this process found.
    """
    if not is_distributed():
        return finding
    on_gpu = torch.distributed.get_backend() == "nccl"
    found = torch.tensor(int(finding), device="cuda" if on_gpu else "cpu")
    torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MAX)
    return bool(found)


def gathered(value: Any) -> list[Any]:
    """What each process of a distributed run has, by rank; each must ask, and they wait for each other.

    Args:
        value: what this process has.
    """
    if not is_distributed():
        return [value]
    values: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def wait_for_all() -> None:
    """Returns when all processes of a distributed run have come to this place."""
    if is_distributed():
        torch.distributed.barrier()
