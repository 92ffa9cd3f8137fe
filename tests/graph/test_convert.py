"""as_tensor."""

import keras
import numpy as np
import pytest
import torch

from labkeras.config import set_floatx
from labkeras.errors import InvalidTypeError
from labkeras.graph.convert import as_tensor
from labkeras.graph.symbolic import KerasTensor
from labkeras.variable import Variable


def test_tensors_and_placeholders_pass_as_they_are() -> None:
    for x in (torch.ones(2), Variable([1.0]), KerasTensor((None, 2))):
        assert as_tensor(x) is x  # type: ignore[arg-type]  # a placeholder passes as a tensor


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        2,
        2**40,
        True,
        [1.0, 2.0],
        [[1, 2], [3, 4]],
        [],
        (1.0, 2),
        np.float64(1.5),
        np.arange(3),
        np.arange(3, dtype=np.uint8),
        np.ones((2, 2), np.float16),
        np.arange(6.0)[::-2],
        [torch.ones(2), torch.zeros(2)],
    ],
    ids=repr,
)
def test_everything_else_becomes_what_keras_makes_of_it(value: object) -> None:
    expected = keras.ops.convert_to_tensor(value)
    actual = as_tensor(value)  # type: ignore[arg-type]  # the cases are of all types
    assert actual.dtype == expected.dtype
    assert torch.equal(actual, expected)


def test_python_floats_follow_floatx() -> None:
    set_floatx("float64")
    assert as_tensor([1.0]).dtype == torch.float64


def test_read_only_memory_is_copied() -> None:
    array = np.ones(3)
    array.flags.writeable = False
    as_tensor(array).add_(1)
    assert array.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("value", ["relu", None, [None, 1], object()], ids=["string", "None", "holds None", "object"])
def test_what_holds_no_numbers_is_named(value: object) -> None:
    with pytest.raises(InvalidTypeError, match=r"expected a tensor, an array or numbers\. Received: "):
        as_tensor(value)  # type: ignore[arg-type]
