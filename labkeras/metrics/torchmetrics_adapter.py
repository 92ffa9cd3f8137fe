"""A metric of torchmetrics as one of ours. torchmetrics is not imported: whoever has such a metric has done that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor

from labkeras.errors import SerializationError, UnsupportedArgumentError
from labkeras.metrics.metric import Metric
from labkeras.naming import to_snake_case
from labkeras.ops.conversion import to_tensor
from labkeras.ops.weighting import keras_mask

__all__ = ["TorchMetric", "is_torchmetric"]


def is_torchmetric(value: Any) -> bool:
    """Whether `value` is a metric of torchmetrics, or a collection of such metrics."""
    return any(
        base.__module__.startswith("torchmetrics.") and base.__name__ in ("Metric", "MetricCollection")
        for base in type(value).__mro__
    )


class TorchMetric(Metric):
    """A metric of torchmetrics, called the Keras way.

    torchmetrics takes the prediction first: `update_state(y_true, y_pred)` calls `update(y_pred, y_true)`; `result`
    calls `compute`, `reset_state` `reset`. Class numbers of shape (batch, 1) lose their last axis, and become integers
    for metrics of classification. A mask that rides on the predictions takes out what it leaves out.

    Args:
        metric: the metric.
        name: its name; that of its class, in snake case, unless given.

    Raises:
        UnsupportedArgumentError: when called with `sample_weight`, which torchmetrics does not have.

    Example:
        >>> from torchmetrics.classification import BinaryF1Score
        >>> TorchMetric(BinaryF1Score()).name
        'binary_f1_score'
    """

    def __init__(self, metric: Any, name: str | None = None) -> None:
        super().__init__(name=name or to_snake_case(type(metric).__name__))
        self.metric = metric
        higher_is_better = getattr(metric, "higher_is_better", None)
        self._direction = None if higher_is_better is None else ("up" if higher_is_better else "down")
        self._asks_ranks = False
        self._is_classifier = ".classification." in type(metric).__module__

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        if sample_weight is not None:
            raise UnsupportedArgumentError(
                f"the metric {self.name!r} of torchmetrics cannot weigh samples: put it under `metrics`, not "
                "`weighted_metrics`. Received: sample_weight"
            )
        mask = keras_mask(y_pred)
        y_pred = to_tensor(y_pred).detach()
        y_true = to_tensor(y_true, device=y_pred.device)
        if y_true.ndim == y_pred.ndim and y_true.shape[-1:] == (1,) and y_pred.shape[-1:] != (1,):
            y_true = y_true.squeeze(-1)
        if self._is_classifier and y_true.is_floating_point():
            y_true = y_true.long()
        if mask is not None:
            y_true, y_pred = y_true[mask], y_pred[mask]
        device = self._device_for(y_pred)
        self.metric.update(y_pred.to(device), y_true.to(device))

    def result(self) -> Any:
        for leaf in self._leaves():
            # What was computed before may have been of all ranks, or of this one.
            leaf._computed = None
            leaf._to_sync = self._asks_ranks
        return self.metric.compute()

    def reset_state(self) -> None:
        self.metric.reset()

    @contextmanager
    def synced(self) -> Iterator[None]:
        self._asks_ranks = True
        try:
            yield
        finally:
            self._asks_ranks = False

    def get_config(self) -> dict[str, Any]:
        raise SerializationError(
            "metrics of torchmetrics have no config to be saved by: use one of `labkeras.metrics`. "
            f"Received: {self.metric!r}"
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        raise SerializationError("metrics of torchmetrics have no config to be made from.")

    def _leaves(self) -> list[Any]:
        """The metrics themselves, of which a collection has several."""
        return [module for module in self.metric.modules() if hasattr(module, "sync_on_compute")]

    def _device_for(self, y_pred: Tensor) -> torch.device:
        """Where the state is, which follows a batch to an accelerator at first sight."""
        held: torch.device = self._leaves()[0].device
        if y_pred.device == held or y_pred.device.type == "cpu":
            return held
        self.metric.to(y_pred.device)
        return y_pred.device
