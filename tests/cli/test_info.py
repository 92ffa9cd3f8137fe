"""`labkeras info`: what a component takes, what an option's file says."""

import json
import re
import sys
from pathlib import Path

import pytest

from labkeras.cli.info import main
from labkeras.cli.main import main as labkeras


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_a_component_is_shown_with_its_signature_and_a_command_to_try(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "optimizer/sgd")
    assert text.startswith("optimizer/sgd  labkeras")
    assert "labkeras.optimizers:SGD" in text
    assert "  momentum: float" in text
    assert " = 0.0\n" in text
    assert "In a config:\n  {optimizer: sgd}\n" in text
    assert text.endswith("Example:\n  labkeras train optimizer=sgd optimizer.learning_rate=0.01\n")


def test_an_argument_that_must_be_given_has_no_default(capsys: pytest.CaptureFixture[str]) -> None:
    line = next(line for line in shown(capsys, "layer/dense").splitlines() if line.startswith("  units: int"))
    assert "=" not in line


def test_an_argument_that_takes_a_component_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "layer/dense")
    assert "  activation: activation = None\n" in text
    assert "  kernel_initializer: initializer = 'glorot_uniform'\n" in text


def test_an_option_is_shown_with_its_file(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "experiment/digits_mlp")
    assert "conf/experiment/digits_mlp.yaml" in text
    assert "# A small network of dense layers on the handwritten digits." in text
    assert "override /optimizer: adam" in text
    assert "labkeras train experiment=digits_mlp" in text


def test_a_group_is_shown_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert "  cpu   The processor, whatever else there is." in shown(capsys, "trainer")


def test_all_of_it_is_given_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(shown(capsys, "optimizer/adam", "--json"))
    rate = found["arguments"][0]
    assert (found["kind"], found["name"], found["provider"]) == ("optimizer", "adam", "labkeras")
    assert (rate["name"], rate["default"], rate["required"]) == ("learning_rate", 0.001, False)
    assert found["example"] == ["optimizer=adam", "optimizer.learning_rate=0.001"]
    assert json.loads(shown(capsys, "model/mlp", "--json"))["text"].startswith("# Two hidden layers")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("optimizer/adamm", "no optimizer is named 'adamm'. Did you mean 'adam' or 'adamw'?"),
        ("mse", "'mse' is several things. Say which: 'loss/mse' or 'metric/mse'."),
        ("trainer/cpuu", "the group 'trainer' has no option 'cpuu'. Did you mean 'cpu'"),
    ],
)
def test_an_unknown_name_is_named_with_the_nearest(name: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 2
    assert words in capsys.readouterr().err


def test_info_is_a_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert labkeras(["info", "adam"]) == 0
    assert "optimizer/adam" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["layer/dense", "experiment/digits_mlp"])
def test_a_terminal_gets_the_same_words_in_colour(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = shown(capsys, name)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = shown(capsys, name)
    assert "\x1b[" in coloured
    words = re.sub(r"\x1b\[[\d;]*m", "", coloured)
    assert [line.rstrip() for line in words.splitlines()] == [line.rstrip() for line in plain.splitlines()]


def test_files_of_the_current_folder_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf" / "optimizer").mkdir(parents=True)
    (tmp_path / "conf" / "optimizer" / "quick.yaml").write_text("# Mine.\noptimizer: sgd\n")
    monkeypatch.chdir(tmp_path)
    assert "# Mine." in shown(capsys, "optimizer/quick")
    line = next(line for line in shown(capsys, "optimizer").splitlines() if line.startswith("  quick"))
    assert line.split() == ["quick", "Mine."]
