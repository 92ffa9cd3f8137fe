"""SAM: sharpness-aware minimisation around any optimizer."""

import math
from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from labkeras import optimizers
from labkeras.errors import InvalidArgumentError
from labkeras.optimizers import Optimizer
from labkeras.optimizers.arguments import LearningRate
from labkeras.optimizers.wrapper import OptimizerWrapper
from labkeras.ranges import NonNegative
from labkeras.serialization import deserialize_keras_object

__all__ = ["SAM"]


class SAM(OptimizerWrapper):
    """Steps along the gradient at the worst point nearby, and so towards minima whose surroundings are low as well.

    A step climbs from the weights `w` to `w + e`, takes the gradient there, goes back to `w`, and hands that gradient
    to the inner optimizer: `e = rho * g / |g|`, where `g` is the gradient at `w` of the whole model. With `adaptive`
    (ASAM), the distance is measured relative to each weight: `e = rho * t² * g / |t * g|` with `t = |w| + eta`, so that
    weights which are scaled without changing the function are as sharp as before.

    Each step computes loss and gradients twice, on the same batch, with the same dropout masks; moving statistics,
    metrics and callbacks see the first pass alone. In several processes both gradients are the mean of all, so that
    they compute what one process would. What takes steps of its own must give `step` a closure.

    Args:
        inner_optimizer: the optimizer that takes the steps: one, its name or its config.
        rho: how far to climb, at least 0; 0 leaves the inner optimizer alone, without a second pass. The best are near
            0.05, and with `adaptive` some ten times that.
        adaptive: whether to measure that distance relative to the weights.
        eta: added to the magnitude of each weight with `adaptive`, at least 0.
        learning_rate: of the inner optimizer, if that is to have another than it comes with.
        name: its name, made from the class's unless given.

    Raises:
        InvalidArgumentError: if an argument is out of its range, or the inner optimizer takes closures itself.

    Reference:
        P. Foret et al. (2021), "Sharpness-Aware Minimization for Efficiently Improving Generalization",
        https://arxiv.org/abs/2010.01412; J. Kwon et al. (2021), "ASAM: Adaptive Sharpness-Aware Minimization for
        Scale-Invariant Learning of Deep Neural Networks", https://arxiv.org/abs/2102.11600

    Example:
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = SAM("sgd", rho=0.5, learning_rate=0.1)
        >>> optimizer.build([weight])
        >>> def loss():
        ...     optimizer.zero_grad()
        ...     value = (weight**2).sum()
        ...     value.backward()
        ...     return value
        >>> optimizer.step(loss)
        tensor(1., grad_fn=<SumBackward0>)
        >>> weight  # the gradient is that at 1.5
        Parameter containing:
        tensor([0.7000], requires_grad=True)
    """

    def __init__(
        self,
        inner_optimizer: str | Optimizer = "adam",
        rho: NonNegative = 0.05,
        adaptive: bool = False,
        eta: NonNegative = 0.01,
        learning_rate: LearningRate | None = None,
        name: str | None = None,
    ) -> None:
        inner = optimizers.get(inner_optimizer)
        if inner is None or inner.needs_closure:
            raise InvalidArgumentError(
                "`inner_optimizer` must be an optimizer whose steps take gradients as they are given, such as 'sgd'. "
                f"Received: inner_optimizer={inner_optimizer!r}"
            )
        super().__init__(inner, name=name)
        self.rho = _not_negative(rho, "rho")
        self.adaptive = adaptive
        self.eta = _not_negative(eta, "eta")
        if learning_rate is not None:
            inner.learning_rate = learning_rate

    @property
    def needs_closure(self) -> bool:
        """Whether there is a second pass."""
        return self.rho > 0

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step: climb, gradient, back, and the step of the inner optimizer.

        Args:
            closure: forgets the old gradients, and computes the loss and its gradients.

        Returns:
            What `closure` returned for the weights as they were.
        """
        if not self.needs_closure:
            return self.inner_optimizer.step(closure)
        run = torch.enable_grad()(self._needs_closure(closure))
        loss = run()
        params = self._reduced()
        if not params:
            return loss
        before = [param.detach().clone() for param in params]
        try:
            self._climb(params, before)
            run()
        finally:
            # To what they were, bit for bit, which subtracting would not give; also where the second pass ends in an
            # error.
            _put_back(params, before)
        self._reduced()
        self.inner_optimizer.step()
        return loss

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        rate = config["inner_optimizer"]["config"]["learning_rate"]
        return {**config, "rho": self.rho, "adaptive": self.adaptive, "eta": self.eta, "learning_rate": rate}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        config = dict(config)
        if isinstance(config.get("learning_rate"), Mapping):
            config["learning_rate"] = deserialize_keras_object(
                dict(config["learning_rate"]), custom_objects, kind="schedules"
            )
        return super().from_config(config, custom_objects)

    def _reduced(self) -> list[Tensor]:
        """The parameters that have a gradient, which is the mean over the processes from now on."""
        params = [param for param in self.trainable_variables if param.grad is not None]
        if self.reduce_gradients is not None:
            means = self.reduce_gradients([param.grad for param in params if param.grad is not None])
            for param, mean in zip(params, means, strict=True):
                param.grad = mean
        return params

    @torch.no_grad()
    def _climb(self, params: list[Tensor], before: list[Tensor]) -> None:
        """Moves the parameters from where they are to the worst point nearby, as their gradients tell it."""
        steps: list[Tensor] = [param.grad for param in params if param.grad is not None]
        scales = [weight.abs().add_(self.eta) for weight in before] if self.adaptive else None
        if scales is not None:
            steps = list(torch._foreach_mul(steps, scales))
        norm = _norm(steps)
        if scales is not None:
            torch._foreach_mul_(steps, scales)
        # Where all gradients are 0, there is nowhere to climb.
        distance = torch.where(norm > 0, self.rho / norm, 0.0)
        for param, step in zip(params, steps, strict=True):
            param.addcmul_(step, distance.to(param.device, param.dtype))


def _norm(tensors: list[Tensor]) -> Tensor:
    """The norm of all tensors together."""
    dtype = torch.float64 if any(tensor.dtype is torch.float64 for tensor in tensors) else torch.float32
    norms = [
        # Of a weight that is shared out over devices, each has the norm of its part until they are put together.
        norm.full_tensor() if isinstance(norm, DTensor) else norm
        for norm in torch._foreach_norm(tensors, 2, dtype)
    ]
    total: Tensor = torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))
    return total


@torch.no_grad()
def _put_back(params: list[Tensor], before: list[Tensor]) -> None:
    # One by one, as `_climb` moves them: weights that are shared out over devices know no other way.
    for param, value in zip(params, before, strict=True):
        param.copy_(value)


def _not_negative(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InvalidArgumentError(f"`{name}` must be a number of at least 0. Received: {name}={value!r}")
    return value
