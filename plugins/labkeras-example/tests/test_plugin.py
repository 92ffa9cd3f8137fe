"""Installed, the plugin needs no import."""

from importlib.metadata import entry_points

import pytest

import labkeras.layers
import labkeras.losses
from labkeras.plugins.manager import plugins
from labkeras.registry import layers, losses
from labkeras_example.gated_dense import GatedDense
from labkeras_example.generalized_crossentropy import GeneralizedCrossentropy

pytestmark = pytest.mark.skipif(
    not [found for found in entry_points(group="labkeras") if found.name == "example"],
    reason="the plugin is not installed: pip install -e plugins/labkeras-example",
)


def test_labkeras_finds_it() -> None:
    assert "labkeras-example" in [plugin.distribution for plugin in plugins()]


def test_its_components_are_found_by_name() -> None:
    assert layers.get("gated_dense") is GatedDense
    assert layers.get("labkeras-example/GatedDense") is GatedDense
    assert losses.entry("generalized_crossentropy").provider == "labkeras-example"
    assert isinstance(labkeras.losses.get("generalized_crossentropy"), GeneralizedCrossentropy)
