"""OptimizerWrapper: the base of optimizers that have another one take their steps."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Self

from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers.optimizer import Optimizer
from labkeras.optimizers.optimizer_variable import HostVariable
from labkeras.serialization import deserialize_keras_object, serialize_keras_object
from labkeras.variable import Variable

__all__ = ["OptimizerWrapper", "innermost"]


class _OfInner:
    """Stands on the class for an attribute that the inner optimizer has: torch's tools see and set the same one."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, optimizer: "OptimizerWrapper | None", owner: type) -> Any:
        return self if optimizer is None else getattr(optimizer.inner_optimizer, self._name)

    def __set__(self, optimizer: "OptimizerWrapper", value: Any) -> None:
        setattr(optimizer.inner_optimizer, self._name, value)


class OptimizerWrapper(Optimizer):
    """Base of optimizers that change when or with which gradients another one takes its steps.

    Parameters, state, learning rate and hooks are those of the inner optimizer, so that checkpoints, schedulers and
    callbacks find them. A subclass overrides `step`, and `get_config`, to which it adds its own arguments.

    Args:
        inner_optimizer: the optimizer that takes the steps.
        name: its name, made from the class's unless given.

    Example:
        >>> from labkeras.optimizers import SGD
        >>> class Doubled(OptimizerWrapper):
        ...     def step(self, closure=None):
        ...         for param in self.trainable_variables:
        ...             param.grad.mul_(2)
        ...         return self.inner_optimizer.step(closure)
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = Doubled(SGD(0.1))
        >>> optimizer.build([weight])
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight
        Parameter containing:
        tensor([0.8000], requires_grad=True)
    """

    defaults: dict[str, Any] = _OfInner()  # type: ignore[assignment]  # it stands in for the attribute
    param_groups: list[dict[str, Any]] = _OfInner()  # type: ignore[assignment]
    state: Any = _OfInner()
    _optimizer_step_pre_hooks: Any = _OfInner()
    _optimizer_step_post_hooks: Any = _OfInner()
    _optimizer_state_dict_pre_hooks: Any = _OfInner()
    _optimizer_state_dict_post_hooks: Any = _OfInner()
    _optimizer_load_state_dict_pre_hooks: Any = _OfInner()
    _optimizer_load_state_dict_post_hooks: Any = _OfInner()

    def __init__(self, inner_optimizer: Optimizer, name: str | None = None) -> None:
        self.inner_optimizer = inner_optimizer
        # The learning rate is the inner optimizer's: 0.0 is never used.
        super().__init__(0.0, name=name)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in vars(cls):
            # torch would wrap it in hooks, which the inner optimizer's own `step` runs.
            cls.step.hooked = True  # type: ignore[attr-defined]

    def build(self, variables: Iterable[Any]) -> None:
        if not self.built:
            self.inner_optimizer.build(variables)
            self.built = True

    def apply(self, grads: Sequence[Any], trainable_variables: Iterable[Tensor] | None = None) -> None:
        """One step with gradients that are given.

        Args:
            grads: a gradient for each variable; None for those that have none.
            trainable_variables: the variables; all that the optimizer was built with, unless given. The first call may
                build it.
        """
        grads = list(grads)
        if not grads:
            return
        for param, grad in self.matched(grads, trainable_variables):
            param.grad = grad
        self.step()

    def step_with(self, grads: Sequence[Tensor | None]) -> None:
        self.apply(grads)

    def scale_loss(self, loss: Tensor) -> Tensor:
        """The loss to compute gradients of, as the inner optimizer has it."""
        return self.inner_optimizer.scale_loss(loss)

    def is_traceable(self) -> bool:
        return False

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        self.inner_optimizer.add_param_group(param_group)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self.inner_optimizer.load_state_dict(state_dict)

    def finalize_variable_values(self, var_list: Iterable[Tensor]) -> None:
        self.inner_optimizer.finalize_variable_values(var_list)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Tensor] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        self.inner_optimizer.exclude_from_weight_decay(var_list, var_names)

    @property
    def learning_rate(self) -> Tensor:
        """That of the inner optimizer."""
        return self.inner_optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        self.inner_optimizer.learning_rate = learning_rate

    @property
    def iterations(self) -> Tensor:
        """Those of the inner optimizer."""
        return self.inner_optimizer.iterations

    def updates_done(self) -> int:
        return self.inner_optimizer.updates_done()

    @property
    def variables(self) -> list[Variable]:
        """Its own, then those of the inner optimizer, as Keras has them: two of its own are there, but never used."""
        unused: list[Any] = [
            HostVariable(0, _ignore, "int32", f"{self.name}/iteration"),
            HostVariable(0.0, _ignore, "float32", f"{self.name}/learning_rate"),
        ]
        return [*unused, *self.inner_optimizer.variables]

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "inner_optimizer": serialize_keras_object(self.inner_optimizer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, Any] | None = None) -> Self:
        config = dict(config)
        inner = config.pop("inner_optimizer", None)
        if isinstance(inner, Mapping):
            inner = deserialize_keras_object(dict(inner), custom_objects, kind="optimizers")
        return cls(inner, **config)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # The inner optimizer restores what torch keeps; there is nothing else here.
        self.__dict__.update(state)

    def __repr__(self) -> str:
        arguments = {**self.get_config(), "inner_optimizer": self.inner_optimizer}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"

    def _needs_closure(self, closure: Callable[[], Any] | None) -> Callable[[], Any]:
        """The closure of a step; raises InvalidArgumentError if there is none."""
        if closure is None:
            raise InvalidArgumentError(
                f"{type(self).__name__} needs gradients at more than one point, so `step` must be given a function "
                "that forgets the old gradients, computes the loss and its gradients, and returns the loss; `fit` does "
                "so. `apply`, and what takes steps without one, such as a gradient scaler, cannot work with it. "
                "Received: closure=None"
            )
        return closure


def innermost(optimizer: Any) -> Any:
    """The optimizer that takes the steps: that within a wrapper, or within several; others are it themselves.

    Example:
        >>> from labkeras.optimizers import SGD, LossScaleOptimizer
        >>> type(innermost(LossScaleOptimizer(SGD()))).__name__
        'SGD'
    """
    while isinstance(optimizer, OptimizerWrapper):
        optimizer = optimizer.inner_optimizer
    return optimizer


def _ignore(value: Any) -> None:
    """Takes what is assigned to a variable that nothing reads."""
