import keras
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from labkeras import dtypes, losses
from labkeras.errors import InvalidArgumentError
from tests.helpers.losses import check_loss

NAMES = [("MeanSquaredError", "mean_squared_error"), ("MeanAbsoluteError", "mean_absolute_error")]
each_loss = pytest.mark.parametrize(("name", "function"), NAMES)


@each_loss
@pytest.mark.parametrize("shape", [(6, 1), (6, 3), (6, 5, 3)])
def test_values_gradients_and_configs_are_those_of_keras(name: str, function: str, shape: tuple[int, ...]) -> None:
    check_loss(name, function, torch.randn(shape), torch.randn(shape))


@each_loss
@pytest.mark.parametrize(
    ("true_shape", "pred_shape"),
    [((6,), (6,)), ((6,), (6, 1)), ((6, 1), (6,)), ((6, 4), (6, 4, 1)), ((6, 4, 1), (6, 4))],
)
def test_a_missing_last_axis_is_made_up_as_in_keras(
    name: str, function: str, true_shape: tuple[int, ...], pred_shape: tuple[int, ...]
) -> None:
    y_true, y_pred = torch.randn(true_shape), torch.randn(pred_shape)
    for reduction in ("sum_over_batch_size", "none"):
        ours, theirs = getattr(losses, name)(reduction=reduction), getattr(keras.losses, name)(reduction=reduction)
        assert_close(ours(y_true, y_pred), theirs(y_true, y_pred))


@each_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_it_computes_in_its_data_type(name: str, function: str, dtype: str) -> None:
    y_true, y_pred = torch.randn(6, 3), torch.randn(6, 3)
    loss, reference = getattr(losses, name)(dtype=dtype), getattr(keras.losses, name)(dtype=dtype)
    assert loss.dtype == reference.dtype
    assert loss(y_true, y_pred).dtype == dtypes.to_torch(dtype)  # Keras's mean of float64 is float32
    assert_close(loss(y_true, y_pred), reference(y_true, y_pred), rtol=2e-2, atol=1e-2, check_dtype=False)


@each_loss
def test_whole_numbers_are_taken(name: str, function: str) -> None:
    y_true, y_pred = np.array([[0, 1], [0, 0]]), np.array([[1, 1], [0, 3]])
    assert_close(getattr(losses, name)()(y_true, y_pred), getattr(keras.losses, name)()(y_true, y_pred))
    assert_close(
        getattr(losses, function)(y_true, y_pred).float(), getattr(keras.losses, function)(y_true, y_pred).float()
    )


@each_loss
def test_no_samples_give_what_keras_gives(name: str, function: str) -> None:
    empty = torch.zeros(0, 3)
    assert_close(getattr(losses, name)()(empty, empty), getattr(keras.losses, name)()(empty, empty))


@each_loss
def test_shapes_that_do_not_fit_are_named(name: str, function: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Received: y_true of shape \(2, 4\), y_pred of shape \(2, 3\)"):
        getattr(losses, name)()(torch.zeros(2, 4), torch.zeros(2, 3))


def test_the_mean_is_one_call_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    loss, y = losses.MeanSquaredError(), torch.randn(4, 3)
    monkeypatch.setattr(losses.MeanSquaredError, "call", None)
    assert_close(loss(y, y + 2.0), torch.tensor(4.0))


def test_a_subclass_with_its_own_call_is_obeyed() -> None:
    class Twice(losses.MeanSquaredError):
        def call(self, y_true: torch.Tensor, y_pred: torch.Tensor) -> torch.Tensor:
            return 2 * super().call(y_true, y_pred)

    y = torch.randn(4, 3)
    assert_close(Twice()(y, y + 1.0), torch.tensor(2.0))
