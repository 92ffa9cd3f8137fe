"""Small data sets that ship with labkeras or are made by it, so that a first model trains without a download."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.datasets import adding_problem as adding_problem
    from labkeras.datasets import copy_memory as copy_memory
    from labkeras.datasets import digits as digits

__all__, __getattr__, __dir__ = exports(__name__)
