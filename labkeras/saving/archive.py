"""The `.keras` archive: a zip file with `metadata.json`, `config.json` and `model.weights.h5`.

Nothing is ever extracted: members are read into memory, or into a nameless temporary file. Other members than the three
are not looked at.
"""

import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO

from labkeras.errors import FileFormatError

__all__ = ["Archive", "CONFIG", "METADATA", "WEIGHTS", "scratch_file"]

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"

_IN_MEMORY = 256 * 2**20
# Weights do not shrink much, and Keras stores them as they are: what grows a hundredfold, and by much, is a bomb.
_MOST_GROWTH = 100
_SMALL = 16 * 2**20
_MOST_MEMBERS = 10_000


def scratch_file() -> IO[bytes]:
    """A file without a name, in memory as long as it is not large; gone when it is closed."""
    return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)


class Archive:
    """A `.keras` file, open for reading; everything but the members' contents is checked at once.

    Args:
        file: the open file.
        path: its name, for messages.

    Raises:
        FileFormatError: if it is no zip file, damaged, or made to be read differently by different readers.
    """

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, struct.error) as error:
            raise FileFormatError(f"{path!r} is no `.keras` archive, or it is damaged: {error}.") from error
        self._members = self._checked(file)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def read(self, name: str, limit: int) -> bytes:
        """A member's content.

        Args:
            name: the member.
            limit: its greatest length.

        Raises:
            FileFormatError: if it is not there, longer, or damaged.
        """
        info = self._info(name)
        if info.file_size > limit:
            raise FileFormatError(
                f"{self._path!r}: {name!r} is longer than {limit} bytes. Received: {info.file_size} bytes"
            )
        with self.open(name) as content:
            return content.read()

    def open(self, name: str) -> IO[bytes]:
        """A member's content as a file that one can move in.

        Raises:
            FileFormatError: if it is not there, or damaged.
        """
        info = self._info(name)
        content = scratch_file()
        try:
            with self._zip.open(info) as member:
                shutil.copyfileobj(member, content, 2**20)  # zipfile compares the checksum at the end
        except (
            zipfile.BadZipFile,
            ValueError,
            OSError,
            EOFError,
            NotImplementedError,
            RuntimeError,
            zlib.error,
        ) as error:
            content.close()
            raise FileFormatError(f"{self._path!r}: {name!r} is damaged: {type(error).__name__}: {error}.") from error
        content.seek(0)
        return content

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise FileFormatError(
                f"{self._path!r} has no member {name!r}, so it is no `.keras` archive, or not a whole one. "
                f"Its members: {sorted(self._members)[:10]}"
            )
        return self._members[name]

    def _checked(self, file: IO[bytes]) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if len(infos) > _MOST_MEMBERS:
            raise self._refusal(f"it has {len(infos)} members")
        if file.read(4) != b"PK\x03\x04" or self._zip.comment or not infos or min(info.header_offset for info in infos):
            # Readers differ in what they make of it: each would see another archive.
            raise self._refusal("something stands before or behind the archive in the file")
        if sum(info.compress_size for info in infos) > size:
            raise self._refusal("its members are longer than the file")
        members: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._check_member(info)
            if info.filename in members:
                raise self._refusal(f"it has two members {info.filename!r}")
            members[info.filename] = info
        return members

    def _check_member(self, info: zipfile.ZipInfo) -> None:
        name = info.filename
        path = PurePosixPath(name)
        if (
            path.is_absolute()
            or ".." in path.parts
            or "\\" in name
            or ":" in name
            or "\0" in name
            or info.orig_filename != name
        ):
            raise self._refusal(f"the member {name!r} has a name that leads elsewhere")
        if info.flag_bits & 0x1:
            raise self._refusal(f"the member {name!r} is encrypted")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise self._refusal(f"the member {name!r} is compressed in an unknown way")
        if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
            raise self._refusal(f"the member {name!r} says two things of its length")
        if info.file_size > _SMALL and info.file_size > _MOST_GROWTH * info.compress_size:
            raise self._refusal(
                f"the member {name!r} says that it grows from {info.compress_size} to {info.file_size} bytes"
            )

    def _refusal(self, reason: str) -> FileFormatError:
        return FileFormatError(f"{self._path!r} is not read as a `.keras` archive: {reason}.")
