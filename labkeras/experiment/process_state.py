"""What a run sets for its whole process, put back after it: the next trial in the process must not train otherwise."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from labkeras.naming import clear_names, names_kept

__all__ = ["process_state_kept"]

_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # Lightning sets it for `trainer.deterministic`


@contextmanager
def process_state_kept() -> Iterator[None]:
    """Within it names count from the start, as in a new process; after it torch's switches are as they were.

    Example:
        >>> with process_state_kept():
        ...     torch.use_deterministic_algorithms(True)
        >>> torch.are_deterministic_algorithms_enabled()
        False
    """
    deterministic = torch.are_deterministic_algorithms_enabled()
    warns_only = torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    precision, workspace = torch.get_float32_matmul_precision(), os.environ.get(_WORKSPACE)
    try:
        with names_kept():
            clear_names()
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warns_only)
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = cudnn
        torch.set_float32_matmul_precision(precision)
        if workspace is None:
            os.environ.pop(_WORKSPACE, None)
        else:
            os.environ[_WORKSPACE] = workspace
