"""The fixtures that labkeras has for plugins' tests."""

from labkeras.testing.pytest_plugin import fresh_labkeras, labkeras_plugin

__all__ = ["fresh_labkeras", "labkeras_plugin"]
