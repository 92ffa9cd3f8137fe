"""`labkeras sweep status|resume|stop|report DIR`: a sweep that there is already.

`resume` is the command that started the sweep, given again.
"""

import argparse
import json
import shlex
from collections.abc import Callable, Sequence
from typing import Any

from labkeras.cli import outcomes
from labkeras.experiment.runs.directory import json_value
from labkeras.experiment.sweeps.managing import resume_sweep, status_of, stop_sweep

__all__ = ["main"]

_ACTIONS = {
    "status": "how many trials are done, running and failed, the best one, and who works at it",
    "resume": "go on with it: nothing that is finished is repeated",
    "stop": "ask it to end; what runs writes a checkpoint first",
    "report": "write leaderboard.csv, report.md and report.html anew",
}


def main(arguments: Sequence[str]) -> int:
    """Looks at a sweep, goes on with it, stops it or reports on it.

    Args:
        arguments: those after the verb.

    Returns:
        The exit code; of `resume`, that of the sweep.
    """
    parser = argparse.ArgumentParser("labkeras sweep", description="A sweep that there is already.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="|".join(_ACTIONS))
    for action, summary in _ACTIONS.items():
        one = actions.add_parser(action, help=summary, description=summary)
        one.add_argument("dir", help="the sweep's folder: runs/sweeps/NAME/ID")
        one.add_argument("--json", action="store_true", help="the answer as JSON")
    options = parser.parse_args(arguments)
    does: dict[str, Callable[[str, bool], int]] = {
        "status": _status,
        "resume": _resume,
        "stop": _stop,
        "report": _report,
    }
    return outcomes.outcome(lambda: does[options.action](options.dir, options.json))


def _status(folder: str, as_json: bool) -> int:
    status = status_of(folder)
    if as_json:
        return _printed(status)
    driver = status["driven_by"]
    print(f"sweep {status['name']} in {outcomes.short(status['sweep_dir'])}")
    print(", ".join(f"{count} {state}" for state, count in status["states"].items()) or "no trial yet")
    if status["failures"]:
        print("failures: " + ", ".join(f"{count} {kind}" for kind, count in status["failures"].items()))
    if status["best"] is not None:
        names = [objective["monitor"] for objective in status["objectives"]]
        values = ", ".join(f"{name}: {value:.4f}" for name, value in zip(names, status["best"]["values"], strict=True))
        print(f"best: trial {status['best']['trial']}, {values}  [{' '.join(status['best']['overrides'])}]")
    if driver is not None:
        print(f"process {driver.get('pid')} on {driver.get('host')} works at it")
        return 0
    print(f"nobody works at it; it ended: {status['stopped']['reason']}" if status["stopped"] else "it was killed")
    print(f"go on: {outcomes.program('labkeras')} sweep resume {shlex.quote(folder)}")
    return 0


def _resume(folder: str, as_json: bool) -> int:
    swept = resume_sweep(folder)
    if as_json:
        _printed({**status_of(swept.directory), "reason": swept.reason})
    else:
        outcomes.sweep_finished(swept)
    return swept.exit_code


def _stop(folder: str, as_json: bool) -> int:
    driver = stop_sweep(folder)
    if as_json:
        return _printed(driver)
    print(f"asked process {driver.get('pid')} on {driver.get('host')} to end")
    return 0


def _report(folder: str, as_json: bool) -> int:
    from labkeras.experiment.reports.writer import write_reports  # imports NumPy and more; the status does without

    path = write_reports(folder)
    if as_json:
        return _printed({"report": str(path)})
    print(outcomes.short(str(path)))
    return 0


def _printed(value: Any) -> int:
    print(json.dumps(json_value(value), indent=2, ensure_ascii=False))
    return 0
