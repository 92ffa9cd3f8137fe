"""Which of several training processes writes files and speaks."""

import torch.distributed

__all__ = ["is_main_process"]


def is_main_process() -> bool:
    """Whether this is the only process, or the first of a distributed run."""
    distributed = torch.distributed
    return not (distributed.is_available() and distributed.is_initialized()) or distributed.get_rank() == 0
