"""Batch: parameters that one call of a kernel can update, with what the optimizer keeps for each."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = ["Batch", "Exemptions", "Piece", "batches_of", "present"]


@dataclass(slots=True, eq=False)
class Batch:
    """Parameters of one group, device and data type, which one call of a kernel can update.

    Args:
        group: their entry in `optimizer.param_groups`.
        params: the parameters.
        slots: for each parameter, its entry in `optimizer.state`: name → tensor.
        decayed: those that weight decay shrinks.
        constrained: those with a constraint, and the constraint.
    """

    group: dict[str, Any]
    params: list[Tensor]
    slots: list[dict[str, Tensor]]
    decayed: list[Tensor]
    constrained: list[tuple[Tensor, Callable[[Tensor], Tensor]]]

    def only(self, chosen: Sequence[bool]) -> "Batch":
        """The part of the batch for which `chosen` holds: the parameters that have a gradient in this step."""
        kept = {id(param) for param, keep in zip(self.params, chosen, strict=True) if keep}
        return Batch(
            self.group,
            [param for param in self.params if id(param) in kept],
            [slots for slots, keep in zip(self.slots, chosen, strict=True) if keep],
            [param for param in self.decayed if id(param) in kept],
            [(param, constraint) for param, constraint in self.constrained if id(param) in kept],
        )


Piece: TypeAlias = tuple[Batch, list[Tensor]]
"""A batch whose parameters all have a gradient in this step, and these gradients."""


class Exemptions:
    """Parameters that weight decay leaves alone.

    Args:
        params: the parameters themselves.
        patterns: regular expressions; a parameter is exempt if one is found in its name.
    """

    def __init__(self, params: Iterable[Tensor] = (), patterns: Iterable[str] = ()) -> None:
        self._params = list(params)
        self._pattern = "|".join(patterns)

    def cover(self, param: Tensor, name: str) -> bool:
        """Whether a parameter of this name is exempt."""
        if any(param is other for other in self._params):
            return True
        return bool(self._pattern) and re.search(self._pattern, name) is not None


def batches_of(
    groups: Sequence[dict[str, Any]], state: Mapping[Any, dict[str, Tensor]], exempt: Exemptions
) -> list[Batch]:
    """The batches of an optimizer.

    Args:
        groups: `optimizer.param_groups`.
        state: `optimizer.state`.
        exempt: the parameters that weight decay leaves alone.
    """
    return [
        Batch(
            group,
            params,
            [state[param] for param in params],
            [param for param in params if not exempt.cover(param, _name(param, group))],
            [(param, constraint) for param in params if (constraint := getattr(param, "constraint", None)) is not None],
        )
        for group in groups
        for params in _alike(group["params"])
    ]


def present(batches: Sequence[tuple[Batch, Sequence[Tensor | None]]]) -> list[Piece]:
    """The parameters that have a gradient, with it."""
    pieces: list[Piece] = []
    for batch, grads in batches:
        given = [grad for grad in grads if grad is not None]
        if len(given) == len(grads):
            pieces.append((batch, given))
        elif given:
            pieces.append((batch.only([grad is not None for grad in grads]), given))
    return pieces


def _alike(params: Sequence[Tensor]) -> list[list[Tensor]]:
    """The parameters, parted by device and data type."""
    parts: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for param in params:
        parts.setdefault((param.device, param.dtype), []).append(param)
    return list(parts.values())


def _name(param: Tensor, group: Mapping[str, Any]) -> str:
    """The name of a parameter: of a Variable its own, of others that which `named_parameters` gave."""
    name = getattr(param, "name", None)
    if name is None and "param_names" in group:
        index = next(index for index, other in enumerate(group["params"]) if other is param)
        name = group["param_names"][index]
    return name or ""
