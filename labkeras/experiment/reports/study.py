"""Study: a sweep as its reports see it: rows of equal parameters, ranked, and what can be said of them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from labkeras.experiment.reports.estimates import CONFIDENCE, Estimate, estimate, p_value
from labkeras.experiment.reports.facts import FactReader, Facts
from labkeras.experiment.reports.parameters import SEED, Parameter, differing_parameters
from labkeras.experiment.sweeps.ledger import Ledger, TrialRecord

__all__ = ["Objective", "Row", "Study", "study_of"]

_WORST_LAST = ("done", "pruned", "running", "waiting", "preempted", "interrupted", "timeout", "killed", "failed")


@dataclass(frozen=True)
class Objective:
    """A value that is sought.

    Args:
        monitor: its name.
        mode: which of "max" and "min" is better.
    """

    monitor: str
    mode: str

    @property
    def sign(self) -> float:
        """What a value is multiplied by so that less is better."""
        return -1.0 if self.mode == "max" else 1.0


@dataclass
class Row:
    """One line of the leaderboard: the trials of one point, which differ in the seed alone.

    Args:
        trials: in the order of their numbers.
        params: the differing parameters, by their full key; without the seed.
        estimates: of the objectives over the trials that are done; None where no value is known.
        rank: from 1; with several objectives, 1 is the Pareto front. None for what cannot be ranked.
        tied: whether it cannot be told from the best; None if that cannot be known, as with one seed.
    """

    trials: list[TrialRecord]
    params: dict[str, Any]
    estimates: list[Estimate | None]
    rank: int | None = None
    tied: bool | None = None

    @property
    def state(self) -> str:
        """The state of its trials; if they differ, how many are in each."""
        states = [trial.state for trial in self.trials]
        if len(set(states)) == 1:
            return states[0]
        return ", ".join(f"{states.count(state)} {state}" for state in _WORST_LAST if state in states)

    @property
    def first(self) -> TrialRecord:
        """The trial that stands for it: the first that is done, or else the first."""
        return next((trial for trial in self.trials if trial.state == "done"), self.trials[0])

    @property
    def seconds(self) -> float | None:
        """What a trial took on average, of those that ended."""
        ended = [trial.seconds for trial in self.trials if trial.ended is not None]
        return math.fsum(ended) / len(ended) if ended else None

    @property
    def count(self) -> int:
        """How many of its trials are done and have a value."""
        return self.estimates[0].count if self.estimates and self.estimates[0] else 0


@dataclass
class Study:
    """A sweep as its reports see it.

    Args:
        ledger: what happened.
        objectives: what is sought; empty if nobody said.
        parameters: those that differ between trials; the seed is the last, if it does.
        rows: ranked, the best first.
        facts: number of a trial → what its folder holds.
        labels: number of a trial → how it is called.
    """

    ledger: Ledger
    objectives: list[Objective]
    parameters: list[Parameter]
    rows: list[Row]
    facts: dict[int, Facts]
    labels: dict[int, str] = field(default_factory=dict)

    @property
    def trials(self) -> list[TrialRecord]:
        """In the order of their numbers."""
        return self.ledger.trials

    @property
    def name(self) -> str:
        """The sweep's."""
        return str(self.ledger.spec.get("name") or "sweep")

    @cached_property
    def shown(self) -> list[Parameter]:
        """The differing parameters without the seed."""
        return [parameter for parameter in self.parameters if parameter.key != SEED]

    @property
    def best(self) -> Row | None:
        """The row of rank 1; with several objectives, the one of them that is best in the first."""
        return self.rows[0] if self.rows and self.rows[0].rank == 1 else None

    @property
    def front(self) -> list[Row]:
        """All rows of rank 1."""
        return [row for row in self.rows if row.rank == 1]

    @cached_property
    def has_seeds(self) -> bool:
        """Whether any point was tried with several seeds."""
        return any(len(row.trials) > 1 for row in self.rows)

    def label(self, trial: TrialRecord) -> str:
        """How a trial is called."""
        return self.labels.get(trial.number, str(trial.number))

    def link(self, trial: TrialRecord) -> str:
        """A trial's folder, from the sweep's."""
        return self.labels.get(trial.number, trial.directory.name)

    def done(self, objective: int = 0) -> list[tuple[TrialRecord, float]]:
        """The trials that are done, each with its value of an objective; in the order of their numbers."""
        found = [(trial, value_of(trial, objective)) for trial in self.trials if trial.state == "done"]
        return [(trial, value) for trial, value in found if value is not None]

    def order(self) -> dict[int, float]:
        """Number of a trial that is done → where it stands among all, from 0 for the best to 1 for the worst."""
        if not self.objectives:
            return {}
        sign = self.objectives[0].sign
        ranked = sorted(self.done(), key=lambda pair: (sign * pair[1], pair[0].number))
        return {trial.number: index / max(1, len(ranked) - 1) for index, (trial, _) in enumerate(ranked)}


def study_of(ledger: Ledger, reader: FactReader | None = None, labels: Mapping[int, str] | None = None) -> Study:
    """A ledger's study.

    Args:
        ledger: of the sweep.
        reader: of the trials' folders; one that was used before has read most of them.
        labels: number of a trial → how it is called, unless by its number.
    """
    reader = reader or FactReader()
    objectives = [Objective(str(one["monitor"]), str(one["mode"])) for one in ledger.objectives]
    parameters = differing_parameters(ledger)
    keys = [parameter.key for parameter in parameters if parameter.key != SEED]
    rows = [
        Row(
            trials,
            {key: trials[0].params[key] for key in keys if key in trials[0].params},
            _estimates(trials, objectives),
        )
        for trials in ledger.without(SEED)
    ]
    facts = {trial.number: reader.read(trial) for trial in ledger.trials}
    return Study(ledger, objectives, parameters, _ranked(rows, objectives), facts, dict(labels or {}))


def value_of(trial: TrialRecord, objective: int = 0) -> float | None:
    """A trial's value of an objective; None if it has none, or one that is not finite."""
    values = trial.values or []
    value = values[objective] if objective < len(values) else None
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if is_number and value is not None else None


def _estimates(trials: Iterable[TrialRecord], objectives: Sequence[Objective]) -> list[Estimate | None]:
    done = [trial for trial in trials if trial.state == "done"]
    values = [[value_of(trial, index) for trial in done] for index in range(len(objectives))]
    return [estimate([value for value in column if value is not None]) for column in values]


# --- ranking --------------------------------------------------------------------------------------------------------


def _ranked(rows: list[Row], objectives: Sequence[Objective]) -> list[Row]:
    """The rows in order: those with values by rank, then the others by state."""
    with_values = [row for row in rows if row.estimates and all(row.estimates)]
    others = [row for row in rows if not (row.estimates and all(row.estimates))]
    with_values.sort(key=lambda row: (*_losses(row, objectives), row.trials[0].number))
    if len(objectives) == 1:
        for index, row in enumerate(with_values):
            row.rank = index + 1
        _mark_tied(with_values)
    else:
        _rank_by_fronts(with_values, objectives)
        with_values.sort(key=lambda row: row.rank or 0)  # stable: within a front by the first objective
    others.sort(key=lambda row: (min(_WORST_LAST.index(trial.state) for trial in row.trials), row.trials[0].number))
    return with_values + others


def _losses(row: Row, objectives: Sequence[Objective]) -> tuple[float, ...]:
    return tuple(one.sign * found.mean for one, found in zip(objectives, row.estimates, strict=True) if found)


def _mark_tied(rows: Sequence[Row]) -> None:
    if not rows or rows[0].estimates[0] is None:
        return
    best = rows[0].estimates[0]
    rows[0].tied = None if best.half is None else True
    for row in rows[1:]:
        found = row.estimates[0]
        chance = None if found is None else p_value(best, found)
        row.tied = None if chance is None else chance >= 1 - CONFIDENCE


def _rank_by_fronts(rows: Sequence[Row], objectives: Sequence[Objective]) -> None:
    """Rank 1: no other row is as good in all objectives and better in one; rank 2: without those; and so on."""
    left = [(row, _losses(row, objectives)) for row in rows]
    rank = 0
    while left:
        rank += 1
        front = [row for row, losses in left if not any(_dominates(other, losses) for _, other in left)]
        for row in front:
            row.rank = rank
        left = [(row, losses) for row, losses in left if row.rank is None]


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
