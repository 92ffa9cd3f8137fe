"""check_dataset: that a function that loads data does what every one does."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from labkeras.datasets.spec import ArraySpec, spec_of
from labkeras.testing import component
from labkeras.testing.component import Component, need
from labkeras.testing.properties import checked, expect, named

__all__ = ["DATASET_PROPERTIES", "DatasetCase", "check_dataset", "dataset_case"]


@dataclass(frozen=True)
class DatasetCase(Component):
    """A function that loads data, and what it is called with."""

    kind: str = "datasets"

    def parts(self, **more: Any) -> list[tuple[str, Any, Any]]:
        """The parts by name, each with what goes in and what should come out."""
        loaded = self.made(**more)
        shape = "(x_train, y_train), (x_test, y_test)"
        is_pair = isinstance(loaded, tuple | list) and len(loaded) == 2
        expect(is_pair, "what it returns", expected=shape, received=type(loaded).__name__)
        for part in loaded:
            fits = isinstance(part, tuple | list) and len(part) == 2
            expect(fits, "a part of what it returns", expected="(x, y)", received=type(part).__name__)
        return [("train", *loaded[0]), ("test", *loaded[1])]


def form(case: DatasetCase) -> None:
    """It returns `(x_train, y_train), (x_test, y_test)`, of arrays with a row for each sample.

    Return NumPy arrays or tensors; several inputs or outputs as dicts by name.
    """
    for name, x, y in case.parts():
        rows = {key: len(array) for key, array in _arrays(x, y)}
        expect(len(set(rows.values())) == 1, f"rows of {name}", expected="as many for each", received=rows)
        expect(min(rows.values()) > 0, f"rows of {name}", expected="at least one", received=rows)
        for key, array in _arrays(x, y):
            known = isinstance(array, np.ndarray | torch.Tensor)
            expect(known, f"{key} of {name}", expected="an array or tensor", received=type(array).__name__)


def values(case: DatasetCase) -> None:
    """Its numbers are finite, and both parts have the same shapes and types.

    Leave out or fill in what is missing; use the same conversion for both parts.
    """
    train, test = ({key: np.asarray(array) for key, array in _arrays(x, y)} for _, x, y in case.parts())
    for key, array in (*train.items(), *test.items()):
        fine = array.dtype.kind not in "fc" or bool(np.isfinite(array).all())
        expect(fine, f"values of {key}", expected="finite numbers", received="NaN or infinity")
    for key, array in train.items():
        one, other = (array.shape[1:], array.dtype), (test[key].shape[1:], test[key].dtype)
        expect(one == other, f"shape and type of {key} in the test part", expected=one, received=other)


def repeatable(case: DatasetCase) -> None:
    """Two calls give the same data, in arrays of their own.

    Draw random numbers from a generator that is made in the function from a seed (`np.random.default_rng(seed)`), and
    return copies of what is kept.
    """
    first, second = case.parts(), case.parts()
    for (name, *one), (_, *other) in zip(first, second, strict=True):
        for (key, a), (_, b) in zip(_arrays(*one), _arrays(*other), strict=True):
            a, b = np.asarray(a), np.asarray(b)
            # That there is no NaN is another property.
            same = a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
            expect(same, f"{key} of {name} in two calls", expected="the same values", received=f"{same=}")
            shared = np.shares_memory(a, b)
            expect(not shared, f"{key} of {name} in two calls", expected="arrays of their own", received=f"{shared=}")


def global_random_numbers(case: DatasetCase) -> None:
    """It neither reads nor moves the global random numbers of NumPy and torch.

    Use `np.random.default_rng(seed)`, or a `torch.Generator`, and no `np.random.seed` or `torch.manual_seed`.
    """
    kept = np.random.get_state()
    try:
        # A state that no seed of the function's gives.
        np.random.seed(987_654_321)
        torch.manual_seed(987_654_321)
        before = repr(np.random.get_state()), torch.get_rng_state()
        case.made()
        after = repr(np.random.get_state()), torch.get_rng_state()
    finally:
        np.random.set_state(kept)
    same = {"numpy": before[0] == after[0], "torch": torch.equal(before[1], after[1])}
    moved = [name for name, unmoved in same.items() if not unmoved]
    expect(not moved, "global random numbers", expected="as they were", received=f"moved={moved}")


def seed(case: DatasetCase) -> None:
    """With a `seed`, another seed gives other data.

    Make the generator from `seed`.
    """
    need("seed" in component.parameters_of(case.cls), "the function takes no `seed`")
    one, other = (list(_arrays(*case.parts(seed=number)[0][1:])) for number in (1, 2))
    differs = any(not np.array_equal(np.asarray(a), np.asarray(b)) for (_, a), (_, b) in zip(one, other, strict=True))
    if not differs:
        need(_takes_all(case), "all samples are used, whatever the seed")
    expect(differs, "the training part with seed=2", expected="other than with seed=1", received=f"{differs=}")


def specification(case: DatasetCase) -> None:
    """What `@gives(…)` says of it is what it gives: shapes, types, classes and rows.

    Mark it with `labkeras.datasets.spec.gives(DataSpec(…))`: a configuration is then checked, and a model rehearsed,
    before anything is loaded.
    """
    spec = spec_of(case.cls, **case.arguments)
    expect(spec is not None, "what it says of its data", expected="@gives(DataSpec(…))", received="data_spec=None")
    assert spec is not None
    for (name, x, y), rows in zip(case.parts(), (spec.rows, spec.test_rows), strict=True):
        found = dict(_arrays(x, y))
        for key, said in _specs(spec.x, "x") + _specs(spec.y, "y"):
            array = np.asarray(found[key])
            _expect_as_said(array, said, f"{key} of {name}")
            expect(rows in (None, len(array)), f"rows of {name}", expected=rows, received=len(array))


DATASET_PROPERTIES = named(
    component.docstring,
    component.types,
    component.lightning,
    form,
    values,
    repeatable,
    global_random_numbers,
    seed,
    specification,
)
"""The properties of data sets, in the order in which they are looked at."""


def check_dataset(
    function: Callable[..., Any], arguments: Mapping[str, Any] | None = None, *, skip: Collection[str] = ()
) -> None:
    """Checks that a function that loads data does what every one does: form, values, repeatable, as it says.

    Args:
        function: the function.
        arguments: what it is called with.
        skip: names of properties that the data set cannot have; `DATASET_PROPERTIES` has them all.

    Raises:
        PropertyError: an AssertionError that names the data set, the property, what was found, and what to do.
        InvalidArgumentError: if `skip` names what is no property.

    Example:
        >>> from labkeras.datasets import adding_problem
        >>> check_dataset(adding_problem.load_data, {"length": 5, "rows": 20, "test_rows": 10})
    """
    checked(DATASET_PROPERTIES, dataset_case(function, arguments), skip)


def dataset_case(function: Callable[..., Any], arguments: Mapping[str, Any] | None = None) -> DatasetCase:
    """What the properties look at; takes what `check_dataset` takes."""
    return DatasetCase(function, dict(arguments or {}), "datasets")


def _arrays(x: Any, y: Any) -> Iterator[tuple[str, Any]]:
    for name, value in (("x", x), ("y", y)):
        if isinstance(value, Mapping):
            yield from ((f"{name}[{key!r}]", one) for key, one in value.items())
        elif value is not None:
            yield name, value


def _specs(said: Any, name: str) -> list[tuple[str, ArraySpec]]:
    if isinstance(said, Mapping):
        return [(f"{name}[{key!r}]", one) for key, one in said.items()]
    return [] if said is None else [(name, said)]


def _expect_as_said(array: Any, said: ArraySpec, what: str) -> None:
    shape = array.shape[1:]
    fits = len(shape) == len(said.shape) and all(a in (None, b) for a, b in zip(said.shape, shape, strict=True))
    expect(fits, f"shape of {what}", expected=said.shape, received=shape)
    expect(array.dtype == said.dtype, f"type of {what}", expected=said.dtype, received=array.dtype)
    if said.classes is not None:
        low, high = int(array.min()), int(array.max())
        expect(
            low >= 0 and high < said.classes,
            f"values of {what}",
            expected=f"0 to {said.classes - 1}",
            received=(low, high),
        )


def _takes_all(case: DatasetCase) -> bool:
    """Whether the arguments choose among the samples, so that a seed must matter."""
    return bool(case.arguments)
