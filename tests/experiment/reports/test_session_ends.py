"""How sessions end in TensorBoard's HParams tab, of trials that could not say so themselves."""

from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status

from labkeras.experiment.reports.writer import write_reports
from labkeras.experiment.runs.hparams import HParams
from tests.helpers.sweeps_by_hand import trial, write_sweep

UNITS = {"units": 1}


def begun(folder: Path) -> HParams:
    """The session of a run that has not ended."""
    return HParams(folder / "tb", "sweep/0000", UNITS)


def end_of(folder: Path) -> Any:
    """How the session ended; None if nothing says so."""
    events = EventAccumulator(str(folder / "tb"))
    events.Reload()
    content = events.PluginTagToContent(metadata.PLUGIN_NAME).get(metadata.SESSION_END_INFO_TAG)
    return None if content is None else metadata.parse_session_end_info_plugin_data(content)


@pytest.mark.parametrize("state", ["killed", "timeout"])
def test_a_trial_that_was_killed_is_a_failure_that_ended_when_it_was_noticed(tmp_path: Path, state: str) -> None:
    folder = write_sweep(tmp_path, [trial(UNITS, state=state), trial({"units": 2}, 0.9)])
    begun(folder / "0000")
    write_reports(folder)
    end = end_of(folder / "0000")
    assert Status.Name(end.status) == "STATUS_FAILURE"
    assert end.end_time_secs > 0


def test_a_trial_that_runs_or_waits_to_go_on_has_no_end(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, [trial(UNITS, state="running"), trial(UNITS, state="preempted")])
    for name in ("0000", "0001"):
        begun(folder / name)
    write_reports(folder)
    assert end_of(folder / "0000") is end_of(folder / "0001") is None


def test_what_a_trial_said_itself_stays(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, [trial(UNITS, state="failed", failure={"kind": "error", "error": "X: y"})])
    begun(folder / "0000").close("failed", {})
    before = sorted((folder / "0000" / "tb").iterdir())
    write_reports(folder)
    assert sorted((folder / "0000" / "tb").iterdir()) == before


def test_a_trial_without_event_files_gets_none(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, [trial(UNITS, state="killed")])
    write_reports(folder)
    assert not (folder / "0000" / "tb").exists()
