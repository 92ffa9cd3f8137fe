"""Examples of components work as they stand."""

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from labkeras.experiment.config.composition import compose
from labkeras.experiment.config.examples import as_override, example_of, node_of
from labkeras.experiment.model.building import build_model
from labkeras.registry import KINDS, registry_of

NOT_ON_THE_COMMAND_LINE = {"loss_function_wrapper", "mean_metric_wrapper", "learning_rate_scheduler"}
ALL = [(kind, name) for kind in KINDS for name in registry_of(kind).names()]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_example_composes_and_layers_can_be_built(kind: str, name: str) -> None:
    example = example_of(kind, name)
    assert example or name in NOT_ON_THE_COMMAND_LINE or "3d" in name
    config = compose(example)
    if kind == "layers" and example:
        build_model(OmegaConf.to_container(config, resolve=True)["model"])  # type: ignore[call-overload,index]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("activations", "relu"),
        ("callbacks", "early_stopping"),
        ("constraints", "max_norm"),
        ("datasets", "digits"),
        ("initializers", "he_normal"),
        ("layers", "concatenate"),
        ("layers", "conv2d"),
        ("layers", "embedding"),
        ("layers", "lstm_cell"),
        ("losses", "sparse_categorical_crossentropy"),
        ("metrics", "auc"),
        ("optimizers", "lossscaleoptimizer"),
        ("regularizers", "l2"),
        ("schedules", "cosine_decay"),
    ],
)
def test_an_example_composes(kind: str, name: str) -> None:
    example = example_of(kind, name)
    assert name in " ".join(example)
    compose(example)


@pytest.mark.parametrize(
    ("kind", "name", "overrides"),
    [
        ("optimizers", "adam", ["optimizer=adam", "optimizer.learning_rate=0.001"]),
        ("metrics", "auc", ["metrics=[accuracy,auc]", "metrics.auc.num_thresholds=200"]),
        ("initializers", "he_normal", ["model.layers.h1.kernel_initializer={initializer: he_normal}"]),
        ("layers", "dense", ["model=mlp", "+model.layers.new={layer: dense, units: 64, after: scale}"]),
    ],
)
def test_an_example_shows_what_must_be_given(kind: str, name: str, overrides: list[str]) -> None:
    assert example_of(kind, name) == overrides


def test_a_node_has_what_must_be_given() -> None:
    assert node_of("layers", "embedding") == {"layer": "embedding", "input_dim": 20, "output_dim": 2}
    assert node_of("schedules", "exponential_decay")["decay_rate"] == 0.9


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        3,
        0.5,
        1e-7,
        "relu",
        "a b",
        'a"b',
        "a,b->c",
        "",
        "null",
        "True",
        "3",
        "labkeras-example/gated",
        [1, None],
        {"a": [{}]},
    ],
)
def test_a_value_is_written_as_hydra_reads_it(value: Any) -> None:
    override = OverridesParser.create().parse_override(f"key={as_override(value)}")
    assert OmegaConf.to_container(OmegaConf.create({"key": override.value()})) == {"key": value}
