"""The state of all random generators: Python's, NumPy's and torch's."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

__all__ = ["random_state", "set_random_state"]


def random_state() -> dict[str, Any]:
    """The state of Python's, NumPy's and torch's global generators, as numbers, strings and arrays."""
    version, internal, gauss = random.getstate()
    return {
        "python": {"version": version, "internal": np.array(internal, dtype=np.uint64), "gauss": gauss},
        "numpy": dict(np.random.get_state(legacy=False)),
        "torch": torch.get_rng_state().numpy(),
        "cuda": [state.numpy() for state in torch.cuda.get_rng_state_all()] if _uses_cuda() else [],
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Puts all generators where they were when `random_state` was called.

    Args:
        state: what it returned. Generators of GPUs that are not there now are passed over.
    """
    python = state["python"]
    random.setstate((python["version"], tuple(python["internal"].tolist()), python["gauss"]))
    np.random.set_state(state["numpy"])
    torch.set_rng_state(torch.from_numpy(state["torch"].copy()))
    for device, array in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(torch.from_numpy(array.copy()), device)


def _uses_cuda() -> bool:
    # Asking for the state would start CUDA, which takes memory and seconds.
    return torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
