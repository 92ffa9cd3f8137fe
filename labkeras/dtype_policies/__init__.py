"""Policies of data types: what layers keep their weights in, and what they compute in."""

from typing import TYPE_CHECKING

from labkeras.lazy import exports

if TYPE_CHECKING:
    from labkeras.dtype_policies.lookup import deserialize as deserialize
    from labkeras.dtype_policies.lookup import serialize as serialize
    from labkeras.dtypes import DTypePolicy as DTypePolicy
    from labkeras.dtypes import DTypePolicy as FloatDTypePolicy  # noqa: F401  # a second name
    from labkeras.dtypes import DTypePolicyMap as DTypePolicyMap
    from labkeras.dtypes import get as get

__all__, __getattr__, __dir__ = exports(__name__)
