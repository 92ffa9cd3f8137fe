"""The fixtures that plugins' tests use are there without an installation, too."""

pytest_plugins = ["labkeras.testing.pytest_plugin"]
