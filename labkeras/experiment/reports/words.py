"""The sentences that reports share, whatever they are written in."""

import shlex

from labkeras.experiment.reports.findings import Spent, summary_of_states
from labkeras.experiment.reports.study import Row, Study
from labkeras.experiment.reports.texts import duration, value_text
from labkeras.experiment.sweeps.ledger import TrialRecord

__all__ = ["command_of", "cost", "parameters_text", "progress", "seeds_text", "tie_note"]


def progress(study: Study) -> str:
    """How far the sweep is: "46 trials: 40 done, 6 pruned. Ended: all points were tried."."""
    states = ", ".join(f"{count} {state}" for state, count in summary_of_states(study))
    trials = f"{len(study.trials)} trial{'' if len(study.trials) == 1 else 's'}"
    stopped = study.ledger.stopped
    if stopped:
        end = f"Ended: {str(stopped['reason']).rstrip('.')}."
    elif study.ledger.updated:
        end = f"Not ended when last heard of, {study.ledger.updated[:19].replace('T', ' ')} UTC."
    else:
        end = "Not started."
    return f"{trials}{': ' if states else ''}{states}. {end}"


def cost(spent: Spent) -> str:
    """What was spent, and saved."""
    text = f"{spent.trials} trial{'' if spent.trials == 1 else 's'} started, {duration(spent.seconds)} of training"
    if spent.accelerator_seconds:
        text += f", {duration(spent.accelerator_seconds)} of accelerators"
    if spent.saved is not None:
        text += f"; pruning saved about {duration(spent.saved)}"
    return text + "."


def command_of(study: Study, trial: TrialRecord) -> str:
    """The command that makes a trial's run again."""
    return shlex.join(["labkeras", "train", *trial.overrides])


def parameters_text(study: Study, row: Row) -> str:
    """The differing parameters of a row in one line."""
    found = [f"{one.label}={value_text(row.params[one.key])}" for one in study.shown if one.key in row.params]
    return ", ".join(found)


def seeds_text(row: Row) -> str:
    """What the interval of a mean is over."""
    return f"95 % confidence interval over {row.count} seeds" if row.count > 1 else "one seed"


def tie_note(study: Study) -> str:
    """What the mark ≈ means."""
    return (
        "± is a 95 % confidence interval over seeds (Student's t). "
        "≈ marks rows that cannot be told from the best (Welch's test, p ≥ 0.05)."
        if study.has_seeds
        else ""
    )
