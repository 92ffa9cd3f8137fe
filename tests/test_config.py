"""Global settings have Keras's names, values and refusals."""

from typing import Any

import keras
import pytest

from labkeras import config
from labkeras.errors import InvalidArgumentError


def test_defaults_are_keras() -> None:
    assert config.floatx() == keras.config.floatx() == "float32"
    assert config.epsilon() == keras.config.epsilon() == 1e-7
    assert config.image_data_format() == keras.config.image_data_format() == "channels_last"
    assert config.is_interactive_logging_enabled() is keras.config.is_interactive_logging_enabled()


def test_settings_can_be_set() -> None:
    config.set_floatx("float64")
    config.set_epsilon(1e-3)
    config.set_image_data_format("channels_first")
    config.disable_interactive_logging()
    assert (config.floatx(), config.epsilon(), config.image_data_format()) == ("float64", 1e-3, "channels_first")
    assert not config.is_interactive_logging_enabled()
    config.enable_interactive_logging()
    assert config.is_interactive_logging_enabled()


@pytest.mark.parametrize("value", ["int32", "float", None, 32])
def test_a_wrong_floatx_is_refused(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`floatx` must be one of .*Received: value="):
        config.set_floatx(value)
    assert config.floatx() == "float32"


def test_other_wrong_settings_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`epsilon` must be a positive"):
        config.set_epsilon(0.0)
    with pytest.raises(InvalidArgumentError, match="Received: data_format='channels'"):
        config.set_image_data_format("channels")


def test_a_data_format_of_none_is_the_global_one() -> None:
    assert config.standardize_data_format(None) == "channels_last"
    config.set_image_data_format("channels_first")
    assert config.standardize_data_format(None) == "channels_first"
    assert config.standardize_data_format("channels_last") == "channels_last"
