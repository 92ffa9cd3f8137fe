"""`labkeras reproduce RUN`: runs a run again from its own record, and says whether it came out the same."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from typing import Any

from labkeras.cli.outcomes import outcome, short
from labkeras.cli.with_run import run_named
from labkeras.experiment.runs.directory import json_value
from labkeras.experiment.runs.reproducing import Reproduction, reproduce

__all__ = ["main"]

_IDENTICAL, _DIFFERS = 0, 1


def main(arguments: Sequence[str]) -> int:
    """Runs a run again.

    Args:
        arguments: those after the verb.

    Returns:
        The exit code: 0 if the new run is identical, 1 if it differs.
    """
    parser = argparse.ArgumentParser(
        "labkeras reproduce", description="Runs a run again from its own record; says whether it came out the same."
    )
    parser.add_argument("run", help="the run's folder, its name or id below runs/, or `latest`")
    parser.add_argument("--run-dir", metavar="PATH", help="the folder of the new run; a new one below runs/ otherwise")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)

    def again() -> int:
        with redirect_stdout(sys.stderr) if options.json else nullcontext():  # progress is no JSON
            found = reproduce(run_named(options.run), options.run_dir)
        if options.json:
            print(json.dumps(json_value(_plain(found)), indent=2, ensure_ascii=False))
        else:
            print("\n".join(_lines(found)))
        return _IDENTICAL if found.is_identical else _DIFFERS

    return outcome(again)


def _plain(found: Reproduction) -> dict[str, Any]:
    return {**asdict(found), "run": str(found.run), "again": str(found.again), "identical": found.is_identical}


def _lines(found: Reproduction) -> list[str]:
    if found.is_identical:
        again, run = short(str(found.again)), short(str(found.run))
        lines = [f"identical: {again} came out as {run} did, to the last bit, over {found.epochs} epochs"]
    else:
        where = f"from epoch {found.epoch}" if found.epoch is not None else "in its results"
        lines = [f"differs {where}: {short(str(found.again))} from {short(str(found.run))}"]
        lines += _pairs(found.differences)
    if found.environment:
        lines += ["the environment differs:", *_pairs(found.environment)]
    elif not found.is_identical:
        lines.append("code, packages, machine and data are the same: something in the run is not deterministic")
    return lines


def _pairs(differences: Mapping[str, tuple[Any, Any]]) -> list[str]:
    return [f"  {key}: {_text(old)} → {_text(new)}{_gap(old, new)}" for key, (old, new) in differences.items()]


def _gap(old: Any, new: Any) -> str:
    return f"  ({new - old:+.3g})" if isinstance(old, float) and isinstance(new, float) else ""


def _text(value: Any) -> str:
    return "none" if value is None else str(value)
