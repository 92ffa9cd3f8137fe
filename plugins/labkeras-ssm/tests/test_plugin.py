"""The plugin as a whole: labkeras finds what it offers, its experiments run, its tables are those of its figures."""

import csv
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import labkeras_ssm
from labkeras.experiment import compose
from labkeras.experiment.model.building import build_model
from labkeras.experiment.model.forecast import forecast
from labkeras.registry import registry_of
from labkeras.serialization import serialize_keras_object
from labkeras_ssm.s4d import S4D

PLUGIN = Path(__file__).parent.parent
OFFERED = [("layers", name) for name in ("mamba", "mamba_cell", "s4d", "s4d_cell")]


@pytest.fixture(autouse=True)
def _plugin(labkeras_plugin: Callable[[Any, str], str]) -> None:
    labkeras_plugin(labkeras_ssm, "labkeras-ssm")


@pytest.fixture
def plugin_studies(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(PLUGIN.parent.parent / "experiments"))
    monkeypatch.delitem(sys.modules, "studies", raising=False)
    return pytest.importorskip("plugin_studies", reason="the studies' tools are in labkeras's repository")


@pytest.mark.parametrize(("kind", "name"), OFFERED)
def test_labkeras_finds_what_the_plugin_offers(kind: str, name: str) -> None:
    assert registry_of(kind).entry(f"labkeras-ssm/{name}").load()


def test_a_config_names_the_distribution() -> None:
    assert serialize_keras_object(S4D(3))["registered_name"] == "labkeras-ssm>S4D"


def test_a_layer_takes_the_place_of_another_one_by_name() -> None:
    config = compose(["experiment=memory", "model.nodes.lstm=s4d"])
    layer = build_model(OmegaConf.to_container(config, resolve=True)["model"]).get_layer("lstm")
    assert type(layer) is S4D
    assert layer.units == 32


@pytest.mark.parametrize("experiment", ["far_apart", "sequential_digits"])
@pytest.mark.parametrize(
    ("words", "weights"),
    [
        (["model.layers.reader=lstm", "model.layers.reader.units=26"], 4_472),
        (["model.layers.reader=gru", "model.layers.reader.units=30"], 4_320),
        (["model.layers.reader=s4d", "model.layers.reader.units=30", "model.layers.reader.state_dim=16"], 4_350),
        (["model.layers.reader=mamba", "model.layers.reader.units=24", "model.layers.reader.state_dim=8"], 4_368),
    ],
)
def test_the_readers_of_a_study_have_as_many_weights(experiment: str, words: list[str], weights: int) -> None:
    rows = forecast(compose([f"experiment={experiment}", *words])).rows
    found = [sum(math.prod(weight.shape) for weight in row.weights) for row in rows if row.name == "reader"]
    assert found == [weights]


@pytest.mark.parametrize("study", ["far_apart", "sequential_digits"])
def test_the_tables_of_the_readme_are_those_of_the_figures(study: str, plugin_studies: Any) -> None:
    with (PLUGIN / "experiments" / f"{study}.csv").open(newline="", encoding="utf-8") as lines:
        tables = plugin_studies.study_of("labkeras-ssm", study).tables(list(csv.DictReader(lines)))
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    assert [f"<!-- {study} -->\n\n{table}\n\n<!-- end -->" in readme for table in tables] == [True]
