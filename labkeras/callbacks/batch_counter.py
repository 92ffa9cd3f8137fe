"""BatchCounter: after which batches something is due."""

__all__ = ["BatchCounter"]


class BatchCounter:
    """Counts batches over epochs; the hooks may pass over some, as they do with `steps_per_execution`."""

    def __init__(self) -> None:
        self.last: int | None = None
        """The number of the last batch that was seen, in its epoch."""
        self.waiting = 0
        """The number of batches since something was due."""

    def is_due(self, batch: int, every: int) -> bool:
        """Whether at least `every` batches have passed since this was last true.

        Args:
            batch: the number of the batch in its epoch, from 0.
            every: the number of batches.
        """
        same_epoch = self.last is not None and batch > self.last
        self.waiting += batch - self.last if same_epoch and self.last is not None else batch + 1
        self.last = batch
        if self.waiting < every:
            return False
        self.waiting = 0
        return True
