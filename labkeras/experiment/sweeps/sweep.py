"""A sweep: many runs of one kind, chosen, run, written down, and gone on with by the same command."""

from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import yaml

from labkeras.errors import ConfigError, RunDirectoryError
from labkeras.experiment.config.safe_yaml import parse_yaml
from labkeras.experiment.launchers.launcher import Launcher
from labkeras.experiment.launchers.options import make_launcher
from labkeras.experiment.runs.busy import refuse_if_busy
from labkeras.experiment.runs.directory import RUNS, new_folder
from labkeras.experiment.runs.lock import FolderLock
from labkeras.experiment.sweeps.driver import Driver
from labkeras.experiment.sweeps.ledger import SPEC, Ledger, LedgerWriter, TrialRecord
from labkeras.experiment.sweeps.names import LOCK, STOP
from labkeras.experiment.sweeps.observers import Guarded, Observer, Reports
from labkeras.experiment.sweeps.outcomes import reported_of
from labkeras.experiment.sweeps.plan import SweepPlan, config_of_trial, plan_of, what_changed
from labkeras.experiment.sweeps.request import SweepRequest, SweepResult, continuing
from labkeras.experiment.sweeps.samplers import Chooser, needs_study
from labkeras.experiment.sweeps.telling import Telling
from labkeras.files import atomic_write

__all__ = ["sweep"]

_WHAT = "sweep's folder"


def sweep(request: SweepRequest, launcher: Launcher | None = None) -> SweepResult:
    """Runs a sweep, or goes on with the one in the folder that the config's `sweep_dir` names.

    Nothing that is finished is repeated; a trial that was running when the sweep ended goes on from its checkpoint.

    Args:
        request: what is swept, and how.
        launcher: where trials run; the one that the config asks for unless given.

    Raises:
        ConfigError: naming everything that is wrong, before anything is run; also if the folder holds a sweep of
            another space.
        RunDirectoryError: if the folder cannot be used, or another process drives the sweep in it.

    Example:
        >>> result = sweep(SweepRequest(["experiment=digits_mlp", "fit.epochs=1", "seed=0,1,2"]))
        >>> result.ledger.best().values
        [0.93]
    """
    refuse_if_busy(request.overrides, "sweep_dir", LOCK, _WHAT)
    plan = plan_of(request)
    spec = plan.spec(request)
    folder = _folder(plan)
    with FolderLock(folder / LOCK, _WHAT):
        try:
            used = launcher or make_launcher(plan.launcher, folder)
        except ConfigError:
            _discard(folder)
            raise
        with closing(_writer(folder, spec)) as writer:
            return _driven(request, plan, writer, used)


# --- the folder -----------------------------------------------------------------------------------------------------


def _folder(plan: SweepPlan) -> Path:
    """The sweep's folder: the named one, which is new, empty or holds the sweep, or a new one."""
    if plan.sweep_dir is None:
        return new_folder(RUNS / "sweeps" / plan.name)
    folder = Path(plan.sweep_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / SPEC).exists() and any(entry.name != LOCK for entry in folder.iterdir()):
            raise RunDirectoryError(
                f"the folder holds something already, and no sweep: name one that does not exist. "
                f"Received: sweep_dir={plan.sweep_dir!r}"
            )
    except RunDirectoryError:
        raise
    except OSError as error:
        raise RunDirectoryError(
            f"the sweep's folder cannot be made: {error.strerror or error}. Received: sweep_dir={plan.sweep_dir!r}"
        ) from error
    return folder


def _discard(folder: Path) -> None:
    """Takes a folder away again that nothing was written to."""
    if [entry.name for entry in folder.iterdir()] == [LOCK]:
        (folder / LOCK).unlink()
        with suppress(OSError):
            folder.rmdir()


def _writer(folder: Path, spec: dict[str, Any]) -> LedgerWriter:
    """The ledger's writer; what the folder holds must be the same sweep.

    Raises:
        ConfigError: naming what is different.
    """
    if not (folder / SPEC).exists():
        return LedgerWriter.create(folder, spec)
    writer = LedgerWriter(folder)
    # Compared as it reads once it has been written: there a tuple is a list.
    changed = what_changed(writer.ledger.spec, parse_yaml(yaml.safe_dump(spec, allow_unicode=True), SPEC))
    if changed:
        writer.close()
        hint = "Give the same command to go on with it, or name another sweep_dir"
        raise ConfigError([f"sweep_dir={str(folder)!r} holds another sweep: {one}. {hint}" for one in changed])
    # How points are chosen and where they run may differ from session to session.
    now = {**writer.ledger.spec, "sweeper": spec["sweeper"], "launcher": spec["launcher"]}
    if now != writer.ledger.spec:
        with atomic_write(folder / SPEC) as file:
            yaml.safe_dump(now, file, sort_keys=False, allow_unicode=True)
        writer.ledger.spec = now
    return writer


# --- driving --------------------------------------------------------------------------------------------------------


def _driven(request: SweepRequest, plan: SweepPlan, writer: LedgerWriter, launcher: Launcher) -> SweepResult:
    # Torch and NumPy come with these; who only learns that the folder is taken, or what is wrong, does without.
    from labkeras.experiment.job import write_job
    from labkeras.experiment.reports.live import Display
    from labkeras.experiment.reports.writer import ReportWriter

    ledger = writer.ledger
    folder = ledger.path
    (folder / STOP).unlink(missing_ok=True)
    study = _study(plan, ledger)
    writer.session(request.command)

    def prepare(record: TrialRecord, attempt: int) -> None:
        config = config_of_trial(plan, record.overrides)
        write_job(record.directory, config, record.overrides, sweep=folder, trial=record.number, attempt=attempt)

    reports = ReportWriter(folder, ledger)
    display = Display(ledger, total=plan.total(), mode="none" if request.quiet else plan.options.display)
    telling = Telling(folder, plan.name, plan.objectives)
    observers: list[Observer] = [
        telling,
        Guarded(display, "the display"),
        Guarded(Reports(reports.trial_ended, reports.close, reports.refresh), "the report"),
    ]
    driver = Driver(
        writer=writer,
        launcher=launcher,
        chooser=Chooser(plan.space, plan.options, plan.seed, ledger.trials, study),
        options=plan.options,
        objectives=plan.objectives,
        prepare=prepare,
        overrides=plan.space.overrides,
        monitor=None if plan.monitor is None else plan.monitor[0],
        study=study,
        observers=observers,
    )
    reason = "an error"
    try:
        reason = driver.run()
        writer.stop(reason)
    finally:
        for observer in observers:
            observer.close()
        telling.sweep_ended(ledger.trials, reason)
    return SweepResult(
        folder, ledger, reason, _exit_code(driver, ledger), continuing(_command(request, ledger), folder)
    )


def _study(plan: SweepPlan, ledger: Ledger) -> Any:
    """Optuna's study, with the trials that ended; None if neither sampler nor pruner needs it."""
    if not needs_study(plan.options):
        return None
    from labkeras.experiment.sweeps.study import Study  # Optuna takes half a second, and a grid does without

    mode = plan.objectives[0].mode if plan.monitor is None else plan.monitor[1]
    study = Study(plan.space, plan.options, plan.objectives, plan.seed, len(ledger.trials), mode, plan.epochs)
    for record in ledger.trials:
        if record.is_finished and plan.space.contains(record.params):
            reported = {} if plan.monitor is None else reported_of(record.directory, plan.monitor[0])
            study.recall(record, reported)
    return study


def _command(request: SweepRequest, ledger: Ledger) -> list[str]:
    return list(request.command or ledger.spec.get("command") or ["labkeras", "train", "-m", *request.overrides])


def _exit_code(driver: Driver, ledger: Ledger) -> int:
    if driver.exit_code is not None:
        return driver.exit_code
    return int(bool(ledger.of_state("failed", "killed", "timeout")))
