"""`labkeras list`: what can be named."""

import json

import pytest

from labkeras.cli.main import main
from labkeras.registry import KINDS, registry_of


def test_kinds_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines[: len(KINDS)]] == list(KINDS)


def test_components_of_a_kind_are_listed_with_provider_and_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "layers"]) == 0
    dense = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("dense "))
    assert dense.split(maxsplit=2)[:2] == ["dense", "labkeras"]
    assert "Multiplies the last axis by a learned matrix" in dense


@pytest.mark.parametrize("kind", KINDS)
def test_every_component_of_the_core_has_a_summary(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", kind, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows if row["provider"] == "labkeras" and not row["summary"]] == []


def test_all_kinds_are_one_list_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"kind", "name", "provider", "summary"} == set(rows[0])
    assert {"layer", "optimizer", "dataset"} <= {row["kind"] for row in rows}


def test_an_unknown_kind_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "layrs"]) == 2
    assert "there is no kind 'layrs'. Did you mean 'layers'?" in capsys.readouterr().err


def test_a_kind_is_known_in_the_singular_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "layer"]) == 0
    singular = capsys.readouterr().out
    assert main(["list", "layers"]) == 0
    assert singular == capsys.readouterr().out


def test_names_are_spelt_as_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "callbacks"]) == 0
    assert "\nterminate_on_nan " in capsys.readouterr().out
    assert registry_of("callbacks").entry("TerminateOnNaN") is registry_of("callbacks").entry("terminate_on_na_n")
