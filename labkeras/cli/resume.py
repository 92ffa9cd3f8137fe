"""`labkeras resume RUN`: goes on with a run that was killed, interrupted, preempted, or that failed.

The same as its command with `resume=true run_dir=…`. What the run ends with is what it would have ended with.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from labkeras.cli import outcomes
from labkeras.errors import exit_code_of
from labkeras.experiment.runs.directory import RunDirectory, find_run, json_value
from labkeras.experiment.runs.one_run import run

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Goes on with a run.

    Args:
        arguments: those after the verb.

    Returns:
        The exit code: 0 also if the run is done already.
    """
    parser = argparse.ArgumentParser("labkeras resume", description="Goes on with a run from its last checkpoint.")
    parser.add_argument("run", help="the run's folder, its name or id below runs/, or `latest`")
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    options = parser.parse_args(arguments)
    try:
        folder = find_run(options.run)
        result = _gone_on_with(folder)
    except KeyboardInterrupt as error:
        outcomes.interrupted(error)
        return exit_code_of(error)
    except Exception as error:
        outcomes.failure(error)
        return exit_code_of(error)
    if "run_dir" not in result:  # another process of a distributed run: the first one speaks
        return 0
    with suppress(BrokenPipeError):
        _say(result, folder, options.json)
    return 0


def _gone_on_with(folder: RunDirectory) -> dict[str, Any]:
    return run(folder.config(), folder.overrides(), folder.path, resume=True, command=list(sys.argv))


def _say(result: dict[str, Any], folder: RunDirectory, as_json: bool) -> None:
    if as_json:
        print(json.dumps(json_value(result), indent=2, ensure_ascii=False))
        return
    outcomes.finished(result, folder.overrides(), sweep=False)
