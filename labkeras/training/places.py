"""Places: where data stands before an epoch, beyond what the global random generators say."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader

from labkeras.training.epochs import Continued, Epoch, IterableEpoch

__all__ = ["go_to", "place_of"]


def place_of(epoch: Epoch) -> dict[str, Any]:
    """What a program that takes training up again must know of the data, before an epoch.

    Args:
        epoch: what makes the epochs.

    Returns:
        "pass": the pass that the epoch goes on in, if it does not begin one; "passes": of a sampler that is told their
        number; "generators": the states of a DataLoader's own random generators.
    """
    place: dict[str, Any] = {"pass": None, "passes": None, "generators": []}
    for part in _parts(epoch):
        if isinstance(part, Continued):
            place["pass"] = part.place()
        if isinstance(part, IterableEpoch):
            place["passes"] = part.passes[0]
            place["generators"] = [generator.get_state() for generator in _generators(part.source)]
    return place


def go_to(epoch: Epoch, place: Mapping[str, Any]) -> None:
    """Lets the next epoch be the one before which `place_of` gave `place`.

    Args:
        epoch: what makes the epochs, of the same data.
        place: what it gave, with arrays for tensors.
    """
    for part in _parts(epoch):
        if isinstance(part, Continued) and place["pass"] is not None:
            part.go_to(place["pass"]["random"], place["pass"]["taken"])
        if isinstance(part, IterableEpoch):
            part.passes[0] = place["passes"]
            for generator, state in zip(_generators(part.source), place["generators"], strict=False):
                generator.set_state(torch.as_tensor(state))


def _parts(epoch: Any) -> Iterator[Any]:
    while epoch is not None:
        yield epoch
        epoch = getattr(epoch, "epoch", None)


def _generators(source: Any) -> list[torch.Generator]:
    """The generators that a DataLoader was given, for itself or for its samplers."""
    if not isinstance(source, DataLoader):
        return []
    inner = getattr(source.batch_sampler, "sampler", None)
    owners = (source, source.sampler, source.batch_sampler, inner)
    found = [getattr(owner, "generator", None) for owner in owners]
    return list({id(one): one for one in found if isinstance(one, torch.Generator)}.values())
