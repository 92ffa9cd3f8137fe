"""`labkeras resume`: a thin face on `run`."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkeras.cli.main import main
from labkeras.experiment import compose, run
from tests.helpers import dying_runs
from tests.helpers.dying_runs import DEATH, DeathError, overrides


@pytest.fixture(autouse=True)
def _broken_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A run in the folder "broken" that failed in its second epoch."""
    monkeypatch.chdir(tmp_path)
    dying_runs.write_conf(tmp_path / "conf")
    monkeypatch.setenv(DEATH, "1:1:error")
    with dying_runs.registered():
        lines = overrides("arrays", "fit.epochs=2", "logger=none")
        with pytest.raises(DeathError):
            run(compose(lines, config_dir="conf"), lines, "broken")
        monkeypatch.setenv(DEATH, "-1:-1:error")
        yield


def test_a_run_is_gone_on_with_and_its_result_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "broken"]) == 0
    assert "test loss: " in capsys.readouterr().out
    assert json.loads(Path("broken/run.json").read_text())["state"] == "done"


def test_the_result_is_json_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        assert main(["resume", "broken", "--json"]) == 0
        said = capsys.readouterr()
        assert json.loads(said.out) == json.loads(Path("broken/result.json").read_text())
    assert "nothing to go on with: the run in" in said.err


def test_a_run_that_fails_again_has_the_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(DEATH, "1:2:error")
    assert main(["resume", "broken"]) == 1
    said = capsys.readouterr().err
    assert "DeathError: the moment has come" in said
    assert "go on with it: labkeras resume broken" in said
    monkeypatch.setenv(DEATH, "1:2:term")
    assert main(["resume", "broken"]) == 75
    assert "the run ended before it was done: SIGTERM" in capsys.readouterr().err


def test_a_run_that_is_not_there_has_the_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resume", "nothing"]) == 2
    assert "there is no such run" in capsys.readouterr().err
