"""A config that came as a file runs nothing, reads nothing else, and names components only."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf

from labkeras import layers, optimizers
from labkeras.errors import ConfigError
from labkeras.experiment import compose, instantiate, load_config, validate
from labkeras.experiment.runs.directory import RunDirectory


def written(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_node_becomes_its_component() -> None:
    dense = instantiate({"layer": "dense", "units": 3, "activation": "relu"})
    assert isinstance(dense, layers.Dense)
    assert dense.units == 3


def test_components_within_components_are_made_too() -> None:
    adam = instantiate(
        {
            "optimizer": "adam",
            "learning_rate": {
                "schedule": "exponential_decay",
                "initial_learning_rate": 0.1,
                "decay_steps": 10,
                "decay_rate": 0.5,
            },
        }
    )
    assert isinstance(adam, optimizers.Adam)
    assert isinstance(adam._learning_rate, optimizers.schedules.ExponentialDecay)


def test_a_model_from_a_file_computes(tmp_path: Path) -> None:
    path = written(tmp_path, "kind: sequential\ninput: {shape: [4]}\nlayers: {out: {layer: dense, units: 3}}\n")
    model = instantiate(load_config(path))
    assert model.predict(np.ones((2, 4), "float32"), verbose=0).shape == (2, 3)


def test_the_config_of_a_run_is_sound_again(tmp_path: Path) -> None:
    folder = RunDirectory.create(tmp_path / "run", "test")
    config = OmegaConf.to_container(compose(["experiment=digits_mlp", "optimizer.learning_rate=1e-5"]), resolve=True)
    (folder.path / "config.yaml").write_text(yaml.safe_dump(config))
    loaded = load_config(folder.path)
    assert loaded == config
    assert validate(loaded) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model:\n  layers:\n    h: {_target_: os.system, command: 'true'}", "model.layers.h._target_='os.system'"),
        ("callbacks: [{_target_: builtins.open}]", "callbacks.0._target_"),
        ("optimizer: {_partial_: true}", "optimizer._partial_"),
        ("name: ${oc.env:HOME}", "name='${oc.env:HOME}': interpolations are not followed"),
        ("a: [1, {b: 'x${a}'}]", "a.1.b='x${a}'"),
        ("- 1", "expected a mapping of keys to values. Received: list"),
        ("", "expected a mapping of keys to values. Received: NoneType"),
        ("a: !!python/name:os.system", "the tag"),
        ("a: 1\na: 2", "the key 'a' is there twice"),
    ],
)
def test_what_is_no_plain_config_is_refused_with_its_place(text: str, words: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_all_places_are_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, "a: {_target_: x}\nb: ${c}\nd: [{_target_: y}]\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"layer": "os.system", "units": 3}, "no layer is named 'os.system'"),
        ({"layer": "dens", "units": 3}, "Did you mean 'dense'"),
        ({"layer": "dense"}, "layer.units is missing"),
        ({"layer": "dense", "units": "x", "activation": "rellu"}, "layer.activation='rellu'"),
        ({"layer": "dense", "units": 3, "_target_": "x"}, "_target_"),
        ({"layer": "dense", "units": 3, "kernel_initializer": {"_target_": "x"}}, "kernel_initializer._target_"),
        ({"units": 3}, "expected a mapping with one of `layer: …`"),
        ([1], "expected a mapping that names a component"),
    ],
)
def test_what_names_no_component_is_refused(config: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        instantiate(config)
    assert words in str(caught.value)
