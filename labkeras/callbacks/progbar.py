"""Progbar: Keras's progress bar for loops of one's own."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor

from labkeras.callbacks.progress import ProgressBar
from labkeras.errors import InvalidArgumentError

__all__ = ["Progbar"]


class Progbar:
    """Shows how far a loop has come, as `fit` does, with values of its own or their averages.

    In a terminal or notebook the line is redrawn in place; in a file or pipe it appears once, when it is complete.

    Args:
        target: number of steps; None if unknown.
        width: characters of the bar.
        verbose: 0 shows nothing, 1 a bar, 2 one line at the end.
        interval: seconds between two drawings, at least.
        stateful_metrics: names of the values to show as they come; the others are averaged over the steps.
        stateless_metrics: names of the values to average; the others are shown as they come. One of the two may be
            given.
        unit_name: what a step is called in "3ms/step".

    Raises:
        InvalidArgumentError: if `stateful_metrics` and `stateless_metrics` are both given.

    Example:
        >>> progress = Progbar(target=3, verbose=2)
        >>> for loss in (0.5, 0.25, 0.125):
        ...     progress.add(1, [("loss", loss)])  # doctest: +ELLIPSIS
        3/3 - 0s - ...us/step - loss: 0.1250
    """

    def __init__(
        self,
        target: int | None,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        if stateful_metrics is not None and stateless_metrics is not None:
            raise InvalidArgumentError(
                "`stateful_metrics` names those that are not averaged, `stateless_metrics` those that are: give one. "
                f"Received: stateful_metrics={stateful_metrics!r}, stateless_metrics={stateless_metrics!r}"
            )
        self.target = target
        self.verbose = verbose
        self.stateful_metrics = None if stateless_metrics is not None else set(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else set(stateless_metrics)
        self._seen = self._known = 0
        self._values = _Means()
        self._bar: ProgressBar | None = None
        if verbose in (1, 2):
            self._bar = ProgressBar(target, bar=verbose == 1, unit=unit_name, width=width, interval=interval)

    def update(
        self, current: int, values: Iterable[tuple[str, Any]] | None = None, finalize: bool | None = None
    ) -> None:
        """Takes note that `current` steps are done, and shows it if the last time is long enough ago.

        Args:
            current: number of steps done.
            values: (name, value of the steps since the last update); scalar tensors are waited for only when shown.
            finalize: whether the line is complete, and shows these values and no averages; by default once `current`
                has reached the target.
        """
        if finalize is None:
            finalize = self.target is not None and current >= self.target
        steps = max(current - self._seen, 1)
        for name, value in values or ():
            self._values.take(name, value, 0 if finalize or not self._is_averaged(name) else steps)
        self._seen = current
        if self._bar is None:
            return
        self._bar.target = self.target  # it may have become known on the way
        if len(self._values) > self._known:
            self._bar.expect(self._values)
            self._known = len(self._values)
        if finalize:
            self._bar.finish(current, self._values)
        else:
            self._bar.update(current, self._values)

    def add(self, n: int, values: Iterable[tuple[str, Any]] | None = None) -> None:
        """`update` by `n` steps more.

        Args:
            n: number of steps since the last update.
            values: (name, value of these steps).
        """
        self.update(self._seen + n, values)

    def _is_averaged(self, name: str) -> bool:
        if self.stateless_metrics is not None:
            return name in self.stateless_metrics
        return self.stateful_metrics is None or name not in self.stateful_metrics


class _Means(Mapping[str, Any]):
    """Name → the average of what was taken; computed when somebody looks."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Any, int]] = {}

    def take(self, name: str, value: Any, steps: int) -> None:
        """Adds a value that stands for so many steps; for 0, it takes the place of all before."""
        if isinstance(value, Tensor):
            value = value.detach()
        if steps == 0 or name not in self._sums:
            self._sums[name] = (value * steps if steps > 1 else value), max(steps, 1)
            return
        total, count = self._sums[name]
        self._sums[name] = total + (value * steps if steps > 1 else value), count + steps

    def __getitem__(self, name: str) -> Any:
        total, count = self._sums[name]
        return total if count == 1 else total / count

    def __iter__(self) -> Iterator[str]:
        return iter(self._sums)

    def __len__(self) -> int:
        return len(self._sums)
