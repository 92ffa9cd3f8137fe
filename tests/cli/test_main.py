"""The command `labkeras`: its verbs, and that it answers without torch."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from labkeras.cli.main import VERBS, main
from tests.helpers.processes import environment, run_labkeras, run_python


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_every_verb(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    text = capsys.readouterr().out
    assert [verb for verb in VERBS if f"labkeras {verb}" not in text] == []


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("labkeras ")


def test_an_unknown_verb_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    assert "there is no verb 'trian'. Did you mean 'train'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["list", "layers"], ["list", "--json"], ["plugin", "list"]]
)
def test_help_and_lists_answer_without_torch(tmp_path: Path, arguments: list[str]) -> None:
    program = f"""
import sys
from labkeras.cli.main import main
main({arguments!r})
heavy = {{"torch", "pytorch_lightning", "hydra", "tensorboard"}} & set(sys.modules)
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""
    outcome = run_python(tmp_path, "-c", program)
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["list", "layers"], ["plugin", "list"]])
def test_help_and_lists_answer_within_half_a_second(tmp_path: Path, arguments: list[str]) -> None:
    run_labkeras(tmp_path, *arguments)  # once before, so that the files are in memory
    seconds = []
    for _ in range(3):
        start = _seconds_of_children()
        run_labkeras(tmp_path, *arguments)
        seconds.append(_seconds_of_children() - start)
    assert min(seconds) < 0.5


def _seconds_of_children() -> float:
    # Of the processor, not of the clock: other tests run beside this one.
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "labkeras", "list", "layers"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
