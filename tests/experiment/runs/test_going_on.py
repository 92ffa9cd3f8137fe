"""A run that was broken off ends as if it had not been."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labkeras.errors import RunStoppedError
from labkeras.experiment import compose, run
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.naming import clear_names
from tests.helpers import dying_runs
from tests.helpers.dying_runs import DEATH, DeathError, outcome, overrides


@pytest.fixture(autouse=True)
def _components(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    dying_runs.write_conf(tmp_path / "conf")
    monkeypatch.setenv(DEATH, "-1:-1:error")
    with dying_runs.registered():
        yield


def start(folder: Path, lines: list[str], **arguments: Any) -> dict[str, Any]:
    clear_names()  # as in a process of its own: layers without a name are numbered, and Diagnostics tells of them by it
    return run(compose(lines, config_dir="conf"), lines, folder, **arguments)


def broken_off(folder: Path, lines: list[str], death: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs until the place of death, and once more from there to the end."""
    monkeypatch.setenv(DEATH, death)
    with pytest.raises((DeathError, RunStoppedError, KeyboardInterrupt)):
        start(folder, lines)
    monkeypatch.setenv(DEATH, "-1:-1:error")
    start(folder, lines, resume=True)


KINDS: dict[str, list[str]] = {
    "arrays": overrides(),
    "unbuilt": overrides("arrays", "model=unbuilt"),
    "part of the data an epoch": overrides("arrays", "fit.steps_per_epoch=3", "fit.epochs=6"),
    "dataset": overrides("dataset"),
    "loader": overrides("loader"),
    "loader with workers": overrides("loader", workers=2),
    "loader with a generator": overrides("seeded loader"),
    "stream": overrides("stream"),
    "unbuilt, loader": overrides("loader", "model=unbuilt"),
}
QUICK = ("unbuilt", "loader with workers")


@pytest.mark.filterwarnings("ignore:the data ended after")  # four batches, three of which make an epoch
@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS]
)
@pytest.mark.parametrize("death", ["0:2:error", "1:0:error", "2:2000:error", "2:3:term", "1:1000:term", "3:0:int"])
def test_it_ends_as_if_it_had_not_been(tmp_path: Path, kind: str, death: str, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = KINDS[kind]
    if "steps_per_epoch" in " ".join(lines):
        death = death.replace(":3:", ":2:")
    start(tmp_path / "whole", lines)
    broken_off(tmp_path / "broken", lines, death, monkeypatch)
    whole, broken = outcome(tmp_path / "whole"), outcome(tmp_path / "broken")
    for part in whole:
        assert broken[part] == whole[part], part
    assert RunDirectory.open(tmp_path / "broken").record()["state"] == "done"
