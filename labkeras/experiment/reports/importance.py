"""Which parameters matter: Optuna's PED-ANOVA on the trials that are done."""

import json
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labkeras.experiment.reports.parameters import Parameter
from labkeras.experiment.reports.study import Study

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["FEWEST_TRIALS", "Importance", "importances"]

FEWEST_TRIALS = 20
"""Fewer trials say more about chance than about parameters."""

_FEWEST_AT_TOP = 5  # that Optuna advises
_USUAL_QUANTILE = 0.1


@dataclass(frozen=True)
class Importance:
    """How much each parameter decides whether a trial is among the best.

    Args:
        monitor: the objective.
        quantile: the part of the trials that counts as the best.
        shares: full key → its share of all, the greatest first; together 1.
    """

    monitor: str
    quantile: float
    shares: dict[str, float]


def importances(study: Study) -> list[Importance]:
    """The importance of the parameters for each objective; none where too few trials are done.

    PED-ANOVA compares where the best trials lie with where all do. Of Optuna's evaluators it is the one that needs no
    further package and has no chance in it. Parameters that some trials lack are left out.

    Reference:
        Watanabe, Bansal, Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
        Subspaces", IJCAI 2023.
    """
    found = []
    for index in range(len(study.objectives)):
        done = study.done(index)
        known = [one for one in study.shown if all(one.key in trial.params for trial, _ in done)]
        values = [value for _, value in done]
        if len(done) >= FEWEST_TRIALS and len(known) > 1 and len(set(values)) > 1:
            found += _importance(study, index, known)
    return found


def _importance(study: Study, index: int, parameters: Sequence[Parameter]) -> list[Importance]:
    # Here, because it takes a second to import, and most reports are of fewer trials.
    import optuna

    objective, done = study.objectives[index], study.done(index)
    quantile = max(_USUAL_QUANTILE, _FEWEST_AT_TOP / len(done))
    domains = {one.key: _distribution(one, [trial.params[one.key] for trial, _ in done]) for one in parameters}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna warns of what it calls experimental, and of few trials
            search = optuna.create_study(direction="maximize" if objective.mode == "max" else "minimize")
            for trial, value in done:
                params = {one.key: _known(trial.params[one.key], domains[one.key]) for one in parameters}
                search.add_trial(optuna.trial.create_trial(params=params, distributions=domains, value=value))
            evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
            shares = optuna.importance.get_param_importances(search, evaluator=evaluator)
    except (ValueError, RuntimeError, ArithmeticError):  # a space of which it can tell nothing
        return []
    finally:
        optuna.logging.set_verbosity(verbosity)
    if not all(map(math.isfinite, shares.values())) or not math.fsum(shares.values()):
        return []
    # Rounded: in the last digits machines differ, and a report is the same wherever it is made.
    ordered = sorted(((key, round(share, 4)) for key, share in shares.items()), key=lambda pair: (-pair[1], pair[0]))
    return [Importance(objective.monitor, quantile, dict(ordered))]


def _distribution(parameter: Parameter, tried: Sequence[Any]) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not parameter.is_number or not parameter.is_interval:
        return CategoricalDistribution(list(dict.fromkeys(map(_category, tried))))
    if all(isinstance(value, int) for value in parameter.values):
        return IntDistribution(int(parameter.low), int(parameter.high), log=parameter.log)
    return FloatDistribution(parameter.low, parameter.high, log=parameter.log)


def _known(value: Any, domain: "BaseDistribution") -> Any:
    return _category(value) if hasattr(domain, "choices") else value


def _category(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
