"""The manifest says what the code says, and is done without where it does not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytorch_lightning import Trainer

from labkeras.errors import InvalidArgumentError, UnknownComponentError
from labkeras.experiment.config import manifest
from labkeras.experiment.config.hints import choices_of, describe, is_path
from labkeras.experiment.config.manifest import MANIFEST, keywords_of, manifest_text, schema_for
from labkeras.experiment.config.schema import plain_default, schema_of
from labkeras.layers import Dense, Layer
from labkeras.models import Model
from labkeras.registry import CORE, KINDS, layers, registry_of
from tests.helpers.processes import run_python

CACHES = (manifest._manifest, manifest._rows_by_name, manifest._schema, manifest.keywords_of)


@pytest.fixture
def other_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A manifest to spoil, in place of the real one."""
    path = tmp_path / "_manifest.json"
    path.write_text(MANIFEST.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(manifest, "MANIFEST", path)
    forget()
    yield path
    forget()


def forget() -> None:
    for cached in CACHES:
        cached.cache_clear()


def words(hint: Any) -> list[str]:
    """What fits a hint; the manifest has its own order of a union's members."""
    return sorted(describe(hint).split(" or "))


def test_the_manifest_says_what_the_code_says() -> None:
    stale = "labkeras/_manifest.json is stale: run `python -m labkeras.experiment.config.manifest --write`"
    assert MANIFEST.read_text(encoding="utf-8").splitlines() == manifest_text().splitlines(), stale


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_from_the_manifest_is_what_the_signature_says(kind: str) -> None:
    for entry in registry_of(kind).entries():
        if entry.provider != CORE:
            continue
        read, signature = schema_for(kind, entry.name), schema_of(entry.load())
        assert read.summary == signature.summary
        assert list(read.parameters) == list(signature.parameters)
        for name, parameter in signature.parameters.items():
            found = read[name]
            assert (plain_default(found), found.required) == (plain_default(parameter), parameter.required)
            assert (found.name, found.summary) == (parameter.name, parameter.summary)
            assert words(found.hint) == words(parameter.hint)
            assert choices_of(found.hint) == choices_of(parameter.hint)
            assert is_path(found.hint) == is_path(parameter.hint)


@pytest.mark.parametrize(("name", "function"), [("fit", Model.fit), ("compile", Model.compile), ("trainer", Trainer)])
def test_functions_that_take_arguments_from_a_config_are_in_it(name: str, function: Any) -> None:
    read, signature = keywords_of(name), schema_of(function).parameters
    assert list(read) == list(signature)
    assert [words(one.hint) for one in read.values()] == [words(one.hint) for one in signature.values()]
    assert [plain_default(one) for one in read.values()] == [plain_default(one) for one in signature.values()]


def test_another_function_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Did you mean 'trainer'\? Received: name='trainr'"):
        keywords_of("trainr")


def test_every_component_has_a_line(tmp_path: Path) -> None:
    lines = MANIFEST.read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.startswith('"labkeras.layers:Dense": ')]) == 1
    content = json.loads(MANIFEST.read_text(encoding="utf-8"))
    assert all(list(content[kind]) == sorted(content[kind]) for kind in KINDS)


def test_schemas_come_without_importing_what_they_describe(tmp_path: Path) -> None:
    program = """
import sys
from labkeras.experiment.config.manifest import keywords_of, schema_for
from labkeras.registry import CORE, KINDS, registry_of
for kind in KINDS:
    for entry in registry_of(kind).entries():
        if entry.provider == CORE:
            schema_for(kind, entry.name)
for name in ("fit", "compile", "input", "trainer"):
    keywords_of(name)
heavy = {"torch", "pytorch_lightning", "numpy"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    outcome = run_python(tmp_path, "-c", program)
    assert outcome.returncode == 0, outcome.stderr


def test_what_is_registered_while_the_program_runs_is_asked_itself() -> None:
    class Mine(Layer):
        """Mine."""

        def __init__(self, depth: int = 3) -> None:
            super().__init__()

    entry = layers.add("mine_alone", Mine)
    try:
        assert schema_for("layers", "mine_alone")["depth"].default == 3
    finally:
        layers.discard(entry)


def test_another_component_under_a_name_of_the_core_s_is_not_described_by_the_core_s_row() -> None:
    entry = layers.add("dense", "labkeras.layers:Dropout", "some-plugin")
    try:
        assert "rate" in schema_for("layers", "some-plugin/dense")
        assert "units" in schema_for("layers", "dense")
    finally:
        layers.discard(entry)


def test_an_unknown_name_raises_with_the_nearest() -> None:
    with pytest.raises(UnknownComponentError, match=r"no layer is named 'dens'\. Did you mean 'dense'"):
        schema_for("layers", "dens")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"format": 1', '"format": 0'),
        lambda text: text.replace('"hint": "', '"hint": "print('),
        lambda text: text.replace('"parameters"', '"arguments"'),
        lambda text: text.replace('"labkeras.layers:Dense"', '"labkeras.layers:Other"'),
    ],
)
def test_a_damaged_manifest_is_done_without(other_manifest: Path, spoil: Any) -> None:
    other_manifest.write_text(spoil(other_manifest.read_text(encoding="utf-8")), encoding="utf-8")
    assert schema_for("layers", "dense").parameters == schema_of(Dense).parameters
    assert list(keywords_of("fit")) == list(schema_of(Model.fit).parameters)


def test_a_manifest_of_another_lightning_is_not_asked_for_the_trainer(other_manifest: Path) -> None:
    content = json.loads(other_manifest.read_text(encoding="utf-8"))
    content["keywords"]["trainer"] = {"version": "1.0", "parameters": {"gpus": {"hint": "int", "default": 0}}}
    other_manifest.write_text(json.dumps(content), encoding="utf-8")
    assert "gpus" not in keywords_of("trainer")
    assert "gpus" in manifest_text()  # nor is it stale, where it was written elsewhere
    assert "gpus" not in manifest_text(renew=True)


def test_a_stale_manifest_is_named_with_the_command_and_written(
    other_manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    right = other_manifest.read_text(encoding="utf-8")
    assert manifest.main([]) == 0
    other_manifest.write_text(right.replace('"names": ["dense"]', '"names": ["thick"]'), encoding="utf-8")
    forget()
    assert manifest.main([]) == 1
    assert "run `python -m labkeras.experiment.config.manifest --write`" in capsys.readouterr().err
    assert manifest.main(["--write"]) == 0
    assert other_manifest.read_text(encoding="utf-8") == right
