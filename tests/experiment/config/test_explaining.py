"""Each key of a config tells who set it, file and line, and a fault names the same."""

from pathlib import Path
from typing import Any

import pytest

from labkeras.errors import ConfigError
from labkeras.experiment.config.composition import examine
from labkeras.experiment.config.explaining import explain
from labkeras.experiment.config.sources import shipped_conf


def line_of(file: str, text: str) -> str:
    """Where a shipped file has a text, found by reading it."""
    lines = (shipped_conf() / file).read_text(encoding="utf-8").splitlines()
    return f"conf/{file}:{1 + next(index for index, line in enumerate(lines) if text in line)}"


def chain(key: str, *overrides: str, **more: Any) -> list[tuple[Any, str]]:
    return [(one.value, one.where) for one in explain(key, overrides, **more).chain]


def test_a_value_of_a_file_names_its_line() -> None:
    assert chain("model.layers.h1.units", "model=mlp") == [(128, line_of("model/mlp.yaml", "h1:"))]


def test_what_comes_later_stands_later() -> None:
    assert chain("fit.epochs", "experiment=digits_cnn", "fit.epochs=3") == [
        (10, line_of("train.yaml", "epochs: 10")),
        (15, line_of("experiment/digits_cnn.yaml", "epochs: 15")),
        (3, "on the command line"),
    ]


def test_a_default_of_a_signature_is_said_to_be_one() -> None:
    assert chain("optimizer.momentum", "optimizer=sgd") == [(0.0, "default of sgd")]
    assert chain("model.layers.h1.use_bias", "model=mlp")[0] == (True, "default of dense")


def test_who_chose_an_option() -> None:
    wanted = [
        ("adam", line_of("train.yaml", "- optimizer: adam")),
        ("adam", line_of("experiment/digits_mlp.yaml", "override /optimizer")),
        ("sgd", "on the command line"),
    ]
    assert chain("optimizer", "experiment=digits_mlp", "optimizer=sgd") == wanted
    assert chain("optimizer.optimizer", "experiment=digits_mlp", "optimizer=sgd") == wanted
    assert chain("metrics.auc.metric", "metrics=[accuracy,auc]") == [("auc", "metrics=auc")]


def test_mappings_on_the_command_line_set_what_is_in_them() -> None:
    added = "+model.layers.more={layer: dense, units: 5, after: h1}"
    assert chain("model.layers.more.units", added)[-1] == (5, "on the command line")
    assert chain("fit.epochs", "fit={epochs: 3}")[-1] == (3, "on the command line")
    assert chain("fit.batch_size", "fit={epochs: 3}")[-1][1] == line_of("train.yaml", "batch_size: 32")


def test_interpolations_are_followed() -> None:
    found = explain("callbacks.best_model.monitor", ["monitor=loss"])
    assert (found.value, found.written) == ("loss", "${monitor}")
    assert [one.key for one in found.referred] == ["monitor"]
    assert found.referred[0].chain[-1].where == "on the command line"


def test_a_mapping_is_explained_key_by_key() -> None:
    found = explain("fit", ["fit.epochs=3"])
    assert found.value["epochs"] == 3
    assert [one.key for one in found.inner][:2] == ["fit.epochs", "fit.batch_size"]
    assert found.as_dict()["inner"][0]["chain"][-1] == {"kind": "override", "where": "on the command line", "value": 3}


def test_a_run_without_a_name_has_that_of_its_experiment() -> None:
    assert chain("name", "experiment=digits_mlp")[-1] == ("digits_mlp", "named after its experiment")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("fit.epoch", "Did you mean 'fit.epochs'"),
        ("units", "Keys of this name: model.layers.h1.units"),
        ("zzz", "Keys: "),
        ("fit.epochs.x", "the config has no such key"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        explain(key, ["model=mlp"])
    assert words in caught.value.faults[0]


def test_an_override_that_does_not_fit_is_named() -> None:
    with pytest.raises(ConfigError, match=r"fit\.epoch=3: .* \[on the command line\]"):
        explain("fit.epochs", ["fit.epoch=3"])


def own(folder: Path, text: str) -> str:
    (folder / "experiment").mkdir(exist_ok=True)
    (folder / "experiment" / "mine.yaml").write_text(f"# @package _global_\n{text}")
    return str(folder)


def test_files_of_the_user_are_named(tmp_path: Path) -> None:
    folder = own(tmp_path, "fit:\n  epochs: 7\n")
    assert chain("fit.epochs", "experiment=mine", config_dir=folder)[-1] == (7, f"{folder}/experiment/mine.yaml:3")


def test_files_below_the_current_folder_are_named_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf").mkdir()
    own(tmp_path / "conf", "fit:\n  epochs: 7\n")
    monkeypatch.chdir(tmp_path)
    assert chain("fit.epochs", "experiment=mine")[-1] == (7, "conf/experiment/mine.yaml:3")


def test_layers_in_a_list_are_known_by_the_names_they_get(tmp_path: Path) -> None:
    layers = "model:\n  layers:\n    - {layer: dense, units: 4}\n    - {layer: dense, units: 10}\n"
    folder = own(tmp_path, f"defaults:\n  - override /model: null\n{layers}  kind: sequential\n")
    assert chain("model.layers.dense_1.units", "experiment=mine", config_dir=folder)[-1] == (
        10,
        f"{folder}/experiment/mine.yaml:7",
    )


@pytest.mark.parametrize(
    ("text", "start", "line"),
    [
        ("seed: one\n", "seed='one': ", 2),
        ("fit:\n  epochs: 0\n", "fit.epochs=0: ", 3),
        ("fit:\n  epochs: 2\n  epoch: 0\n", "fit.epoch=0: ", 4),
        ("optimizer:\n\n  lr: 1\n", "optimizer.lr=1: ", 4),
        ("model:\n  layers:\n    h1: {units: abc}\n", "model.layers.h1.units='abc': ", 4),
        ("model:\n  layers:\n    h1:\n      units: -1\n", "model.layers.h1.units=-1: ", 5),
        (
            "defaults:\n  - override /model: cnn\nmodel:\n  layers:\n    pool: {pool_size: 100}\n",
            "model.layers.pool: ",
            6,
        ),
    ],
)
def test_a_fault_names_the_file_and_the_line(tmp_path: Path, text: str, start: str, line: int) -> None:
    folder = own(tmp_path, text)
    faults = [one for one in examine(["experiment=mine"], config_dir=folder).faults if one.startswith(start)]
    assert len(faults) == 1
    assert faults[0].endswith(f"[{folder}/experiment/mine.yaml:{line}]")


@pytest.mark.parametrize(
    ("override", "end"),
    [
        ("fit.epochs=0", "[on the command line]"),
        ("fit.epoch=0", "[on the command line]"),
        ("model.layers.h1.units=abc", "[model.layers.h1.units=abc on the command line]"),
        ("+fit={epoch: 0}", "[+fit={epoch: 0} on the command line]"),
        ("fit.batch_size=x", "[fit.batch_size=x on the command line]"),
    ],
)
def test_a_fault_names_the_override(override: str, end: str) -> None:
    faults = examine(["model=mlp", override]).faults
    assert len(faults) == 1
    assert faults[0].endswith(end)


def test_a_fault_names_the_signature_whose_default_it_is() -> None:
    faults = examine(["callbacks=early_stopping", "fit.validation_split=0", "monitor=loss"]).faults
    assert len(faults) == 1
    assert faults[0].startswith("callbacks.early_stopping.monitor='val_loss': nothing is validated")
    assert faults[0].endswith("[default of early_stopping]")
