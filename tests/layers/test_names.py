"""The names of `labkeras.layers`: Keras's, and one component each."""

import inspect
from pathlib import Path

import keras
import pytest

from labkeras import layers
from labkeras.registry import registry_of

LAYERS = [
    name for name in layers.__all__ if inspect.isclass(getattr(layers, name)) and name not in ("InputSpec", "Layer")
]


@pytest.mark.parametrize("name", layers.__all__)
def test_every_name_is_kerass(name: str) -> None:
    assert hasattr(keras.layers, name)


@pytest.mark.parametrize("alias", layers.ALIASES)
def test_a_second_name_is_the_same_class_here_and_in_keras(alias: str) -> None:
    name = layers.ALIASES[alias]
    assert getattr(layers, alias) is getattr(layers, name)
    assert getattr(keras.layers, alias) is getattr(keras.layers, name)


def test_each_layer_is_one_component() -> None:
    components = [entry.load() for entry in registry_of("layers").entries() if entry.provider == "labkeras"]
    assert len(components) == len(set(components))
    assert {component.__name__ for component in components} == set(LAYERS) - set(layers.ALIASES) - {"InputLayer"}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_lies_where_keras_has_it(name: str) -> None:
    if name == "InputLayer":
        return  # the graph begins with it, so it lies there
    family, file = keras_path(getattr(keras.layers, name))
    assert getattr(layers, name).__module__ == f"labkeras.layers.{family}.{file}"


def keras_path(cls: type) -> tuple[str, str]:
    path = Path(inspect.getfile(cls))
    return path.parent.name, path.stem
