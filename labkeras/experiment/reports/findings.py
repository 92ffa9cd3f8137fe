"""What follows from a study: where to look next, what fails together, what was spent and saved."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from labkeras.experiment.reports.parameters import Parameter
from labkeras.experiment.reports.study import Study
from labkeras.experiment.reports.texts import number, single_line, value_text
from labkeras.experiment.sweeps.ledger import TrialRecord

__all__ = ["FailureClass", "Spent", "advice", "failure_classes", "spent", "summary_of_states"]

_FAILED = ("failed", "killed", "timeout")
_FEWEST_FOR_EDGES = 4
_NEAR = 0.05  # part of an interval that counts as its end
_ORDER = ("done", "pruned", "failed", "killed", "timeout", "running", "preempted", "interrupted", "waiting")


@dataclass(frozen=True)
class FailureClass:
    """Trials that failed for the same reason.

    Args:
        kind: "out_of_memory", "not_finite", "error", …
        error: the first line of the message.
        trials: that it happened to.
        shared: parameters that they share and no trial that is done has: what may have caused it.
    """

    kind: str
    error: str
    trials: list[TrialRecord]
    shared: dict[str, Any]


@dataclass(frozen=True)
class Spent:
    """What a sweep took.

    Args:
        trials: that were started.
        seconds: that their attempts took together.
        accelerator_seconds: the part of it on machines with an accelerator, times how many they have.
        saved: seconds that pruning saved, if pruned trials had gone on as long as the others; None if none was pruned,
            or it cannot be told.
    """

    trials: int
    seconds: float
    accelerator_seconds: float
    saved: float | None


def spent(study: Study) -> Spent:
    """What a sweep took, and what pruning saved."""
    started = [trial for trial in study.trials if trial.attempts]
    devices = {trial.number: _accelerators(study, trial) for trial in started}
    return Spent(
        len(started),
        math.fsum(trial.seconds for trial in started),
        math.fsum(trial.seconds * devices[trial.number] for trial in started),
        _saved(study),
    )


def summary_of_states(study: Study) -> list[tuple[str, int]]:
    """State → how many trials are in it, without empty ones."""
    states = [trial.state for trial in study.trials]
    return [(state, states.count(state)) for state in _ORDER if state in states]


def failure_classes(study: Study) -> list[FailureClass]:
    """The failures by kind and message, the most frequent first."""
    classes: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in study.trials:
        if trial.state in _FAILED:
            failure = trial.failure or {}
            kind = str(failure.get("kind") or trial.state)
            classes.setdefault((kind, single_line(str(failure.get("error") or ""))), []).append(trial)
    ordered = sorted(classes.items(), key=lambda item: (-len(item[1]), item[1][0].number))
    return [FailureClass(kind, error, trials, _shared(study, trials)) for (kind, error), trials in ordered]


def advice(study: Study) -> list[str]:
    """What to try next: ends of the space where the best lies, and how to find out what is chance."""
    best = study.best
    if best is None:
        return []
    found = []
    if len(study.objectives) == 1 and len(study.done()) >= _FEWEST_FOR_EDGES:
        for parameter in study.shown:
            if parameter.key in best.params:
                found += _edge(parameter, best.params[parameter.key])
    if not study.has_seeds and len(study.rows) > 1:
        found.append("Each point was tried once, so small differences may be chance: add seed=0,1,2 to know.")
    elif best.count == 1 and len(study.done()) > 1:
        found.append("The best has a single seed that is done: its value may be chance.")
    return found


# --- ends of the space ------------------------------------------------------------------------------------------------


def _edge(parameter: Parameter, value: Any) -> list[str]:
    if not parameter.is_number or len(parameter.values) < 3 or isinstance(value, bool):
        return []
    low, high = parameter.low, parameter.high
    position = _position(parameter, float(value))
    near = _NEAR if parameter.is_interval else 0.0
    # Beyond 0 or 1 there is often nothing: rates, momenta, numbers of units.
    if position >= 1 - near and high != 1:
        return [_widen(parameter, value, "upward", "upper", _beyond(parameter, up=True))]
    if position <= near and low > 0 and not (low == 1 and isinstance(value, int)):
        return [_widen(parameter, value, "downward", "lower", _beyond(parameter, up=False))]
    return []


def _position(parameter: Parameter, value: float) -> float:
    low, high = parameter.low, parameter.high
    if parameter.log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _beyond(parameter: Parameter, up: bool) -> float:
    low, high = parameter.low, parameter.high
    if not parameter.is_interval:  # one step more of the same length
        end, before = parameter.values[-1 if up else 0], parameter.values[-2 if up else 1]
        if parameter.log:
            return float(end * end / before)
        return float(2 * end - before) if up else max(float(2 * end - before), low / 2)
    if not parameter.log:
        return high + (high - low) / 2 if up else low / 2
    factor = min(10.0, math.sqrt(high / low))
    return high * factor if up else low / factor


def _widen(parameter: Parameter, value: Any, direction: str, end: str, beyond: float) -> str:
    span = f"{number(parameter.low)} … {number(parameter.high)}"
    whole = all(isinstance(one, int) for one in parameter.values)
    goal = str(max(1, round(beyond))) if whole else number(beyond, 2)
    return (
        f"Widen {parameter.key} {direction}: the best ({value_text(value)}) lies at the {end} end of {span}; "
        f"try as far as {goal}."
    )


# --- failures and cost ------------------------------------------------------------------------------------------------


def _shared(study: Study, trials: Sequence[TrialRecord]) -> dict[str, Any]:
    done = [trial for trial in study.trials if trial.state == "done"]
    shared = {}
    for parameter in study.shown:
        key = parameter.key
        if key not in trials[0].params:
            continue
        value = trials[0].params[key]
        is_common = all(key in trial.params and trial.params[key] == value for trial in trials)
        if is_common and len(trials) > 1 and not any(trial.params.get(key) == value for trial in done):
            shared[key] = value
    return shared


def _saved(study: Study) -> float | None:
    whole = [trial.epochs for trial in study.trials if trial.state == "done" and trial.epochs]
    pruned = [trial for trial in study.trials if trial.state == "pruned" and trial.epochs]
    if not whole or not pruned:
        return None
    epochs = statistics.median(whole)
    return math.fsum(max(0.0, epochs - (one.epochs or 0)) * one.seconds / (one.epochs or 1) for one in pruned)


def _accelerators(study: Study, trial: TrialRecord) -> int:
    hardware = study.facts[trial.number].provenance.get("hardware")
    found = hardware.get("accelerators") if isinstance(hardware, dict) else None
    return len(found) if isinstance(found, list) else 0
