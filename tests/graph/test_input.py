"""Input and InputLayer, compared with Keras's."""

from typing import Any

import keras
import pytest

from labkeras import Input, config
from labkeras.errors import InvalidArgumentError, UnsupportedArgumentError
from labkeras.layers import InputLayer


@pytest.mark.parametrize(
    "arguments",
    [
        {"shape": (4,)},
        {"shape": ()},
        {"shape": (None, 3), "dtype": "int32"},
        {"shape": [28, 28, 1], "batch_size": 8},
        {"batch_shape": (2, None)},
        {"shape": (4,), "name": "here"},
    ],
)
def test_inputs_are_as_in_keras(arguments: dict[str, Any]) -> None:
    keras.utils.clear_session()
    ours, theirs = Input(**arguments), keras.Input(**arguments)
    assert (ours.shape, ours.dtype) == (tuple(theirs.shape), theirs.dtype)
    layer, reference = InputLayer(**arguments), keras.layers.InputLayer(**arguments)
    config_of_keras = reference.get_config()
    assert layer.get_config() == {**config_of_keras, "batch_shape": list(config_of_keras["batch_shape"])}
    assert InputLayer.from_config(layer.get_config()).get_config() == layer.get_config()


def test_names_of_layers_count_up_as_in_keras() -> None:
    keras.utils.clear_session()
    expected = [keras.layers.InputLayer((1,)).name for _ in range(3)]
    assert [InputLayer((1,)).name for _ in range(3)] == expected


def test_the_type_is_floatx() -> None:
    config.set_floatx("float64")
    assert Input((1,)).dtype == "float64"


def test_an_existing_placeholder_can_be_taken() -> None:
    source = Input((4,), dtype="int32")
    assert Input(tensor=source).shape == (None, 4)
    with pytest.raises(InvalidArgumentError, match=r"`tensor` must be a KerasTensor\. Received: tensor=3"):
        Input(tensor=3)  # type: ignore[arg-type]  # the test


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`Input` needs `shape`.*Received: shape=None"):
        Input()
    with pytest.raises(InvalidArgumentError, match=r"cannot both be given. Received: shape=\(4,\), batch_shape="):
        Input((4,), batch_shape=(None, 4))
    with pytest.raises(InvalidArgumentError, match="such as"):
        Input(4)  # type: ignore[arg-type]  # the test
    for name in ("sparse", "ragged", "optional"):
        with pytest.raises(UnsupportedArgumentError, match=f"`{name}` yet. Received: {name}=True"):
            Input((4,), **{name: True})
