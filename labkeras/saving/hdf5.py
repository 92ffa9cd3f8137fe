"""Weights in HDF5: groups `<place>/vars` with the datasets "0", "1", …, as Keras 3 writes them.

What is read is checked before: links to other files or places, data that is stored elsewhere or is not there, and types
that are no numbers are refused, and a dataset is read only into a variable of its shape.
"""

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from labkeras.errors import FileFormatError

__all__ = ["Stored", "WeightsReader", "WeightsWriter"]

# Keras stores values as they are; what grows a hundredfold when it is read, and by much, is a bomb.
_MOST_GROWTH = 100
_SMALL = 16 * 2**20
_MOST_OBJECTS = 1_000_000
# Filters that h5py brings along, and that change no values.
_FILTERS = {"1": "gzip", "2": "shuffle", "3": "fletcher32", "32000": "lzf"}


def _h5py() -> Any:
    # By name, and only here: it takes as long to import as the rest of labkeras, and only files need it.
    return importlib.import_module("h5py")


class WeightsWriter:
    """Writes the variables of parts into a file.

    Args:
        file: a file of bytes that one can move in, opened for reading and writing.
        preface: room for so many bytes at the start, 0 or a power of 2 from 512 on.
    """

    def __init__(self, file: IO[bytes], preface: int = 0) -> None:
        self._file = _h5py().File(file, "w", userblock_size=preface or None)

    def write(self, place: str, name: str | None, values: Mapping[str, tuple[Any, str | None]]) -> None:
        """Writes the variables of a part.

        Args:
            place: where the part is in the model: "layers/dense".
            name: its name.
            values: number of the variable, as a string → array, and data type if the array's is another.
        """
        if not values and name is None:
            return
        group = self._file.require_group(f"{place}/vars" if place else "vars")
        if name is not None:
            group.attrs["name"] = name
        for number, (array, dtype) in values.items():
            dataset = group.create_dataset(number, data=array)
            if dtype is not None:
                dataset.attrs["dtype"] = dtype

    def close(self) -> None:
        """Writes what is left to write."""
        self._file.close()

    def __enter__(self) -> "WeightsWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class Stored:
    """One variable in a file: its shape and kind of numbers are known, its values are not read yet."""

    def __init__(self, dataset: Any, place: str, guard: Callable[[str], Any]) -> None:
        self._dataset = dataset
        self._guard = guard
        self.place = place
        self.shape: tuple[int, ...] = tuple(dataset.shape)
        self.is_bfloat16 = _is_bfloat16(dataset)
        self.kind = "f" if self.is_bfloat16 else str(dataset.dtype.kind)

    def read(self) -> np.ndarray[Any, Any]:
        """The values; the caller has made sure that they are what it wants."""
        with self._guard(self.place):
            values = self._dataset[()]
        if values.dtype.kind == "V":
            bits = np.asarray(values).view(np.uint16).astype(np.uint32) << 16
            return bits.view(np.float32).reshape(self.shape)
        # torch knows numbers in the order of this machine's bytes alone.
        return np.asarray(values, values.dtype.newbyteorder("="))


class WeightsReader:
    """Finds the variables of parts in a file.

    Args:
        file: the open file of bytes.
        path: its name, and that of the member, for messages.

    Raises:
        FileFormatError: if it is no HDF5 file, or damaged.
    """

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._path = path
        with self._guard("its beginning"):
            self._file = _h5py().File(file, "r")

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()

    def __enter__(self) -> "WeightsReader":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def variables(self, place: str) -> dict[str, Stored] | None:
        """The variables of a part by their numbers; None if the file has no such part.

        Raises:
            FileFormatError: if one of them is not stored as plain numbers in this file.
        """
        with self._guard(place or "vars"):
            group = self._group(f"{place}/vars" if place else "vars")
            if group is None and "_layer_checkpoint_dependencies" in self._file:  # files of Keras 2.13
                group = self._group(f"{place}/vars".replace("layers", "_layer_checkpoint_dependencies"))
            if group is None:
                return None
            if len(group) > _MOST_OBJECTS:
                raise self.refusal(f"{place}/vars", f"it has {len(group)} variables")
            return {name: self._dataset(group, name, f"{place}/vars/{name}".lstrip("/")) for name in group}

    def count_values(self) -> int:
        """How many values all variables in the file say that they have; each of them is checked to be there.

        Raises:
            FileFormatError: if that is more than the file can hold.
        """
        total = stored = 0
        with self._guard("its groups"):
            for place, dataset in self._walk():
                self._check_storage(dataset, place)
                total += math.prod(dataset.shape)
                stored += dataset.id.get_storage_size()
            if stored > self._size():
                raise self.refusal("its datasets", f"they take {stored} bytes, more than the file has")
        return total

    def everything(self) -> Iterator[Stored]:
        """All variables in the file.

        Raises:
            FileFormatError: if one of them is not stored as plain numbers in this file, or they are more than it holds.
        """
        self.count_values()
        with self._guard("its groups"):
            found = [Stored(dataset, place, self._guard) for place, dataset in self._walk()]
        yield from found

    def refusal(self, place: str, reason: str) -> FileFormatError:
        """The error for something in the file that is not read."""
        return FileFormatError(f"{self._path}, {place}: not read, since {reason}.")

    def _group(self, path: str) -> Any:
        group: Any = self._file
        for name in path.split("/"):
            if name not in group:
                return None
            group = self._child(group, name, path)
            if not isinstance(group, _h5py().Group):
                raise self.refusal(path, "it is no group")
        return group

    def _child(self, group: Any, name: str, path: str) -> Any:
        """An object of a group, which must be in this file and in this place."""
        link = group.get(name, getlink=True)
        if type(link) is not _h5py().HardLink:
            raise self.refusal(path, f"it is a {type(link).__name__}, which leads elsewhere")
        return group[name]

    def _dataset(self, group: Any, name: str, place: str) -> Stored:
        dataset = self._child(group, name, place)
        self._check_storage(dataset, place)
        return Stored(dataset, place, self._guard)

    def _check_storage(self, dataset: Any, place: str) -> None:
        if not isinstance(dataset, _h5py().Dataset):
            raise self.refusal(place, "it is no dataset")
        if dataset.external or dataset.is_virtual:
            raise self.refusal(place, "its values are stored in other files")
        is_number = dataset.dtype.kind in "biufc" or (_is_bfloat16(dataset) and dataset.dtype.str == "|V2")
        if dataset.shape is None or not is_number:
            raise self.refusal(place, f"it holds no numbers but {dataset.dtype}")
        unknown = [name for name in dataset._filters if str(name) not in _FILTERS.values()]
        if unknown:
            raise self.refusal(place, f"it is stored with the filters {unknown}")
        self._check_size(dataset, place)

    def _check_size(self, dataset: Any, place: str) -> None:
        declared, stored = math.prod(dataset.shape) * dataset.dtype.itemsize, dataset.id.get_storage_size()
        chunk = math.prod(dataset.chunks) * dataset.dtype.itemsize if dataset.chunks else 0
        is_plain = dataset.chunks is None
        if (is_plain and stored != declared) or (not is_plain and declared > 0 and stored == 0):
            raise self.refusal(place, f"it says that it has {declared} bytes, but {stored} are stored")
        if max(declared, chunk) > _SMALL and max(declared, chunk) > _MOST_GROWTH * stored:
            raise self.refusal(place, f"it would grow from {stored} to {max(declared, chunk)} bytes")

    def _walk(self) -> Iterator[tuple[str, Any]]:
        """All datasets, each once."""
        h5py = _h5py()
        seen: set[Any] = set()
        pending = [("", self._file)]
        while pending:
            place, group = pending.pop()
            for name in group:
                if len(seen) > _MOST_OBJECTS:
                    raise self.refusal("its groups", f"there are more than {_MOST_OBJECTS} objects")
                path = f"{place}/{name}".lstrip("/")
                child = self._child(group, name, path)
                address = h5py.h5o.get_info(child.id).addr
                if address in seen:
                    continue
                seen.add(address)
                if isinstance(child, h5py.Group):
                    pending.append((path, child))
                elif isinstance(child, h5py.Dataset):
                    yield path, child

    def _size(self) -> int:
        size: int = self._file.id.get_filesize()
        return size

    @contextmanager
    def _guard(self, place: str) -> Iterator[None]:
        """Errors of the HDF5 library, which are of many types, as one of ours."""
        try:
            yield
        except FileFormatError:
            raise
        except Exception as error:
            raise FileFormatError(
                f"{self._path}, {place}: damaged, or no HDF5 file: {type(error).__name__}: {error}."
            ) from error


def _is_bfloat16(dataset: Any) -> bool:
    """Whether values are of this type, which neither NumPy nor HDF5 has: two bytes each, or 32-bit numbers."""
    value = dataset.attrs.get("dtype")
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else value) == "bfloat16"
