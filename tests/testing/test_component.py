"""What is looked at in components of all kinds, and the sentences that failures are told in."""

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from labkeras import testing
from labkeras.testing.component import Component, lightning, parameters_of
from labkeras.testing.properties import (
    FaultError,
    NotApplicable,
    PropertyError,
    advice_of,
    checked,
    expect,
    named,
    outcomes,
    statement_of,
)
from labkeras.testing.sources import documented_arguments

TABLES = [name for name in testing.__all__ if name.endswith("_PROPERTIES")]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package, one module of which imports the other Lightning, where nobody calls it."""
    (tmp_path / "strays").mkdir()
    (tmp_path / "strays" / "__init__.py").write_text("class Fine:\n    pass\n")
    (tmp_path / "strays" / "deep.py").write_text("def later():\n    from lightning.pytorch import Trainer\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("strays")
    del sys.modules["strays"]


def test_the_other_lightning_is_found_anywhere_in_the_package(package: Any) -> None:
    with pytest.raises(FaultError, match=r"Received: one in deep\.py:2"):
        lightning(Component(package.Fine))


def test_pytorch_lightning_is_fine(package: Any) -> None:
    (Path(package.__file__).parent / "deep.py").write_text("from pytorch_lightning import Trainer\n")
    lightning(Component(package.Fine))


@pytest.mark.parametrize("table", TABLES)
def test_each_property_says_what_holds_and_what_to_do(table: str) -> None:
    for name, function in getattr(testing, table).items():
        assert function.__name__ == name
        assert statement_of(function).endswith("."), name
        assert advice_of(function).endswith("."), name


def holds(case: Any) -> None:
    """It holds.

    Nothing.
    """


def fails(case: Any) -> None:
    """It is never so.

    Give up.
    """
    expect(False, "the number", expected=1, received="number=2")


def breaks(case: Any) -> None:
    """It breaks.

    Mend it.
    """
    raise KeyError("inside")


def means_nothing(case: Any) -> None:
    """It does not apply.

    Nothing.
    """
    raise NotApplicable("there is nothing")


def test_a_failure_names_component_property_finding_and_advice() -> None:
    with pytest.raises(PropertyError) as caught:
        checked(named(holds, fails, breaks), Component(dict, {"a": 1}))
    assert str(caught.value).splitlines() == [
        "dict(a=1) lacks the property 'fails': It is never so.",
        "  Found: the number. Expected: 1. Received: number=2",
        "  To do: Give up. What cannot have it by its nature is checked with skip=('fails',).",
    ]


def test_outcomes_tell_all_of_it() -> None:
    table = named(holds, fails, breaks, means_nothing)
    found = {one.name: (one.state, one.reason) for one in outcomes(table, Component(dict), skip=("holds",))}
    assert found == {
        "holds": ("skipped", "as was asked for"),
        "fails": ("failed", "the number. Expected: 1. Received: number=2"),
        "breaks": ("failed", "KeyError: 'inside'"),
        "means_nothing": ("not applicable", "there is nothing"),
    }


def test_the_arguments_that_a_docstring_explains() -> None:
    text = """One.

    Args:
        a: first,
            with more: of it.
        b, c,
            d: others.
        **rest: more.

    Returns:
        e: no argument.
    """
    assert documented_arguments("\n".join(line.removeprefix("    ") for line in text.splitlines())) == set("abcd") | {
        "rest"
    }


def test_parameters_are_those_with_names() -> None:
    assert list(parameters_of(lambda a, *b, c=1, **d: None)) == ["a", "c"]
