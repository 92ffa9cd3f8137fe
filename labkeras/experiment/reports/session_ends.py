"""Ends of sessions in TensorBoard's HParams tab, for trials that could not write theirs: they were killed."""

from datetime import datetime
from pathlib import Path

from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

from labkeras.experiment.reports.columns import events
from labkeras.experiment.reports.study import Study
from labkeras.experiment.sweeps.ledger import TrialRecord
from labkeras.files import atomic_write

__all__ = ["end_sessions"]

# By its name the last file that TensorBoard reads; a trial that is run again takes it away with its other events.
_NAME = "events.out.tfevents.9999999999.end"
_PATTERN = "events.out.tfevents.*"
_WITHOUT_A_WORD = ("killed", "timeout", "failed")


def end_sessions(study: Study) -> None:
    """Writes for each trial that was killed how it ended; else TensorBoard has it under "unknown" for ever.

    Args:
        study: of the sweep.
    """
    for trial in study.trials:
        if trial.state in _WITHOUT_A_WORD and (folder := _open_session(trial.directory)) is not None:
            info = SessionEndInfo(status=Status.Value("STATUS_FAILURE"), end_time_secs=_ended(trial))
            data = events(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=info), info.end_time_secs)
            with atomic_write(folder / _NAME, "wb", durable=False) as file:
                file.write(data)


def _open_session(trial: Path) -> Path | None:
    """The folder of a session that was begun and not ended."""
    for start in sorted(trial.glob(f"*/{_PATTERN}")):
        written = [path.read_bytes() for path in start.parent.glob(_PATTERN)]
        begun, ended = (
            any(tag.encode() in data for data in written)
            for tag in (metadata.SESSION_START_INFO_TAG, metadata.SESSION_END_INFO_TAG)
        )
        if begun and not ended:
            return start.parent
    return None


def _ended(trial: TrialRecord) -> float:
    try:
        return datetime.fromisoformat(trial.ended or "").timestamp()
    except ValueError:
        return 0.0
