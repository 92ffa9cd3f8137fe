"""The fixtures for plugins' tests."""

import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from labkeras import config, hookimpl
from labkeras.plugins.manager import plugins
from labkeras.registry import activations


@hookimpl
def labkeras_register_activations() -> dict[str, Any]:
    return {"one_off": "tests.nowhere:one_off"}


MODULE = SimpleNamespace(labkeras_register_activations=labkeras_register_activations)


@pytest.mark.parametrize("round", [1, 2])
def test_a_plugin_is_there_as_long_as_the_test(labkeras_plugin: Callable[[Any, str], str], round: int) -> None:
    assert "one_off" not in activations
    assert labkeras_plugin(MODULE, "labkeras-one-off") == "labkeras-one-off"
    assert activations.entry("labkeras-one-off/one_off").location == "tests.nowhere:one_off"
    labkeras_plugin(MODULE, "labkeras-one-off")  # a second time it is there already
    assert [one.distribution for one in plugins()].count("labkeras-one-off") == 1


@pytest.mark.parametrize("floatx", ["float64", "float32"])
def test_global_settings_begin_and_end_as_usual(fresh_labkeras: None, floatx: str) -> None:
    assert config.floatx() == "float32"
    config.set_floatx(floatx)


def test_pytest_starts_without_torch() -> None:
    program = "import sys, labkeras.testing.pytest_plugin as p; print({'torch', 'numpy'} & set(sys.modules))"
    outcome = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert outcome.stdout == "set()\n"
