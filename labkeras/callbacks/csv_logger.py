"""CSVLogger: writes the logs of each epoch as a row of a table."""

import csv
import io
import os
import warnings
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from labkeras.callbacks.callback import Callback, Logs
from labkeras.callbacks.processes import is_main_process
from labkeras.errors import InvalidArgumentError
from labkeras.files import atomic_write

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Writes the logs of each epoch as a row of a CSV file, below a header of their names.

    The columns are those of the first epoch. Without validation in it there are columns for one all the same; what an
    epoch has no value for is "NA". The file is opened for each row, so that a run that is killed leaves all rows.

    Args:
        filename: the file, for example "run/log.csv".
        separator: what stands between the values, one character.
        append: whether to go on in a file that is there, under its header; otherwise the first row replaces it.

    Raises:
        InvalidArgumentError: for another `separator`.

    Example:
        >>> logger = CSVLogger("log.csv")
        >>> logger.on_epoch_end(0, {"loss": 0.5, "val_loss": 0.75})
        >>> print(open("log.csv").read())
        epoch,loss,val_loss
        0,0.5,0.75
        <BLANKLINE>
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        super().__init__()
        if not isinstance(separator, str) or len(separator) != 1 or separator in '\r\n"':
            raise InvalidArgumentError(
                f"`separator` must be one character, no quote and no line break. Received: separator={separator!r}"
            )
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.keys = None
        if is_main_process():
            # Now, and not when the first epoch has been computed.
            Path(self.filename).parent.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not is_main_process():
            return
        logs = logs or {}
        path = Path(self.filename)
        if self.keys is not None:
            self._append(path, [self._row(epoch, logs)])
        elif self.append and path.exists() and path.stat().st_size:
            _end_last_line(path)
            self.keys = self._header(path)
            _warn_of_missing(self.keys, logs, path)
            self._append(path, [self._row(epoch, logs)])
        else:
            self.keys = _columns(logs)
            with atomic_write(path) as file:
                file.write(self._line(["epoch", *self.keys]) + self._line(self._row(epoch, logs)))

    def state_dict(self) -> dict[str, Any]:
        """How much of the file there is, so that what is written after a backup can be taken back."""
        if self.keys is None or not is_main_process():
            return {"keys": None}
        content = Path(self.filename).read_bytes()
        return {"keys": self.keys, "bytes": len(content), "checksum": zlib.crc32(content)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        path = Path(self.filename)
        if state["keys"] is None or not is_main_process() or not path.exists():
            return
        content = path.read_bytes()[: state["bytes"]]
        # Another file, which somebody put there in the meantime, is left alone.
        if len(content) == state["bytes"] and zlib.crc32(content) == state["checksum"]:
            os.truncate(path, len(content))
            self.keys = list(state["keys"])

    def _row(self, epoch: int, logs: Logs) -> list[Any]:
        assert self.keys is not None
        return [epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)]

    def _append(self, path: Path, rows: Iterable[Sequence[Any]]) -> None:
        with open(path, "a", encoding="utf-8", newline="") as file:
            file.write("".join(self._line(row) for row in rows))

    def _line(self, cells: Sequence[Any]) -> str:
        text = io.StringIO(newline="")
        csv.writer(text, delimiter=self.sep).writerow(cells)
        return text.getvalue()

    def _header(self, path: Path) -> list[str]:
        """The names of a file's columns, but the epoch's."""
        with open(path, encoding="utf-8", newline="") as file:
            return next(csv.reader(file, delimiter=self.sep), [])[1:]


def _columns(logs: Logs) -> list[str]:
    names = sorted(logs)
    has_validation = any(name.startswith("val_") for name in names)
    return names if has_validation else [*names, *(f"val_{name}" for name in names)]


def _cell(value: Any) -> Any:
    if isinstance(value, np.ndarray | Tensor):
        value = value.tolist()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f'"[{", ".join(map(str, value))}]"'
    return value


def _end_last_line(path: Path) -> None:
    """Ends a row that was cut off in the middle, so that the next one does not become a part of it."""
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) != b"\n":
            file.write(b"\r\n")


def _warn_of_missing(columns: list[str], logs: Logs, path: Path) -> None:
    missing = sorted(set(logs) - set(columns))
    if missing:
        warnings.warn(
            f"CSVLogger goes on in {str(path)!r}, whose header has no column for {missing}: they are left out. "
            f"Received: append=True",
            stacklevel=3,
        )
