"""OneByOne: optimizers written Keras's way, one variable at a time."""

from typing import Any

import torch
from torch import Tensor

from labkeras.errors import InvalidArgumentError
from labkeras.optimizers.stateful import StatefulOptimizer

__all__ = ["OneByOne"]


class OneByOne(StatefulOptimizer):
    """Updates lists of parameters with `update`, or, where a subclass overrides that, each with `update_step`.

    The optimizers of labkeras override `update`, which takes one call of a kernel for all parameters. What people wrote
    for Keras overrides `build` and `update_step`, and works as well; so does a subclass of, say, Adam, that overrides
    `update_step` and calls that of Adam.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Who overrides `update_step` must not be passed over by a parent's `update`.
        if "update_step" in vars(cls) and "update" not in vars(cls):
            cls.update = OneByOne.update  # type: ignore[method-assign]  # that is the point

    def update(
        self, params: list[Tensor], grads: list[Tensor], slots: list[dict[str, Tensor]], learning_rate: Any
    ) -> None:
        """Changes parameters of one device and data type, and their slots, in place: the formula of the optimizer.

        Unless overridden, calls `update_step` for each. Autograd is off.

        Args:
            params: the parameters.
            grads: their gradients, which must be left as they are.
            slots: for each parameter, the tensors kept for it, by name.
            learning_rate: the learning rate of this step: a number. Optimizers of labkeras take a scalar tensor too,
                which it is while a compiler records the step.
        """
        self.refresh_variables()
        for param, grad in zip(params, grads, strict=True):
            self.update_step(grad, param, learning_rate)

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: float) -> None:
        """Changes one parameter, and what is kept for it, in place.

        Unless overridden, calls the `update` of the class, or of the nearest parent that has one.

        Args:
            gradient: its gradient, which must be left as it is.
            variable: the parameter.
            learning_rate: the learning rate of this step.
        """
        for cls in type(self).__mro__:
            update = vars(cls).get("update")
            if update is not None and update is not OneByOne.update:
                update(self, [variable], [gradient], [self.state[variable]], learning_rate)
                return
        raise NotImplementedError(f"the optimizer {type(self).__name__} must override `update` or `update_step`.")

    def assign(self, variable: Tensor, value: Any) -> None:
        """Replaces the values of a variable, in place."""
        with torch.no_grad():
            variable.copy_(_as_tensor(value, variable))

    def assign_add(self, variable: Tensor, value: Any) -> None:
        """Adds to the values of a variable, in place."""
        with torch.no_grad():
            variable.add_(_as_tensor(value, variable))

    def assign_sub(self, variable: Tensor, value: Any) -> None:
        """Subtracts from the values of a variable, in place."""
        with torch.no_grad():
            variable.sub_(_as_tensor(value, variable))

    def _get_variable_index(self, variable: Tensor) -> int:
        """The place of a parameter among those that the optimizer was built with: Keras's guide has people use it."""
        for index, other in enumerate(self.trainable_variables):
            if other is variable:
                return index
        raise InvalidArgumentError(
            f"the optimizer {self.name!r} was not built with this variable. "
            f"Received: a variable of shape {tuple(variable.shape)}"
        )


def _as_tensor(value: Any, variable: Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=variable.dtype, device=variable.device)
