"""Dropout, against Keras and its definition."""

import copy
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from labkeras.errors import InvalidArgumentError, InvalidInputError
from labkeras.layers import Dropout
from labkeras.random import SeedGenerator
from tests.helpers.check_layer import check_layer


@pytest.mark.parametrize(
    "kwargs",
    [{"rate": 0.5}, {"rate": 0.3, "seed": 7}, {"rate": 0.25, "noise_shape": (None, 1, 4)}, {"rate": 1, "seed": 1}],
)
def test_dropout_keeps_the_layer_contract(kwargs: dict[str, Any]) -> None:
    check_layer(Dropout, kwargs, input_shape=(2, 3, 4), seed_generators=1, supports_masking=True, is_random=True)


def test_without_a_rate_it_has_no_seed() -> None:
    check_layer(Dropout, {"rate": 0.0, "seed": 3}, input_shape=(2, 3, 4), supports_masking=True)


def test_in_inference_the_input_itself_is_returned() -> None:
    inputs = torch.ones(3)
    assert Dropout(0.5)(inputs) is inputs
    assert Dropout(0.0)(inputs, training=True) is inputs


@pytest.mark.parametrize("seed", [None, 3])
def test_the_share_of_zeros_is_the_rate_and_the_sum_stays(seed: int | None) -> None:
    outputs = Dropout(0.2, seed=seed)(torch.ones(200, 200), training=True)
    assert (outputs == 0).float().mean() == pytest.approx(0.2, abs=0.01)
    assert set(outputs.unique().tolist()) == {0.0, 1.25}


@pytest.mark.parametrize("seed", [None, 3])
def test_gradients_flow_where_values_were_kept(seed: int | None) -> None:
    inputs = torch.ones(50, requires_grad=True)
    outputs = Dropout(0.5, seed=seed)(inputs, training=True)
    outputs.sum().backward()
    assert_close(inputs.grad, outputs.detach())


def test_a_noise_shape_drops_along_its_ones_together() -> None:
    for seed in (None, 5):
        outputs = Dropout(0.5, noise_shape=(None, 1, 8), seed=seed)(torch.ones(4, 6, 8), training=True)
        assert torch.equal(outputs, outputs[:, :1].expand(4, 6, 8))
        assert 0 < outputs.count_nonzero() < outputs.numel()


def test_a_seed_gives_the_same_stream_whatever_the_global_generator_does() -> None:
    one, other = Dropout(0.5, seed=11), Dropout(0.5, seed=11)
    inputs = torch.ones(30)
    first = one(inputs, training=True)
    torch.manual_seed(99)
    assert torch.equal(other(inputs, training=True), first)
    assert not torch.equal(other(inputs, training=True), first)


def test_the_state_of_the_stream_is_saved() -> None:
    layer = Dropout(0.5, seed=11)
    inputs = torch.ones(30)
    layer(inputs, training=True)
    resumed = Dropout(0.5, seed=11)
    resumed.load_state_dict(layer.state_dict())
    assert torch.equal(resumed(inputs, training=True), layer(inputs, training=True))


def test_without_a_seed_it_follows_the_global_generator() -> None:
    layer = Dropout(0.5)
    inputs = torch.ones(30)
    torch.manual_seed(4)
    first = layer(inputs, training=True)
    torch.manual_seed(4)
    assert torch.equal(layer(inputs, training=True), first)
    assert isinstance(layer.seed_generator, SeedGenerator)


def test_compiled_it_draws_the_numbers_of_its_stream() -> None:
    layer = Dropout(0.5, seed=2)
    inputs = torch.ones(40)
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(layer), fullgraph=True, backend="aot_eager")
    for _ in range(3):
        assert torch.equal(compiled(inputs, training=True), layer(inputs, training=True))


def test_integers_are_dropped_as_floats() -> None:
    outputs = Dropout(0.5)(torch.ones(40, dtype=torch.int64), training=True)
    assert set(outputs.tolist()) == {0.0, 2.0}


@pytest.mark.parametrize("rate", [-0.1, 1.5, "0.5", None, True])
def test_dropout_names_a_bad_rate(rate: object) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"`rate` must be a number in \[0, 1\]\. Received: rate={rate!r}"):
        Dropout(rate)  # type: ignore[arg-type]


@pytest.mark.parametrize("noise_shape", ["abc", (0, 1), (1.5,), 3])
def test_dropout_names_a_bad_noise_shape(noise_shape: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`noise_shape` must be.*Received: noise_shape="):
        Dropout(0.5, noise_shape=noise_shape)  # type: ignore[arg-type]


@pytest.mark.parametrize("noise_shape", [(1,), (None, 3), (1, 1, 1)])
def test_a_noise_shape_that_does_not_fit_names_the_layer(noise_shape: tuple[int | None, ...]) -> None:
    with pytest.raises(InvalidInputError, match=r"of layer 'drop'.*Received: input shape \(2, 4\)"):
        Dropout(0.5, noise_shape=noise_shape, name="drop")(torch.ones(2, 4), training=True)


def test_the_old_word_p_is_taken_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="`p` is now called `rate`"):
        assert Dropout(p=0.5).rate == 0.5
