"""torch's SummaryWriter, writing into an event file of ours."""

from typing import Any

from torch.utils.tensorboard import SummaryWriter

from labkeras.callbacks.event_file import EventFile

__all__ = ["writer_into"]


def writer_into(file: EventFile) -> SummaryWriter:
    """A writer with all of torch's methods, which writes into a file that others write into as well."""
    return _Writer(file)


class _Writer(SummaryWriter):
    def __init__(self, file: EventFile) -> None:
        self._file = file
        super().__init__(file.get_logdir())

    def _get_file_writer(self) -> Any:
        # Of all that SummaryWriter has, this alone knows where events go.
        self.file_writer: Any = self._file
        self.all_writers: Any = {self._file.get_logdir(): self._file}
        return self._file
