"""Event files as they lie on disk: how much is in them, and whether TensorBoard can read them to their end."""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from labkeras.callbacks.event_file import masked_crc32c

__all__ = ["EventFile", "event_files"]

_HEADER = 12  # the length of a record, and its checksum
_FOOTER = 4  # the checksum of what is in it


@dataclass(frozen=True)
class EventFile:
    """One event file.

    Args:
        path: where it is.
        records: how many can be read.
        damage: what is wrong with the next one; None if there is none.
        is_cut: whether it ends within a record, as that of a process does that was killed, or is writing.
    """

    path: Path
    records: int
    damage: str | None = None
    is_cut: bool = False


def event_files(root: Path) -> Iterator[EventFile]:
    """Reads the event files below a folder, in the order of their paths; links are followed."""
    for folder, names, files in os.walk(root, followlinks=True):
        names.sort()
        for name in sorted(files):
            if "tfevents" in name:
                yield _read(Path(folder, name))


def _read(path: Path) -> EventFile:
    """Reads records to the end of a file, or to the first that cannot be read: there TensorBoard stops as well."""
    records = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        while (start := file.tell()) < size:
            damage = _next(file)
            if damage is not None:
                return EventFile(path, records, None if damage == _CUT else f"{damage} at byte {start}", damage == _CUT)
            records += 1
    return EventFile(path, records)


_CUT = "it ends within a record"


def _next(file: BinaryIO) -> str | None:
    """Reads a record; says what is wrong with it."""
    header = file.read(_HEADER)
    if len(header) < _HEADER:
        return _CUT
    (length,) = struct.unpack("<Q", header[:8])
    if struct.unpack("<I", header[8:]) != (masked_crc32c(header[:8]),):
        return "a record has a damaged length"
    content = file.read(length + _FOOTER)
    if len(content) < length + _FOOTER:
        return _CUT
    if struct.unpack("<I", content[-_FOOTER:]) != (masked_crc32c(content[:-_FOOTER]),):
        return "a record is damaged"
    return None
