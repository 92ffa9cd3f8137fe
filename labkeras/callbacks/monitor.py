"""MonitorCallback: what callbacks that watch one of the logs have in common."""

import operator
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from labkeras.callbacks.callback import Callback
from labkeras.errors import InvalidArgumentError

__all__ = ["MonitorCallback", "MonitorMode"]

MonitorMode = Literal["auto", "min", "max"]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {"min": operator.lt, "max": operator.gt}
_OF_DIRECTION = {"down": "min", "up": "max"}


class MonitorCallback(Callback):
    """Base of callbacks that ask whether a value in the logs got better.

    Args:
        monitor: name of the value, such as "val_loss".
        mode: "min" if less is better, "max" if more is, "auto" to go by the value's name: a loss is to be small, and a
            metric of the model says of itself which it is.
        baseline: value that must be beaten; `None` if any will do.
        min_delta: least change that counts, its sign is ignored.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: MonitorMode = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        if mode not in ("auto", *_COMPARISONS):
            warnings.warn(
                f"{type(self).__name__}: `mode` must be 'auto', 'min' or 'max'; going on with 'auto'. "
                f"Received: mode={mode!r}",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = baseline
        self.min_delta = abs(min_delta)
        self.monitor_op: Callable[[Any, Any], bool] | None = None

    def choose_comparison(self) -> Callable[[Any, Any], bool]:
        """Less-than or greater-than; settled when it is first needed, since before the model may have no metrics.

        Raises:
            InvalidArgumentError: if `mode` is "auto" and neither the name nor a metric tells the direction.
        """
        if self.monitor_op is None:
            mode = self.mode if self.mode != "auto" else self._mode_of_name()
            self.monitor_op = _COMPARISONS[mode]
        return self.monitor_op

    def is_improvement(self, value: Any, reference: Any) -> bool:
        """Whether `value` is better than `reference` by more than `min_delta`; anything is better than None."""
        better = self.choose_comparison()
        if reference is None:
            return True
        return bool(better(value + self.min_delta if better is operator.lt else value - self.min_delta, reference))

    def _mode_of_name(self) -> str:
        name = self.monitor.removeprefix("val_")
        # Differs from Keras: the direction is also found with several outputs, where names begin with the output's:
        # "cls_accuracy".
        if name == "loss" or name.endswith("_loss"):
            return "min"
        metrics = list(_each(getattr(self.model, "metrics", None) or ()))
        exact = [metric for metric in metrics if metric.name == name]
        for metric in exact or [metric for metric in metrics if name.endswith(f"_{metric.name}")]:
            direction = getattr(metric, "direction", None)
            if direction in _OF_DIRECTION:
                return _OF_DIRECTION[direction]
        raise InvalidArgumentError(
            f"{type(self).__name__} cannot tell whether more or less is better of {self.monitor!r}: "
            f"pass mode='max' or mode='min'. Received: monitor={self.monitor!r}, mode='auto'"
        )


def _each(metrics: Iterable[Any]) -> Iterator[Any]:
    """All metrics, those inside containers of metrics too."""
    for metric in metrics:
        yield metric
        yield from _each(getattr(metric, "metrics", None) or ())
