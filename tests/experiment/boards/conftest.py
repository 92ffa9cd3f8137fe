"""A real sweep to look at."""

import os
from pathlib import Path

import pytest

from labkeras.experiment.sweeps.request import SweepRequest
from labkeras.experiment.sweeps.sweep import sweep

SCREENSHOTS = "LABKERAS_SCREENSHOTS"
"""In the environment: the folder where screenshots go, of a sweep that is worth looking at."""

_SMALL = ["fit.epochs=2", "optimizer.learning_rate=0.01,0.001,1e30"]  # the last one fails: its loss is not finite
_LARGE = ["fit.epochs=12", "optimizer=adam,sgd", "optimizer.learning_rate=0.01,0.003,0.001"]


@pytest.fixture(scope="session")
def sweep_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep over convolutional networks: three trials, the last of which failed."""
    folder = tmp_path_factory.mktemp("looking") / "runs" / "sweeps" / "digits_cnn" / "20260131-120000-abcd"
    lines = ["experiment=digits_cnn", "trainer=cpu", "fit.verbose=0", "callbacks=none", f"sweep_dir={folder}"]
    lines.append("logger.diagnostics.every=20")  # batches: a distribution is drawn from its second step on
    sweep(SweepRequest([*lines, *(_LARGE if SCREENSHOTS in os.environ else _SMALL)], quiet=True))
    return folder
