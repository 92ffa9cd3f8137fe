"""check_dataset finds each fault under the property that it is one of, and sound data sets have all of them."""

from typing import Any

import numpy as np
import pytest
import torch

from labkeras.datasets.spec import ArraySpec, DataSpec, gives
from labkeras.testing import DATASET_PROPERTIES, PropertyError, check_dataset

Parts = tuple[tuple[Any, Any], tuple[Any, Any]]
SPEC = DataSpec(ArraySpec((3,), "float64"), ArraySpec((), "int64", classes=2), rows=8, test_rows=4)


@gives(SPEC)
def sound(seed: int = 0) -> Parts:
    """Makes numbers, and whether they are many.

    Args:
        seed: of the numbers.
    """
    random = np.random.default_rng(seed)
    train, test = random.normal(size=(8, 3)), random.normal(size=(4, 3))
    return (train, (train.sum(1) > 0).astype("int64")), (test, (test.sum(1) > 0).astype("int64"))


KEPT = sound()


def one_part(seed: int = 0) -> Any:
    return sound(seed)[0]


def too_few_labels(seed: int = 0) -> Parts:
    (x, y), test = sound(seed)
    return (x, y[:-1]), test


def holes(seed: int = 0) -> Parts:
    (x, y), test = sound(seed)
    return (np.where(x > 1, np.nan, x), y), test


def other_types(seed: int = 0) -> Parts:
    train, (x, y) = sound(seed)
    return train, (x.astype("float32"), y)


def another_each_time(seed: int = 0) -> Parts:
    return sound(int(np.random.default_rng().integers(1 << 30)))


def the_same_arrays(seed: int = 0) -> Parts:
    return KEPT


def seeds_all(seed: int = 0) -> Parts:
    np.random.seed(seed)
    torch.manual_seed(seed)
    return sound(seed)


def deaf_to_its_seed(seed: int = 0) -> Parts:
    return sound(0)


def without_a_word(seed=0):  # type: ignore[no-untyped-def]
    return sound(seed)


@gives(DataSpec(ArraySpec((4,), "float64"), rows=8))
def says_another_shape(seed: int = 0) -> Parts:
    return sound(seed)


@gives(DataSpec(ArraySpec((3,), "float64"), ArraySpec((), "int64", classes=1)))
def says_too_few_classes(seed: int = 0) -> Parts:
    return sound(seed)


FAULTS = [
    ("docstring", without_a_word, "__doc__=None"),
    ("types", without_a_word, r"none for \['seed', 'return'\]"),
    ("form", one_part, "a part of what it returns"),
    ("form", too_few_labels, "rows of train"),
    ("values", holes, "NaN"),
    ("values", other_types, "in the test part"),
    ("repeatable", another_each_time, "in two calls. Expected: the same values"),
    ("repeatable", the_same_arrays, "in two calls. Expected: arrays of their own"),
    ("global_random_numbers", seeds_all, r"moved=\['numpy', 'torch'\]"),
    ("seed", deaf_to_its_seed, "the training part with seed=2"),
    ("specification", without_a_word, "data_spec=None"),
    ("specification", says_another_shape, r"shape of x of train. Expected: \(4,\). Received: \(3,\)"),
    ("specification", says_too_few_classes, "values of y of train. Expected: 0 to 0"),
]


def all_but(name: str) -> list[str]:
    return [other for other in DATASET_PROPERTIES if other != name]


@pytest.mark.parametrize(("name", "function", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_fault_is_found_under_its_property(name: str, function: Any, words: str) -> None:
    with pytest.raises(PropertyError, match=words) as caught:
        check_dataset(function, {"seed": 3} if name == "seed" else {}, skip=all_but(name))
    assert caught.value.name == name


def test_each_property_is_shown_to_fail() -> None:
    assert {name for name, _, _ in FAULTS} | {"lightning"} == set(DATASET_PROPERTIES)


def test_a_sound_data_set_has_them_all() -> None:
    check_dataset(sound)
