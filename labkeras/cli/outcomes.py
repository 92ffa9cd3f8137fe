"""What `labkeras train` says: faults to standard error, results to standard output."""

import json
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labkeras.errors import LabkerasError

__all__ = ["failure", "finished", "interrupted", "sweep_finished"]

_NOT_AGAIN = ("run_dir=", "optimizer.learning_rate=")  # overrides that do not go with a sweep over learning rates


def failure(error: Exception) -> None:
    """Says why nothing, or nothing more, was run; of an error that is not ours, also where in the code it happened."""
    if isinstance(error, LabkerasError):
        notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", []))
        print(f"labkeras: {error}{notes}", file=sys.stderr)
    else:
        traceback.print_exception(error)


def interrupted(error: KeyboardInterrupt) -> None:
    """Says that Ctrl-C was heard, and where the run's folder is."""
    notes = "; ".join(getattr(error, "__notes__", [])) or "nothing was started"
    print(f"\nlabkeras: interrupted; {notes}", file=sys.stderr)


def finished(result: Mapping[str, Any], overrides: Sequence[str], sweep: bool) -> None:
    """Says what a run came to and, unless it is one of a sweep, what to try next."""
    folder = _short(result["run_dir"])
    tested = {name: value for name, value in result.items() if name.startswith("test_")}
    scores = ", ".join(f"{name.replace('_', ' ', 1)}: {value:.4f}" for name, value in _accuracy_first(tested))
    if sweep:
        print(f"{folder}: {scores or 'done'}  [{' '.join(overrides)}]")
        return
    print(f"{scores or 'done'}\nrun directory: {folder}\n\nNext:")
    print(f"  {_program('tensorboard')} --logdir {folder}")
    again = [shlex.quote(line) for line in overrides if not line.startswith(_NOT_AGAIN)]
    print(" ".join([f"  {_program('labkeras')} train -m", *again, "optimizer.learning_rate=0.01,0.003,0.001"]))


def sweep_finished(folder: Path) -> None:
    """Says which run of a sweep was best, by what it monitored."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*/result.json"))]
    done = [result for result in results if result["state"] == "done"]
    print(f"\n{len(done)} of {len(results)} runs done in {_short(str(folder))}")
    ranked = [result for result in done if result["best"] is not None]
    if ranked:
        choose = max if ranked[0]["mode"] == "max" else min
        best = choose(ranked, key=lambda result: result["best"][result["monitor"]])
        print(f"best: {_short(best['run_dir'])}, {best['monitor']}: {best['best'][best['monitor']]:.4f}")
    print(f"\nNext:\n  {_program('tensorboard')} --logdir {_short(str(folder))}")


def _accuracy_first(tested: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(tested.items(), key=lambda item: ("accuracy" not in item[0], item[0]))


def _short(folder: str) -> str:
    """A path from here, if that is a way down, and else the whole."""
    relative = os.path.relpath(folder)
    return folder if relative.startswith("..") else relative


def _program(name: str) -> str:
    """A command as it can be typed here: by its name, or by its path where it is not on the search path."""
    if shutil.which(name) is not None:
        return name
    beside = Path(sys.executable).with_name(name)
    return _short(str(beside)) if beside.exists() else f"{_short(sys.executable)} -m {name}"
