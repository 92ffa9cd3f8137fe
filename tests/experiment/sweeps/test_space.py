"""Hydra's grammar and YAML as axes; conditions; overrides that compose back to the same values."""

from collections.abc import Iterator
from typing import Any

import pytest
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser

from labkeras.experiment.config.hydra_session import initialized
from labkeras.experiment.config.refusals import loader
from labkeras.experiment.sweeps.axes import override_text
from labkeras.experiment.sweeps.space import Space, point_key, read_command_line, whole_space


@pytest.fixture(autouse=True)
def _hydra() -> Iterator[None]:
    with initialized(None):
        yield


def space_of(
    *overrides: str, params: dict[str, Any] | None = None, when: dict[str, Any] | None = None, seed: int = 0, **has: Any
) -> Space:
    faults: list[str] = []
    space = whole_space(
        read_command_line(overrides, seed, faults), params or {}, when or {}, has.get("value_of", {}.get), seed, faults
    )
    assert faults == []
    return space


def faults_of(*overrides: str, params: dict[str, Any] | None = None, when: dict[str, Any] | None = None) -> list[str]:
    faults: list[str] = []
    whole_space(read_command_line(overrides, 0, faults), params or {}, when or {}, {}.get, 0, faults)
    return faults


def lines_of(space: Space) -> list[list[str]]:
    return [space.overrides(point) for point in space.points()]


@pytest.mark.parametrize(
    "overrides",
    [
        ["optimizer.learning_rate=0.1,0.01"],
        ["optimizer=adam,sgd", "fit.epochs=3", "seed=range(3)"],
        ["seed=0,1", "optimizer=glob(ada*)", "experiment=digits_mlp"],
        ["fit.batch_size=choice(16,32)", "+model.layers.h2={layer:dense,units:3},{layer:dropout,rate:0.5}"],
        ["optimizer.learning_rate=range(0.1,1,0.2)", "seed=range(10,1,-3)"],
        ["fit.epochs=sort(3,1,2,reverse=true)", "name='a b',c"],
        ["seed=float(1,2)", "trainer.devices=[1,2],auto", "fit.class_weight=null,{0:1,1:2}"],
        ["seed=1,2", "fit.epochs=3", "seed=5,6,7"],
        ["optimizer@model.inner=adam,sgd", "~loss"],
    ],
)
def test_a_grid_has_the_points_of_hydras_own_sweeper_in_its_order(overrides: list[str]) -> None:
    parser = OverridesParser.create(config_loader=loader())
    theirs = BasicSweeper.split_arguments(parser.parse_overrides(overrides), None)[0]
    ours = lines_of(space_of(*overrides))
    assert len(ours) == space_of(*overrides).size() == len(theirs)

    def meaning(lines: list[str]) -> list[tuple[str, Any]]:
        return [(one.get_key_element(), one.value()) for one in parser.parse_overrides(lines)]

    assert list(map(meaning, ours)) == list(map(meaning, theirs))


@pytest.mark.parametrize(
    "value",
    [
        *(
            0.1,
            1e-05,
            1e22,
            3,
            True,
            None,
            "adam",
            "1",
            "1e3",
            "true",
            "null",
            "a b",
            "it's",
            "a,b",
            "a=b",
            "\\",
            "a\\'b",
        ),
        *(
            "",
            "é",
            "my/opt",
            "nan",
            "${seed}",
            [1, "a b", None],
            {"a": 1, "b c": [1]},
            {"a": {"b": "x,y"}},
            float("inf"),
        ),
    ],
)
def test_a_value_is_written_so_that_hydra_reads_the_same(value: Any) -> None:
    override = OverridesParser.create().parse_override(f"key={override_text(value)}")
    assert not override.is_sweep_override()
    assert (type(override.value()), override.value()) == (type(value), value)


def test_a_string_of_digits_stays_a_string() -> None:
    assert lines_of(space_of("name=str(choice(1,2))")) == [["name='1'"], ["name='2'"]]


def test_intervals_are_floats_below_the_end_or_integers_up_to_it() -> None:
    space = space_of("optimizer.learning_rate=tag(log,interval(1e-4,0.1))", "fit.epochs=int(interval(1,10))")
    rate, epochs = space.axes
    assert (rate.kind, rate.low, rate.high, rate.log, rate.is_integer) == ("interval", 1e-4, 0.1, True, False)
    assert (epochs.low, epochs.high, epochs.log, epochs.is_integer) == (1, 10, False, True)
    assert not space.is_discrete
    assert space.size() is None


def test_shuffle_depends_on_the_seed_alone() -> None:
    orders = [
        [point["seed"] for point in space_of("seed=shuffle(range(20))", seed=seed).points()] for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(20)) != orders[0]


def test_a_value_given_twice_is_tried_once() -> None:
    assert [point["seed"] for point in space_of("seed=1,2,1").points()] == [1, 2]


def test_params_of_yaml_are_axes_and_the_command_line_wins() -> None:
    params = {
        "optimizer.learning_rate": "tag(log, interval(1e-4, 0.1))",
        "fit.batch_size": [16, 32],
        "optimizer": "adam,sgd",
        "seed": [0, 1, 2],
        "fit.epochs": 3,
    }
    space = space_of("seed=7", "fit.batch_size=8,64", params=params)
    assert {axis.key: axis.values for axis in space.axes} == {
        "fit.batch_size": (8, 64),
        "optimizer.learning_rate": (),
        "optimizer": ("adam", "sgd"),
        "fit.epochs": (3,),
    }
    assert space.overrides(space.first()) == [
        "seed=7",
        "fit.batch_size=8",
        "optimizer.learning_rate=0.0001",
        "optimizer=adam",
        "fit.epochs=3",
    ]


WHEN = {
    "optimizer": {
        "sgd": {"optimizer.momentum": [0.0, 0.9], "optimizer.nesterov": [True, False]},
        "adam": {"optimizer.beta_1": [0.8, 0.9, 0.99]},
    },
    "optimizer.momentum": {0.9: {"optimizer.weight_decay": [0.1, 0.2]}},
}


def test_a_choice_carries_its_own_space() -> None:
    space = space_of("optimizer=adam,sgd,rmsprop", when=WHEN)
    points = list(space.points())
    assert len(points) == space.size() == 3 + (2 * 1 + 2 * 2) + 1
    assert len({point_key(point) for point in points}) == len(points)
    for point in points:
        assert ("optimizer.beta_1" in point) == (point["optimizer"] == "adam")
        assert ("optimizer.momentum" in point) == (point["optimizer"] == "sgd")
        assert ("optimizer.weight_decay" in point) == (point.get("optimizer.momentum") == 0.9)
        assert space.contains(point)
    assert not space.contains({"optimizer": "rmsprop", "optimizer.momentum": 0.9})
    assert not space.contains({"optimizer": "sgd"})


def test_what_is_not_swept_has_the_space_of_the_value_that_the_config_gives_it() -> None:
    space = space_of("seed=0,1", when=WHEN, value_of={"optimizer": "adam"}.get)
    assert [axis.key for axis in space.axes] == ["seed", "optimizer.beta_1"]
    assert all(axis.condition is None for axis in space.axes)


def test_a_choice_that_the_command_line_leaves_out_is_no_fault() -> None:
    space = space_of("optimizer=adam,rmsprop", when=WHEN)
    assert [axis.key for axis in space.axes] == ["optimizer", "optimizer.beta_1"]


def test_a_key_under_two_conditions_has_the_values_of_the_one_that_holds() -> None:
    when = {
        "optimizer": {"sgd": {"optimizer.learning_rate": [0.1]}, "adam": {"optimizer.learning_rate": [0.001, 0.01]}}
    }
    points = list(space_of("optimizer=sgd,adam", when=when).points())
    assert [tuple(point.values()) for point in points] == [("sgd", 0.1), ("adam", 0.001), ("adam", 0.01)]


def test_probes_hold_every_value_and_every_end() -> None:
    space = space_of("optimizer=adam,sgd", "optimizer.learning_rate=interval(0.1,0.5)", when=WHEN)
    probes = space.probes()
    assert all(space.contains(probe) for probe in probes)
    for key, values in {
        "optimizer": {"adam", "sgd"},
        "optimizer.learning_rate": {0.1, 0.5},
        "optimizer.momentum": {0.0, 0.9},
        "optimizer.weight_decay": {0.1, 0.2},
    }.items():
        assert values <= {probe.get(key) for probe in probes}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimizer=glob(zzz*)", "optimizer=glob(zzz*): there is no value in it"),
        ("fit.epochs=glob(*)", "there is no value in it"),
        ("seed=range(5,5)", "seed=range(5,5): there is no value in it"),
        ("seed=range(1,5,0)", "must not be zero"),
        ("seed=interval(1,0)", "expected a lower end below the upper. Received: 1.0 and 0.0"),
        ("seed=tag(log,interval(0,1))", "on a logarithmic scale the lower end must be above 0. Received: 0.0"),
        ("seed=interval(0,inf)", "expected two finite ends"),
        ("seed=tag(lgo,interval(1,2))", "there is no tag 'lgo'. Known: log."),
        ("seed=range(0,1e9)", "more than 1000000 values. Use interval(…)"),
        ("seed=choice()", "empty choice"),
        ("seed=1,", "not of the form key=value"),
        ("sweeper=tpe,gp", "cannot be swept"),
        ("sweeper.trials=3,4", "cannot be swept"),
        ("run_dir=a", "sweep_dir names that of a sweep"),
        ("~seed=1,2", "what is taken away has no values to try"),
    ],
)
def test_an_axis_that_makes_no_sense_is_named(override: str, words: str) -> None:
    faults = faults_of(override)
    assert len(faults) == 1
    assert words in faults[0]


@pytest.mark.parametrize(
    ("params", "when", "words"),
    [
        ({"seed": []}, {}, "sweeper.params.seed=[]: there is no value in it"),
        ({"seed": {"low": 1}}, {}, "expected a list of values, or a string such as 'interval(0, 1)'"),
        ({"seed": "interval(1"}, {}, "sweeper.params.seed='interval(1': not of Hydra's grammar"),
        ({}, {"optimizer": {"sdg": {"seed": [1]}}}, "optimizer has no value 'sdg'. Did you mean 'sgd'"),
        ({"fit.epochs": [1, 2]}, {"fit.epochs": {3: {"seed": [1]}}}, "fit.epochs has no value 3. Known: 1, 2."),
        ({}, {"a.x": {1: {"a.y": [1]}}, "a.y": {1: {"a.x": [1]}}}, "the conditions go round in a circle"),
    ],
)
def test_a_space_in_yaml_that_makes_no_sense_is_named(params: dict[str, Any], when: dict[str, Any], words: str) -> None:
    faults = faults_of(params=params, when=when)
    assert any(words in fault for fault in faults), faults
