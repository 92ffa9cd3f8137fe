"""What a file of weights does not keep of a model's optimizer: learning rates in full, and all of one of torch's."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from labkeras.callbacks.learning_rates import named_optimizers

__all__ = ["optimizer_state", "set_optimizer_state"]


def optimizer_state(model: Any) -> list[dict[str, Any]]:
    """The learning rates of each optimizer's groups, which files keep in 32 bits; the state of one of torch's."""
    return [
        {"learning_rates": [group["lr"] for group in optimizer.param_groups], "torch": _torch_state(optimizer)}
        for optimizer in _optimizers(model)
    ]


def set_optimizer_state(model: Any, states: list[dict[str, Any]]) -> None:
    """Gives the optimizers what `optimizer_state` returned, with lists for tuples and arrays for tensors.

    Args:
        model: the model, whose optimizer is built.
        states: a state for each of its optimizers.

    Raises:
        KeyError, TypeError, ValueError: if it is that of other optimizers.
    """
    for state, optimizer in zip(states, _optimizers(model), strict=True):
        if state["torch"] is not None:
            _load_torch_state(optimizer, state["torch"])
        for rate, group in zip(state["learning_rates"], optimizer.param_groups, strict=True):
            group["lr"] = _as_tensors(rate)


def _optimizers(model: Any) -> Iterator[Any]:
    """The optimizers that have parameters: within one that scales the loss, and within one of several."""
    if getattr(model, "optimizer", None) is None:
        return
    for _, outer in named_optimizers(model):
        optimizer = getattr(outer, "inner_optimizer", outer)
        if getattr(optimizer, "built", False):
            yield optimizer


def _torch_state(optimizer: Any) -> dict[str, Any] | None:
    """The `state_dict` of an optimizer of torch's within one of ours, with keys that are strings."""
    if not isinstance(getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
        return None
    state = optimizer.state_dict()
    return {"state": {str(index): values for index, values in state["state"].items()}, "groups": state["param_groups"]}


def _load_torch_state(optimizer: Any, state: dict[str, Any]) -> None:
    groups = optimizer.state_dict()["param_groups"]
    for group, saved in zip(groups, state["groups"], strict=True):
        for name, value in saved.items():
            # As it was: Adam's `betas` are a tuple, which JSON does not know.
            group[name] = tuple(value) if isinstance(group.get(name), tuple) else _as_tensors(value)
    values = {int(index): _as_tensors(of_one) for index, of_one in state["state"].items()}
    optimizer.load_state_dict({"state": values, "param_groups": groups})


def _as_tensors(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.as_tensor(value)
    if isinstance(value, dict):
        return {key: _as_tensors(item) for key, item in value.items()}
    return [_as_tensors(item) for item in value] if isinstance(value, list) else value
