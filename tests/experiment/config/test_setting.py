"""Nodes written on the command line are nodes like those in files."""

from typing import Any

import pytest
from omegaconf import OmegaConf

from labkeras.cli.main import main
from labkeras.errors import ConfigError
from labkeras.experiment.config.composer import Composer
from labkeras.experiment.config.composition import compose, examine
from labkeras.experiment.config.validation import validate


def at(key: str, *overrides: str) -> Any:
    found = OmegaConf.select(compose(overrides), key)
    return OmegaConf.to_container(found) if OmegaConf.is_config(found) else found


DECAY = "optimizer.learning_rate={schedule: cosine_decay, initial_learning_rate: 0.1, decay_steps: 100}"


def test_a_node_in_place_of_a_number_has_all_its_arguments() -> None:
    assert at("optimizer.learning_rate", DECAY)["warmup_steps"] == 0
    assert at("optimizer.learning_rate.alpha", DECAY, "optimizer.learning_rate.alpha=0.2") == 0.2


def test_a_node_in_place_of_a_name_has_all_its_arguments() -> None:
    lines = ["model.layers.h1.kernel_initializer={initializer: he_normal}", "model.layers.h1.kernel_initializer.seed=7"]
    assert at("model.layers.h1.kernel_initializer.seed", *lines) == 7


def test_a_layer_that_is_added_has_all_its_arguments() -> None:
    lines = ["+model.layers.more={layer: dense, units: 3, after: h1}", "model.layers.more.use_bias=false"]
    node = at("model.layers.more", *lines)
    assert (node["units"], node["use_bias"], node["activation"], node["after"]) == (3, False, None, "h1")


def test_nodes_within_nodes_have_all_their_arguments() -> None:
    line = "+model.layers.more={layer: dense, units: 3, kernel_regularizer: {regularizer: l2}, after: h1}"
    assert at("model.layers.more.kernel_regularizer", line)["l2"] == 0.01


def test_the_same_component_keeps_what_is_not_given() -> None:
    node = at("model.layers.h1", "model.layers.h1={layer: dense, units: 3}")
    assert (node["units"], node["activation"]) == (3, "relu")


def test_another_component_takes_the_place_of_the_node() -> None:
    node = at("model.layers.h1", "model.layers.h1={layer: dropout, rate: 0.1}")
    assert (node["layer"], node["rate"], node["seed"]) == ("dropout", 0.1, None)
    assert "units" not in node
    assert at("optimizer", "optimizer={optimizer: sgd, momentum: 0.5}")["nesterov"] is False


def test_a_mapping_that_is_no_node_is_set_as_ever() -> None:
    assert at("fit.class_weight", "fit.class_weight={0: 1.0, 1: 2.0}") == {0: 1.0, 1: 2.0}


def test_interpolations_within_a_node_stay() -> None:
    line = "+model.layers.more={layer: dense, units: '${model.layers.h1.units}', after: h1}"
    assert OmegaConf.to_container(compose([line]).model.layers.more)["units"] == "${model.layers.h1.units}"  # type: ignore[index,call-overload]


def test_a_key_that_the_component_does_not_have_is_still_refused() -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rate\.alfa=0\.2: there is no key 'alfa'.*'alpha'"):
        compose([DECAY, "optimizer.learning_rate.alfa=0.2"])


def test_a_node_of_an_unknown_name_is_left_for_validation() -> None:
    config = compose(["optimizer.learning_rate={schedule: cosine_dekay}"])
    (fault,) = validate(config)
    assert "no schedule is named 'cosine_dekay'. Did you mean 'cosine_decay'" in fault


def test_hydra_sets_them_alike(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--cfg", "job", "-p", "optimizer", DECAY, "optimizer.learning_rate.alpha=0.2"]) == 0
    assert "alpha: 0.2" in capsys.readouterr().out


def test_a_bare_name_makes_the_node_one_of_that_component() -> None:
    node = at("model.layers.h1", "experiment=digits_mlp", "model.layers.h1=einsum_dense")
    assert (node["layer"], node["equation"]) == ("einsum_dense", "???")
    assert node["activation"] == "relu"  # what the file says, and both have
    assert "units" not in node  # what the new one does not take


def test_a_bare_name_keeps_what_was_set_and_no_default_of_the_other() -> None:
    node = at("optimizer.learning_rate", DECAY, "optimizer.learning_rate=exponential_decay")
    assert (node["schedule"], node["decay_steps"], node["staircase"]) == ("exponential_decay", 100, False)
    assert "alpha" not in node


def test_a_bare_name_keeps_where_a_layer_stands() -> None:
    added = "+model.layers.more={layer: dense, units: 5, after: h1}"
    node = at("model.layers.more", added, "model.layers.more=dropout")
    assert (node["layer"], node["rate"], node["after"]) == ("dropout", "???", "h1")
    assert "units" not in node


def test_bare_names_are_swept() -> None:
    composer = Composer(["experiment=digits_mlp"])
    found = [composer.values([f"model.layers.h1={name}"])[0] for name in ("dense", "einsum_dense", "dense")]
    nodes = [values["model"]["layers"]["h1"] for values in found if values is not None]
    assert [node["layer"] for node in nodes] == ["dense", "einsum_dense", "dense"]
    assert nodes[0] == nodes[2]
    assert nodes[0]["units"] == 128


def test_an_unknown_bare_name_is_told_with_the_override() -> None:
    assert examine(["experiment=digits_mlp", "model.layers.h1=denze"]).faults == [
        "model.layers.h1.layer='denze': no layer is named 'denze'. Did you mean 'dense'? "
        "[model.layers.h1=denze on the command line]"
    ]
