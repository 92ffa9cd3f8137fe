"""How many processes a run has, and the runs of several."""

import json
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from labkeras.experiment import compose
from labkeras.experiment.job import run_job, write_job
from labkeras.experiment.launchers.ranks import processes_of


@pytest.mark.parametrize(
    ("trainer", "count"),
    [
        (None, 1),
        ({"accelerator": "cpu"}, 1),
        ({"accelerator": "cpu", "devices": 3}, 3),
        ({"devices": "2"}, 2),
        ({"devices": [0, 3]}, 2),
        ({"devices": 2, "strategy": "ddp"}, 2),
        ({"devices": 2, "strategy": "ddp_spawn"}, 1),
        ({"devices": 2, "strategy": "ddp_fork_find_unused_parameters_true"}, 1),
        ({"devices": 2, "strategy": "ddp_notebook"}, 1),
    ],
)
def test_processes_that_the_launcher_starts(trainer: Any, count: int) -> None:
    assert processes_of({"trainer": trainer}) == count


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn"])
def test_a_run_of_two_processes_is_one_run_in_one_folder(strategy: str, tmp_path: Path) -> None:
    overrides = ["experiment=digits_mlp", "fit.epochs=1", "fit.verbose=0", "trainer=ddp", "trainer.accelerator=cpu"]
    overrides.append(f"trainer.strategy={strategy}")
    directory = tmp_path / "0000"
    directory.mkdir()
    config = OmegaConf.to_container(compose(overrides), resolve=True)
    assert isinstance(config, dict)
    write_job(directory, config, overrides, sweep=tmp_path, trial=0, attempt=1)  # type: ignore[arg-type]
    assert run_job(directory) == 0
    result = json.loads((directory / "result.json").read_text())
    assert (result["state"], result["epochs"]) == ("done", 1)
    assert json.loads((directory / "run.json").read_text())["exit_code"] == 0
    assert list(tmp_path.iterdir()) == [directory]
