"""Where Hydra finds options: the registry, and YAML files whose nodes are completed."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigLoadError
from omegaconf import OmegaConf

from labkeras.experiment import compose
from labkeras.experiment.config import sources
from labkeras.experiment.config.sources import FileSource, RegistrySource
from labkeras.losses import Loss
from labkeras.registry import losses, optimizers


@pytest.fixture
def focal() -> Iterator[None]:
    """A loss that a plugin might provide."""

    class Focal(Loss):
        def __init__(self, gamma: float = 2.0, name: str = "focal") -> None:
            super().__init__(name)
            self.gamma = gamma

    entry = losses.add("focal", Focal, "some-plugin")
    yield
    losses.discard(entry)


@pytest.fixture
def registry() -> RegistrySource:
    return RegistrySource("test", "labkeras://")


def write(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def loaded(folder: Path, name: str) -> Any:
    return OmegaConf.to_container(FileSource("test", f"lk://{folder}").load_config(name).config)


def test_the_options_of_a_group_are_those_of_the_registry(registry: RegistrySource) -> None:
    assert registry.list("optimizer", ObjectType.CONFIG) == sorted(optimizers.names())
    assert "none" in registry.list("callbacks", ObjectType.CONFIG)
    assert "accuracy" in registry.list("metrics", ObjectType.CONFIG)
    assert registry.list("optimizer", ObjectType.GROUP) == []
    assert "optimizer" in registry.list("", ObjectType.GROUP)


def test_an_option_is_a_component_with_its_defaults(registry: RegistrySource) -> None:
    assert registry.is_config("optimizer/sgd")
    assert not registry.is_config("optimizer/sgdd")
    assert not registry.is_config("colour/red")
    config = registry.load_config("optimizer/sgd").config
    assert (config.optimizer, config.learning_rate, config.momentum) == ("sgd", 0.01, 0.0)


def test_options_that_are_used_together_are_filed_by_name(registry: RegistrySource) -> None:
    assert list(registry.load_config("metrics/auc").config) == ["auc"]
    assert registry.load_config("metrics/none").config == {}


@pytest.mark.usefixtures("focal")
def test_a_plugin_s_component_is_an_option_by_both_names(registry: RegistrySource) -> None:
    assert registry.load_config("loss/focal").config.gamma == 2.0
    qualified = registry.load_config("loss/some-plugin/focal")
    assert qualified.config.loss == "some-plugin/focal"
    assert qualified.header == {"package": "loss"}
    assert compose(["loss=some-plugin/focal", "loss.gamma=3"]).loss.gamma == 3


def test_a_component_that_cannot_be_imported_says_so(registry: RegistrySource) -> None:
    entry = losses.add("absent", "no_such_module:Absent", "some-plugin")
    try:
        with pytest.raises(ConfigLoadError, match="could not be imported from 'no_such_module:Absent'"):
            registry.load_config("loss/absent")
    finally:
        losses.discard(entry)


def test_nodes_in_files_have_all_their_arguments(tmp_path: Path) -> None:
    write(tmp_path, "model/a.yaml", "kind: sequential\nlayers:\n  h1: {layer: dense, units: 3}\n")
    node = loaded(tmp_path, "model/a")["layers"]["h1"]
    assert (node["units"], node["use_bias"]) == (3, True)


def test_layers_in_a_list_are_named_as_keras_names_them(tmp_path: Path) -> None:
    text = "kind: sequential\nlayers: [{layer: dense, units: 3}, {layer: flatten}, {layer: dense, units: 1}]\n"
    write(tmp_path, "model/a.yaml", text)
    assert list(loaded(tmp_path, "model/a")["layers"]) == ["dense", "flatten", "dense_1"]


def test_a_file_of_a_group_can_be_a_node(tmp_path: Path) -> None:
    write(tmp_path, "optimizer/quick.yaml", "optimizer: sgd\nlearning_rate: 0.5\n")
    assert loaded(tmp_path, "optimizer/quick")["nesterov"] is False


def test_a_whole_config_is_no_node(tmp_path: Path) -> None:
    write(tmp_path, "experiment/a.yaml", "# @package _global_\noptimizer: sgd\n")
    assert loaded(tmp_path, "experiment/a") == {"optimizer": "sgd"}


def test_the_defaults_list_and_interpolations_are_kept(tmp_path: Path) -> None:
    text = "# @package _global_\ndefaults:\n  - override /optimizer: sgd\nseed: ${fit.epochs}\n"
    write(tmp_path, "experiment/a.yaml", text)
    assert loaded(tmp_path, "experiment/a") == {"defaults": [{"override /optimizer": "sgd"}], "seed": "${fit.epochs}"}


def test_the_user_s_folders_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "conf/model/mlp.yaml", "kind: sequential\nlayers: {own: {layer: dense, units: 3}}\n")
    assert list(compose().model.layers) == ["own"]
    write(tmp_path, "named/model/mlp.yaml", "kind: sequential\nlayers: {named: {layer: dense, units: 3}}\n")
    assert list(compose(config_dir="named").model.layers) == ["named"]
    assert "conv1" in compose(["model=cnn"], config_dir="named").model.layers  # the shipped ones are still found


def test_another_hydra_application_in_the_process_sees_nothing_of_this(tmp_path: Path) -> None:
    import hydra

    compose()
    write(tmp_path, "config.yaml", "layers: {a: {layer: dense}}\n")
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert hydra.compose("config") == {"layers": {"a": {"layer": "dense"}}}


def test_the_shipped_folder_holds_the_primary_config_and_no_code() -> None:
    folder = sources.shipped_conf()
    assert (folder / "train.yaml").is_file()
    assert list(folder.rglob("*.py")) == []


def test_what_is_changed_of_hydra_for_a_time_is_put_back() -> None:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.config_store import ConfigStore

    before = ConfigLoaderImpl._apply_overrides_to_config
    with sources.installed(), sources.installed():
        assert copy.deepcopy(ConfigStore.instance()) is ConfigStore.instance()
    assert copy.deepcopy(ConfigStore.instance()) is not ConfigStore.instance()
    assert ConfigLoaderImpl._apply_overrides_to_config is before
