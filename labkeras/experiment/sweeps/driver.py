"""The loop of a sweep: keeps the launcher's slots busy, and writes down what happens before anything else does."""

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labkeras.errors import ConfigError
from labkeras.experiment.launchers.launcher import Job, Launcher
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.sweeps.ledger import LedgerWriter, TrialRecord
from labkeras.experiment.sweeps.limits import Limits
from labkeras.experiment.sweeps.metrics_tail import MetricsTail
from labkeras.experiment.sweeps.names import STOP
from labkeras.experiment.sweeps.observers import Observer
from labkeras.experiment.sweeps.options import Objective, SweeperOptions
from labkeras.experiment.sweeps.orphan import Orphan
from labkeras.experiment.sweeps.outcomes import FINAL, Outcome, gives_up, is_done, may_be_retried, outcome_of
from labkeras.experiment.sweeps.samplers import Chooser

if TYPE_CHECKING:
    from labkeras.experiment.sweeps.study import Study, StudyTrial

__all__ = ["Driver"]

_SHORTEST_WAIT, _LONGEST_WAIT = 0.02, 0.3
# A run looks once a second whether it was asked to end.
_SECONDS_TO_ASK = 2.0
_SECONDS_TO_END = 2.0
_SECONDS_FOR_CHECKPOINT = 30.0
_INTERRUPTED, _PREEMPTED = 130, 75


@dataclass
class _Running:
    record: TrialRecord
    job: Job
    started: float
    trial: "StudyTrial | None"
    tail: MetricsTail
    deadline: float | None
    asked: str | None = None
    asked_at: float = 0.0


@dataclass
class Driver:
    """Runs a sweep's trials until there is a reason to end.

    Args:
        writer: of the ledger.
        launcher: where trials run.
        chooser: of new points.
        options: of the sweep.
        objectives: what is sought.
        prepare: writes a trial's job: gets its record and the number of the attempt.
        overrides: of a point.
        monitor: the value that trials report while they run; None if there is none.
        study: Optuna's, if it is needed.
        observers: who is told what happens.
    """

    writer: LedgerWriter
    launcher: Launcher
    chooser: Chooser
    options: SweeperOptions
    objectives: Sequence[Objective]
    prepare: Callable[[TrialRecord, int], None]
    overrides: Callable[[dict[str, Any]], list[str]]
    monitor: str | None = None
    study: "Study | None" = None
    observers: Sequence[Observer] = ()
    exit_code: int | None = None
    _queue: list[TrialRecord] = field(default_factory=list)
    _running: list[_Running] = field(default_factory=list)
    _trials: dict[int, "StudyTrial"] = field(default_factory=dict)
    _signals: list[int] = field(default_factory=list)
    _wait: float = _SHORTEST_WAIT

    def run(self) -> str:
        """Runs until all is done, or a limit is reached, or somebody asks it to end; returns the reason.

        `exit_code` tells then whether that was Ctrl-C or SIGTERM.
        """
        limits = Limits(self.writer.ledger, self.options, self.objectives)
        self._queue = self._left_over()
        reason = ""
        with self._listening():
            try:
                while True:
                    reason = self._asked() or reason or limits.reached() or ""
                    if not reason:
                        reason = self._fill()
                    self._watch()
                    if not self._running and reason:
                        return reason
            finally:
                self.launcher.close()

    # --- starting ---------------------------------------------------------------------------------------------------

    def _left_over(self) -> list[TrialRecord]:
        """Trials of an earlier session that are still to be run."""
        left = []
        for record in self.writer.ledger.trials:
            if gives_up(record, self.options):
                error = f"the sweep was killed {record.losses + 1} times while this trial ran"
                failure = {"kind": "killed", "error": error}
                self._end(record, _nothing("killed", failure), 0.0)
            elif record.attempts and not record.is_finished and is_done(record.directory):
                # The sweep was killed between the end of the run and its line in the ledger.
                self._end(record, outcome_of(record.directory, 0, self.objectives, None), 0.0)
                if self.study is not None:
                    self.study.recall(record, {})
            elif not record.is_finished or may_be_retried(record, self.options):
                left.append(record)
        return left

    def _fill(self) -> str:
        """Starts trials as long as there are free slots; returns a reason if there is nothing more to start."""
        while len(self._running) < self.launcher.slots and not self._signals:
            record = self._queue.pop(0) if self._queue else self._new()
            if record is None:
                return "" if self._running else self._exhausted()
            self._start(record)
            if self._running[-1:] and self._running[-1].job.poll():
                break  # it ran to its end: what it was worth is to be known before the next is chosen
        return ""

    def _new(self) -> TrialRecord | None:
        if self.options.trials is not None and len(self.writer.ledger.trials) >= self.options.trials:
            return None
        chosen = self.chooser.next()
        if chosen is None:
            return None
        params, trial = chosen
        record = self.writer.trial(params, self.overrides(params))
        if trial is not None:
            self._trials[record.number] = trial
        return record

    def _exhausted(self) -> str:
        count = len(self.writer.ledger.trials)
        if self.options.trials is not None and count >= self.options.trials:
            return f"all {self.options.trials} trials were run"
        return f"every point of the space was tried: {count}"

    def _start(self, record: TrialRecord) -> None:
        record.directory.mkdir(exist_ok=True)
        folder = RunDirectory(record.directory)
        trial = self._trials.pop(record.number, None)
        if trial is None and self.study is not None:
            trial = self.study.adopt(record.params)
        limit = self.options.trial_timeout
        if record.state == "running" and folder.is_running():
            self._take_in(record, Orphan(folder), trial, time.monotonic())
            return
        folder.forget_stop_request()
        attempt = self.writer.attempt(record.number)
        for observer in self.observers:
            observer.trial_started(record)
        timer = None if limit is None else threading.Timer(limit, folder.request_stop, ["timeout"])
        started = time.monotonic()
        try:
            self.prepare(record, attempt)
            if timer is not None:
                timer.daemon = True
                timer.start()
            job = self.launcher.start(record.directory, _Reporter(record.number, self.monitor, self.observers, trial))
        except KeyboardInterrupt:
            self._signals.append(_INTERRUPTED)
            outcome = outcome_of(record.directory, _INTERRUPTED, self.objectives, "interrupted")
            self._end(record, outcome, time.monotonic() - started, trial)
            return
        except ConfigError as error:
            failure = {"kind": "bad_input", "error": f"{type(error).__name__}: {error}"}
            self._end(record, _nothing("failed", failure), 0.0, trial)
            return
        finally:
            if timer is not None:
                timer.cancel()
        if job.exit_code == _PREEMPTED and job.poll():  # it ran in this process, so that SIGTERM was for the sweep
            self._signals.append(_PREEMPTED)
        self._take_in(record, job, trial, started)

    def _take_in(self, record: TrialRecord, job: Job, trial: "StudyTrial | None", started: float) -> None:
        limit = self.options.trial_timeout
        deadline = None if limit is None else started + limit
        self._running.append(_Running(record, job, started, trial, MetricsTail(record.directory), deadline))

    # --- watching ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Looks after what runs: ends what takes too long or is pruned, and takes in what is over."""
        over = [one for one in self._running if one.job.poll()]
        for one in over:
            self._running.remove(one)
            outcome = outcome_of(one.record.directory, one.job.exit_code, self.objectives, self._why(one))
            has_record = RunDirectory(one.record.directory).has_record
            if isinstance(one.job, Orphan) and not (has_record and outcome["state"] in FINAL):
                if one.trial is not None:
                    self._trials[one.record.number] = one.trial
                self._queue.append(one.record)
                continue
            self._end(one.record, outcome, time.monotonic() - one.started, one.trial)
        for one in self._running:
            self._follow(one)
        if over or not self._running:
            self._wait = _SHORTEST_WAIT
            return
        for observer in self.observers:
            observer.refresh()
        time.sleep(self._wait)
        self._wait = min(self._wait * 1.3, _LONGEST_WAIT)

    def _why(self, one: _Running) -> str | None:
        """Why the sweep ended a trial; that it is pruned, the trial says itself."""
        if one.asked in ("timeout", None):
            return one.asked
        return "preempted" if _PREEMPTED in self._signals else "interrupted"

    def _follow(self, one: _Running) -> None:
        for row in one.tail.rows():
            for observer in self.observers:
                observer.trial_progress(one.record.number, row)
            value = row.get(self.monitor) if self.monitor is not None else None
            if one.trial is not None and "epoch" in row and self.monitor in row:
                one.trial.report(float("nan") if value is None else float(value), int(row["epoch"]) - 1)
                if one.asked is None and not one.tail.asked and one.trial.should_prune():
                    RunDirectory(one.record.directory).request_stop("pruned")
                    one.tail.asked = True
        now = time.monotonic()
        if one.asked is None and one.deadline is not None and now > one.deadline:
            one.asked, one.asked_at = "timeout", now
            RunDirectory(one.record.directory).request_stop("timeout")
        elif one.asked == "timeout" and now > one.asked_at + _SECONDS_TO_ASK:
            one.job.stop(_SECONDS_TO_END)

    def _end(self, record: TrialRecord, outcome: Outcome, seconds: float, trial: "StudyTrial | None" = None) -> None:
        self.writer.end(record.number, seconds=seconds, **outcome)
        if trial is not None and self.study is not None:
            self.study.tell(trial, record.state, record.values)
        if may_be_retried(record, self.options) or (record.state == "preempted" and not self._signals):
            self._queue.append(record)
        for observer in self.observers:
            observer.trial_ended(record)

    # --- ending -----------------------------------------------------------------------------------------------------

    def _asked(self) -> str:
        """Why somebody asks the sweep to end, if anybody does; then the running trials are asked too."""
        reason = ""
        if self._signals:
            self.exit_code = self._signals[0]
            reason = "Ctrl-C" if self.exit_code == _INTERRUPTED else "SIGTERM"
        elif (self.writer.ledger.path / STOP).exists():
            reason = "labkeras sweep stop"
        if not reason:
            return ""
        for one in self._running:
            one.asked = one.asked or "stopped"
            one.job.stop(_SECONDS_FOR_CHECKPOINT)
        if self._signals.count(_INTERRUPTED) > 1:
            self._end_now()
        return f"{reason}: what was running goes on when the sweep is continued"

    def _end_now(self) -> None:
        self.launcher.close()
        for one in self._running:
            outcome = outcome_of(one.record.directory, None, self.objectives, "interrupted")
            self._end(one.record, outcome, time.monotonic() - one.started, one.trial)
        self._running.clear()

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Within it, Ctrl-C and SIGTERM ask the sweep to end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

        signal.signal(signal.SIGINT, lambda number, frame: self._signals.append(_INTERRUPTED))
        signal.signal(signal.SIGTERM, lambda number, frame: self._signals.append(_PREEMPTED))
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


class _Reporter:
    """What a run in this process reports to."""

    def __init__(
        self, number: int, monitor: str | None, observers: Sequence[Observer], trial: "StudyTrial | None"
    ) -> None:
        self._number, self._monitor, self._observers, self._trial = number, monitor, observers, trial

    def report(self, value: float, step: int) -> None:
        for observer in self._observers:
            observer.trial_progress(self._number, {"epoch": step + 1, str(self._monitor): value})
        if self._trial is not None:
            self._trial.report(value, step)

    def should_prune(self) -> bool:
        return self._trial is not None and self._trial.should_prune()


def _nothing(state: str, failure: dict[str, Any]) -> Outcome:
    """The outcome of a trial that came to nothing."""
    return {"state": state, "values": None, "metrics": {}, "epochs": None, "parameters": None, "failure": failure}
