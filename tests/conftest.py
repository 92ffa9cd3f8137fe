"""Shared fixtures: Keras (the oracle) runs on torch, every test starts from the same names and seeds."""

import os
import signal
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")
# Two test processes on a small machine must not fight over its cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from absl import logging as absl_logging

from labkeras.testing.pytest_plugin import fresh_labkeras as fresh_labkeras
from labkeras.testing.pytest_plugin import labkeras_plugin as labkeras_plugin

# Keras and TensorBoard bring absl. When Hydra sets up logging, absl's handler closes the stream that it was made with,
# unless that is the process's own: here it would be pytest's.
absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__


# A shell that starts something in the background has it ignore Ctrl-C, and all that it starts; many tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _fresh_globals(fresh_labkeras: None) -> None:
    """Names, seeds and global settings as in a new process."""
