"""Whether the folder that a command names is in use, asked before anything that takes seconds."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser

from labkeras.experiment.config.hydra_session import parsed
from labkeras.experiment.runs.lock import FolderLock, is_locked

__all__ = ["refuse_if_busy"]


def refuse_if_busy(overrides: Sequence[str], key: str, lock: str, what: str) -> None:
    """Says at once that another process works in the folder: to compose and to check takes longer.

    Args:
        overrides: of the command.
        key: the one that names the folder: "run_dir".
        lock: the name of the lock's file.
        what: what the folder is, for the message.

    Raises:
        RunDirectoryError: naming process and host.
    """
    lines = [line for line in overrides if line.lstrip("+").startswith(f"{key}=")]
    fitting, _ = parsed(lines[-1:], OverridesParser.create())
    for override in fitting:
        path = Path(str(override.value())) / lock
        if is_locked(path):
            with FolderLock(path, what):  # raises, naming the process; if that is gone by now, all is well
                pass
