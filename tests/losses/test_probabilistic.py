import keras
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from labkeras import losses
from labkeras.errors import InvalidArgumentError
from tests.helpers.losses import REDUCTIONS, check_configs, check_loss

SHAPES = [(6, 4), (6, 5, 4), (3, 2, 5, 4)]


def probabilities(*shape: int) -> Tensor:
    return torch.randn(shape).softmax(-1)


def one_hot(*shape: int) -> Tensor:
    return torch.nn.functional.one_hot(torch.randint(0, shape[-1], shape[:-1]), shape[-1]).float()


@pytest.mark.parametrize("shape", [(6, 1), *SHAPES[:2]])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("from_logits", [False, True])
def test_binary_crossentropy_is_that_of_keras(
    from_logits: bool, label_smoothing: float, shape: tuple[int, ...]
) -> None:
    y_true, y_pred = (torch.rand(shape) > 0.5).float(), torch.randn(shape)
    y_pred = y_pred if from_logits else y_pred.sigmoid()
    arguments = {"from_logits": from_logits, "label_smoothing": label_smoothing}
    check_loss("BinaryCrossentropy", "binary_crossentropy", y_true, y_pred, **arguments)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.2])
@pytest.mark.parametrize("from_logits", [False, True])
def test_categorical_crossentropy_is_that_of_keras(
    from_logits: bool, label_smoothing: float, shape: tuple[int, ...]
) -> None:
    y_pred = torch.randn(shape) if from_logits else torch.rand(shape)
    arguments = {"from_logits": from_logits, "label_smoothing": label_smoothing}
    check_loss("CategoricalCrossentropy", "categorical_crossentropy", one_hot(*shape), y_pred, **arguments)


@pytest.mark.parametrize("shape", SHAPES[:2])
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.float32])
@pytest.mark.parametrize("from_logits", [False, True])
def test_sparse_categorical_crossentropy_is_that_of_keras(
    from_logits: bool, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    y_true = torch.randint(0, shape[-1], shape[:-1]).to(dtype)
    y_pred = torch.randn(shape) if from_logits else torch.rand(shape)
    arguments = {"from_logits": from_logits}
    name, function = "SparseCategoricalCrossentropy", "sparse_categorical_crossentropy"
    check_loss(name, function, y_true, y_pred, **arguments)
    for reduction in REDUCTIONS:
        ours, theirs = (module.get(name).__class__(reduction=reduction) for module in (losses, keras.losses))
        assert_close(ours(y_true.unsqueeze(-1), y_pred), theirs(y_true.unsqueeze(-1), y_pred))


@pytest.mark.parametrize("from_logits", [False, True])
def test_many_axes_are_as_one_where_kerass_gradient_fails(from_logits: bool) -> None:
    loss = losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    y_true, y_pred = torch.randint(0, 4, (3, 2, 5)), torch.rand(3, 2, 5, 4)
    leaf, flat = y_pred.clone().requires_grad_(), y_pred.reshape(-1, 4).requires_grad_()
    value, expected = loss(y_true, leaf, torch.ones(3, 2, 5)), loss(y_true.reshape(-1), flat)
    value.backward()
    expected.backward()
    assert_close(value, expected)
    assert_close(leaf.grad, flat.grad.reshape(y_pred.shape))
    assert_close(value, keras.losses.SparseCategoricalCrossentropy(from_logits=from_logits)(y_true, y_pred))


@pytest.mark.parametrize("ignore_class", [-1, 2, 255])
@pytest.mark.parametrize("from_logits", [False, True])
def test_an_ignored_class_counts_for_nothing_as_in_keras(from_logits: bool, ignore_class: int) -> None:
    y_true = torch.randint(0, 4, (6, 5))
    y_true[torch.rand(6, 5) > 0.6] = ignore_class
    y_pred = torch.randn(6, 5, 4) if from_logits else torch.rand(6, 5, 4)
    for reduction in REDUCTIONS:
        arguments = {"from_logits": from_logits, "ignore_class": ignore_class, "reduction": reduction}
        ours = losses.SparseCategoricalCrossentropy(**arguments)
        theirs = keras.losses.SparseCategoricalCrossentropy(**arguments)
        for weights in (None, torch.rand(6, 5)):
            leaf, other = y_pred.clone().requires_grad_(), y_pred.clone().requires_grad_()
            value, expected = ours(y_true, leaf, weights), theirs(y_true, other, weights)
            assert_close(value, expected)
            value.sum().backward()
            expected.sum().backward()
            assert_close(leaf.grad, other.grad)
        check_configs(ours, theirs)


def test_predictions_without_an_answer_get_no_gradient_whatever_they_are() -> None:
    y_pred = torch.tensor([[0.5, 0.5], [float("nan"), 0.0]], requires_grad=True)
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)(torch.tensor([0, -1]), y_pred)
    loss.backward()
    assert_close(loss, torch.tensor(0.5).log().neg())
    assert_close(y_pred.grad[1], torch.zeros(2))


def test_nothing_but_ignored_samples_has_loss_0() -> None:
    loss = losses.SparseCategoricalCrossentropy(ignore_class=-1)
    assert loss(torch.tensor([-1, -1]), torch.rand(2, 3)) == 0.0


@pytest.mark.parametrize("axis", [1, -1, 2, -2])
@pytest.mark.parametrize("from_logits", [False, True])
def test_the_classes_may_be_at_any_axis(from_logits: bool, axis: int) -> None:
    y_pred = torch.randn(6, 4, 4) if from_logits else torch.rand(6, 4, 4)
    arguments = {"from_logits": from_logits, "axis": axis}
    labels = torch.randint(0, 4, (6, 4))
    targets = torch.rand(6, 4, 4)
    for reduction in ("sum_over_batch_size", "none"):
        for name, y_true in [("SparseCategoricalCrossentropy", labels), ("CategoricalCrossentropy", targets)]:
            ours, theirs = (getattr(m, name)(reduction=reduction, **arguments) for m in (losses, keras.losses))
            assert_close(ours(y_true, y_pred), theirs(y_true, y_pred))
        ours, theirs = (m.BinaryCrossentropy(reduction=reduction, axis=axis) for m in (losses, keras.losses))
        assert_close(ours(targets, y_pred.sigmoid()), theirs(targets, y_pred.sigmoid()))


def test_a_single_sample_without_a_batch_axis_is_taken() -> None:
    scores, share = torch.rand(4), one_hot(4)
    for from_logits in (False, True):
        assert_close(
            losses.sparse_categorical_crossentropy(torch.tensor(2), scores, from_logits),
            keras.losses.sparse_categorical_crossentropy(torch.tensor(2), scores, from_logits),
        )
        assert_close(
            losses.categorical_crossentropy(share, scores, from_logits),
            keras.losses.categorical_crossentropy(share, scores, from_logits),
        )


def test_the_axis_is_kept_in_the_config_where_it_matters() -> None:
    loss = losses.SparseCategoricalCrossentropy(axis=1)
    assert losses.deserialize(losses.serialize(loss)).axis == 1
    assert "axis" not in losses.SparseCategoricalCrossentropy().get_config()


@pytest.mark.parametrize("extreme", [0.0, 1.0])
def test_certain_predictions_are_clipped_as_in_keras(extreme: float) -> None:
    for target in (0.0, 1.0):
        y_true, y_pred = torch.full((2, 1), target), torch.full((2, 1), extreme)
        ours, theirs = losses.BinaryCrossentropy()(y_true, y_pred), keras.losses.BinaryCrossentropy()(y_true, y_pred)
        assert_close(ours, theirs)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_functions_compute_in_the_type_of_the_predictions(dtype: torch.dtype) -> None:
    labels, scores = torch.randint(0, 4, (6,)), torch.randn(6, 4)
    for from_logits in (False, True):
        y_pred = (scores if from_logits else scores.softmax(-1)).to(dtype)
        ours = losses.sparse_categorical_crossentropy(labels, y_pred, from_logits)
        theirs = keras.losses.sparse_categorical_crossentropy(labels, y_pred, from_logits)
        assert_close(ours, theirs, rtol=2e-2, atol=2e-2)
        y_true, y_pred = one_hot(6, 4).to(dtype), (scores if from_logits else scores.sigmoid()).to(dtype)
        ours = losses.binary_crossentropy(y_true, y_pred, from_logits)
        assert_close(ours, keras.losses.binary_crossentropy(y_true, y_pred, from_logits), rtol=2e-2, atol=2e-2)


def test_class_numbers_do_not_become_floats_on_their_way() -> None:
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float16")
    y_pred = torch.zeros(1, 3000)
    y_pred[0, 2049] = 20.0  # float16 has no 2049
    for y_true in (torch.tensor([2049]), np.array([2049]), [2049]):
        assert loss(y_true, y_pred) < 1.0


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("label", [3, -1, -100])
def test_a_class_number_out_of_range_is_named(label: int, from_logits: bool) -> None:
    loss = losses.SparseCategoricalCrossentropy(from_logits=from_logits)
    with pytest.raises(InvalidArgumentError, match=rf"in \[0, 3\).*Received: \[{label}\]"):
        loss(torch.tensor([0, label]), torch.rand(2, 3))


def test_a_class_number_out_of_range_is_nan_where_looking_would_wait_for_the_device() -> None:
    # "meta" tensors have no values: this checks that nothing is read, which a GPU would have to wait for.
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    result = loss(torch.zeros(4, dtype=torch.int64, device="meta"), torch.zeros(4, 3, device="meta"))
    assert (result.shape, result.device.type) == ((), "meta")


def test_one_hot_targets_given_to_the_sparse_loss_are_told() -> None:
    with pytest.raises(InvalidArgumentError, match="One-hot targets belong to categorical crossentropy"):
        losses.SparseCategoricalCrossentropy()(one_hot(4, 3), torch.rand(4, 3))


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "CategoricalCrossentropy"])
def test_shapes_that_differ_are_named(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match=r"target.shape=\(2, 4\), output.shape=\(2, 3\)"):
        getattr(losses, name)()(torch.zeros(2, 4), torch.rand(2, 3))


def test_categorical_crossentropy_of_one_class_warns() -> None:
    with pytest.warns(SyntaxWarning, match="binary_crossentropy is for yes-or-no predictions"):
        losses.CategoricalCrossentropy()(torch.ones(2, 1), torch.rand(2, 1))


def test_nan_predictions_give_a_nan_loss_and_no_crash() -> None:
    y_pred = torch.tensor([[0.2], [float("nan")]])
    assert losses.BinaryCrossentropy()(torch.ones(2, 1), y_pred).isnan()


def test_binary_crossentropy_works_under_autocast_which_forbids_that_of_torch() -> None:
    y_true, y_pred = (torch.rand(6, 3) > 0.5).float(), torch.rand(6, 3)
    expected = losses.BinaryCrossentropy()(y_true, y_pred)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(losses.BinaryCrossentropy()(y_true, y_pred), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_binary_crossentropy_without_the_one_call_is_the_same(dtype: torch.dtype) -> None:
    y_true = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.3], dtype=dtype)
    y_pred = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.6], dtype=dtype)
    expected = losses.binary_crossentropy(y_true, y_pred)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(losses.binary_crossentropy(y_true, y_pred), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ["BinaryCrossentropy", "CategoricalCrossentropy", "MeanSquaredError"])
def test_losses_compile_without_a_break(name: str) -> None:
    loss = getattr(losses, name)()
    y_true, y_pred = one_hot(4, 3), probabilities(4, 3)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    assert_close(compiled(y_true, y_pred), loss(y_true, y_pred))


def test_the_sparse_loss_compiles_without_a_break() -> None:
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    y_true, y_pred = torch.randint(0, 3, (4,)), torch.randn(4, 3)
    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    assert_close(compiled(y_true, y_pred), loss(y_true, y_pred))
