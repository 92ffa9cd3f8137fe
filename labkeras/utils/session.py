"""clear_session: names and policies as in a new process."""

import gc

from labkeras.dtypes import set_dtype_policy
from labkeras.naming import clear_names

__all__ = ["clear_session"]


def clear_session(free_memory: bool = True) -> None:
    """Starts the counters of names again, so that the next dense layer is called "dense", and forgets the dtype policy.

    Args:
        free_memory: whether to collect garbage as well.
    """
    clear_names()
    set_dtype_policy(None)
    if free_memory:
        gc.collect()
