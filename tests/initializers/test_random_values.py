"""RandomNormal, TruncatedNormal, RandomUniform, and what a seed does."""

import copy
import json
from typing import Any

import keras
import pytest
import torch

from labkeras import initializers
from labkeras.errors import InvalidArgumentError
from labkeras.random import SeedGenerator, set_random_seed
from tests.helpers.initializers import assert_bounded, assert_same_distribution, check_config

# Name, arguments, bounds of the values if they have any.
SETTINGS: list[tuple[str, dict[str, Any], tuple[float, float] | None]] = [
    ("RandomNormal", {}, None),
    ("RandomNormal", {"mean": 1.0, "stddev": 2.0}, None),
    ("TruncatedNormal", {}, (-0.1, 0.1)),
    ("TruncatedNormal", {"mean": -1.0, "stddev": 2.0}, (-5.0, 3.0)),
    ("RandomUniform", {}, (-0.05, 0.05)),
    ("RandomUniform", {"minval": -1.0, "maxval": 3.0}, (-1.0, 3.0)),
    ("RandomUniform", {"minval": 1.0, "maxval": 0.5}, (0.5, 1.0)),
]
RANDOM = [
    name
    for name in dir(initializers)
    if name[0].isupper()
    and name not in ("ALIASES", "Constant", "Initializer", "Ones", "TYPE_CHECKING", "Zeros")
    and "Identity" not in name
    and "STFT" not in name
]


@pytest.mark.parametrize(("name", "settings", "bounds"), SETTINGS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_values_are_distributed_as_keras_s(name: str, settings: Any, bounds: Any, dtype: str) -> None:
    ours = getattr(initializers, name)(**settings, seed=1)((400, 500), dtype)
    # Keras draws 16-bit values from few different ones; the distribution it means is that of its 32-bit ones.
    theirs = getattr(keras.initializers, name)(**settings, seed=1)((400, 500), "float32").to(ours.dtype)
    assert str(ours.dtype) == f"torch.{dtype}"
    assert_same_distribution(ours, theirs)
    if bounds is not None:
        assert_bounded(ours, *bounds)


def test_truncated_values_are_never_beyond_two_deviations() -> None:
    values = initializers.TruncatedNormal(mean=0.0, stddev=0.5, seed=0)((1_000_000,))
    assert 0.999 < values.abs().max() <= 1.0


@pytest.mark.parametrize(("name", "settings"), [case[:2] for case in SETTINGS], ids=str)
@pytest.mark.parametrize("seed", [None, 7])
def test_configs_are_keras_s(name: str, settings: dict[str, Any], seed: int | None) -> None:
    check_config(name, **settings, seed=seed)


@pytest.mark.parametrize("name", RANDOM)
def test_an_int_seed_gives_the_same_values_on_every_call(name: str) -> None:
    initializer = getattr(initializers, name)(seed=3)
    assert torch.equal(initializer((4, 5)), initializer((4, 5)))
    assert torch.equal(initializer((4, 5)), initializer.clone()((4, 5)))
    assert not torch.equal(initializer((4, 5)), getattr(initializers, name)(seed=4)((4, 5)))


@pytest.mark.parametrize("name", RANDOM)
def test_without_a_seed_the_global_one_decides(name: str) -> None:
    initializer = getattr(initializers, name)()
    set_random_seed(5)
    first, second = initializer((4, 5)), initializer((4, 5))
    set_random_seed(5)
    assert torch.equal(initializer((4, 5)), first)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_generator_gives_a_stream(name: str) -> None:
    first = getattr(initializers, name)(seed=SeedGenerator(3))
    second = getattr(initializers, name)(seed=SeedGenerator(3))
    stream = [first((4, 5)) for _ in range(3)]
    assert not torch.equal(stream[0], stream[1])
    for values in stream:
        assert torch.equal(second((4, 5)), values)


def test_a_seeded_draw_leaves_the_global_stream_alone() -> None:
    before = torch.get_rng_state()
    initializers.RandomNormal(seed=1)((10,))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("seed", [0, -1, 2**31, 2**40, 2**70])
def test_any_integer_is_a_seed(seed: int) -> None:
    assert initializers.RandomUniform(seed=seed)((3,)).shape == (3,)


def test_a_seed_generator_is_saved_as_keras_saves_it() -> None:
    keras.utils.clear_session()  # Keras numbers the names of its generators
    config = initializers.serialize(initializers.RandomNormal(seed=SeedGenerator(3)))
    assert config == keras.initializers.serialize(keras.initializers.RandomNormal(seed=keras.random.SeedGenerator(3)))
    again = initializers.deserialize(json.loads(json.dumps(config)))
    assert isinstance(again.seed, SeedGenerator)
    assert again.seed.seed == 3
    assert keras.initializers.deserialize(config)((2,)).shape == (2,)


def test_an_initializer_can_be_copied() -> None:
    initializer = initializers.RandomNormal(seed=SeedGenerator(3))
    initializer((2,))
    assert torch.equal(copy.deepcopy(initializer)((2,)), initializer((2,)))


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), [2, 3, 4]], ids=str)
@pytest.mark.parametrize("name", ["GlorotUniform", "HeNormal", "RandomNormal", "RandomUniform", "TruncatedNormal"])
def test_any_shape_can_be_drawn(name: str, shape: Any) -> None:
    assert getattr(initializers, name)()(shape).shape == tuple(shape)


@pytest.mark.parametrize("name", RANDOM)
def test_placement_on_the_meta_device_needs_no_values(name: str) -> None:
    with torch.device("meta"):
        values = getattr(initializers, name)(seed=1)((4, 5))
    assert (values.device.type, values.shape) == ("meta", (4, 5))


@pytest.mark.parametrize("seed", ["1", 1.5, [1]], ids=repr)
def test_a_bad_seed_is_named(seed: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"integer, a SeedGenerator or None\. Received: seed="):
        initializers.GlorotUniform(seed=seed)


@pytest.mark.parametrize("name", ["RandomNormal", "TruncatedNormal"])
@pytest.mark.parametrize("stddev", [-1.0, float("nan")])
def test_a_bad_spread_is_named(name: str, stddev: float) -> None:
    with pytest.raises(InvalidArgumentError, match=rf"not negative\. Received: stddev={stddev}"):
        getattr(initializers, name)(stddev=stddev)


def test_integers_cannot_be_drawn() -> None:
    with pytest.raises(InvalidArgumentError, match=r"floating-point data type\. Received: dtype='int32'"):
        initializers.RandomUniform()((2,), dtype="int32")
