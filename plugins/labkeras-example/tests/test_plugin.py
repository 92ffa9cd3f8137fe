"""The plugin as a whole: labkeras finds what it offers."""

from collections.abc import Callable
from typing import Any

import pytest

import labkeras_example
from labkeras.registry import registry_of
from labkeras.serialization import serialize_keras_object
from labkeras_example.gated_dense import GatedDense

OFFERED = [
    ("layers", "gated_dense"),
    ("losses", "generalized_crossentropy"),
]


@pytest.mark.parametrize(("kind", "name"), OFFERED)
def test_labkeras_finds_what_the_plugin_offers(
    kind: str, name: str, labkeras_plugin: Callable[[Any, str], str]
) -> None:
    distribution = labkeras_plugin(labkeras_example, "labkeras-example")
    assert registry_of(kind).entry(f"{distribution}/{name}").load()


def test_a_config_names_the_distribution(labkeras_plugin: Callable[[Any, str], str]) -> None:
    labkeras_plugin(labkeras_example, "labkeras-example")
    assert serialize_keras_object(GatedDense(3))["registered_name"] == "labkeras-example>GatedDense"
