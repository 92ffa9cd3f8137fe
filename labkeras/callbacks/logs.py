"""Logs as plain numbers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["python_logs"]


def python_logs(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Logs sorted by name, with scalars as floats and the entries of nested dicts drawn out; the rest stays as it is.

    Scalars on an accelerator are fetched together, so that it is waited for once.
    """
    numbers: dict[str, Any] = {}
    if logs is None:
        return numbers
    remote: dict[str, Tensor] = {}
    _take(logs, numbers, remote)
    if remote:
        values = torch.stack([value.detach().float() for value in remote.values()]).tolist()
        numbers.update(zip(remote, values, strict=True))
    return numbers


def _take(logs: Mapping[str, Any], numbers: dict[str, Any], remote: dict[str, Tensor]) -> None:
    """Takes logs into `numbers`; scalars that must be fetched keep their place there, and are in `remote` too."""
    for name in sorted(logs):
        value = logs[name]
        # Tensors first: they are what logs hold, after each batch.
        if isinstance(value, Tensor):
            if value.ndim == 0 and not value.is_cpu:
                remote[name] = value
            numbers[name] = value if value.ndim > 0 or name in remote else float(value)
        elif isinstance(value, Mapping):
            _take(value, numbers, remote)
        else:
            numbers[name] = _number(value)


def _number(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim > 0:
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
