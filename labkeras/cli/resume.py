"""`labkeras resume RUN`: goes on with a run that was killed, interrupted, preempted, or that failed.

The same as its command with `resume=true run_dir=…`. What the run ends with is what it would have ended with.
"""

import argparse
import json
import sys
from collections.abc import Sequence

from labkeras.cli import outcomes
from labkeras.cli.with_run import run_named
from labkeras.experiment.runs.directory import json_value
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
    return outcomes.outcome(lambda: _go_on(options.run, options.json))


def _go_on(name: str, as_json: bool) -> int:
    folder = run_named(name)
    result = run(folder.config(), folder.overrides(), folder.path, resume=True, command=list(sys.argv))
    if "run_dir" not in result:  # another process of a distributed run: the first one speaks
        return 0
    if as_json:
        print(json.dumps(json_value(result), indent=2, ensure_ascii=False))
    else:
        outcomes.finished(result, folder.overrides())
    return 0
