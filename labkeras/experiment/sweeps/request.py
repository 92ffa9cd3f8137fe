"""What a sweep is asked for, and what it hands back. Neither torch nor Optuna is needed for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from labkeras.experiment.config.hydra_session import CONFIG_NAME
from labkeras.experiment.sweeps.ledger import Ledger

__all__ = ["SweepRequest", "SweepResult", "continuing"]


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as a command asks for it.

    Args:
        overrides: those of the command line, as they were given: fixed ones, those with several values, `sweeper.…`,
            `launcher.…` and `sweep_dir=…`.
        command: the whole command, which continues the sweep when it is given again; written down.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.
        quiet: whether nothing is shown while the sweep runs.
    """

    overrides: Sequence[str]
    command: Sequence[str] = field(default_factory=list)
    config_name: str = CONFIG_NAME
    config_dir: str | None = None
    quiet: bool = False


@dataclass(frozen=True)
class SweepResult:
    """What a sweep left behind.

    Args:
        directory: its folder.
        ledger: what happened.
        reason: why it ended, a sentence.
        exit_code: 0 if it came to its end and no trial failed, 1 if any did, 75 after SIGTERM, 130 after Ctrl-C.
        continue_with: the command that continues it.
    """

    directory: Path
    ledger: Ledger
    reason: str
    exit_code: int
    continue_with: list[str]


def continuing(command: Sequence[str], directory: Path) -> list[str]:
    """The command that goes on with a sweep: the one that started it, with its folder named.

    Args:
        command: that started it.
        directory: the sweep's folder.
    """
    if any(word.lstrip("+").startswith("sweep_dir=") for word in command):
        return list(command)
    return [*command, f"sweep_dir={directory}"]
