"""Small data sets that ship with labkeras, so that a first model trains without a download."""

from labkeras.datasets import digits

__all__ = ["digits"]
