"""Words of old tutorials: accepted with a warning that names today's word and points at the line."""

from typing import Any

import numpy as np
import pytest

from labkeras import layers, models
from labkeras.errors import InvalidArgumentError
from labkeras.legacy import modern_arguments


@pytest.mark.parametrize(
    ("make", "attribute", "value", "word"),
    [
        (lambda: layers.Dense(output_dim=64), "units", 64, "`output_dim` is now called `units`"),
        (lambda: layers.Dense(2, bias=False), "use_bias", False, "`bias` is now called `use_bias`"),
        (lambda: layers.Dropout(p=0.25), "rate", 0.25, "`p` is now called `rate`"),
        (
            lambda: layers.Conv2D(nb_filter=4, kernel_size=3),
            "filters",
            4,
            "`nb_filter` is now called `filters`",
        ),
        (
            lambda: layers.MaxPooling2D(border_mode="same"),
            "padding",
            "same",
            "`border_mode` is now called `padding`",
        ),
        (
            lambda: layers.MaxPooling2D(dim_ordering="th"),
            "data_format",
            "channels_first",
            "`dim_ordering` is now called `data_format`",
        ),
    ],
)
def test_old_arguments_of_layers(make: Any, attribute: str, value: Any, word: str) -> None:
    with pytest.warns(DeprecationWarning, match=word) as caught:
        layer = make()
    assert getattr(layer, attribute) == value
    assert caught[0].filename == __file__


def test_a_subclass_takes_the_old_words_of_its_base() -> None:
    class Mine(layers.Dense):
        pass

    with pytest.warns(DeprecationWarning, match="Mine: `output_dim`"):
        assert Mine(output_dim=3).units == 3


def test_old_words_of_methods() -> None:
    model = models.Sequential([layers.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 2)), np.ones((8, 1))
    with pytest.warns(DeprecationWarning, match="`nb_epoch` is now called `epochs`"):
        assert model.fit(x, y, nb_epoch=3, verbose=0).epoch == [0, 1, 2]


def test_todays_words_warn_of_nothing() -> None:
    layers.Dense(units=128, activation="relu", input_shape=(784,))
    layers.Dense(4, input_dim=3)


def test_an_old_word_beside_todays_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"`output_dim` is the old word. Received: output_dim=3, units=4"):
        layers.Dense(output_dim=3, units=4)


def test_arguments_without_old_words_are_returned_as_they_are() -> None:
    arguments = {"units": 3}
    assert modern_arguments(("Dense", "Layer"), arguments) is arguments
