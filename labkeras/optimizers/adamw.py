"""AdamW: Adam with weight decay."""

from typing import Annotated, Any

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers.adam import Adam
from labkeras.optimizers.arguments import LearningRate
from labkeras.ranges import Range

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam with weight decay: `w -= learning_rate * weight_decay * w` in each step, past the running means.

    It is `Adam(weight_decay=0.004)` under its own name: `Adam` treats a weight decay in the same way.

    Args:
        learning_rate: the learning rate: a number, a schedule, or a function without arguments.
        weight_decay: fraction of a parameter, times the learning rate, taken off before its update.
        beta_1, beta_2, epsilon, amsgrad: see `Adam`.
        clipnorm, clipvalue, global_clipnorm, use_ema, ema_momentum, ema_overwrite_frequency,
            loss_scale_factor, gradient_accumulation_steps, name: see `Optimizer`.

    Raises:
        InvalidArgumentError: if an argument is out of its range.

    Reference:
        Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2017, arXiv:1711.05101

    Example:
        >>> AdamW().weight_decay
        0.004
    """

    def __init__(
        self,
        learning_rate: LearningRate = 0.001,
        weight_decay: float = 0.004,
        beta_1: Annotated[float, Range(0, below=1)] = 0.9,
        beta_2: Annotated[float, Range(0, below=1)] = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
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
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            amsgrad=amsgrad,
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
        if weight_decay is None:
            raise InvalidArgumentError(
                "`weight_decay` must be a number; use `Adam` for none. Received: weight_decay=None"
            )
