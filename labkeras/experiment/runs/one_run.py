"""One run: build what the config describes, train it, test it, and leave everything in a folder."""

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

from labkeras.callbacks.tensorboard import TensorBoard
from labkeras.errors import ConfigError, RunStoppedError, exit_code_of
from labkeras.experiment.config.validation import checked
from labkeras.experiment.runs.compiling import compiled_model
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.runs.failures import failure_of
from labkeras.experiment.runs.going_on import check_same_config, config_of_run, cut_back
from labkeras.experiment.runs.hparams import HParams, choices
from labkeras.experiment.runs.model_record import write_model
from labkeras.experiment.runs.record import RunRecord
from labkeras.experiment.runs.run_checkpoint import checkpoint_files
from labkeras.experiment.runs.stopping import REASONS, Stopping
from labkeras.experiment.runs.telling import Loggers, facts_of, run_subject
from labkeras.experiment.runs.training import Training, training_of
from labkeras.experiment.sweeps.trial import Trial
from labkeras.models.model import Model
from labkeras.plugins import hooks
from labkeras.random import set_random_seed

__all__ = ["run"]

# Lightning starts the other processes of a distributed run with the same command; they join the folder of the first.
_JOIN = "LABKERAS_RUN_DIR"
# States in which nothing is left to do.
_FINISHED = ("done", "pruned")


def run(
    config: Any,
    overrides: Sequence[str] = (),
    directory: str | Path | None = None,
    *,
    resume: bool = False,
    trial: Trial | None = None,
    command: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Trains and tests what a config describes, and writes down all that somebody may ask about it later.

    SIGTERM ends the run after the step, with a checkpoint; so does Ctrl-C, given once. Such a run, and one that failed
    or was killed, goes on with `resume`: it ends with the weights, metrics and results that it would have had.

    Args:
        config: what `compose` returned, or a plain mapping of the same form.
        overrides: how it was composed, to be written down.
        directory: the folder of the run; `config.run_dir`, or a new one below `runs/`, unless given.
        resume: whether to go on with the run in the folder, from its last checkpoint; a new one begins if there is
            none, and nothing happens if it is done. `config.resume` says the same.
        trial: hears how each epoch went, and says whether the run is worth going on.
        command: the words of the command line, to be written down; those of this process unless given.

    Returns:
        What `result.json` holds: the state, "done" or "pruned"; the test results, the last and the best epoch, and
        "run_dir", the folder. In the other processes of a distributed run, the test results alone.

    Raises:
        ConfigError: before anything is read or written, if something is wrong with the config, or it is not the one of
            the run that is to go on.
        RunDirectoryError: if the folder is in use or cannot be made.
        RunStoppedError: if it had to end before it was done; with an exit code.
        KeyboardInterrupt: the same, for Ctrl-C.

    Example:
        >>> result = run(compose(["experiment=digits_mlp", "fit.epochs=1"]))
        >>> result["state"]
        'done'
    """
    values = checked(config)
    directory = directory or values.get("run_dir")
    resume = resume or bool(values.get("resume"))
    values = config_of_run(values)
    if _follows(directory):
        return _follow(values, RunDirectory(Path(directory or os.environ[_JOIN]).resolve()), resume)
    if not resume:
        return _start(values, overrides, directory, trial, command)
    if directory is None:
        raise ConfigError(["resume=true: name the run's folder too, with run_dir=…, or use `labkeras resume RUN`"])
    return _go_on(values, overrides, Path(directory), trial, command)


def _start(
    values: dict[str, Any],
    overrides: Sequence[str],
    directory: str | Path | None,
    trial: Trial | None,
    command: Sequence[str] | None,
) -> dict[str, Any]:
    seed = _seeded(values)
    model = compiled_model(values)  # what it refuses is known before there is a folder
    folder = RunDirectory.claim(directory, values.get("name"))
    try:
        return _in_folder(values, overrides, folder, None, seed, model, trial, command)
    finally:
        folder.lock.release()


def _go_on(
    values: dict[str, Any],
    overrides: Sequence[str],
    directory: Path,
    trial: Trial | None,
    command: Sequence[str] | None,
) -> dict[str, Any]:
    folder = RunDirectory.claim(directory, values.get("name"), resume=True)
    try:
        record = folder.record() if folder.has_record else None
        if record is not None:
            check_same_config(folder, values)
            result = folder.result()
            if record["state"] in _FINISHED and result is not None:
                print(f"nothing to go on with: the run in {directory} is {record['state']}", file=sys.stderr)
                return result
            values["seed"] = record.get("seed", values.get("seed"))
        seed = _seeded(values)
        return _in_folder(values, overrides, folder, record, seed, compiled_model(values), trial, command)
    finally:
        folder.lock.release()


def _in_folder(
    values: dict[str, Any],
    overrides: Sequence[str],
    folder: RunDirectory,
    record: dict[str, Any] | None,
    seed: int,
    model: Model,
    trial: Trial | None,
    command: Sequence[str] | None,
) -> dict[str, Any]:
    os.environ[_JOIN] = str(folder.path)
    known = RunRecord(folder, record)
    subject = run_subject(folder, values, seed, is_resumed=record is not None)
    try:
        job = training_of(values, model, folder, Stopping(folder, trial), known, subject)
    except ConfigError:
        if record is None:
            folder.discard()
        raise
    folder.forget_stop_request()
    if record is None or not folder.overrides():
        folder.write_config(values, overrides)
    if record is not None:
        cut_back(folder, starts_anew=not checkpoint_files(folder.checkpoints))
    known.begin(values.get("name"), command, overrides, seed, facts_of("labkeras_provenance", run=subject))
    folder.link_latest()
    hooks.observe("labkeras_run_start", run=subject)
    return _recorded(job, known, overrides)


def _follow(values: dict[str, Any], folder: RunDirectory, resume: bool) -> dict[str, Any]:
    """What a process of a distributed run does that is not the first one."""
    if resume and folder.has_record and folder.record()["state"] in _FINISHED:
        return {}
    subject = run_subject(folder, values, _seeded(values), is_resumed=resume and folder.has_record)
    job = training_of(values, compiled_model(values), folder, Stopping(None), None, subject)
    with job.stopping.listening():
        return job.train_together()


def _follows(directory: str | Path | None) -> bool:
    ranks = (os.environ.get(name, "0") for name in ("LOCAL_RANK", "RANK"))
    return (directory is not None or _JOIN in os.environ) and any(int(rank) > 0 for rank in ranks)


def _seeded(values: Mapping[str, Any]) -> int:
    """Seeds all generators; without a seed in the config with one that is written down."""
    seed = values.get("seed")
    seed = secrets.randbelow(2**32) if seed is None else int(seed)
    set_random_seed(seed)
    return seed


def _recorded(job: Training, record: RunRecord, overrides: Sequence[str]) -> dict[str, Any]:
    """Trains, and writes how that went, whatever happens."""
    session = None
    error: BaseException | None = None
    result: dict[str, Any] = {"state": "done"}
    tested: dict[str, Any] = {}
    failure: dict[str, str] | None = None
    code = 0
    try:
        with job.stopping.listening():
            session = _session(job, overrides)
            tested = job.train_together()
        result["state"] = job.stopping.reason or "done"
    except BaseException as raised:
        error = _as_caller_expects(raised)
        failure, code = failure_of(raised, job.subject), exit_code_of(error)
        result |= {"state": _state_of(raised), "error": failure["error"]}
        _add_notes(error, job, result["state"])
        if result["state"] == "failed":
            with suppress(OSError):
                record.write_traceback(raised)
        if error is raised:
            raise
        raise error from raised
    finally:
        # What cannot be written, as on a full disk, must not hide why the run failed.
        guarded: AbstractContextManager[Any] = suppress(OSError) if failure is not None else nullcontext()
        result["seconds"] = record.stop_clock()
        with guarded:
            result |= tested | _summary(job)
            write_model(job.folder, job.model)
        with guarded:
            job.folder.write_result(result)
        with guarded:
            record.end(result["state"], code, failure)  # after the result: who reads that it is done finds that
        with guarded:
            _close(job, session, result["state"], _scores(result) | tested)
        hooks.observe("labkeras_run_end", run=job.subject, result=result, error=error)
        with guarded:
            record.set_aside(hooks.set_aside())
    return result


def _as_caller_expects(error: BaseException) -> BaseException:
    stopped_by_hand = isinstance(error, RunStoppedError) and error.reason == "interrupted"
    return KeyboardInterrupt() if stopped_by_hand else error


def _state_of(error: BaseException) -> str:
    if isinstance(error, RunStoppedError):
        return error.state
    return REASONS["interrupted"].state if isinstance(error, KeyboardInterrupt) else "failed"


def _add_notes(error: BaseException, job: Training, state: str) -> None:
    error.add_note(f"run directory: {job.folder.path}")
    if state != "failed" or checkpoint_files(job.folder.checkpoints):
        shown = os.path.relpath(job.folder.path)
        error.add_note(f"go on with it: labkeras resume {job.folder.path if shown.startswith('..') else shown}")


def _summary(job: Training) -> dict[str, Any]:
    rows = job.folder.metrics()  # not from memory: training may have gone on in processes of its own
    return {
        "epochs": len(rows),
        "monitor": job.config.get("monitor"),
        "mode": job.recorder.direction(),
        "best": job.recorder.best_of(rows),
        "last": rows[-1] if rows else None,
        "parameters": job.model.count_params() if job.model.built else None,
        "seed": job.subject.seed,
        "name": job.config.get("name"),
        "run_dir": str(job.folder.path),
    }


def _session(job: Training, overrides: Sequence[str]) -> HParams | None:
    """The run in TensorBoard's HParams tab, if event files are written at all."""
    boards = [callback for callback in job.callbacks if isinstance(callback, TensorBoard)]
    if not boards:
        return None
    pairs = (line.lstrip("+~").partition("=") for line in overrides)
    overridden = {key: text for key, _, text in pairs}
    folder, events = job.folder.path, Path(boards[0].log_dir)
    for path in events.glob("events.out.tfevents.*"):  # of the run before it was broken off
        path.unlink()
    # TensorBoard shows some fifteen letters of it, and takes runs of one name for one.
    is_trial = job.folder.is_trial
    name = f"{folder.name} of {folder.parent.name}" if is_trial else f"{folder.parent.name}/{folder.name}"
    return HParams(events, name, choices(job.config, overridden))


def _scores(result: Mapping[str, Any]) -> dict[str, float]:
    """The monitored value of the best epoch, which is what sweeps compare; and for how many epochs was trained."""
    value = (result.get("best") or {}).get(result.get("monitor"))
    scores = {result["monitor"]: float(value)} if isinstance(value, int | float) else {}
    return scores | ({"epochs": float(result["epochs"])} if result.get("epochs") else {})


def _close(job: Training, session: HParams | None, state: str, tested: Mapping[str, float]) -> None:
    for callback in job.callbacks:
        if isinstance(callback, TensorBoard):
            callback.close()  # a run that ended early did not come to the end of training
        if isinstance(callback, Loggers):
            callback.close(is_good=state in _FINISHED)
    if session is not None:
        session.close(state, tested)
