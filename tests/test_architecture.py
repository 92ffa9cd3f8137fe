"""The direction of imports, as pyproject.toml draws it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.skipif(find_spec("importlinter") is None, reason="import-linter comes with the dev extra")
def test_imports_point_down() -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    outcome = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_lightning_is_imported_as_pytorch_lightning() -> None:
    # `lightning` and `pytorch_lightning` hold different classes of the same names, which do not mix.
    strays = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sorted((ROOT / "labkeras").rglob("*.py"))
        for line, module in imported_modules(path)
        if module.partition(".")[0] == "lightning"
    ]
    assert strays == []


def test_every_folder_of_code_is_a_package() -> None:
    # Without __init__.py a folder still imports, but tools that walk packages, these tests among them, pass it by.
    folders = {path.parent for path in (ROOT / "labkeras").rglob("*.py")}
    assert [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.lineno, node.module
