"""A trial that outlived the sweep that started it, as a job of a cluster does."""

from labkeras.experiment.runs.directory import RunDirectory

__all__ = ["Orphan"]


class Orphan:
    """A run that somebody else started, and that still goes on.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: RunDirectory) -> None:
        self.exit_code: int | None = None
        self._folder = folder

    def poll(self) -> bool:
        """Whether it is over."""
        return not self._folder.is_running()

    def stop(self, grace: float) -> None:
        """Asks it to end; nobody here can do more.

        Args:
            grace: is not needed.
        """
        if self._folder.stop_request() is None:
            self._folder.request_stop("stopped")
