"""What hooks are told about: a run, a sweep and its trials; and what some of them return."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ReportSection", "Run", "Subcommand", "Sweep", "Trial"]


@dataclass(frozen=True)
class Run:
    """A run, as hooks see it.

    Args:
        directory: its folder; a plugin may write files of its own there, in a folder named after itself.
        name: of the experiment, if it has one.
        config: the whole config, resolved, as plain values; not to be changed.
        seed: of all random generators.
        is_resumed: whether it goes on from a checkpoint.
        sweep: the folder of the sweep that it is a trial of, if it is one.
        trial: its number in the sweep.
    """

    directory: Path
    name: str | None
    config: Mapping[str, Any]
    seed: int
    is_resumed: bool = False
    sweep: Path | None = None
    trial: int | None = None


@dataclass(frozen=True)
class Sweep:
    """A sweep, as hooks see it.

    Args:
        directory: its folder.
        name: of the experiment.
        objectives: (name of the value, "max" or "min"), of each value that is sought.
    """

    directory: Path
    name: str
    objectives: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Trial:
    """A trial of a sweep.

    Args:
        number: from 0.
        directory: of its run.
        params: full key → value of what the sweep chose.
        state: "done", "pruned", "failed", "killed", "timeout", "preempted", "interrupted", "running" or "waiting".
        values: of the objectives, in their order; None unless it is done.
        metrics: those of the best epoch, and of the test.
        seconds: that it took, in all attempts.
        failure: "kind" and "error", if it failed.
    """

    number: int
    directory: Path
    params: Mapping[str, Any]
    state: str
    values: tuple[float, ...] | None
    metrics: Mapping[str, Any]
    seconds: float
    failure: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Subcommand:
    """A verb of the command `labkeras`.

    Args:
        summary: what it does, for `labkeras --help`.
        function: "module:name" of a function that takes the words after the verb and returns the exit code; imported
            when the verb is used.
    """

    summary: str
    function: str


@dataclass(frozen=True)
class ReportSection:
    """A section of a sweep's report.

    Args:
        title: its heading.
        body: Markdown, or HTML without scripts and external resources, as was asked for.
        order: sections come in this order, after labkeras's own; equal ones by the plugins' names.
    """

    title: str
    body: str
    order: int = 100
