"""TorchOptimizer: any optimizer of torch where one of ours is expected."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from labkeras.errors import NotBuiltError, SerializationError
from labkeras.naming import auto_name
from labkeras.optimizers.optimizer import Optimizer

__all__ = ["TorchOptimizer"]

# What a torch optimizer is made of: the same objects here, so that whoever changes one changes the other.
_SHARED = (
    "defaults",
    "param_groups",
    "state",
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


class TorchOptimizer(Optimizer):
    """Trains with an optimizer of torch, whose formula, state and settings stay torch's own.

    Groups, state and hooks are those of the torch optimizer, not copies. Keras's other arguments (clips, averages, …)
    belong to our optimizers.

    Args:
        optimizer: an optimizer that is made already, or a function of the parameters that makes it: its class, or a
            `functools.partial` of its class.
        name: its name, made from the torch optimizer's class unless given.

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = TorchOptimizer(partial(torch.optim.SGD, lr=0.5))
        >>> optimizer.apply([torch.tensor([1.0])], [weight])
        >>> weight.tolist()
        [0.5]
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer | Callable[..., torch.optim.Optimizer], name: str | None = None
    ) -> None:
        # The learning rate is the torch optimizer's: 0.0 is never read.
        super().__init__(0.0, name=name or auto_name(_class_name(optimizer)))
        self.optimizer = optimizer
        if isinstance(optimizer, torch.optim.Optimizer):
            self._share(optimizer)

    @cached_property
    def needs_closure(self) -> bool:
        """Whether the torch optimizer's `step` cannot do without one, as that of `torch.optim.LBFGS`."""
        maker = self.optimizer.func if isinstance(self.optimizer, partial) else self.optimizer
        step = getattr(maker, "step", None)
        closure = None if step is None else inspect.signature(step).parameters.get("closure")
        return closure is not None and closure.default is inspect.Parameter.empty

    def build(self, variables: Iterable[Any]) -> None:
        if not self.built and not isinstance(self.optimizer, torch.optim.Optimizer):
            self.optimizer = self.optimizer(variables)
            self._share(self.optimizer)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = self._made().step(closure)
        self.param_groups[0]["iterations"] += 1
        return loss

    # The torch optimizer's own `step` runs the hooks.
    step.hooked = True  # type: ignore[attr-defined]

    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Tensor] | None = None) -> None:
        grads = list(grads)
        if not grads:
            return
        for param, grad in self.matched(grads, trainable_variables):
            param.grad = grad
        self.step()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        self._made().add_param_group(param_group)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        made = self._made()
        made.load_state_dict(dict(state_dict))
        self._share(made)

    def get_config(self) -> dict[str, Any]:
        """Raises SerializationError: a config names components of Keras's kind, which an optimizer of torch is not."""
        raise SerializationError(
            "an optimizer of torch has no config: save its `state_dict`, or use an optimizer of labkeras. "
            f"Received: optimizer={self.optimizer!r}"
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if isinstance(self.optimizer, torch.optim.Optimizer):
            self._share(self.optimizer)

    def __repr__(self) -> str:
        return f"TorchOptimizer({self.optimizer!r}, name={self.name!r})"

    def _made(self) -> torch.optim.Optimizer:
        if not isinstance(self.optimizer, torch.optim.Optimizer):
            raise NotBuiltError(
                f"the optimizer {self.name!r} is not made yet: call `optimizer.build(model.parameters())` first. "
                "Received: built=False"
            )
        return self.optimizer

    def _share(self, optimizer: torch.optim.Optimizer) -> None:
        for name in _SHARED:
            setattr(self, name, getattr(optimizer, name))
        self.param_groups[0].setdefault("iterations", self._first_iteration)
        self.built = True

    def _current_rate(self) -> float:
        return float(self.param_groups[0]["lr"])

    def _set_rate(self, learning_rate: Any) -> None:
        for group in self.param_groups:
            group["lr"] = float(learning_rate)


def _class_name(optimizer: Any) -> str:
    maker = optimizer.func if isinstance(optimizer, partial) else optimizer
    return str(getattr(maker, "__name__", type(maker).__name__))
