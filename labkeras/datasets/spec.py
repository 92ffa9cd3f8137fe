"""What a data set gives, known without reading it: shapes, data types, numbers of samples and of classes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

__all__ = ["ArraySpec", "DataSpec", "gives", "spec_of"]

_ATTRIBUTE = "data_spec"


@dataclass(frozen=True)
class ArraySpec:
    """One array of a data set.

    Args:
        shape: sizes of its axes without that of the samples; None where they vary.
        dtype: data type of its values: "uint8", "float32", "int64".
        classes: how many different values there are, if these are the integers from 0 on: classes of labels, words of
            a vocabulary.
    """

    shape: tuple[int | None, ...]
    dtype: str = "float32"
    classes: int | None = None


Arrays = ArraySpec | Mapping[str, ArraySpec]
"""One array, or several by the names of a model's inputs or outputs."""


@dataclass(frozen=True)
class DataSpec:
    """What a data set gives.

    Args:
        x: what goes into a model.
        y: what should come out of it; None if nothing is known of it.
        rows: how many samples there are to train on.
        test_rows: how many there are to test on.
    """

    x: Arrays
    y: Arrays | None = None
    rows: int | None = None
    test_rows: int | None = None


Loader = TypeVar("Loader", bound=Callable[..., Any])


def gives(spec: DataSpec | Callable[..., DataSpec]) -> Callable[[Loader], Loader]:
    """Says of a function that loads data what it gives, so that a model can be checked against it before it is read.

    Args:
        spec: what it gives, or a function of its arguments that says so.

    Example:
        >>> @gives(DataSpec(x=ArraySpec((4,)), y=ArraySpec((), "int64", classes=3), rows=150))
        ... def load_data(): ...
        >>> spec_of(load_data).y.classes
        3
    """

    def mark(loader: Loader) -> Loader:
        setattr(loader, _ATTRIBUTE, spec)
        return loader

    return mark


def spec_of(loader: Any, **arguments: Any) -> DataSpec | None:
    """What a function that loads data gives when it is called with these arguments; None if it does not say.

    Args:
        loader: the function.
        arguments: its arguments, by name.
    """
    spec = getattr(loader, _ATTRIBUTE, None)
    return spec if spec is None or isinstance(spec, DataSpec) else spec(**arguments)
