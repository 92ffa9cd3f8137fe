"""Names are Keras's, and their counters start again."""

import pytest
from keras.src.utils.naming import auto_name as keras_auto_name
from keras.src.utils.naming import to_snake_case as keras_to_snake_case
from keras.utils import clear_session

from labkeras.naming import auto_name, clear_names, names_kept, normalize, to_snake_case, uniquify

NAMES = [
    "Dense",
    "MaxPooling2D",
    "ReLU",
    "LSTM",
    "MyHTTPLayer",
    "Conv2DTranspose",
    "layer_1",
    "AUC",
    "F1Score",
    "Ünder",
]


@pytest.mark.parametrize("name", NAMES)
def test_snake_case_is_keras(name: str) -> None:
    assert to_snake_case(name) == keras_to_snake_case(name)


def test_counters_are_keras_and_start_again() -> None:
    clear_session()
    for name in ("Dense", "Dense", "dense", "LSTM", "Dense"):
        assert auto_name(name) == keras_auto_name(name)
    clear_names()
    assert auto_name("Dense") == "dense"


def test_uniquify_counts_each_name_by_itself() -> None:
    assert [uniquify(name) for name in ("a", "b", "a", "c", "a")] == ["a", "b", "a_1", "c", "a_2"]


def test_names_are_compared_without_case_and_underscores() -> None:
    assert normalize("MaxPooling2D") == normalize("max_pooling2d") == normalize("max_pooling_2d")


def test_names_taken_only_to_look_at_something_are_given_back() -> None:
    clear_names()
    auto_name("Dense")
    with names_kept():
        assert [auto_name("Dense"), auto_name("Flatten")] == ["dense_1", "flatten"]
    assert [auto_name("Dense"), auto_name("Flatten")] == ["dense_1", "flatten"]
