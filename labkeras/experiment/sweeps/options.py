"""What `sweeper` in a config may hold: which sampler and pruner, how long, and what to do about failures.

Neither torch nor Optuna is needed to check it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from labkeras.experiment.config.node_checks import check_arguments
from labkeras.experiment.config.schema import Parameter, schema_of
from labkeras.ranges import Range

__all__ = ["Objective", "Pruning", "SAMPLER_OPTIONS", "SweeperOptions", "check_sweeper", "sweeper_options"]

Sampler = Literal["auto", "grid", "random", "sobol", "tpe", "gp", "cmaes", "nsga2"]
Pruner = Literal["none", "median", "asha", "hyperband"]

SAMPLER_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "auto": {},
    "grid": {},
    "random": {},
    "sobol": {"scramble": bool},
    "tpe": {
        "n_startup_trials": Annotated[int, Range(at_least=0)],
        "n_ei_candidates": Annotated[int, Range(at_least=1)],
        "multivariate": bool | None,
    },
    "gp": {"n_startup_trials": Annotated[int, Range(at_least=1)], "deterministic_objective": bool},
    "cmaes": {
        "n_startup_trials": Annotated[int, Range(at_least=0)],
        "sigma0": Annotated[float, Range(above=0)] | None,
        "popsize": Annotated[int, Range(at_least=2)] | None,
    },
    "nsga2": {
        "population_size": Annotated[int, Range(at_least=2)],
        "mutation_prob": Annotated[float, Range(0, 1)] | None,
        "crossover_prob": Annotated[float, Range(0, 1)],
        "swapping_prob": Annotated[float, Range(0, 1)],
    },
}
"""Sampler → its options → their types; the names are those of Optuna's arguments."""


@dataclass(frozen=True)
class Objective:
    """A value that is sought.

    Args:
        monitor: a value of the best epoch's row, a test result ("test_accuracy"), "seconds", "epochs" or "parameters".
        mode: which of "max" and "min" is better.
    """

    monitor: str
    mode: str


@dataclass(frozen=True)
class Pruning:
    """When a pruner ends a trial that others are ahead of.

    Args:
        startup_trials: median: trials that are never pruned, so that there is something to compare with.
        warmup_steps: median: epochs of each trial before it may be pruned.
        interval_steps: median: epochs between two looks.
        min_resource: asha, hyperband: epochs that each trial gets at least.
        max_resource: hyperband: epochs that the best ones get; null for `fit.epochs`.
        reduction_factor: asha, hyperband: one trial in so many gets so many times the epochs.
    """

    startup_trials: Annotated[int, Range(at_least=0)] = 5
    warmup_steps: Annotated[int, Range(at_least=0)] = 0
    interval_steps: Annotated[int, Range(at_least=1)] = 1
    min_resource: Annotated[int, Range(at_least=1)] = 1
    max_resource: Annotated[int, Range(at_least=1)] | None = None
    reduction_factor: Annotated[int, Range(at_least=2)] = 3


@dataclass(frozen=True)
class SweeperOptions:
    """How a sweep chooses its trials, when it ends, and what it does about failures.

    Args:
        sampler: what chooses the points. auto: grid if all values can be counted out, otherwise tpe.
        trials: how many to try; null for all points of a grid, and for as many as the other limits allow.
        objectives: what is sought, {monitor: …, mode: max or min} each; null for `monitor` and `mode` of the config.
        params: the space, beside that of the command line: key → a list, or "interval(0, 1)" and the like.
        when: spaces that belong to a choice: key → its value → the keys that are swept then.
        options: of the sampler.
        pruner: what ends trials early that others are ahead of.
        pruning: when it does.
        wall_time: seconds after which no further trial starts, from the start or the last continuation.
        patience: trials without a better one after which no further starts.
        target: value of the objective that is good enough.
        trial_timeout: seconds after which a trial is ended.
        retries: how often a trial is started again that was killed, timed out, ran out of memory or raised an error.
        max_failures: failed trials after which no further starts: a number, or below 1 a fraction of all.
        on_failure: whether the sweep goes on after a trial that failed.
        max_requeues: how often a trial is taken up again that the sweep itself was killed with.
        display: what shows how the sweep goes: auto draws in a terminal and writes a line per ended trial elsewhere.
    """

    sampler: Sampler = "auto"
    trials: Annotated[int, Range(at_least=1)] | None = None
    objectives: list[dict[str, Any]] | None = None
    params: dict[str, Any] = field(default_factory=dict)
    when: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    pruner: Pruner = "none"
    pruning: dict[str, Any] = field(default_factory=dict)
    wall_time: Annotated[float, Range(above=0)] | None = None
    patience: Annotated[int, Range(at_least=1)] | None = None
    target: float | None = None
    trial_timeout: Annotated[float, Range(above=0)] | None = None
    retries: Annotated[int, Range(at_least=0)] = 0
    max_failures: Annotated[float, Range(above=0)] | None = None
    on_failure: Literal["continue", "stop"] = "continue"
    max_requeues: Annotated[int, Range(at_least=0)] = 5
    display: Literal["auto", "lines", "none"] = "auto"

    @property
    def has_limit(self) -> bool:
        """Whether something other than the number of trials ends the sweep."""
        return any(limit is not None for limit in (self.wall_time, self.patience, self.target))


def check_sweeper(values: Any) -> list[str]:
    """What is wrong with the `sweeper` of a config, a sentence each.

    Args:
        values: the mapping, resolved.

    Example:
        >>> check_sweeper({"sampler": "tpee"})
        ["sweeper.sampler='tpee': expected 'auto', …. Did you mean 'tpe'?"]
    """
    if not isinstance(values, Mapping):
        return [f"sweeper={values!r}: expected a mapping; choose an option of the group, as in `sweeper=tpe`"]
    faults: list[str] = []
    # {optimizer: "adam,sgd"} is a space here, and not the node of an optimizer that arguments would take it for.
    spaces: dict[str, Any] = {key: {} for key in ("params", "when") if isinstance(values.get(key), Mapping)}
    check_arguments(schema_of(SweeperOptions).parameters, {**values, **spaces}, "sweeper", faults, "the sweeper")
    if isinstance(values.get("pruning"), Mapping):
        check_arguments(schema_of(Pruning).parameters, values["pruning"], "sweeper.pruning", faults, "pruning")
    _check_options(values, faults)
    _check_objectives(values, faults)
    _check_when(values.get("when"), faults)
    return faults


def sweeper_options(values: Mapping[str, Any]) -> SweeperOptions:
    """The `sweeper` of a config that `check_sweeper` found nothing wrong with."""
    known = {one.name for one in fields(SweeperOptions)}
    return SweeperOptions(**{key: value for key, value in values.items() if key in known})


# --- what a table of types cannot say ---------------------------------------------------------------------------------


def _check_options(values: Mapping[str, Any], faults: list[str]) -> None:
    sampler, options = values.get("sampler", "auto"), values.get("options") or {}
    if sampler in SAMPLER_OPTIONS and isinstance(options, Mapping):
        known = {key: Parameter(key, hint, None) for key, hint in SAMPLER_OPTIONS[sampler].items()}
        check_arguments(known, options, "sweeper.options", faults, f"the sampler {sampler!r}")


def _check_objectives(values: Mapping[str, Any], faults: list[str]) -> None:
    objectives = values.get("objectives")
    if not isinstance(objectives, list):
        return
    for index, one in enumerate(objectives):
        if not isinstance(one, Mapping) or set(one) != {"monitor", "mode"} or one["mode"] not in ("max", "min"):
            faults.append(f"sweeper.objectives[{index}]={one!r}: expected {{monitor: …, mode: max}} or mode: min")
        elif not isinstance(one["monitor"], str):
            faults.append(f"sweeper.objectives[{index}].monitor={one['monitor']!r}: expected the name of a value")
    if not objectives:
        faults.append("sweeper.objectives=[]: expected at least one, or null for the config's `monitor`")
    if len(objectives) < 2:
        return
    for key in ("patience", "target"):
        if values.get(key) is not None:
            faults.append(f"sweeper.{key}={values[key]!r}: needs one objective. Received: {len(objectives)} objectives")
    if values.get("pruner", "none") != "none":
        faults.append(f"sweeper.pruner={values['pruner']!r}: trials are pruned by one objective only: pruner=none")
    if values.get("sampler") == "cmaes":
        faults.append("sweeper.sampler='cmaes': seeks one objective; nsga2, tpe and gp seek several")


def _check_when(when: Any, faults: list[str]) -> None:
    if not isinstance(when, Mapping):
        return
    for key, spaces in when.items():
        if not isinstance(spaces, Mapping):
            faults.append(f"sweeper.when.{key}={spaces!r}: expected a mapping from values of {key} to spaces")
            continue
        for value, space in spaces.items():
            if not isinstance(space, Mapping):
                faults.append(f"sweeper.when.{key}.{value}={space!r}: expected a mapping from keys to their values")
