"""Shared fixtures: Keras (the oracle) runs on torch, every test starts from the same names and seeds."""

import os
from collections.abc import Iterator

os.environ.setdefault("KERAS_BACKEND", "torch")
# Two test processes on a small machine must not fight over its cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from labkeras import config, dtypes, naming
from labkeras.random import set_random_seed


@pytest.fixture(autouse=True)
def _fresh_globals() -> Iterator[None]:
    """Names, seeds and global settings as in a new process."""
    naming.clear_names()
    set_random_seed(0)
    yield
    config.set_floatx("float32")
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")
    dtypes.set_dtype_policy(None)
