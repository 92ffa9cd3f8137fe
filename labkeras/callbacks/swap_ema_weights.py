"""SwapEMAWeights: evaluates with the moving averages of the weights."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from labkeras.callbacks.callback import Callback, Logs
from labkeras.errors import InvalidArgumentError

__all__ = ["SwapEMAWeights"]


class SwapEMAWeights(Callback):
    """Puts the moving averages that the optimizer keeps in place of the weights for evaluation and prediction.

    The optimizer must be made with `use_ema=True`. Before its first step there are no averages, and the weights stay.

    Args:
        swap_on_epoch: whether the averages also stand in the model from an epoch's end to the next one's beginning, so
            that a `ModelCheckpoint` after this callback saves them.

    Raises:
        InvalidArgumentError: when it is to act, if the optimizer keeps no averages.

    Example:
        >>> SwapEMAWeights(swap_on_epoch=True).swap_on_epoch
        True
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = swap_on_epoch
        # Differs from Keras: the weights are kept here, not in the optimizer's slots, where the averages stay. There an
        # early stop with `swap_on_epoch` leaves the model with the weights, not the averages.
        self._weights: list[Tensor] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._weights = None

    def on_train_end(self, logs: Logs | None = None) -> None:
        # Training ends with the averages in the model.
        self._weights = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._put_back()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.swap_on_epoch:
            self._put_averages()

    def on_test_begin(self, logs: Logs | None = None) -> None:
        self._put_averages()

    def on_test_end(self, logs: Logs | None = None) -> None:
        self._put_back()

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        self._put_averages()

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._put_back()

    def state_dict(self) -> dict[str, Any]:
        return {"weights": self._weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        weights = state["weights"]
        if weights is None:
            self._weights = None
            return
        self._weights = [
            torch.as_tensor(array).to(weight) for array, (weight, _) in zip(weights, self._pairs(), strict=True)
        ]

    def _put_averages(self) -> None:
        if self._weights is not None:
            return
        pairs = list(self._pairs())
        self._weights = [weight.detach().clone() for weight, _ in pairs]
        _copy([weight for weight, _ in pairs], [average for _, average in pairs])

    def _put_back(self) -> None:
        if self._weights is None:
            return
        _copy([weight for weight, _ in self._pairs()], self._weights)
        self._weights = None

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Each weight with its average."""
        outer = self.model.optimizer
        optimizer = outer
        while hasattr(optimizer, "inner_optimizer"):  # of one that scales the loss, say
            optimizer = optimizer.inner_optimizer
        several = getattr(optimizer, "optimizers", None)
        averaging = [one for one in ([optimizer] if several is None else several) if getattr(one, "use_ema", False)]
        if not averaging:
            which = "the optimizer" if several is None else "at least one of the optimizers"
            raise InvalidArgumentError(
                f"SwapEMAWeights must be used when `use_ema=True` is set on {which}. Received: optimizer={outer!r}"
            )
        for one in averaging:
            # Differs from Keras: before the first step, when the averages are still zeros, they are not used.
            if one.built and int(one.iterations):
                yield from ((weight, one.state[weight]["average"]) for weight in one.trainable_variables)


def _copy(targets: list[Any], sources: list[Tensor]) -> None:
    with torch.no_grad():
        for target, source in zip(targets, sources, strict=True):
            target.copy_(source)
