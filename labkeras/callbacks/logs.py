"""Logs as plain numbers."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

__all__ = ["python_logs"]


def python_logs(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Logs sorted by name, with scalars as floats and the entries of nested dicts drawn out; the rest stays as it is.

    Scalars on an accelerator are fetched together, so that it is waited for once.
    """
    items = list(_flat(logs or {}))
    remote = [i for i, (_, value) in enumerate(items) if _is_scalar_tensor(value) and value.device.type != "cpu"]
    if len(remote) > 1:
        numbers = torch.stack([items[i][1].detach().float() for i in remote]).tolist()
        for i, number in zip(remote, numbers, strict=True):
            items[i] = (items[i][0], number)
    return {name: _number(value) for name, value in items}


def _flat(logs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name in sorted(logs):
        value = logs[name]
        if isinstance(value, Mapping):
            yield from _flat(value)
        else:
            yield name, value


def _is_scalar_tensor(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim == 0


def _number(value: Any) -> Any:
    if isinstance(value, Tensor | np.ndarray) and value.ndim > 0:
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return value
