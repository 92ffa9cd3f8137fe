"""SGD: gradient descent, with momentum if wanted."""

from typing import Any

import torch
from torch import Tensor

from labkeras.optimizers.arguments import LearningRate, check_fractions
from labkeras.optimizers.layout import in_memory_order
from labkeras.optimizers.numbers import Number
from labkeras.optimizers.optimizer import Optimizer
from labkeras.optimizers.scaling import scaled, subtract_scaled
from labkeras.ranges import Fraction

__all__ = ["SGD"]


class SGD(Optimizer):
    """Steps against the gradient, or, with momentum, along a decaying sum of such steps.

    Without momentum: `w -= learning_rate * g`.
    With it: `v = momentum * v - learning_rate * g`, then `w += v`, or, with `nesterov`,
    `w += momentum * v - learning_rate * g`.

    Args:
        learning_rate: the learning rate: a number, a schedule, or a function without arguments.
        momentum: the part of the last step that goes into the next, in [0, 1].
        nesterov: whether to look ahead along the momentum.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Reference:
        Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> SGD(0.5).apply([torch.tensor([1.0])], [weight])
        >>> weight.tolist()
        [0.5]
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.01,
        momentum: Fraction = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
            **kwargs,
        )
        check_fractions(momentum=momentum)
        self.momentum = momentum
        self.nesterov = nesterov

    def add_slots(self, variables: list[Tensor]) -> None:
        super().add_slots(variables)
        if self.momentum:
            self.add_optimizer_variables(variables, "momentum")

    def update(
        self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], learning_rate: Number
    ) -> None:
        if isinstance(learning_rate, Tensor):
            self._update_recorded(params, grads, slots, learning_rate)
            return
        if not self.momentum:
            _descend(params, grads, [], learning_rate)
            return
        # torch's kernel sums gradients, v = momentum * v + (1 - dampening) * g, and goes -lr * v. Keras sums steps: the
        # learning rate goes in before the sum, and the kernel goes all of v, with lr = -1.
        velocities = [slot["momentum"] for slot in slots]
        if self.nesterov:
            steps = scaled(grads, -learning_rate)
            _descend(params, steps, velocities, -1.0, momentum=self.momentum, nesterov=True)
        else:
            _descend(params, grads, velocities, -1.0, momentum=self.momentum, dampening=1 + learning_rate)

    def _update_recorded(
        self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], learning_rate: Tensor
    ) -> None:
        """The same in operations that a compiler makes one kernel of."""
        if not self.momentum:
            subtract_scaled(params, grads, learning_rate)
            return
        velocities = [slot["momentum"] for slot in slots]
        torch._foreach_mul_(velocities, self.momentum)
        subtract_scaled(velocities, grads, learning_rate)
        if self.nesterov:
            torch._foreach_add_(params, velocities, alpha=self.momentum)
            subtract_scaled(params, grads, learning_rate)
        else:
            torch._foreach_add_(params, velocities)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}


def _descend(
    params: list[Tensor],
    grads: list[Tensor],
    velocities: list[Tensor],
    learning_rate: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
) -> None:
    torch._fused_sgd_(
        *in_memory_order(params, grads, velocities),
        weight_decay=0.0,
        momentum=momentum,
        lr=learning_rate,
        dampening=dampening,
        nesterov=nesterov,
        maximize=False,
        is_first_step=False,
    )
