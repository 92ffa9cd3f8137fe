"""Arrays in memory and on disk: what is shared, what is copied, and what a batch of them is."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from labkeras import Layer, layers, models
from labkeras.errors import DataError
from labkeras.training import tensors
from labkeras.training.arrays import ArrayData
from labkeras.training.data import as_batches
from tests.helpers.arrays import on_disk
from tests.helpers.keras_pairs import sample_data

X, Y = sample_data()


def test_arrays_are_not_copied() -> None:
    stored = on_disk(X)
    data = ArrayData(X, stored)
    assert data.x.data_ptr() == X.ctypes.data
    assert data.y.data_ptr() == stored.ctypes.data


def test_what_must_not_be_written_to_stays_as_it_is() -> None:
    class Doubles(Layer):
        def call(self, inputs: Any) -> Any:
            return inputs.mul_(2)

    model = models.Sequential([Doubles(), layers.Dense(3)])
    stored = on_disk(X)
    first, second = (model.predict(stored, batch_size=16, verbose=0) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(stored, X)
    model.compile("sgd", "mse")
    model.train_on_batch(stored, X[:, :3])
    np.testing.assert_array_equal(stored, X)


def test_large_arrays_are_made_floatx_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "_CONVERT_AT_ONCE", 100)
    wide = X.astype("float64")
    data = ArrayData(wide, Y)
    assert data.x.data_ptr() == wide.ctypes.data
    for shuffle in (False, True):
        for x, _, _ in as_batches(data, batch_size=16, shuffle=shuffle):
            assert x.dtype is torch.float32
    np.testing.assert_array_equal(torch.cat([x for x, _, _ in as_batches(data)]).numpy(), X)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8", "int64", "bool"])
def test_integers_stay_as_they_are(dtype: str) -> None:
    values = np.arange(50).astype(dtype)
    for shuffle in (False, True):
        batches = list(as_batches(values, shuffle=shuffle))
        assert {x.dtype for x, _, _ in batches} == {torch.from_numpy(values).dtype}
        assert sorted(torch.cat([x for x, _, _ in batches]).tolist()) == sorted(values.tolist())


def test_batches_of_images_are_contiguous_with_the_channels_last() -> None:
    images = torch.arange(10 * 3 * 4 * 4).reshape(10, 3, 4, 4).permute(0, 2, 3, 1)
    for x, _, _ in as_batches(images, shuffle=True, batch_size=4):
        assert x.is_contiguous()


def test_shuffling_within_batches_keeps_each_batch_together() -> None:
    batches = [x.tolist() for x, _, _ in as_batches(np.arange(50), shuffle="batch", batch_size=20)]
    assert [sorted(batch) for batch in batches] == [list(range(20)), list(range(20, 40)), list(range(40, 50))]
    assert batches[0] != sorted(batches[0])


def test_missing_numbers_of_a_table_are_nan() -> None:
    table = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [True, False]})
    np.testing.assert_array_equal(ArrayData(table).x.numpy(), [[1.0, 1.0], [np.nan, 0.0]])
    with pytest.raises(DataError, match=r"the targets must be finite numbers.*the first at index 1"):
        ArrayData(X[:2], table["a"])


def test_class_weight_goes_by_any_class_number_and_multiplies_sample_weight() -> None:
    y = np.array([-1.0, 1.0, 1.0, 3.0])
    data = ArrayData(X[:4], y, np.array([[1.0], [2.0], [3.0], [4.0]])).weighted({-1: 5.0, 1: 10.0})
    assert data.sample_weight.tolist() == [[5.0], [20.0], [30.0], [4.0]]
