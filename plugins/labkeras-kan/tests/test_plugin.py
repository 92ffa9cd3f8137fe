"""The plugin as a whole: labkeras finds what it offers, its experiments run, its tables are those of its figures."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import labkeras_kan
from labkeras.experiment import compose
from labkeras.experiment.model.building import build_model
from labkeras.experiment.model.forecast import forecast
from labkeras.registry import registry_of
from labkeras.serialization import serialize_keras_object
from labkeras_kan.kan_dense import KANDense

PLUGIN = Path(__file__).parent.parent
OFFERED = [
    ("callbacks", "kan_edges"),
    ("callbacks", "kan_grids"),
    ("datasets", "formula"),
    ("layers", "chebyshev_kan_dense"),
    ("layers", "kan_conv2d"),
    ("layers", "kan_dense"),
    ("layers", "rbf_kan_dense"),
]


@pytest.fixture(autouse=True)
def _plugin(labkeras_plugin: Callable[[Any, str], str]) -> None:
    labkeras_plugin(labkeras_kan, "labkeras-kan")


@pytest.fixture
def plugin_studies(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(PLUGIN.parent.parent / "experiments"))
    monkeypatch.delitem(sys.modules, "studies", raising=False)
    return pytest.importorskip("plugin_studies", reason="the studies' tools are in labkeras's repository")


@pytest.mark.parametrize(("kind", "name"), OFFERED)
def test_labkeras_finds_what_the_plugin_offers(kind: str, name: str) -> None:
    assert registry_of(kind).entry(f"labkeras-kan/{name}").load()


def test_a_config_names_the_distribution() -> None:
    assert serialize_keras_object(KANDense(3))["registered_name"] == "labkeras-kan>KANDense"


def test_a_layer_takes_the_place_of_another_one_by_name() -> None:
    config = compose(["experiment=digits_mlp", "model.layers.h1=kan_dense"])
    layer = build_model(OmegaConf.to_container(config, resolve=True)["model"]).get_layer("h1")
    assert type(layer) is KANDense
    assert layer.units == 128


@pytest.mark.parametrize(
    ("words", "weights"),
    [
        (["experiment=kan_formula"], 135),
        (["experiment=kan_formula", "model.layers.h1.grid_size=20"], 360),
        (["experiment=kan_formula", "model=formula_mlp"], 127),
        (["experiment=kan_formula", "model=formula_mlp", "model.layers.h1.units=17"], 375),
        (["experiment=kan_digits"], 17_226),
        (["experiment=kan_digits", "model.layers.h1=kan_dense", "model.layers.h1.units=26"], 17_354),
        (["experiment=kan_digits", "model.layers.h1=rbf_kan_dense", "model.layers.h1.units=26"], 17_380),
        (["experiment=kan_digits", "model.layers.h1=chebyshev_kan_dense", "model.layers.h1.units=51"], 17_085),
    ],
)
def test_the_models_of_a_study_have_as_many_weights(words: list[str], weights: int) -> None:
    assert forecast(compose(words)).trainable == weights


@pytest.mark.parametrize("study", ["kan_digits", "kan_formula"])
def test_the_tables_of_the_readme_are_those_of_the_figures(study: str, plugin_studies: Any) -> None:
    with (PLUGIN / "experiments" / f"{study}.csv").open(newline="", encoding="utf-8") as lines:
        tables = plugin_studies.study_of("labkeras-kan", study).tables(list(csv.DictReader(lines)))
    readme = (PLUGIN / "README.md").read_text(encoding="utf-8")
    assert [f"<!-- {study} -->\n\n{table}\n\n<!-- end -->" in readme for table in tables] == [True]
