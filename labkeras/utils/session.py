"""clear_session: names as in a new process."""

import gc

from labkeras.naming import clear_names

__all__ = ["clear_session"]


def clear_session(free_memory: bool = True) -> None:
    """Starts the counters of names again, so that the next dense layer is called "dense".

    Args:
        free_memory: whether to collect garbage as well.
    """
    clear_names()
    if free_memory:
        gc.collect()
