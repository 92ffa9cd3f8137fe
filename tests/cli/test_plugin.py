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


HOOKED = """
    import sys

    from labkeras import hookimpl

    print("imported", file=sys.stderr)


    @hookimpl{mark}
    def labkeras_validate(config):
        return []


    @hookimpl
    def labkeras_register_activations():
        return {{"{name}": "{module}:nothing"}}
"""


def test_the_second_list_imports_no_plugin_and_says_the_same(tmp_path: Path) -> None:
    for name, mark in (("a-plugin", "(trylast=True)"), ("b-plugin", "")):
        module = name.replace("-", "_")
        install_plugin(tmp_path, name, HOOKED.format(mark=mark, name=f"{module}_one", module=module))
    first, second = (run_labkeras(tmp_path, "plugin", "list") for _ in range(2))
    assert first.stderr == "imported\nimported\n"
    assert second.stderr == ""
    assert first.stdout == second.stdout
    lines = first.stdout.splitlines()
    assert "a-plugin 1.2  activations: a_plugin_one" in lines
    assert "hooks, and who is called in which order:" in lines
    order = next(line for line in lines if line.startswith("  labkeras_validate: "))
    assert order.index("b-plugin:it") < order.index("a-plugin:it")


def test_local_plugins_and_those_left_out_are_listed(tmp_path: Path) -> None:
    install_plugin(tmp_path, "a-plugin", HOOKED.format(mark="", name="one", module="a_plugin"))
    (tmp_path / "mine.py").write_text("import labkeras\n")
    outcome = run_labkeras(tmp_path, "plugin", "list", "-p", "mine", "-p", "no:a-plugin")
    assert outcome.returncode == 0, outcome.stderr
    assert "mine (local)  no components" in outcome.stdout
    assert "the plugin 'it' of 'a-plugin' is not used: it is left out by `-p no:a-plugin`" in outcome.stdout


def test_help_names_the_actions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"labkeras plugin {action}" in said for action in ("list", "new", "check"))
    assert main(["plugin"]) == 2
