"""Fixtures for the tests of plugins: a `conftest.py` imports those that it wants.

There is no entry point for pytest: it would rewrite the assertions of all of labkeras. Nothing of labkeras is imported
before a test asks for a fixture.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from typing import Any

import pytest

__all__ = ["fresh_labkeras", "labkeras_plugin"]


@pytest.fixture
def labkeras_plugin() -> Iterator[Callable[[Any, str], str]]:
    """A function that files a plugin's module until the test ends, unless its distribution is installed.

    `labkeras_plugin(labkeras_spline, "labkeras-spline")` returns the distribution, for `registry.entry("…/name")`.
    """
    manager = import_module("labkeras.plugins.manager")
    with ExitStack() as stack:

        def use(module: Any, distribution: str) -> str:
            if distribution not in [plugin.distribution for plugin in manager.plugins()]:
                stack.enter_context(manager.registered(module, distribution))
            return distribution

        yield use


@pytest.fixture
def fresh_labkeras() -> Iterator[None]:
    """Names counted from the start, the seed 0, and afterwards labkeras's own global settings again."""
    config, dtypes, naming, random = (
        import_module(f"labkeras.{name}") for name in ("config", "dtypes", "naming", "random")
    )
    naming.clear_names()
    random.set_random_seed(0)
    yield
    config.set_floatx("float32")
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")
    dtypes.set_dtype_policy(None)
