"""LossScaleOptimizer: keeps small float16 gradients from vanishing, around any optimizer."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError, InvalidTypeError, did_you_mean
from labkeras.optimizers.gradients import refuse_sparse
from labkeras.optimizers.optimizer import Optimizer
from labkeras.optimizers.optimizer_variable import HostVariable
from labkeras.optimizers.torch_optimizer import TorchOptimizer
from labkeras.optimizers.wrapper import OptimizerWrapper
from labkeras.ranges import Positive, PositiveInt
from labkeras.variable import Variable

__all__ = ["LossScaleOptimizer"]

# What other optimizers take, with what it must be here: configs of older versions of Keras name these.
_LEFT_TO_INNER: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "global_clipnorm": None,
    "clipvalue": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}
# Differs from Keras: there the scale can double to infinity, or halve to 0, and training never comes back from that.
_SMALLEST, _LARGEST = 2.0**-126, 2.0**127


class _NotFiniteError(Exception):
    """Ends a step of the inner optimizer that asked for gradients and got infinite ones."""


class _NothingMore(TypedDict):
    """Of the arguments that every optimizer takes: they are the inner optimizer's."""


class LossScaleOptimizer(OptimizerWrapper):
    """Scales the loss up, so that gradients do not vanish in float16, and the gradients down again for its optimizer.

    The scale follows the gradients. If one is infinite or NaN, the step is left out and the scale halved; after
    `dynamic_growth_steps` good steps in a row it is doubled. Whoever computes gradients must do so from
    `scale_loss(loss)`; `fit` does. On an accelerator each step waits once, to learn whether it is to be left out.

    Parameters, state and hooks are those of the inner optimizer; the scale is in the first of its groups.

    Args:
        inner_optimizer: the optimizer that takes the steps.
        initial_scale: the first scale, above 0. Better too high than too low: it falls faster than it rises.
        dynamic_growth_steps: number of good steps, at least 1, after which the scale is doubled.
        name: its name, made from the class's unless given.

    Raises:
        InvalidArgumentError: if an argument is out of its range, not known, or the inner optimizer's business.

    Reference:
        Micikevicius et al., "Mixed Precision Training", 2017, arXiv:1710.03740

    Example:
        >>> from labkeras.optimizers import SGD
        >>> optimizer = LossScaleOptimizer(SGD(0.5), initial_scale=8.0)
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer.build([weight])
        >>> optimizer.scale_loss(weight.sum()).backward()
        >>> weight.grad.tolist()
        [8.0]
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5]
    """

    def __init__(
        self,
        inner_optimizer: Optimizer | torch.optim.Optimizer,
        initial_scale: Positive = 2.0**15,
        dynamic_growth_steps: PositiveInt = 2000,
        name: str | None = None,
        **kwargs: Unpack[_NothingMore],
    ) -> None:
        _check_left_to_inner(dict(kwargs))
        _check_scaling(initial_scale, dynamic_growth_steps)
        super().__init__(_checked(inner_optimizer), name=name)
        self.initial_scale = initial_scale
        self.dynamic_growth_steps = dynamic_growth_steps
        # Gradients would be divided by it once more.
        self.inner_optimizer.loss_scale_factor = None
        # Whether the gradients in `parameter.grad` are finite, once they are unscaled.
        self._unscaled: bool | None = None

    @property
    def needs_closure(self) -> bool:
        """As the inner optimizer does."""
        return self.inner_optimizer.needs_closure

    def build(self, variables: Iterable[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        self.param_groups[0].setdefault("dynamic_scale", float(self.initial_scale))
        self.param_groups[0].setdefault("step_counter", 0)

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss to compute gradients of: times the scale."""
        return loss * self._scale()

    def unscale_gradients(self) -> None:
        """Divides the gradients in `parameter.grad` by the scale, in place, for whoever clips or looks at them.

        `step` does this if it is not done yet.
        """
        if self._unscaled is None:
            params = [param for param in self.trainable_variables if param.grad is not None]
            grads: Any = [param.grad for param in params]
            if self.reduce_gradients is not None:
                grads = self.reduce_gradients(grads)
                for param, grad in zip(params, grads, strict=True):
                    param.grad = grad
            try:
                self._unscaled = _unscale(grads, self._scale())
            except RuntimeError as error:
                refuse_sparse(self.trainable_variables, error)
                raise

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of the inner optimizer with the gradients in `parameter.grad`, or none, if they are not finite.

        The gradients are divided by the scale in place.

        Args:
            closure: computes the loss, and the gradients of the scaled loss.

        Returns:
            What `closure` returns.
        """
        if self.needs_closure:
            return self._step_with(self._needs_closure(closure))
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if all(param.grad is None for param in self.trainable_variables):
            return loss
        self.unscale_gradients()
        finite, self._unscaled = self._unscaled, None
        if finite:
            self.inner_optimizer.step()
        self._adapt(bool(finite))
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        self._unscaled = None
        super().zero_grad(set_to_none)

    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Tensor] | None = None) -> None:
        """One step with gradients of the scaled loss, or none, if they are not finite.

        Args:
            grads: a gradient for each variable; None for those that have none.
            trainable_variables: the variables; all that the optimizer was built with, unless given. The first call may
                build it.
        """
        grads = list(grads)
        if not grads:
            return
        matched = self.matched(grads, trainable_variables)
        with torch.no_grad():
            # Those given stay as they are.
            copies = [None if grad is None else grad.clone() for _, grad in matched]
            present = [grad for grad in copies if grad is not None]
            if self.reduce_gradients is not None:
                for grad, mean in zip(present, self.reduce_gradients(present), strict=True):
                    grad.copy_(mean)
            finite = _unscale(present, self._scale())
            if finite:
                self.inner_optimizer.apply(copies, [param for param, _ in matched])
            self._adapt(finite)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        groups = state_dict["param_groups"]
        missing = [name for name in ("dynamic_scale", "step_counter") if not groups or name not in groups[0]]
        if missing:
            raise InvalidArgumentError(
                "the state to load is not that of a LossScaleOptimizer: its groups have no "
                f"{' and no '.join(missing)}. Received: param_groups={groups!r}"
            )
        self.inner_optimizer.load_state_dict(state_dict)

    @property
    def dynamic_scale(self) -> HostVariable:
        """The scale, now. Its `assign` sets it."""
        return HostVariable(self._scale(), self._set_scale, "float32", f"{self.name}/dynamic_scale")

    @property
    def step_counter(self) -> HostVariable:
        """The number of good steps since the scale last changed. Its `assign` sets it."""
        count = self.param_groups[0]["step_counter"] if self.built else 0
        return HostVariable(count, self._set_counter, "int32", f"{self.name}/step_counter")

    @property
    def variables(self) -> list[Variable]:
        """Its own, then those of the inner optimizer, as Keras has them: two of its own are there, but never used."""
        unused, of_inner = super().variables[:2], self.inner_optimizer.variables
        own: list[Any] = [self.step_counter, self.dynamic_scale] if self.built else []
        return [*unused, *own, *of_inner]

    def get_config(self) -> dict[str, Any]:
        own = {"initial_scale": self.initial_scale, "dynamic_growth_steps": self.dynamic_growth_steps}
        return {**super().get_config(), **own}

    def __repr__(self) -> str:
        return (
            f"LossScaleOptimizer({self.inner_optimizer!r}, initial_scale={self.initial_scale!r}, "
            f"dynamic_growth_steps={self.dynamic_growth_steps!r}, name={self.name!r})"
        )

    def _step_with(self, closure: Callable[[], Any]) -> Any:
        """One step of an inner optimizer that asks for gradients itself: each time they are unscaled for it."""
        losses: list[Any] = []

        def unscaled() -> Any:
            self._unscaled = None
            losses.append(closure())
            self.unscale_gradients()
            if not self._unscaled:
                raise _NotFiniteError
            return losses[-1]

        try:
            self.inner_optimizer.step(unscaled)
        except _NotFiniteError:
            self._adapt(False)
        else:
            self._adapt(True)
        self._unscaled = None
        return losses[0]

    def _scale(self) -> float:
        return float(self.param_groups[0]["dynamic_scale"] if self.built else self.initial_scale)

    def _set_scale(self, value: Any) -> None:
        self._built_group()["dynamic_scale"] = float(value)

    def _set_counter(self, value: Any) -> None:
        self._built_group()["step_counter"] = int(value)

    def _built_group(self) -> dict[str, Any]:
        if not self.built:
            raise InvalidArgumentError(
                f"the scale of {self.name!r} can be set once the optimizer is built; before, give `initial_scale`. "
                "Received: built=False"
            )
        return self.param_groups[0]

    def _adapt(self, finite: bool) -> None:
        """Moves the scale after a step."""
        group = self.param_groups[0]
        if finite and group["step_counter"] != self.dynamic_growth_steps - 1:
            group["step_counter"] += 1
            return
        group["step_counter"] = 0
        group["dynamic_scale"] = min(max(group["dynamic_scale"] * (2.0 if finite else 0.5), _SMALLEST), _LARGEST)


def _unscale(grads: Sequence[Tensor], scale: float) -> bool:
    """Divides gradients by the scale in place; whether all are finite. The kernel is that of `torch.amp.GradScaler`."""
    alike: dict[tuple[torch.device, torch.dtype], list[Tensor]] = {}
    for grad in grads:
        alike.setdefault((grad.device, grad.dtype), []).append(grad)
    found = {device: torch.zeros((), device=device) for device, _ in alike}
    with torch.no_grad():
        for (device, _), some in alike.items():
            inverse = torch.full((), 1 / scale, device=device)
            torch._amp_foreach_non_finite_check_and_unscale_(some, found[device], inverse)
    return not any(one.item() for one in found.values())


def _checked(inner: Any) -> Optimizer:
    if isinstance(inner, LossScaleOptimizer) or not isinstance(inner, torch.optim.Optimizer):
        raise InvalidTypeError(
            "`inner_optimizer` must be an optimizer, and not a LossScaleOptimizer itself, such as "
            f"`labkeras.optimizers.Adam()`. Received: inner_optimizer={inner!r}"
        )
    return inner if isinstance(inner, Optimizer) else TorchOptimizer(inner)


def _check_scaling(initial_scale: Any, dynamic_growth_steps: Any) -> None:
    is_number = isinstance(initial_scale, int | float) and not isinstance(initial_scale, bool)
    if not (is_number and 0 < initial_scale < math.inf):
        raise InvalidArgumentError(
            f"`initial_scale` must be a number above 0. Received: initial_scale={initial_scale!r}"
        )
    if isinstance(dynamic_growth_steps, bool) or not (
        isinstance(dynamic_growth_steps, int) and dynamic_growth_steps >= 1
    ):
        raise InvalidArgumentError(
            "`dynamic_growth_steps` must be an integer of at least 1. "
            f"Received: dynamic_growth_steps={dynamic_growth_steps!r}"
        )


def _check_left_to_inner(arguments: dict[str, Any]) -> None:
    if not arguments.pop("dynamic", True):
        raise InvalidArgumentError(
            "the scale of a LossScaleOptimizer always moves; for a fixed one, give another optimizer "
            "`loss_scale_factor`. Received: dynamic=False"
        )
    for name, value in arguments.items():
        if name not in _LEFT_TO_INNER:
            known = ("inner_optimizer", "initial_scale", "dynamic_growth_steps", "name")
            raise InvalidArgumentError(
                f"LossScaleOptimizer has no argument `{name}`.{did_you_mean(name, known)} Received: {name}={value!r}"
            )
        if value != _LEFT_TO_INNER[name]:
            raise InvalidArgumentError(
                f"`{name}` is an argument of the inner optimizer, not of LossScaleOptimizer. Received: {name}={value!r}"
            )
