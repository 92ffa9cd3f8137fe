"""The plugin, filed as if it were installed."""

import contextlib
from collections.abc import Iterator

import pytest

import labkeras_sam
from labkeras.plugins.manager import plugins, registered


@pytest.fixture(autouse=True)
def plugin() -> Iterator[None]:
    """It is there in each test, installed or not."""
    is_there = "labkeras-sam" in [found.distribution for found in plugins()]
    with contextlib.nullcontext() if is_there else registered(labkeras_sam, "labkeras-sam"):
        yield
