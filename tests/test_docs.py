"""Every command and code block of the README and the docs runs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "experiments").rglob("*.md")),
    *sorted((ROOT / "plugins").glob("*/README.md")),
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def commands_of(page: Path) -> list[str]:
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def commands() -> list[str]:
    return sorted({command for page in PAGES for command in commands_of(page)})


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: str(page.relative_to(ROOT))
)
def test_python_blocks_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    code = "\n".join(blocks(page, "python"))
    subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", code], check=True, cwd=tmp_path, timeout=300
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(line.startswith("labkeras ") for line in commands_of(page))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_commands_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    # Found from any folder, as after an installation.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for command in commands_of(page):
        if command.startswith("labkeras "):
            words = [sys.executable, "-m", *shlex.split(command)]
            done = subprocess.run(
                words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_targets_of_make_exist() -> None:
    targets = {word for command in commands() if command.startswith("make ") for word in command.split()[1:2]}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert targets
    for target in targets:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"there is no `make {target}`"


def test_every_command_is_of_a_kind_that_a_test_runs() -> None:
    known = ("labkeras ", "make", "python experiments/", "python plugins/", "pip install", "tensorboard ", ".venv/bin/")
    unknown = [command for command in commands() if not command.startswith(known)]
    assert unknown == []


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
