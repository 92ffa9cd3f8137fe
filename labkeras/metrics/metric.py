"""Metric: the base of all metrics. State is kept on the device, and read when a result is asked for."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Self

import torch
from torch import Tensor

from labkeras import config, dtypes, initializers, serialization
from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError
from labkeras.metrics.distributed import AGGREGATIONS, over_ranks
from labkeras.naming import auto_name
from labkeras.variable import Variable, VariableModule, name_scope

__all__ = ["Metric"]


class Metric(VariableModule):
    """A metric: make its state in `__init__`, write `update_state` and `result`.

    It is a `torch.nn.Module` whose state are buffers: it moves with the model that holds it. Its state is not in
    `state_dict()`, keeps its data type when a model is cast to another, and is trained by nobody.

    Args:
        dtype: the data type of its result, or a dtype policy; `floatx` unless given.
        name: its name; the class's, in snake case, unless given.

    Example:
        >>> class Largest(Metric):
        ...     def __init__(self, **options):
        ...         super().__init__(**options)
        ...         self.largest = self.add_variable((), "zeros", name="largest")
        ...
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.largest.assign(torch.maximum(self.largest, y_pred.max()))
        ...
        ...     def result(self):
        ...         return self.largest
        >>> Largest()(None, torch.tensor([1.0, 3.0])).item()
        3.0
    """

    # Which way is better, "up" or "down"; Keras's metrics have it under this name too.
    _direction: str | None = None

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        super().__init__()
        self.name = name or auto_name(type(self).__name__)
        self._dtype_policy = dtypes.get(dtype or config.floatx())
        self._torch_dtype = self._dtype_policy.torch_compute_dtype
        # Buffers that no attribute holds: those of variables which live in a list, say.
        self._unassigned: set[str] = set()

    @property
    def dtype(self) -> str:
        """The data type of the result."""
        return self._dtype_policy.compute_dtype

    @property
    def direction(self) -> str | None:
        """Which way is better, "up" or "down", if that is known."""
        return self._direction

    @property
    def variables(self) -> list[Variable]:
        """The state, and that of the metrics within this one."""
        return [module._buffers[name] for module, name in self._slots()]  # type: ignore[misc]

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Takes in a batch: `update_state(y_true, y_pred, sample_weight=None)`."""
        raise NotImplementedError(f"{type(self).__name__} must have a method `update_state`.")

    def result(self) -> Any:
        """The metric of all that was taken in: a tensor, or a dict of tensors by name. No ranks are asked."""
        raise NotImplementedError(f"{type(self).__name__} must have a method `result`.")

    def reset_state(self) -> None:
        """Starts anew: all state becomes 0."""
        with torch.no_grad():
            for variable in self.variables:
                variable.zero_()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Takes in a batch, and returns the result of all so far."""
        self.update_state(*args, **kwargs)
        return self.result()

    def synced(self) -> AbstractContextManager[None]:
        """Within it, the state is that of all ranks of a distributed run, so that `result()` is theirs.

        Every rank must enter it; it costs one all-reduce. Afterwards each rank has its own state again, and goes on.

        Example:
            >>> metric = Metric()
            >>> with metric.synced():
            ...     pass
        """
        return over_ranks(self.variables)

    def add_variable(
        self,
        shape: Sequence[int],
        initializer: Any,
        dtype: Any = None,
        aggregation: str | None = "sum",
        name: str | None = None,
    ) -> Variable:
        """A piece of state; assign it to an attribute.

        Args:
            shape: its shape.
            initializer: its start values: an initializer or its name; "zeros" for None. A reset makes it zeros.
            dtype: its data type; `floatx` unless given.
            aggregation: how its values on several ranks become one: "sum", "mean", "only_first_replica", or "none".
            name: its name.

        Raises:
            InvalidArgumentError: if `aggregation` is none of these, or `super().__init__()` was not called.
        """
        if "_buffers" not in self.__dict__:
            raise InvalidArgumentError(
                f"`super().__init__()` must come first in `{type(self).__name__}.__init__`: the base keeps the state."
            )
        if aggregation not in AGGREGATIONS:
            raise InvalidArgumentError(
                f"`aggregation` must be one of {AGGREGATIONS}. Received: aggregation={aggregation!r}"
            )
        # A validation loop runs in inference mode; state made there could not be written to in training.
        with name_scope(self.name.replace("/", ">")), torch.inference_mode(False):
            variable = Variable(
                initializers.get("zeros" if initializer is None else initializer),
                shape=tuple(shape),
                dtype=dtype,
                trainable=False,
                aggregation=aggregation or "none",
                synchronization="on_read",
                name=name,
            )
        key = self._free_key(variable.name)
        self._unassigned.add(key)
        self.register_buffer(key, variable, persistent=False)
        return variable

    def add_weight(
        self, shape: Sequence[int] = (), initializer: Any = None, dtype: Any = None, name: str | None = None
    ) -> Variable:
        """A piece of state, summed over ranks; see `add_variable`."""
        return self.add_variable(shape=shape, initializer=initializer, dtype=dtype, name=name)

    def stateless_update_state(self, metric_variables: Sequence[Any], *args: Any, **kwargs: Any) -> list[Tensor]:
        """The state after a batch, from the state before it; that of this object stays as it is.

        Args:
            metric_variables: values for `variables`, one by one.
            *args: as for `update_state`.
            **kwargs: as for `update_state`.
        """
        with self._state(metric_variables):
            self.update_state(*args, **kwargs)
            return self._values()

    def stateless_result(self, metric_variables: Sequence[Any]) -> Any:
        """The result of a given state.

        Args:
            metric_variables: values for `variables`, one by one.
        """
        with self._state(metric_variables):
            return self.result()

    def stateless_reset_state(self) -> list[Tensor]:
        """The state of a fresh start; that of this object stays as it is."""
        with self._state(self.variables):
            self.reset_state()
            return self._values()

    def get_config(self) -> dict[str, Any]:
        """The arguments that make an equal metric, without its state."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The metric that `get_config` described."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name}>"

    # --- torch --------------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Variable) and "_buffers" in self.__dict__:
            for known in [key for key, held in self._buffers.items() if held is value and key != name]:
                del self._buffers[known]
                self._unassigned.discard(known)
            self._unassigned.discard(name)
            self.register_buffer(name, value, persistent=False)
        elif isinstance(value, list | tuple) and value and all(isinstance(item, Metric) for item in value):
            super().__setattr__(name, torch.nn.ModuleList(value))
        else:
            super().__setattr__(name, value)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # Counts in bfloat16 stop at 256: a model that is cast to another type takes the state along to its device only.
        super()._apply(lambda tensor: tensor.to(fn(tensor.new_empty(0)).device), recurse)
        return self

    def _move_to(self, device: torch.device) -> torch.device:
        """The device of the state, which follows a batch to an accelerator at first sight."""
        held = next((buffer.device for buffer in self._buffers.values() if buffer is not None), device)
        if held != device and device.type != "cpu":
            self.to(device)
            return device
        return held

    def _free_key(self, name: str) -> str:
        key, count = name.replace(".", "_"), 0
        while hasattr(self, key):
            count += 1
            key = f"{name}_{count}"
        return key

    def _slots(self) -> Iterator[tuple["Metric", str]]:
        """Where the state is: this metric's own first, then that of the metrics within."""
        for module in self.modules():
            if isinstance(module, Metric):
                for name, buffer in module._buffers.items():
                    if isinstance(buffer, Variable):
                        yield module, name

    def _values(self) -> list[Tensor]:
        return [variable.detach().as_subclass(Tensor) for variable in self.variables]

    @contextmanager
    def _state(self, values: Sequence[Any]) -> Iterator[None]:
        """Within it, copies of `values` stand in for the state."""
        slots = list(self._slots())
        if len(values) != len(slots):
            raise InvalidArgumentError(
                f"`metric_variables` must have a value for each of the {len(slots)} variables of "
                f"{type(self).__name__}. Received: {len(values)} values"
            )
        if self._unassigned:
            raise UnsupportedArgumentError(
                f"the stateless methods of {type(self).__name__} need each variable in an attribute of its own. "
                f"Received: {sorted(self._unassigned)} elsewhere"
            )
        held = [module._buffers[name] for module, name in slots]
        try:
            for (module, name), variable, value in zip(slots, held, values, strict=True):
                module._buffers[name] = _stand_in(variable, value)
            yield
        finally:
            for (module, name), variable in zip(slots, held, strict=True):
                module._buffers[name] = variable


def _stand_in(variable: Any, value: Any) -> Variable:
    tensor = value if isinstance(value, Tensor) else torch.as_tensor(value)
    copy = tensor.detach().to(device=variable.device, dtype=variable.dtype, copy=True)
    stand_in: Variable = variable.like(copy.as_subclass(Tensor).reshape(variable.shape))
    return stand_in


serialization.register_base("metrics", Metric)
