"""How a command ends: results to standard output, faults to standard error, an exit code for each."""

import csv
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from labkeras.errors import LabkerasError, exit_code_of
from labkeras.experiment.runs.directory import RunDirectory
from labkeras.experiment.sweeps.request import SweepResult
from labkeras.plugins.choice import chosen_words

__all__ = ["finished", "outcome", "overfitted", "profiled", "program", "short", "sweep_finished"]

_NOT_AGAIN = ("run_dir=", "resume=", "optimizer.learning_rate=")  # what does not go with a sweep over learning rates


def outcome(action: Callable[[], int]) -> int:
    """Does what a command is there for, and says why if it cannot.

    Args:
        action: returns the exit code.

    Returns:
        The exit code, for errors too.
    """
    try:
        return action()
    except KeyboardInterrupt as error:
        notes = "; ".join(getattr(error, "__notes__", [])) or "nothing was started"
        print(f"\nlabkeras: interrupted; {notes}", file=sys.stderr)
        return exit_code_of(error)
    except LabkerasError as error:
        notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", []))
        print(f"labkeras: {error}{notes}", file=sys.stderr)
        return exit_code_of(error)
    except BrokenPipeError:
        raise  # whoever reads the output has enough of it: `main` knows what to do
    except Exception as error:  # not ours: also where in the code it happened
        traceback.print_exception(error)
        return exit_code_of(error)


def finished(result: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """Says what a run came to, and what to try next."""
    folder = short(result["run_dir"])
    tested = {name: value for name, value in result.items() if name.startswith("test_")}
    scores = ", ".join(f"{name.replace('_', ' ', 1)}: {value:.4f}" for name, value in _accuracy_first(tested))
    print(f"{scores or result.get('state', 'done')}\nrun directory: {folder}\n\nNext:")
    print(f"  {program('labkeras')} tensorboard {shlex.quote(folder)}")
    again = [shlex.quote(line) for line in overrides if not line.startswith(_NOT_AGAIN)]
    command = shlex.join([*chosen_words(), "train", "-m"])
    print(" ".join([f"  {program('labkeras')} {command}", *again, "optimizer.learning_rate=0.01,0.003,0.001"]))


def overfitted(result: Mapping[str, Any]) -> int:
    """Says whether the model learnt the few samples of `debug=overfit`; returns the exit code."""
    from labkeras.experiment.runs.debugging import overfit_verdict  # imports torch, which other commands do without

    learnt, sentence = overfit_verdict(RunDirectory(Path(result["run_dir"])).metrics())
    print(sentence)
    return 0 if learnt else 1


def profiled(result: Mapping[str, Any]) -> None:
    """Shows what `debug=profile` measured."""
    folder = Path(result["run_dir"]) / "profile"
    table = Table(box=None, pad_edge=False, header_style="bold")
    with (folder / "layers.csv").open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    for title, name in zip(("layer", "calls a step", "ms a step", "share"), header, strict=True):
        table.add_column(title, justify="left" if name == "layer" else "right")
    for layer, calls, milliseconds, share in rows:
        table.add_row(layer, calls, f"{float(milliseconds):.3f}", f"{float(share):.1%}")
    Console(highlight=False).print(table)
    print(f"\ntrace, for https://ui.perfetto.dev: {short(str(folder / 'trace.json'))}")


def sweep_finished(swept: SweepResult) -> None:
    """Says what a sweep came to: the best trial, where the report is, how to go on."""
    ledger, folder = swept.ledger, short(str(swept.directory))
    done, failed = ledger.of_state("done", "pruned"), ledger.of_state("failed", "killed", "timeout")
    print(f"\n{len(ledger.of_state('done'))} of {len(ledger.trials)} runs done in {folder}: {swept.reason}")
    if failed:
        kinds = sorted({str((trial.failure or {}).get("kind", trial.state)) for trial in failed})
        print(f"{len(failed)} failed ({', '.join(kinds)}): {short(str(failed[0].directory))}/logs/error.txt says more")
    best = ledger.best()
    if best is not None and best.values is not None:
        names = [objective["monitor"] for objective in ledger.objectives]
        values = ", ".join(f"{name}: {value:.4f}" for name, value in zip(names, best.values, strict=True))
        print(f"best: {short(str(best.directory))}, {values}  [{' '.join(best.overrides)}]")
    print("\nNext:")
    if done:
        print(f"  {folder}/report.html")
        print(f"  {program('labkeras')} tensorboard {shlex.quote(folder)}")
    if swept.exit_code in (75, 130) or not all(trial.is_finished for trial in ledger.trials):
        print(f"  {program('labkeras')} {shlex.join(swept.continue_with[1:])}")


def short(folder: str) -> str:
    """A path from here, if that is a way down, and else the whole."""
    relative = os.path.relpath(folder)
    return folder if relative.startswith("..") else relative


def program(name: str) -> str:
    """A command as it can be typed here: by its name, or by its path where it is not on the search path."""
    if shutil.which(name) is not None:
        return name
    beside = Path(sys.executable).with_name(name)
    return short(str(beside)) if beside.exists() else f"{short(sys.executable)} -m {name}"


def _accuracy_first(tested: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(tested.items(), key=lambda item: ("accuracy" not in item[0], item[0]))
