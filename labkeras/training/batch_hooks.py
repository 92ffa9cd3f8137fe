"""BatchHooks: the callbacks' batch hooks around steps."""

from collections.abc import Callable
from typing import Any

from labkeras.callbacks.callback import Mode
from labkeras.callbacks.callback_list import CallbackList
from labkeras.training.compiled import LazyLogs

__all__ = ["BatchHooks"]


class BatchHooks:
    """Calls `on_train_batch_begin`, `on_train_batch_end` and their kin around steps, where some callback needs them.

    Args:
        callbacks: whose hooks are called.
        group: the number of steps that are one batch to the hooks: `steps_per_execution`.
    """

    def __init__(self, callbacks: CallbackList, group: int = 1) -> None:
        self._callbacks = callbacks
        self._group = group
        self._counts: dict[Mode, int] = {"train": 0, "test": 0, "predict": 0}
        self._open: Callable[[], None] | None = None

    def begin(self, mode: Mode) -> None:
        """Counts the steps of an epoch, or of an evaluation or prediction, from 0."""
        self._counts[mode] = 0

    def count(self, mode: Mode) -> int:
        """The number of steps since `begin`."""
        return self._counts[mode]

    def around(
        self, mode: Mode, logs: Callable[[], dict[str, Any]], step: Callable[..., None], x: Any, y: Any, weight: Any
    ) -> None:
        """Runs a step on a batch, with the hooks that somebody needs.

        Args:
            mode: "train", "test" or "predict".
            logs: what the hook after it gets; called only if somebody looks.
            step: called with `x`, `y` and `weight`.
            x, y, weight: the batch.
        """
        self.before(mode, logs)
        step(x, y, weight)
        self.after(mode)

    def before(self, mode: Mode, logs: Callable[[], dict[str, Any]]) -> None:
        """Calls the hooks before a step; `logs` is for those after it."""
        count = self._counts[mode]
        self._counts[mode] = count + 1
        if count % self._group == 0 and self._callbacks.needs_batch_hooks(mode):
            getattr(self._callbacks, f"on_{mode}_batch_begin")(count)
            self._open = lambda: self._end(mode, logs)

    def after(self, mode: Mode) -> None:
        """Calls the hooks after a step, if it is the last of its group."""
        if self._counts[mode] % self._group == 0:
            self.finish()

    def pass_over(self) -> None:
        """Counts a step of training that is not run, as it was before the run was broken off."""
        self._counts["train"] += 1

    def finish(self) -> None:
        """Ends the group of steps that is not full, if there is one: the data ended, or validation comes between."""
        end, self._open = self._open, None
        if end is not None:
            end()

    def _end(self, mode: Mode, logs: Callable[[], dict[str, Any]]) -> None:
        # Differs from Keras: the last batch of a group that was cut short has its own number, not one past the end.
        getattr(self._callbacks, f"on_{mode}_batch_end")(self._counts[mode] - 1, LazyLogs(logs))
