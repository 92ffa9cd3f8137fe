"""StepProbe: looks at one step of training from outside: gradients, outputs of layers, how the weights change."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.callbacks.board_summaries import bucketed
from labkeras.callbacks.model_parts import named_layers
from labkeras.nest import flatten

__all__ = ["StepProbe"]


class StepProbe:
    """Looks at a step, from its making to `finish`. It puts hooks on weights and layers, and takes them off again.

    Nothing that training computes is changed.

    Args:
        model: the model, which has its weights by now.
        gradients: whether to look at gradients.
        updates: whether to look at what the step changes; for that all weights are copied once.
        activations: whether to look at the outputs of layers: of the first call of each.
    """

    def __init__(self, model: Any, gradients: bool, updates: bool, activations: bool) -> None:
        layers = named_layers(model)
        self._weights = [weight for weight in model.parameters() if weight.requires_grad]
        self._groups, self._names = _grouped(model, self._weights, layers)
        self._scale = getattr(getattr(model, "optimizer", None), "loss_scale_factor", None) or 1.0
        self._gradients: dict[int, Tensor] = {}
        self._hooks: list[Any] = []
        self.activations: dict[str, np.ndarray] = {}
        """The name of a layer → how its outputs are distributed, as `bucketed` returns it."""
        if gradients:
            take = self._take_gradient
            self._hooks += [weight.register_post_accumulate_grad_hook(take) for weight in self._weights]
        if activations:
            for name, layer in layers.items():
                self._watch(name, layer)
        with torch.no_grad():
            self._before = [weight.detach().clone() for weight in self._weights] if updates else []

    def finish(self) -> None:
        """Takes the hooks off."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []

    def weights(self) -> dict[str, Tensor]:
        """The trainable weights, each behind its layer's name: "dense/kernel"."""
        return dict(zip(self._names, self._weights, strict=True))

    def gradients(self) -> dict[str, Tensor]:
        """The gradients of the weights that had one, by the same names; those of a scaled loss scaled back."""
        found = zip(self._names, map(self._gradient, self._weights), strict=True)
        return {
            name: gradient if self._scale == 1.0 else gradient / self._scale
            for name, gradient in found
            if gradient is not None
        }

    def gradient_norms(self) -> dict[str, float]:
        """The norm of each layer's gradients, and of all as "", the first. Empty if there were none."""
        with torch.no_grad():
            found = [self._gradient(weight) for weight in self._weights]
            squares = _squares([gradient for gradient in found if gradient is not None])
        numbers = iter(squares)
        of_weight = [None if gradient is None else next(numbers) for gradient in found]
        return {name: square**0.5 / self._scale for name, square in self._sums(of_weight).items()}

    def update_ratios(self) -> dict[str, float]:
        """How long the step was, for each layer's weights and for all as "": its norm over that of the weights before.

        Layers whose weights were all 0 are left out.
        """
        with torch.no_grad():
            before = self._sums(_squares(self._before))
            # In place: that is all the memory it takes.
            torch._foreach_sub_(self._before, [weight.detach() for weight in self._weights])
            changes = self._sums(_squares(self._before))
        self._before = []
        return {name: (changes[name] / square) ** 0.5 for name, square in before.items() if square > 0}

    def _gradient(self, weight: Tensor) -> Tensor | None:
        return self._gradients.get(id(weight))

    def _take_gradient(self, weight: Tensor) -> None:
        if weight.grad is not None:
            self._gradients[id(weight)] = weight.grad

    def _watch(self, name: str, layer: torch.nn.Module) -> None:
        def look(module: Any, inputs: Any, outputs: Any) -> None:
            hook.remove()
            tensors = [leaf for leaf in flatten(outputs) if isinstance(leaf, Tensor)]
            for number, tensor in enumerate(tensors):
                # At once: what comes next may work in place.
                self.activations[name if len(tensors) == 1 else f"{name}/{number}"] = bucketed(tensor)

        hook = layer.register_forward_hook(look)
        self._hooks.append(hook)

    def _sums(self, of_weight: list[Any]) -> dict[str, float]:
        """The sum over all weights, as "", and over those of each layer; without layers of which there is nothing."""
        known = [number for number in of_weight if number is not None]
        if not known:
            return {}
        sums = {"": sum(known)}
        for name, places in self._groups.items():
            numbers = [of_weight[place] for place in places if of_weight[place] is not None]
            if numbers:
                sums[name] = sum(numbers)
        return sums


def _grouped(
    model: Any, weights: list[Tensor], layers: dict[str, torch.nn.Module]
) -> tuple[dict[str, list[int]], list[str]]:
    """The places of each layer's weights in the list, and a name for each weight; what no layer has is the model's."""
    place_of = {id(weight): place for place, weight in enumerate(weights)}
    groups: dict[str, list[int]] = {}
    names = [""] * len(weights)
    owner = str(getattr(model, "name", "model"))
    for name, module in [*layers.items(), (owner if owner not in layers else f"{owner} itself", model)]:
        for own_name, weight in module.named_parameters():
            place = place_of.pop(id(weight), None)
            if place is not None:
                groups.setdefault(name, []).append(place)
                names[place] = f"{name}/{own_name.replace('.', '/')}"
    return groups, names


def _squares(tensors: list[Tensor]) -> list[float]:
    """The sum of squares of each tensor; an accelerator is waited for once."""
    if not tensors:
        return []
    floats = [tensor if tensor.dtype in (torch.float32, torch.float64) else tensor.float() for tensor in tensors]
    norms: list[float] = torch.stack([norm.double() for norm in torch._foreach_norm(floats)]).tolist()
    return [norm * norm for norm in norms]
