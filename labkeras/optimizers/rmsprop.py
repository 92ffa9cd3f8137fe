"""RMSprop: steps scaled by the root of the gradient's mean square."""

from typing import Any

import torch
from torch import Tensor

from labkeras.optimizers.arguments import LearningRate, check_fractions
from labkeras.optimizers.numbers import Number
from labkeras.optimizers.optimizer import Optimizer
from labkeras.optimizers.scaling import add_quotients
from labkeras.ranges import Fraction

__all__ = ["RMSprop"]


class RMSprop(Optimizer):
    """Divides the gradient by the root of its running mean square, element by element.

    `v = rho * v + (1 - rho) * g²` and `step = learning_rate * g / sqrt(v + epsilon)`; then `w -= step`, or, with
    momentum, `m = momentum * m + step` and `w -= m`. With `centered`, the square of the gradient's running mean is
    taken off `v` in the root.

    Args:
        learning_rate: the learning rate: a number, a schedule, or a function without arguments.
        rho: the part of the old mean square in the new one, in [0, 1).
        momentum: the part of the last step that goes into the next, in [0, 1]; 0 keeps none.
        epsilon: keeps the quotient finite; it is inside the root, unlike in torch.
        centered: whether to divide by an estimate of the standard deviation instead.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Reference:
        Hinton, "Neural Networks for Machine Learning", lecture 6e, 2012;
        for `centered`: Graves, "Generating Sequences With Recurrent Neural Networks", 2013, arXiv:1308.0850

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([10.0]))
        >>> RMSprop(0.1).apply([torch.tensor([10.0])], [weight])
        >>> weight
        Parameter containing:
        tensor([9.6838], requires_grad=True)
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        rho: Fraction = 0.9,
        momentum: Fraction = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
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
        check_fractions(rho=rho, momentum=momentum)
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered

    def add_slots(self, variables: list[Tensor]) -> None:
        super().add_slots(variables)
        self.add_optimizer_variables(variables, "velocity")
        if self.momentum > 0:
            self.add_optimizer_variables(variables, "momentum")
        if self.centered:
            self.add_optimizer_variables(variables, "average_gradient")

    def update(
        self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], learning_rate: Number
    ) -> None:
        roots = self._roots(grads, slots)
        if not self.momentum > 0:
            add_quotients(params, grads, roots, -learning_rate)
            return
        momentums = [slot["momentum"] for slot in slots]
        torch._foreach_mul_(momentums, self.momentum)
        add_quotients(momentums, grads, roots, learning_rate)
        torch._foreach_sub_(params, momentums)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }

    def _roots(self, grads: list[Tensor], slots: list[dict[str, Tensor]]) -> list[Tensor]:
        """Takes the gradients into the means, and gives what to divide them by."""
        velocities = [slot["velocity"] for slot in slots]
        torch._foreach_mul_(velocities, self.rho)
        torch._foreach_addcmul_(velocities, grads, grads, value=1 - self.rho)
        roots = list(torch._foreach_add(velocities, self.epsilon))
        if self.centered:
            averages = [slot["average_gradient"] for slot in slots]
            torch._foreach_lerp_(averages, grads, 1 - self.rho)
            torch._foreach_addcmul_(roots, averages, averages, value=-1)
        torch._foreach_sqrt_(roots)
        return roots
