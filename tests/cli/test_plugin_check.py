"""`labkeras plugin check`: every component, property by property, wherever the plugin is."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.processes import EXAMPLE, install_plugin, run_labkeras

FAULTY = '''
    import numpy as np

    from labkeras import hookimpl
    from labkeras.datasets.spec import ArraySpec, DataSpec, gives


    @gives(DataSpec(ArraySpec((2,), "float64"), rows=4))
    def holes() -> tuple[tuple[object, object], tuple[object, object]]:
        """Gives numbers that are missing."""
        x, y = np.full((4, 2), np.nan), np.arange(4)
        return (x, y), (x.copy(), y.copy())


    def sized(size: int) -> tuple[tuple[object, object], tuple[object, object]]:
        """Gives zeros.

        Args:
            size: how many.
        """
        x, y = np.zeros((size, 2)), np.arange(size)
        return (x, y), (x.copy(), y.copy())


    @hookimpl
    def labkeras_register_datasets() -> dict[str, object]:
        return {"holes": holes, "sized": sized}
'''


def checked(folder: Path, *arguments: str, code: int = 0) -> Any:
    outcome = run_labkeras(folder, "plugin", "check", *arguments, "--json")
    assert outcome.returncode == code, outcome.stdout + outcome.stderr
    return json.loads(outcome.stdout)


def states(component: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["state"] for one in component["properties"]}


def test_a_module_is_checked_and_its_faults_are_told(tmp_path: Path) -> None:
    (tmp_path / "faulty.py").write_text("\n".join(line[4:] for line in FAULTY.splitlines()))
    found = checked(tmp_path, "faulty", code=3)
    holes, sized = found["components"]
    failed = [one for one in holes["properties"] if one["state"] == "failed"]
    assert [(one["name"], "NaN" in one["reason"]) for one in failed] == [("values", True)]
    assert failed[0]["advice"].startswith("Leave out or fill in")
    assert sized["fault"].startswith("it has no default for 'size'.")
    assert 'labkeras_check = {"datasets/sized": {"arguments": {"size": …}}}' in sized["fault"]


def test_an_installed_plugin_is_found_by_each_of_its_names(tmp_path: Path) -> None:
    install_plugin(
        tmp_path,
        "faulty-plugin",
        FAULTY + '\n    labkeras_check = {"datasets/sized": {"skip": ["repeatable"], "arguments": {"size": 3}}}\n',
        name="faults",
    )
    for name in ("faulty-plugin", "faults", "faulty_plugin"):
        found = checked(tmp_path, name, code=3)
        assert (found["distribution"], found["version"]) == ("faulty-plugin", "1.2")
        assert states(found["components"][1])["repeatable"] == "skipped"
        assert states(found["components"][1])["specification"] == "failed"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            '{"datasets/size": {}}',
            "names 'datasets/size', which the plugin does not offer. Did you mean 'datasets/sized'",
        ),
        ("[]", "must be a mapping"),
    ],
)
def test_what_is_declared_wrongly_is_a_fault(said: str, words: str, tmp_path: Path) -> None:
    install_plugin(tmp_path, "faulty-plugin", f"{FAULTY}\n    labkeras_check = {said}\n")
    assert words in checked(tmp_path, "faulty-plugin", code=3)["faults"][0]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ('{"datasets/sized": {"argument": {"size": 3}}}', "Did you mean 'arguments'"),
        ('{"datasets/sized": {"arguments": {"size": 3}, "skip": ["value"]}}', "Did you mean 'values'"),
    ],
)
def test_what_a_check_does_not_take_is_a_fault(said: str, words: str, tmp_path: Path) -> None:
    install_plugin(tmp_path, "faulty-plugin", f"{FAULTY}\n    labkeras_check = {said}\n")
    assert words in checked(tmp_path, "faulty-plugin", code=3)["components"][1]["fault"]


@pytest.mark.slow
def test_the_folder_of_a_package_is_checked(tmp_path: Path) -> None:
    outcome = run_labkeras(tmp_path, "plugin", "check", str(EXAMPLE.parent))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    lines = outcome.stdout.splitlines()
    assert lines[0].split()[0] == "labkeras-example"
    assert lines[-1] == "nothing is wrong"
    assert any("gradients" in line and "✓" in line for line in lines)


def test_a_table_has_a_row_for_each_property(tmp_path: Path) -> None:
    install_plugin(tmp_path, "faulty-plugin", FAULTY)
    outcome = run_labkeras(tmp_path, "plugin", "check", "faulty-plugin")
    assert outcome.returncode == 3
    rows = {
        line.split("│")[1].strip(): line.split("│")[2].strip() for line in outcome.stdout.splitlines() if "│" in line
    }
    assert rows["form"] == "✓"
    assert rows["values"] == "✗"
    assert rows["seed"] == "–"
    assert "datasets/holes, values: values of x. Expected: finite numbers" in outcome.stdout
    assert outcome.stdout.splitlines()[-1] == "2 faults"


def test_who_is_not_there_ends_with_2(tmp_path: Path) -> None:
    install_plugin(tmp_path, "faulty-plugin", FAULTY)
    outcome = run_labkeras(tmp_path, "plugin", "check", "faulty-plugins")
    assert outcome.returncode == 2
    assert "Did you mean 'faulty-plugin'" in outcome.stderr


def test_a_plugin_that_cannot_be_loaded_ends_with_3(tmp_path: Path) -> None:
    install_plugin(tmp_path, "bad-import", "import no_such_module")
    outcome = run_labkeras(tmp_path, "plugin", "check", "bad-import")
    assert outcome.returncode == 3
    assert "no_such_module" in outcome.stderr
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    outcome = run_labkeras(tmp_path, "plugin", "check", "package")
    assert outcome.returncode == 3
    assert "must name the plugin's module" in outcome.stderr
