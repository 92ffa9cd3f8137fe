"""The command `labkeras`: its verbs, and that it answers without torch."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from labkeras.cli.main import VERBS, main
from tests.helpers.processes import environment, install_example, run_labkeras, run_python


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


HEAVY = ("torch", "pytorch_lightning", "optuna", "tensorboard", "numpy", "pandas")
COMPLETED = "labkeras train experiment=digits_mlp model.layers.h1.un"


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "list",
        "list layers --json",
        "info optimizer/adam",
        "info experiment/digits_mlp",
        "info adamm",
        "plugin list",
        "train --help",
        "train --cfg job experiment=digits_mlp",
        "train experiment=digits_mlp model.layers.h1.activation=rellu",
        "-sc query=bash",
    ],
)
def test_what_trains_nothing_answers_without_torch(tmp_path: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install_example(tmp_path)
    if line.startswith("-sc"):
        monkeypatch.setenv("COMP_LINE", COMPLETED)
        monkeypatch.setenv("COMP_POINT", str(len(COMPLETED)))
    program = f"""
import sys
from labkeras.cli.main import main
try:
    main({line.split()!r})
except SystemExit:
    pass
not_wanted = {HEAVY if line.startswith(("train", "-sc")) else (*HEAVY, "hydra", "omegaconf", "rich")}
heavy = set(not_wanted) & set(sys.modules)
sys.exit(f"imported: {{heavy}}" if heavy else 0)
"""
    outcome = run_python(tmp_path, "-c", program)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout + outcome.stderr


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["list", "layers"], ["plugin", "list"], ["info", "optimizer/adam"]])
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
