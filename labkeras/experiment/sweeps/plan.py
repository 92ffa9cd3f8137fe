"""What a sweep consists of, worked out and checked before anything is written."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from labkeras.errors import ConfigError
from labkeras.experiment.config.composer import Composer
from labkeras.experiment.config.hydra_session import composed, initialized
from labkeras.experiment.config.points import validate_points
from labkeras.experiment.launchers.options import check_launcher
from labkeras.experiment.sweeps.directions import direction_of
from labkeras.experiment.sweeps.options import Objective, SweeperOptions, check_sweeper, sweeper_options
from labkeras.experiment.sweeps.request import SweepRequest
from labkeras.experiment.sweeps.samplers import chosen_sampler
from labkeras.experiment.sweeps.space import CommandLine, Space, read_command_line, whole_space

__all__ = ["SweepPlan", "config_of_trial", "plan_of", "what_changed"]

_VERSION = 1
_DEFAULT_TRIALS = 20
_OF_THE_SWEEP = ("sweeper", "launcher", "sweep_dir", "run_dir", "resume", "debug")
# May differ from session to session: they change nothing in what a trial finds out.
_MAY_CHANGE = (*_OF_THE_SWEEP, "checkpoint", "pictures", "logger", "fit.verbose")


@dataclass(frozen=True)
class SweepPlan:
    """A sweep that nothing is wrong with.

    Args:
        name: of its folder.
        space: what is swept.
        options: the sampler is not "auto" any more.
        objectives: what is sought.
        monitor: the value that runs report, and which of "max" and "min" is better of it; None if there is none.
        seed: of the samplers.
        epochs: how many a trial takes at most.
        config: of the first point, as plain values.
        sweeper: as the config has it.
        launcher: as the config has it.
        sweep_dir: the folder, if one is named.
        composer: of the trials' configs.
        own: the overrides of the sweep itself.
    """

    name: str
    space: Space
    options: SweeperOptions
    objectives: tuple[Objective, ...]
    monitor: tuple[str, str] | None
    seed: int
    epochs: int
    config: dict[str, Any]
    sweeper: dict[str, Any]
    launcher: dict[str, Any]
    sweep_dir: str | None
    composer: Composer
    own: list[str]

    def spec(self, request: SweepRequest) -> dict[str, Any]:
        """What `sweep.yaml` holds."""
        space = self.space.described()
        config = {key: value for key, value in self.config.items() if key not in _OF_THE_SWEEP}
        text = json.dumps([space, config], sort_keys=True, default=str)
        return {
            "version": _VERSION,
            "name": self.name,
            "command": list(request.command),
            "overrides": list(request.overrides),
            "cwd": os.getcwd(),
            "config_name": request.config_name,
            "config_dir": request.config_dir,
            "fingerprint": f"sha256:{sha256(text.encode()).hexdigest()}",
            "seed": self.seed,
            "objectives": [{"monitor": one.monitor, "mode": one.mode} for one in self.objectives],
            "space": space,
            "sweeper": {**self.sweeper, "sampler": self.options.sampler},
            "launcher": self.launcher,
            "config": config,
        }

    def total(self) -> int | None:
        """How many trials there will be, if nothing ends the sweep before; None if nobody knows."""
        sizes = [size for size in (self.options.trials, self.space.size()) if size is not None]
        return min(sizes, default=None)


def plan_of(request: SweepRequest) -> SweepPlan:
    """Works out a sweep, and validates its points: all of a grid, of other spaces every value, every end and some more.

    Args:
        request: of the sweep.

    Raises:
        ConfigError: naming everything that is wrong.
    """
    faults: list[str] = []
    with initialized(request.config_dir):
        line = read_command_line(request.overrides, 0, faults)
    composer = Composer(line.own, config_name=request.config_name, config_dir=request.config_dir)
    first = Space(tuple(line.axes), line.template).overrides(_first(line))
    values, _, refused = composer.values(first)
    if values is None:
        raise ConfigError([*faults, *refused])
    seed = values["seed"] if isinstance(values.get("seed"), int) else 0
    sweeper, launcher = values.get("sweeper") or {}, values.get("launcher") or {"kind": "inprocess"}
    refused = [*refused, *check_sweeper(sweeper), *check_launcher(launcher)]
    faults += map(composer.origins(first).located, dict.fromkeys(refused))
    if faults:
        raise ConfigError(faults)
    options = sweeper_options(sweeper)
    space = _space(request, options, values, seed, faults)
    options = _settled(options, space, faults)
    monitor = _monitor(values)
    objectives = _objectives(options, monitor, values, faults)
    if faults:
        raise ConfigError(faults)
    _validate(request, line, space, options, seed)
    return SweepPlan(
        name=str(values.get("name") or "unnamed") if "name" not in {axis.key for axis in space.axes} else "several",
        space=space,
        options=options,
        objectives=objectives,
        monitor=monitor,
        seed=seed,
        epochs=_epochs(values),
        config=values,
        sweeper=sweeper,
        launcher=launcher,
        sweep_dir=values.get("sweep_dir"),
        composer=composer,
        own=line.own,
    )


def config_of_trial(plan: SweepPlan, overrides: Sequence[str]) -> dict[str, Any]:
    """The config of a trial's run, as plain values.

    Raises:
        ConfigError: if it cannot be composed.
    """
    config, _, faults = plan.composer.values(overrides)
    if config is None or faults:
        raise ConfigError(faults)
    config = {key: value for key, value in config.items() if key not in _OF_THE_SWEEP}
    if isinstance(config.get("fit"), Mapping) and config["fit"].get("verbose") == "auto":
        config["fit"] = {**config["fit"], "verbose": 0}  # the sweep shows how all of them go
    return config


def what_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How the sweep that is asked for differs from the one in the folder, in what must not change.

    Args:
        before: what `sweep.yaml` holds.
        now: what it would hold.
    """
    old, new = _by_axis(before.get("space") or []), _by_axis(now["space"])
    changed = [f"{key} is swept no more: it was {_written(old[key])}" for key in old if key not in new]
    changed += [f"{key} was not swept, and is {_written(new[key])} now" for key in new if key not in old]
    changed += [
        f"{key} was {_written(old[key])}, and is {_written(new[key])} now"
        for key in old
        if key in new and old[key] != new[key]
    ]
    if before.get("objectives") != now["objectives"]:
        changed.append(f"objectives were {before.get('objectives')}, and are {now['objectives']} now")
    swept = {axis["key"] for axis in now["space"]} | {axis["key"] for axis in before.get("space") or []}
    was, given = _flat(before.get("config") or {}), _flat(now["config"])
    for key in sorted(was.keys() | given.keys()):
        if json.dumps(was.get(key)) != json.dumps(given.get(key)) and not any(
            _lies_in(key, one) for one in (*_MAY_CHANGE, *swept)
        ):
            changed.append(f"{key} was {was.get(key)!r}, and is {given.get(key)!r} now")
    return changed


# --- working it out -------------------------------------------------------------------------------------------------


def _first(line: CommandLine) -> dict[str, Any]:
    return {axis.key: axis.ends()[0] for axis in line.axes}


def _space(
    request: SweepRequest, options: SweeperOptions, values: Mapping[str, Any], seed: int, faults: list[str]
) -> Space:
    with initialized(request.config_dir):
        line = read_command_line(request.overrides, seed, faults)
        choices: dict[str, Any] = {}

        def value_of(key: str) -> Any:
            if not choices:
                lines = [*line.own, *Space(tuple(line.axes), line.template).overrides(_first(line))]
                choices.update(composed(lines, request.config_name).choices)
            return choices.get(key, _selected(values, key))

        space = whole_space(line, options.params, options.when, value_of, seed, faults)
    if not space.axes and not faults:
        faults.append(
            "nothing is swept: give a key several values, as in `seed=0,1,2` or "
            "`optimizer.learning_rate=interval(1e-4,0.1)`, or fill sweeper.params; a single run goes without -m"
        )
    return space


def _selected(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _settled(options: SweeperOptions, space: Space, faults: list[str]) -> SweeperOptions:
    sampler = chosen_sampler(options.sampler, space)
    for axis in space.axes:
        if sampler == "grid" and not axis.is_discrete:
            faults.append(f"sweeper.sampler='grid': {axis.key} is an interval, which has no end of values. Use tpe")
    trials = options.trials
    if trials is None and sampler != "grid" and not options.has_limit:
        trials = _DEFAULT_TRIALS
    return replace(options, sampler=sampler, trials=trials)  # type: ignore[arg-type]  # one of the samplers


def _monitor(values: Mapping[str, Any]) -> tuple[str, str] | None:
    monitor, mode = values.get("monitor"), values.get("mode") or "auto"
    if not isinstance(monitor, str):
        return None
    direction = mode if mode in ("max", "min") else direction_of(monitor, values.get("metrics"))
    return (monitor, direction) if direction is not None else None


def _objectives(
    options: SweeperOptions, monitor: tuple[str, str] | None, values: Mapping[str, Any], faults: list[str]
) -> tuple[Objective, ...]:
    if options.pruner != "none" and monitor is None:
        faults.append(f"sweeper.pruner={options.pruner!r}: runs report `monitor`. Received: {values.get('monitor')!r}")
    if options.objectives is not None:
        return tuple(Objective(one["monitor"], one["mode"]) for one in options.objectives)
    if monitor is not None:
        return (Objective(*monitor),)
    if values.get("monitor") is None:
        faults.append("monitor=None: a sweep compares its trials by a value. Name one, as in monitor=val_loss")
    else:
        faults.append(
            f"mode='auto': nobody knows whether {values['monitor']} is to be high or low: set mode=max or min"
        )
    return ()


def _validate(request: SweepRequest, line: CommandLine, space: Space, options: SweeperOptions, seed: int) -> None:
    is_whole = options.sampler == "grid"
    points = list(space.points()) if is_whole else space.probes(seed)
    fixed = set(space.fixed)
    faults = validate_points(
        [*line.own, *space.fixed],
        [[one for one in space.overrides(point) if one not in fixed] for point in points],
        config_name=request.config_name,
        config_dir=request.config_dir,
    )
    if faults:
        raise ConfigError(faults)


def _epochs(values: Mapping[str, Any]) -> int:
    epochs = (values.get("fit") or {}).get("epochs")
    return epochs if isinstance(epochs, int) and epochs > 0 else 1


# --- comparing ------------------------------------------------------------------------------------------------------


def _by_axis(space: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    # A round through JSON, so that a tuple is what YAML makes of it.
    return {
        f"{axis['key']}{axis.get('when') or ''}": json.loads(json.dumps({**axis, "key": None}, default=str))
        for axis in space
    }


def _written(axis: Mapping[str, Any]) -> str:
    if axis["kind"] == "interval":
        text = f"interval({axis['low']}, {axis['high']})"
        return f"tag(log, {text})" if axis["log"] else text
    return f"one of {axis['values']}"


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        return {
            key: one
            for name, item in value.items()
            for key, one in _flat(item, f"{path}.{name}" if path else str(name)).items()
        }
    return {path: json.loads(json.dumps(value, default=str))}


def _lies_in(key: str, group: str) -> bool:
    return key == group or key.startswith(f"{group}.")
