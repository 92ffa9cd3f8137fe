"""EventFiles: the event files of one run, a folder for each part of it: training, validation, test."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from labkeras.callbacks.event_file import EventFile
from labkeras.callbacks.processes import is_main_process
from labkeras.errors import InvalidArgumentError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["EventFiles", "Part"]

Part = Literal["train", "validation", "test"]
"""A folder below `log_dir`: TensorBoard shows each as a run of its own, in a colour of its own."""

_PARTS = get_args(Part)
_PATTERN = "events.out.tfevents.*"


class EventFiles:
    """Event files below a folder, made when something is written first; by the main process only.

    Args:
        log_dir: the folder.
    """

    def __init__(self, log_dir: str) -> None:
        self._log_dir = log_dir
        self._open: dict[str, EventFile] = {}
        self._writers: dict[str, SummaryWriter] = {}

    def file(self, part: Part) -> EventFile | None:
        """The file of a part; None in a process that is not to write.

        Raises:
            InvalidArgumentError: for another part than "train", "validation" and "test".
        """
        if part not in _PARTS:
            raise InvalidArgumentError(
                f"`part` must be one of {', '.join(map(repr, _PARTS))}: each is a folder. Received: part={part!r}"
            )
        if not is_main_process():
            return None
        if part not in self._open:
            self._open[part] = _opened(self.folder(part))
        return self._open[part]

    def writer(self, part: Part) -> "SummaryWriter | None":
        """torch's writer for the file of a part; None in a process that is not to write."""
        file = self.file(part)
        if file is not None and part not in self._writers:
            # Here, because it takes a while to import, and most programs that import callbacks don't write any.
            from labkeras.callbacks.summary_writer import writer_into

            self._writers[part] = writer_into(file)
        return self._writers.get(part)

    def folder(self, part: Part) -> str:
        """Where the files of a part are."""
        return os.path.join(self._log_dir, part)

    def close(self) -> None:
        """Closes the files; what is written after that goes into new ones."""
        for file in self._open.values():
            file.close()
        self._open, self._writers = {}, {}

    def sizes(self) -> dict[str, int]:
        """The bytes in each file, by its name below the folder."""
        return {name: path.stat().st_size for name, path in self._paths()}

    def cut_back(self, sizes: Mapping[str, int]) -> None:
        """Takes back what was written since `sizes` was asked."""
        if not is_main_process():
            return
        self.close()
        for name, path in self._paths():
            if name not in sizes:
                path.unlink()
            elif path.stat().st_size > sizes[name]:
                os.truncate(path, sizes[name])

    def _paths(self) -> list[tuple[str, Path]]:
        if not is_main_process():
            return []
        found = [path for part in _PARTS for path in Path(self._log_dir, part).glob(_PATTERN)]
        return [(path.relative_to(self._log_dir).as_posix(), path) for path in sorted(found)]


def _opened(folder: str) -> Any:
    if "://" not in folder:
        return EventFile(folder)
    # In a store such as s3://, to which TensorBoard's own writer knows the way.
    from torch.utils.tensorboard import FileWriter  # here, because it takes a while to import

    return FileWriter(folder)
