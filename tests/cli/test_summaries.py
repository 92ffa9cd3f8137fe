"""Summaries are read from source, through whatever imports a name takes."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from labkeras.cli.summaries import summary_of


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "some_package"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from .inner import Thing as Other\n"
        "    from some_package.inner import function\n"
    )
    (folder / "inner.py").write_text(
        'raise RuntimeError("never imported")\n'
        'class Thing:\n    """Does a thing.\n\n    And more.\n    """\n'
        'def function():\n    """Works."""\n'
        "class Silent:\n    pass\n"
        "alias = Thing\n"
        "loop = loop\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("some_package", None)


@pytest.mark.parametrize(
    ("address", "summary"),
    [
        ("some_package.inner:Thing", "Does a thing."),
        ("some_package.inner:function", "Works."),
        ("some_package.inner:alias", "Does a thing."),
        ("some_package:Other", "Does a thing."),
        ("some_package:function", "Works."),
        ("some_package.inner:Silent", ""),
        ("some_package.inner:Nothing", ""),
        ("some_package.inner:loop", ""),
        ("some_package.nowhere:Thing", ""),
        ("no_such_package:Thing", ""),
        (
            "labkeras.layers:Dense",
            "Multiplies the last axis by a learned matrix: `activation(inputs @ kernel + bias)`.",
        ),
    ],
)
def test_a_summary_is_the_first_line_of_the_docstring(address: str, summary: str) -> None:
    assert summary_of(address) == summary
