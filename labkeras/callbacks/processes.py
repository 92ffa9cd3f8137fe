"""What callbacks of several training processes must agree on: who writes and speaks, and what they decide together."""

import torch
import torch.distributed

__all__ = ["in_any_process", "is_main_process"]


def is_main_process() -> bool:
    """Whether this is the only process, or the first of a distributed run."""
    return not _is_distributed() or torch.distributed.get_rank() == 0


def in_any_process(finding: bool) -> bool:
    """Whether any process of a distributed run found something; each must ask, and they wait for each other.

    Args:
        finding: what this process found.
    """
    if not _is_distributed():
        return finding
    on_gpu = torch.distributed.get_backend() == "nccl"
    found = torch.tensor(int(finding), device="cuda" if on_gpu else "cpu")
    torch.distributed.all_reduce(found, op=torch.distributed.ReduceOp.MAX)
    return bool(found)


def _is_distributed() -> bool:
    return torch.distributed.is_available() and torch.distributed.is_initialized()
