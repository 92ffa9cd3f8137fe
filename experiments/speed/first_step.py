"""From the start of a process to the first training step of a tiny model: `first_step.py labkeras`, or `keras`."""

import importlib
import os
import sys

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np

package = importlib.import_module(sys.argv[1])
model = package.Sequential(
    [package.layers.Input((32,)), package.layers.Dense(32, activation="relu"), package.layers.Dense(10)]
)
model.compile("adam", "mse")
model.fit(np.zeros((32, 32), "float32"), np.zeros((32, 10), "float32"), verbose=0)
