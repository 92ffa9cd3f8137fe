"""EventFile: a file of events as TensorBoard reads it, written at once and by the thread that has something to write.

TensorBoard's own writer has a thread that takes the interpreter from training for each event, and computes checksums
byte by byte: 0.3 ms for a histogram. Here one takes some 20 µs.
"""

import functools
import itertools
import os
import socket
import struct
import time
from pathlib import Path
from typing import IO, Any

import numpy as np

__all__ = ["EventFile", "masked_crc32c"]

# The polynomial of CRC-32C, its bits reversed.
_POLYNOMIAL = 0x82F63B78
_ALL_ONES = 0xFFFFFFFF
# How many bytes are taken at a time; the tables take 1 KB for each.
_BLOCK = 512
# Fewer than so many are quicker taken one by one.
_FEW = 128
_numbers = itertools.count()


class EventFile:
    """A new event file in a folder, which is made. It has the methods of torch's `FileWriter`.

    Args:
        folder: where to.
    """

    def __init__(self, folder: str) -> None:
        self._file: IO[bytes] | None = None
        self._folder = folder
        self.reopen()

    def get_logdir(self) -> str:
        """The folder."""
        return self._folder

    def add_summary(self, summary: Any, global_step: Any = None, walltime: float | None = None) -> None:
        """Writes a `Summary`, with its step and the time, in seconds since 1970, which is now unless given."""
        from tensorboard.compat.proto.event_pb2 import Event

        self.add_event(Event(summary=summary), global_step, walltime)

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """Writes an `Event`; step and time as above."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        if self._file is None:
            self.reopen()
        assert self._file is not None
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        self._file.write(b"".join((length, _packed_sum(length), data, _packed_sum(data))))
        self._file.flush()

    def flush(self) -> None:
        """Nothing is kept back."""

    def close(self) -> None:
        """Closes the file; what is written after that goes into a new one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __del__(self) -> None:
        self.close()  # of a run that was broken off; nothing is lost, but Python would complain

    def reopen(self) -> None:
        """Begins a new file, if none is open."""
        # Here, because it takes a while to import, and most programs that import callbacks don't write any.
        from tensorboard.compat.proto.event_pb2 import Event

        if self._file is None:
            Path(self._folder).mkdir(parents=True, exist_ok=True)
            # As TensorBoard names them: it reads those of a folder in the order of their names.
            name = f"{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}"
            self._file = Path(self._folder, f"events.out.tfevents.{name}").open("ab")  # noqa: SIM115  # until `close`
            self.add_event(Event(file_version="brain.Event:2"))


def masked_crc32c(data: bytes) -> int:
    """The checksum that stands beside a record: CRC-32C, turned and shifted.

    Example:
        >>> hex(masked_crc32c(b"123456789"))
        '0xc78ab0e5'
    """
    crc = _crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & _ALL_ONES


def _packed_sum(data: bytes) -> bytes:
    return struct.pack("<I", masked_crc32c(data))


def _crc32c(data: bytes) -> int:
    """CRC-32C is linear: that of a block is the exclusive or of what each of its bytes comes to, in its place."""
    crc = _ALL_ONES
    if len(data) < _FEW:
        table = _table()
        for byte in data:
            crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
        return crc ^ _ALL_ONES
    tables = _tables()
    for start in range(0, len(data), _BLOCK):
        block = np.frombuffer(data[start : start + _BLOCK], np.uint8).copy()
        head = min(4, len(block))
        # What came before is as if it stood in the first bytes; of it, what a shorter block leaves over, moves on.
        block[:head] ^= np.frombuffer(struct.pack("<I", crc), np.uint8)[:head]
        places = np.arange(len(block) - 1, -1, -1)
        crc = (crc >> 8 * head) ^ int(np.bitwise_xor.reduce(tables[places, block]))
    return crc ^ _ALL_ONES


@functools.cache
def _table() -> list[int]:
    """What a byte comes to, if none follows."""
    first: np.ndarray = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        first = (first >> 1) ^ np.where(first & 1, np.uint32(_POLYNOMIAL), np.uint32(0))
    numbers: list[int] = first.tolist()
    return numbers


@functools.cache
def _tables() -> np.ndarray:
    """The same for each number of bytes that follow: (512, 256)."""
    tables = np.empty((_BLOCK, 256), np.uint32)
    tables[0] = first = np.array(_table(), np.uint32)
    for place in range(1, _BLOCK):
        tables[place] = first[tables[place - 1] & 0xFF] ^ (tables[place - 1] >> 8)
    return tables
