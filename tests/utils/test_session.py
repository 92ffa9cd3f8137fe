"""clear_session."""

import keras

from labkeras import config
from labkeras.layers import Dense
from labkeras.utils import clear_session


def test_names_begin_again() -> None:
    assert [Dense(1).name, Dense(1).name] == ["dense", "dense_1"]
    clear_session()
    assert Dense(1).name == "dense"


def test_the_dtype_policy_is_forgotten_as_in_keras() -> None:
    for package in (config, keras.config):
        package.set_dtype_policy("mixed_bfloat16")
    clear_session()
    keras.utils.clear_session()
    assert config.dtype_policy().name == keras.config.dtype_policy().name == "float32"
