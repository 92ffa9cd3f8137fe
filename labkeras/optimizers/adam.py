"""Adam: steps scaled by running estimates of the gradient's mean and square."""

import math
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import torch
from torch import Tensor

from labkeras.optimizers.arguments import LearningRate, check_betas
from labkeras.optimizers.batch import Batch
from labkeras.optimizers.layout import in_memory_order
from labkeras.optimizers.numbers import Number
from labkeras.optimizers.optimizer import Optimizer
from labkeras.optimizers.scaling import subtract_scaled
from labkeras.ranges import Range

__all__ = ["Adam"]


class Adam(Optimizer):
    """Follows the mean of the gradient over the root of its mean square, element by element.

    In step t: `m += (1 - beta_1) * (g - m)`, `v += (1 - beta_2) * (g² - v)`, and
    `w -= learning_rate * sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (sqrt(v) + epsilon)`

    Args:
        learning_rate: the learning rate: a number, a schedule, or a function without arguments.
        beta_1: the part of the old mean in the new one, in [0, 1).
        beta_2: the part of the old mean square in the new one, in [0, 1).
        epsilon: keeps the quotient finite. It is added to `sqrt(v)` before the correction by t ("epsilon hat" in the
            paper's section 2), unlike in torch.
        amsgrad: whether to divide by the highest `v` so far.
        weight_decay, clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Reference:
        Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014, arXiv:1412.6980;
        for `amsgrad`: Reddi et al., "On the Convergence of Adam and Beyond", 2018

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> Adam(0.1).apply([torch.tensor([5.0])], [weight])
        >>> weight
        Parameter containing:
        tensor([0.9000], requires_grad=True)
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        beta_1: Annotated[float, Range(0, below=1)] = 0.9,
        beta_2: Annotated[float, Range(0, below=1)] = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
        check_betas(beta_1=beta_1, beta_2=beta_2)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad

    def add_slots(self, variables: list[Tensor]) -> None:
        super().add_slots(variables)
        self.add_optimizer_variables(variables, ["momentum", "velocity"])
        if self.amsgrad:
            self.add_optimizer_variables(variables, "velocity_hat")

    def update(
        self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], learning_rate: Number
    ) -> None:
        corrected = self._corrected(learning_rate)
        if isinstance(corrected, Tensor):
            self._run_recorded(params, grads, slots, corrected)
        else:
            self._run(torch._fused_adam_, params, grads, slots, corrected, 0.0)

    def decay_and_update(self, batch: Batch, grads: list[Tensor], learning_rate: Number) -> None:
        corrected = self._corrected(learning_rate)
        is_for_kernel = len(batch.decayed) == len(batch.params) and type(self).update is Adam.update
        if not is_for_kernel or isinstance(corrected, Tensor):
            super().decay_and_update(batch, grads, learning_rate)
            return
        # The kernel shrinks by its own learning rate, the corrected one, times the decay.
        decay = self.decay_of(batch) * learning_rate / corrected if corrected else 0.0
        assert not isinstance(decay, Tensor)  # as `corrected` is not
        self._run(torch._fused_adamw_, batch.params, grads, batch.slots, corrected, decay)

    def factors(self) -> tuple[float, ...]:
        """The correction of the learning rate for means that began at 0."""
        step = self.updates_done() + 1
        return (math.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step),)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }

    def _corrected(self, learning_rate: Number) -> Number:
        return learning_rate * self.factors_now()[0]

    def _run(
        self,
        kernel: Callable[..., Any],
        params: list[Tensor],
        grads: list[Tensor],
        slots: list[dict[str, Tensor]],
        learning_rate: float,
        weight_decay: float,
    ) -> None:
        kernel(
            *in_memory_order(
                params,
                grads,
                [slot["momentum"] for slot in slots],
                [slot["velocity"] for slot in slots],
                [slot["velocity_hat"] for slot in slots] if self.amsgrad else [],
            ),
            [_last_step(params[0].device)] * len(params),
            lr=learning_rate,
            beta1=self.beta_1,
            beta2=self.beta_2,
            weight_decay=weight_decay,
            eps=self.epsilon,
            amsgrad=self.amsgrad,
            maximize=False,
        )

    def _run_recorded(
        self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], learning_rate: Tensor
    ) -> None:
        """The same in operations that a compiler makes one kernel of, backward pass and all."""
        means, squares = [slot["momentum"] for slot in slots], [slot["velocity"] for slot in slots]
        torch._foreach_lerp_(means, grads, 1 - self.beta_1)
        torch._foreach_mul_(squares, self.beta_2)
        torch._foreach_addcmul_(squares, grads, grads, value=1 - self.beta_2)
        if self.amsgrad:
            highest = [slot["velocity_hat"] for slot in slots]
            torch._foreach_maximum_(highest, squares)
            squares = highest
        roots = list(torch._foreach_sqrt(squares))
        torch._foreach_add_(roots, self.epsilon)
        subtract_scaled(params, list(torch._foreach_div(means, roots)), learning_rate)


@cache
def _last_step(device: torch.device) -> Tensor:
    """The step at which torch's kernel has nothing left to correct.

    The correction is in the learning rate already, computed on the host, once for all parameters, with Keras's place
    for epsilon. torch counts in a tensor for each parameter, which takes one more kernel.
    """
    return torch.full((), math.inf, dtype=torch.float32, device=device)
