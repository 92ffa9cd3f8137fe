"""The plugin interface: what a plugin may offer (`hookspecs`), and how plugins are found (`manager`)."""

from labkeras.plugins.hookspecs import hookimpl

__all__ = ["hookimpl"]
