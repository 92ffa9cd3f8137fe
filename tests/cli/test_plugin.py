"""`labkeras plugin list`; what it says of broken plugins is tested in tests/plugins."""

from pathlib import Path

import pytest

from labkeras.cli.main import main
from tests.helpers.processes import install_example, install_plugin, run_labkeras


def test_a_plugin_is_listed_with_what_it_adds(tmp_path: Path) -> None:
    install_example(tmp_path)
    outcome = run_labkeras(tmp_path, "plugin", "list")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    lines = [line for line in outcome.stdout.splitlines() if line.startswith("labkeras-example ")]
    assert len(lines) == 1
    assert lines[0].endswith("layers: gated_dense; losses: generalized_crossentropy")


def test_a_broken_plugin_is_listed_once_and_ends_with_3(tmp_path: Path) -> None:
    install_plugin(tmp_path, "bad-import", "import no_such_module")
    outcome = run_labkeras(tmp_path, "plugin", "list")
    assert (outcome.returncode, outcome.stderr) == (3, "")
    assert "the plugin 'it' of 'bad-import' is set aside: ModuleNotFoundError" in outcome.stdout


def test_an_unknown_action_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "chekc"]) == 2
    assert "there is no action 'chekc'. Did you mean 'check'?" in capsys.readouterr().err
