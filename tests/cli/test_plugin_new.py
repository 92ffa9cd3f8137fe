"""`labkeras plugin new`: what it makes passes its tests and checks; what it cannot make is refused."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from string import Template

import pytest

from labkeras.cli import plugin_new
from labkeras.cli.main import main
from tests.helpers.processes import ROOT, environment, run_labkeras

KINDS = ["layer", "loss", "optimizer", "metric", "callback", "dataset"]
NAMES = {
    "layer": "two_moons_layer",
    "loss": "two_moons_loss",
    "optimizer": "two_moons_optimizer",
    "metric": "two_moons_metric",
    "callback": "two_moons_callback",
    "dataset": "two_moons_data",
}


def made(folder: Path, *arguments: str) -> Path:
    assert main(["plugin", "new", "two-moons", *arguments, "--out", str(folder)]) == 0
    return folder / "labkeras-two-moons"


def run_in(package: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=package,
        env=environment(package / "src"),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_the_tests_of_what_is_made_pass(kind: str, tmp_path: Path) -> None:
    package = made(tmp_path, f"--{kind}")
    outcome = run_in(package, "pytest", "-q", "-p", "labkeras.testing.pytest_plugin", "-p", "no:cacheprovider")
    assert outcome.returncode == 0, outcome.stdout
    assert "warning" not in outcome.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_made_has_all_properties(tmp_path: Path) -> None:
    made(tmp_path, *(f"--{kind}" for kind in KINDS))
    outcome = run_labkeras(tmp_path, "plugin", "check", "labkeras-two-moons")
    assert outcome.returncode == 0, outcome.stdout
    assert "nothing is wrong" in outcome.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_is_made_is_formatted_and_typed(tmp_path: Path) -> None:
    pytest.importorskip("ruff", reason="ruff comes with the dev extra")
    pytest.importorskip("mypy", reason="mypy comes with the dev extra")
    package = made(tmp_path, *(f"--{kind}" for kind in KINDS))
    for command in (["ruff", "check", "."], ["ruff", "format", "--check", "."], ["mypy"]):
        outcome = run_in(package, *command)
        assert outcome.returncode == 0, outcome.stdout


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_the_commands_that_are_printed_run(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = made(tmp_path, f"--{kind}")
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    (command,) = [line for line in lines if line.startswith("labkeras train ")]
    arguments = f"-m labkeras -p labkeras_two_moons {command.removeprefix('labkeras ')} fit.epochs=1 debug=fast"
    outcome = subprocess.run(
        f"{sys.executable} {arguments}",
        shell=True,
        cwd=tmp_path,
        env=environment(package / "src"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_makes_its_files(kind: str, tmp_path: Path) -> None:
    package, name = made(tmp_path, f"--{kind}"), NAMES[kind]
    found = sorted(str(path.relative_to(package)) for path in package.rglob("*") if path.is_file())
    assert found == sorted(
        [
            "README.md",
            "docs/index.md",
            "pyproject.toml",
            "src/labkeras_two_moons/__init__.py",
            f"src/labkeras_two_moons/{name}.py",
            "src/labkeras_two_moons/py.typed",
            "tests/conftest.py",
            "tests/test_plugin.py",
            f"tests/test_{name}.py",
        ]
    )
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["name"] == "labkeras-two-moons"
    assert project["entry-points"]["labkeras"] == {"two-moons": "labkeras_two_moons"}


def test_without_an_option_there_is_a_layer(tmp_path: Path) -> None:
    assert (made(tmp_path) / "src" / "labkeras_two_moons" / "two_moons_layer.py").is_file()


def test_names_of_classes_can_be_given(tmp_path: Path) -> None:
    package = made(tmp_path, "--layer", "MoonDense", "--dataset", "moons", "--loss")
    source = package / "src" / "labkeras_two_moons"
    assert "class MoonDense(Layer):" in (source / "moon_dense.py").read_text()
    hooks = (source / "__init__.py").read_text()
    for line in (
        '"moon_dense": "labkeras_two_moons.moon_dense:MoonDense"',
        '"moons": "labkeras_two_moons.moons:load_data"',
        '"two_moons_loss": "labkeras_two_moons.two_moons_loss:TwoMoonsLoss"',
    ):
        assert line in hooks


def test_the_hooks_import_no_torch(tmp_path: Path) -> None:
    package = made(tmp_path, *(f"--{kind}" for kind in KINDS))
    tree = ast.parse((package / "src" / "labkeras_two_moons" / "__init__.py").read_text())
    imported = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert imported == ["labkeras"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["Two-Moons"], "lower-case letters"),
        (["two--moons"], "lower-case letters"),
        (["2moons"], "lower-case letters"),
        (["../moons"], "lower-case letters"),
        (["labkeras"], "lower-case letters"),
        (["m" * 31], "at most 30"),
        (["moons", "--layer", "moons"], "a capital first"),
        (["moons", "--layer", "Layer"], "no other class's name"),
        (["moons", "--layer", "Moon-Dense"], "a capital first"),
        (["moons", "--layer", "Dense"], "labkeras itself has 'dense' among its layers"),
        (["moons", "--optimizer", "Adam"], "labkeras itself has 'adam' among its optimizers"),
        (["moons", "--dataset", "digits"], "labkeras itself has 'digits' among its datasets"),
        (["moons", "--dataset", "Moons"], "underscores"),
        (["moons", "--dataset", "class"], "underscores"),
        (["moons", "--layer", "Moon", "--loss", "Moon"], "two components cannot have one name"),
    ],
)
def test_what_cannot_be_made_is_refused(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", "new", *arguments, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert "Received: " in said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = made(tmp_path)
    (package / "README.md").write_text("mine")
    assert main(["plugin", "new", "two-moons", "--out", str(tmp_path)]) == 2
    assert "there is such a folder already. Received: " in capsys.readouterr().err
    assert (package / "README.md").read_text() == "mine"


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: Path, *arguments: object, **more: object) -> int:
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_text", fails)
    assert main(["plugin", "new", "two-moons", "--out", str(tmp_path)]) == 2
    assert os.listdir(tmp_path) == []


def test_templates_have_no_name_that_nobody_fills() -> None:
    known = {"distribution", "package", "entry_point", "offers_line", "check", "hooks", "commands", "files", "sections"}
    known |= {"offered", "Class", "name", "module", "target", "kinds", "kind"}
    templates = list((ROOT / "labkeras" / "cli" / "templates").iterdir())
    assert len(templates) == 7 + 2 * len(KINDS)
    for path in templates:
        assert set(Template(path.read_text(encoding="utf-8")).get_identifiers()) <= known, path.name


def test_the_example_plugin_has_the_files_of_a_new_one(tmp_path: Path) -> None:
    package = made(tmp_path)
    example = ROOT / "plugins" / "labkeras-example"
    for path in ("pyproject.toml", "README.md", "docs/index.md", "tests/test_plugin.py"):
        assert (package / path).is_file()
        assert (example / path).is_file()
    assert plugin_new._MOST_CHARACTERS == 30
