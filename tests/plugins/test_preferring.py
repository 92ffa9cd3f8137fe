"""Two plugins that offer one name: both are found by their full names, the bare one once it is said whose is meant."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from labkeras import hookimpl
from labkeras.errors import AmbiguousComponentError, PluginWarning
from labkeras.experiment import compose, validate
from labkeras.layers.core.dense import Dense
from labkeras.plugins import manager
from labkeras.registry import layers, prefer

RUN = ["experiment=digits_mlp", "model.layers.h1=twin"]


class First(Dense):
    """One of two."""


class Second(Dense):
    """The other."""


@pytest.fixture(autouse=True)
def _two_plugins() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PluginWarning)
        with (
            manager.registered(offering(First), "first-plugin"),
            manager.registered(offering(Second), "second-plugin"),
        ):
            yield
    assert any("'twin' alone is an error unless one is preferred" in str(warning.message) for warning in caught)
    prefer([])


def offering(layer: type) -> ModuleType:
    @hookimpl
    def labkeras_register_layers() -> dict[str, type]:
        return {"twin": layer, "dense": layer}

    module = ModuleType("offering")
    module.labkeras_register_layers = labkeras_register_layers  # type: ignore[attr-defined]
    return module


def layer_of(*overrides: str) -> str:
    config = compose([*RUN, *overrides])
    assert validate(config) == []
    return str(layers.entry(config.model.layers.h1.layer).provider)


def test_the_bare_name_is_an_error_that_names_both() -> None:
    words = "Say which: 'first-plugin/twin' or 'second-plugin/twin'; or whose names are meant in all places: prefer="
    with pytest.raises(AmbiguousComponentError, match=words):
        layers.get("twin")
    assert [words in fault for fault in validate(compose(RUN))] == [True]


def test_each_is_found_by_its_full_name() -> None:
    assert layers.get("first-plugin/twin") is First
    assert layers.get("second-plugin/twin") is Second
    assert layer_of("model.layers.h1=second-plugin/twin") == "second-plugin"


def test_the_preferred_one_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert layer_of("prefer=[second-plugin]") == "second-plugin"
    assert layer_of("prefer=[first-plugin,second-plugin]") == "first-plugin"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    preset = "# @package _global_\nprefer: [second-plugin]\n"
    (tmp_path / "conf" / "experiment" / "mine.yaml").write_text(preset)
    config = compose(["experiment=mine", *RUN[1:]])
    assert validate(config) == []
    assert layers.entry(config.model.layers.h1.layer).provider == "second-plugin"
    assert "provided by 2 distributions" in validate(compose(RUN))[0]


def test_a_name_of_the_core_keeps_its_meaning() -> None:
    prefer(["second-plugin"])
    assert layers.get("dense") is Dense


def test_one_that_is_not_there_cannot_be_preferred() -> None:
    faults = validate(compose(["experiment=digits_mlp", "prefer=[first-plugim]"]))
    assert faults == ["prefer='first-plugim': no plugin of this distribution is in use. Did you mean 'first-plugin'?"]
