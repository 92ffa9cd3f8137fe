"""Plugins that are given, not installed: `register_plugin`."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from labkeras import hookimpl
from labkeras.errors import PluginError
from labkeras.plugins import manager
from labkeras.registry import layers


class Wave:
    """Goes up and down."""


@pytest.fixture(autouse=True)
def _plugins_as_before() -> Iterator[None]:
    with manager.registered(SimpleNamespace(), "none"):  # takes away what was registered after it as well
        yield


def offering(components: object) -> SimpleNamespace:
    @hookimpl
    def labkeras_register_layers() -> object:
        return components

    return SimpleNamespace(labkeras_register_layers=labkeras_register_layers)


def test_what_a_plugin_offers_is_found_by_name() -> None:
    manager.register_plugin(offering({"wave": Wave}), "waves")
    assert layers.get("wave") is Wave
    assert layers.entry("wave").provider == "waves"
    assert "waves" in [plugin.distribution for plugin in manager.plugins()]


def test_a_second_plugin_of_a_distribution_does_no_harm_to_the_first() -> None:
    manager.register_plugin(offering({"wave": Wave}), "waves")
    with pytest.raises(Exception, match="already provides a layer named 'wave'"):
        manager.register_plugin(offering({"wave": object}), "waves")
    assert layers.get("wave") is Wave


def test_a_misspelt_hook_raises() -> None:
    @hookimpl
    def labkeras_register_lairs() -> dict[str, type]:
        return {}

    with pytest.raises(PluginError, match="there is no hook 'labkeras_register_lairs'"):
        manager.register_plugin(SimpleNamespace(labkeras_register_lairs=labkeras_register_lairs), "waves")
