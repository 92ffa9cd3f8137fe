"""The data of a run: what the config's data set gives, whatever its form."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch.utils.data import DataLoader, Dataset

from labkeras import nest
from labkeras.errors import DataError
from labkeras.experiment.config.components import build
from labkeras.plugins import hooks
from labkeras.training.iterables import is_data_module
from labkeras.utils.py_dataset import PyDataset

__all__ = ["RunData", "load_data"]

# What `fit` takes for arrays alone: of anything else each batch, or sample, is what it is.
_OF_ARRAYS = ("batch_size", "validation_split", "class_weight", "shuffle")


@dataclass(frozen=True)
class RunData:
    """What a run trains on, and what it is tested and validated on if there is such a thing.

    Args:
        x: arrays; or a torch Dataset, DataLoader, PyDataset or LightningDataModule, with what belongs to x in it.
        y: the targets of arrays.
        test: (x, y) or (x, None), likewise.
        validation: likewise; None if arrays are to be split, or nothing is validated.
    """

    x: Any
    y: Any = None
    test: tuple[Any, Any] | None = None
    validation: tuple[Any, Any] | None = None

    @property
    def is_arrays(self) -> bool:
        """Whether it is arrays, in which `fit` finds its own batches."""
        return not _makes_batches(self.x)

    def some(self, count: int) -> "RunData":
        """Some of the samples to train on, evenly from all over them: the first of sorted data are of one class.

        Raises:
            DataError: if the data is no arrays, whose samples could be counted out.
        """
        if not self.is_arrays:
            raise DataError(
                f"debug=overfit takes {count} of the samples, which only arrays have. "
                f"Received: a {type(self.x).__name__}"
            )
        cut = functools.partial(
            nest.map_structure, lambda array: array[np.linspace(0, len(array) - 1, min(count, len(array)), dtype=int)]
        )
        return RunData(cut(self.x), None if self.y is None else cut(self.y))

    def parts(self) -> tuple[Any, ...]:
        """All of it, in a fixed order."""
        return self.x, self.y, *(self.test or ()), *(self.validation or ())

    def fit_arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of `fit` for this data.

        Args:
            given: those of the config; those that only arrays have are left out for other data.
        """
        left_out = set() if self.is_arrays else set(_OF_ARRAYS)
        if isinstance(self.x, Dataset):  # its samples are put together here
            left_out -= {"batch_size", "shuffle", "class_weight"}
        elif not self.is_arrays:
            left_out -= {"class_weight"}
        arguments = {key: value for key, value in given.items() if key not in left_out}
        if self.validation is not None:
            x, y = self.validation
            arguments["validation_data"] = x if _makes_batches(x) else (x, y)
            arguments.pop("validation_split", None)
        return arguments


def load_data(node: Mapping[str, Any]) -> RunData:
    """Loads the data that a config names.

    Args:
        node: the config's `data`. Its data set gives `(train, test)`, `(train, test, validation)`, or what to train on
            alone; each of them `(x, y)`, None, or a torch Dataset, DataLoader, PyDataset or LightningDataModule.

    Raises:
        DataError: if it gives something else.
    """
    given = hooks.first_answer("labkeras_make_dataset", node=node)
    if given is None:
        given = build("datasets", node, "data")
    parts = (given,) if _makes_batches(given) else tuple(given)
    if not 1 <= len(parts) <= 3:
        raise DataError(
            "a data set must give (train, test) or (train, test, validation). "
            f"Received: {type(given).__name__} of {len(parts)} items from data={dict(node)!r}"
        )
    train, test, validation = (*map(_pair, parts), None, None)[:3]
    if train is None:
        raise DataError(f"a data set must give something to train on. Received: None from data={dict(node)!r}")
    return RunData(*train, test, validation)


def _pair(part: Any) -> tuple[Any, Any] | None:
    if part is None:
        return None
    if _makes_batches(part):
        return part, None
    x, y = part
    return x, y


def _makes_batches(part: Any) -> bool:
    return isinstance(part, DataLoader | Dataset | PyDataset) or is_data_module(part)
