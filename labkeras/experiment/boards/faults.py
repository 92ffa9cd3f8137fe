"""What is wrong with the event files of runs, in sentences."""

import os
from pathlib import Path

from labkeras.errors import RunDirectoryError
from labkeras.experiment.boards.event_files import EventFile, event_files
from labkeras.experiment.runs.directory import RunDirectory

__all__ = ["faults_of"]

_ENDED = ("done", "pruned")
_EMPTY = 1  # a file that says only of which version it is


def faults_of(folder: Path) -> tuple[list[str], list[str]]:
    """Reads all event files below a folder.

    Args:
        folder: what TensorBoard is given.

    Returns:
        What is wrong, a sentence each; and what is as it must be but may surprise.
    """
    files = list(event_files(folder))
    if not any(file.records > _EMPTY for file in files):
        damaged = [fault for file in files if (fault := _fault(file)) is not None]
        return damaged or [_nothing(folder, files)], []
    faults = [fault for file in files if (fault := _fault(file)) is not None]
    notes = [note for file in files if (note := _note(file)) is not None]
    return faults, notes


def _nothing(folder: Path, files: list[EventFile]) -> str:
    found = f"there are {len(files)} event files, and nothing in them" if files else "there are no event files"
    return f"{found}: a run writes some with logger=tensorboard, which is the default. Received: {_shown(folder)}"


def _fault(file: EventFile) -> str | None:
    name = _shown(file.path)
    if file.damage is not None:
        return f"an event file is damaged after {file.records} records, which TensorBoard shows: {name}: {file.damage}"
    if file.is_cut and _state(file.path) in _ENDED:
        return f"an event file ends within a record, and its run had ended; {file.records} records can be read: {name}"
    if file.records == 0 and not file.is_cut:
        return f"an event file is empty: {name}"
    return None


def _note(file: EventFile) -> str | None:
    if file.damage is None and file.is_cut and _state(file.path) not in _ENDED:
        name = _shown(file.path)
        return f"an event file ends within a record, as that of a run does that was killed, or goes on: {name}"
    return None


def _state(path: Path) -> str | None:
    """The state of the run that an event file is of; None if no run has written it."""
    for folder in path.resolve().parents:
        if (folder / "run.json").exists():
            try:
                return str(RunDirectory(folder).record().get("state"))
            except RunDirectoryError:
                return None
    return None


def _shown(path: Path) -> str:
    resolved = str(path.resolve())
    relative = os.path.relpath(resolved)
    return resolved if relative.startswith("..") else relative
