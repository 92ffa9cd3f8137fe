"""VarianceScaling and its settings."""

import math
from collections.abc import Callable
from typing import Any

import keras
import pytest
from keras.src.initializers.random_initializers import compute_fans

from labkeras import initializers
from labkeras.errors import InvalidArgumentError
from labkeras.initializers.fan_scaling import fans
from tests.helpers.initializers import SHAPES, assert_bounded, assert_same_distribution, check_config

# Two standard deviations of a normal distribution that has unit variance after it is cut there.
CUT = 2 / math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))
# The largest value that each may draw, by fan_in and fan_out.
LIMITS: dict[str, Callable[[int, int], float]] = {
    "GlorotNormal": lambda fan_in, fan_out: CUT * math.sqrt(2 / (fan_in + fan_out)),
    "GlorotUniform": lambda fan_in, fan_out: math.sqrt(6 / (fan_in + fan_out)),
    "HeNormal": lambda fan_in, fan_out: CUT * math.sqrt(2 / fan_in),
    "HeUniform": lambda fan_in, fan_out: math.sqrt(6 / fan_in),
    "LecunNormal": lambda fan_in, fan_out: CUT * math.sqrt(1 / fan_in),
    "LecunUniform": lambda fan_in, fan_out: math.sqrt(3 / fan_in),
}
MODES = ["fan_in", "fan_out", "fan_avg"]
DISTRIBUTIONS = ["normal", "truncated_normal", "untruncated_normal", "uniform"]


@pytest.mark.parametrize("name", list(LIMITS))
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_are_distributed_as_keras_s(name: str, shape: tuple[int, ...]) -> None:
    ours = getattr(initializers, name)(seed=1)(shape)
    theirs = getattr(keras.initializers, name)(seed=1)(shape)
    assert_same_distribution(ours, theirs)
    limit = LIMITS[name](*compute_fans(shape))
    assert_bounded(ours, -limit, limit)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_mode_and_distribution_is_keras_s(mode: str, distribution: str) -> None:
    for shape in SHAPES[:2]:
        ours = initializers.VarianceScaling(1.7, mode, distribution, seed=2)(shape)
        theirs = keras.initializers.VarianceScaling(1.7, mode, distribution, seed=2)(shape)
        assert_same_distribution(ours, theirs)


@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (2, 3, 5), (2, 3, 5, 7), (2, 2, 3, 4, 6)], ids=str)
def test_fans_are_keras_s(shape: tuple[int, ...]) -> None:
    assert fans(shape) == compute_fans(shape)
    if len(shape) > 2:
        assert fans(shape, [0, 1], [-1]) == compute_fans(shape, [0, 1], [-1])
        assert fans(shape, [0, 1], None) == compute_fans(shape, [0, 1], None)


@pytest.mark.parametrize("name", list(LIMITS))
def test_configs_are_keras_s(name: str) -> None:
    check_config(name)
    check_config(name, seed=3, input_axes=[0, 1], output_axes=[2])


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_the_general_config_is_keras_s(distribution: str) -> None:
    check_config("VarianceScaling", 2.0, "fan_out", distribution, seed=3)
    check_config("VarianceScaling", distribution=distribution.upper())


def test_axes_of_the_fans_are_followed() -> None:
    values = initializers.HeUniform(seed=0, input_axes=[2], output_axes=[0])((10, 20, 600))
    assert 0.099 < values.abs().max() <= 0.1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": 0.0}, r"`scale` must be a positive number\. Received: scale=0\.0"),
        ({"scale": -1.0}, r"`scale` must be a positive number\. Received: scale=-1\.0"),
        ({"mode": "fan"}, r"`mode` must be one of .*'fan_avg'.* Received: mode='fan'"),
        ({"distribution": "cauchy"}, r"`distribution` must be one of .* Received: distribution='cauchy'"),
    ],
    ids=str,
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        initializers.VarianceScaling(**settings)
