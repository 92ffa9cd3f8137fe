"""A sweep's trials as Optuna sees them: for samplers that learn from what was tried, and for pruners.

Optuna's study lives in memory. A sweep that goes on builds it again from the ledger.
"""

import hashlib
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.trial import TrialState

from labkeras.experiment.sweeps.axes import Axis, override_text
from labkeras.experiment.sweeps.ledger import TrialRecord
from labkeras.experiment.sweeps.options import Objective, Pruning, SweeperOptions
from labkeras.experiment.sweeps.space import Space

__all__ = ["Study", "StudyTrial", "number_from"]

# What these two know of a trial is set when Optuna hands it out, so that past trials must go the same way.
_REPLAYED = ("cmaes", "nsga2")
_FEWEST_TO_ORDER = 3


class StudyTrial:
    """A trial that runs: takes its values, and says whether to go on.

    Args:
        trial: Optuna's.
        sign: -1 if less is better of the reported value and more of the objective, or the other way round; None if
            nothing is pruned.
    """

    def __init__(self, trial: optuna.Trial, sign: float | None) -> None:
        self.trial = trial
        self._sign = sign
        self._reported: set[int] = set()

    def report(self, value: float, step: int) -> None:
        """Takes the monitored value of an epoch, counted from 0; one that was reported before is passed over."""
        if self._sign is not None and step not in self._reported:
            self._reported.add(step)
            self.trial.report(self._sign * value, step + 1)  # Optuna's pruners count the epochs that were spent

    def should_prune(self) -> bool:
        """Whether others did so much better that the run should end here."""
        return bool(self._reported) and self.trial.should_prune()


class Study:
    """Optuna's study of a sweep.

    Args:
        space: of the sweep.
        options: which sampler and pruner.
        objectives: what is sought.
        seed: of the sweep.
        count: how many trials there were before; a sampler that is seeded with the same number twice repeats itself.
        monitor_mode: which of "max" and "min" is better of the value that is reported while a trial runs.
        epochs: how many a trial takes at most.
    """

    def __init__(
        self,
        space: Space,
        options: SweeperOptions,
        objectives: Sequence[Objective],
        seed: int,
        count: int = 0,
        monitor_mode: str = "max",
        epochs: int = 1,
    ) -> None:
        self._space = space
        self._sign = None if options.pruner == "none" else 1.0 if monitor_mode == objectives[0].mode else -1.0
        self._replays = options.pruner != "none" or options.sampler in _REPLAYED
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # the sweep says itself what happens
        with _quiet():
            self._study = optuna.create_study(
                study_name="sweep",  # Hyperband deals trials to brackets by it
                directions=["maximize" if one.mode == "max" else "minimize" for one in objectives],
                sampler=_sampler(options, number_from(seed, count), space),
                pruner=_pruner(options, epochs),
            )

    def propose(self) -> tuple[dict[str, Any], StudyTrial]:
        """A point that the sampler finds worth trying."""
        with _quiet():
            trial = self._study.ask()
            return self._space.walk(lambda axis: _suggested(axis, trial)), StudyTrial(trial, self._sign)

    def adopt(self, params: Mapping[str, Any]) -> StudyTrial:
        """A trial for a point of the space that was chosen elsewhere."""
        self._study.enqueue_trial(_encoded(self._space, params))
        return self.propose()[1]

    def refuse(self, trial: StudyTrial) -> None:
        """Takes back a point that was proposed."""
        self._study.tell(trial.trial, state=TrialState.FAIL)

    def tell(self, trial: StudyTrial, state: str, values: Sequence[float] | None) -> None:
        """How a trial ended.

        Args:
            trial: which.
            state: that of its record.
            values: of the objectives, if it is done.
        """
        if state == "done" and values and all(math.isfinite(value) for value in values):
            self._study.tell(trial.trial, list(values))
        else:
            self._study.tell(trial.trial, state=TrialState.PRUNED if state == "pruned" else TrialState.FAIL)

    def recall(self, record: TrialRecord, reported: Mapping[int, float]) -> None:
        """Takes a trial into account that ended before.

        Args:
            record: of the ledger; its point lies in the space.
            reported: epoch, counted from 0 → the value that was reported.
        """
        if not self._replays:
            if record.state == "done" and record.values:
                self._study.add_trial(self._completed(record, record.values))
            return
        trial = self.adopt(record.params)
        for step, value in reported.items():
            trial.report(value, step)
            trial.should_prune()  # so that the pruner counts it among those that came this far
        self.tell(trial, record.state, record.values)

    def _completed(self, record: TrialRecord, values: Sequence[float]) -> optuna.trial.FrozenTrial:
        encoded = _encoded(self._space, record.params)
        distributions = {axis.name: _distribution(axis) for axis in self._space.axes if axis.name in encoded}
        return optuna.trial.create_trial(params=encoded, distributions=distributions, values=list(values))


def number_from(seed: int, count: int) -> int:
    """A number for a generator, another one for each seed and each count."""
    return int.from_bytes(hashlib.sha256(f"{seed} {count}".encode()).digest()[:4], "big")


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield


# --- axes as Optuna's distributions ---------------------------------------------------------------------------------


def _distribution(axis: Axis) -> optuna.distributions.BaseDistribution:
    if not axis.is_discrete:
        if axis.is_integer:
            return optuna.distributions.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
        return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)
    if _is_ordered(axis):
        return optuna.distributions.IntDistribution(0, len(axis.values) - 1)
    return optuna.distributions.CategoricalDistribution([override_text(value) for value in axis.values])


def _is_ordered(axis: Axis) -> bool:
    """Whether the places of its values, in order of size, say more than that they differ."""
    return axis.is_ordered and len(axis.values) >= _FEWEST_TO_ORDER


def _suggested(axis: Axis, trial: optuna.Trial) -> Any:
    if not axis.is_discrete:
        if axis.is_integer:
            return trial.suggest_int(axis.name, int(axis.low), int(axis.high), log=axis.log)
        return trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)
    if _is_ordered(axis):
        return sorted(axis.values)[trial.suggest_int(axis.name, 0, len(axis.values) - 1)]
    texts = [override_text(value) for value in axis.values]
    return axis.values[texts.index(trial.suggest_categorical(axis.name, texts))]


def _encoded(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """A point by the names and values that Optuna has for it."""
    encoded: dict[str, Any] = {}

    def choose(axis: Axis) -> Any:
        value = params[axis.key]
        if axis.is_discrete:
            text = override_text(value)
            texts = [override_text(one) for one in (sorted(axis.values) if _is_ordered(axis) else axis.values)]
            encoded[axis.name] = texts.index(text) if _is_ordered(axis) else text
        else:
            encoded[axis.name] = value
        return value

    space.walk(choose)
    return encoded


# --- samplers and pruners -------------------------------------------------------------------------------------------


def _sampler(options: SweeperOptions, seed: int, space: Space) -> optuna.samplers.BaseSampler:
    given = {key: value for key, value in options.options.items() if value is not None}
    if options.sampler == "tpe":
        conditional = any(axis.condition is not None for axis in space.axes)
        multivariate = bool(given.pop("multivariate", True))
        return optuna.samplers.TPESampler(
            seed=seed,
            multivariate=multivariate,
            group=multivariate and conditional,
            constant_liar=True,  # trials that run count too: several are chosen before the first ends
            **given,
        )
    independent = optuna.samplers.RandomSampler(seed)
    if options.sampler == "gp":
        return optuna.samplers.GPSampler(seed=seed, independent_sampler=independent, **given)
    if options.sampler == "cmaes":
        return optuna.samplers.CmaEsSampler(seed=seed, independent_sampler=independent, **given)
    return optuna.samplers.NSGAIISampler(seed=seed, **given) if options.sampler == "nsga2" else independent


def _pruner(options: SweeperOptions, epochs: int) -> optuna.pruners.BasePruner:
    pruning = Pruning(**options.pruning)
    if options.pruner == "median":
        return optuna.pruners.MedianPruner(
            pruning.startup_trials,
            # Optuna's first step that may be pruned; after no epoch of grace that is the first.
            pruning.warmup_steps + 1,
            pruning.interval_steps,
        )
    if options.pruner == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(pruning.min_resource, pruning.reduction_factor)
    if options.pruner == "hyperband":
        most = max(pruning.max_resource or epochs, pruning.min_resource)
        return optuna.pruners.HyperbandPruner(pruning.min_resource, most, pruning.reduction_factor)
    return optuna.pruners.NopPruner()
