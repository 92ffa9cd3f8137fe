"""Jobs that are scripts: `job.py` in the trial's folder stands for a run, which would import torch for seconds."""

import sys
import types
from pathlib import Path


def run_job(directory: Path, trial: object = None) -> int:
    scope = {"directory": directory, "code": 0}
    exec((directory / "job.py").read_text(), scope)
    return int(str(scope["code"]))


def install() -> None:
    """Puts scripts in the place of runs, in this process."""
    fake = types.ModuleType("labkeras.experiment.job")
    fake.run_job = run_job  # type: ignore[attr-defined]
    sys.modules["labkeras.experiment.job"] = fake


def script_task(directory: str) -> int:
    """What a pool's process does for a script, in place of a run."""
    install()
    from labkeras.experiment.launchers.task import run_task

    return run_task(directory)
