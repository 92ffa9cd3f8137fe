"""The studies of the plugins in `plugins/`: runs the sweep of one, and writes its figures and its tables.

    python experiments/plugin_studies.py labkeras-kan kan_digits
    python experiments/plugin_studies.py labkeras-kan kan_digits --tables

A study is a file `experiments/<study>.py` of a plugin, as `study.py` is of a study here (see `studies.py`), and an
experiment of the same name that the plugin ships. Its trials become `experiments/<study>.csv`, a line each, and that
the tables in the plugin's README, which stand between `<!-- <study> -->` and `<!-- end -->`. The plugin need not be
installed. `--tables` only makes the tables again.
"""

import argparse
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

from studies import command, read_runs, write_runs

from labkeras.experiment.sweeps.ledger import Ledger, read_ledger

__all__ = ["study_of", "write"]

ROOT = Path(__file__).parent.parent


def study_of(plugin: str, name: str) -> ModuleType:
    """The module of a study.

    Args:
        plugin: the folder's name: "labkeras-kan".
        name: the study's.
    """
    path = ROOT / "plugins" / plugin / "experiments" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"study_{name}", path)
    if spec is None or spec.loader is None or not path.exists():
        known = sorted(str(found.relative_to(ROOT)) for found in ROOT.glob("plugins/*/experiments/*.py"))
        sys.exit(f"there is no {path.relative_to(ROOT)}; there are {', '.join(known)}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(plugin: str, name: str, ledger: Ledger | None = None) -> None:
    """Writes a study's figures from a ledger, unless there is none, and the README's tables from the figures.

    Args:
        plugin: the folder's name.
        name: the study's.
        ledger: of its sweep.
    """
    folder, study = ROOT / "plugins" / plugin, study_of(plugin, name)
    if ledger is not None:
        write_runs(folder / "experiments" / f"{name}.csv", ledger, study)
    made = iter(study.tables(read_runs(folder / "experiments", f"{name}.csv")))
    readme = folder / "README.md"
    place = re.compile(rf"<!-- {name} -->\n.*?<!-- end -->", re.DOTALL)
    text = readme.read_text(encoding="utf-8")
    readme.write_text(place.sub(lambda _: _marked(name, next(made)), text), encoding="utf-8")


def _marked(name: str, table: str) -> str:
    return f"<!-- {name} -->\n\n{table}\n\n<!-- end -->"


def _run(plugin: str, name: str) -> Ledger:
    source, module = ROOT / "plugins" / plugin / "src", plugin.replace("-", "_")
    paths = [str(ROOT), str(source), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Named as a module, not as what is installed: the sweep must be one of the code that is here.
    words = [sys.executable, "-m", "labkeras", "-p", module, *command(name)]
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)})
    if done.returncode not in (0, 1):  # 1: some trials failed, and the tables say so
        sys.exit(done.returncode)
    ledger = read_ledger(ROOT / "runs" / "sweeps" / name)
    if ledger.stopped is None or not all(trial.is_finished for trial in ledger.trials):
        sys.exit("the sweep has not come to its end; the same command goes on with it")
    return ledger


def main() -> None:
    """Runs a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plugin", help="the plugin's folder: labkeras-kan")
    parser.add_argument("study", help="which of its studies")
    parser.add_argument("--tables", action="store_true", help="only make the tables again, from the figures")
    arguments = parser.parse_args()
    ledger = None if arguments.tables else _run(arguments.plugin, arguments.study)
    write(arguments.plugin, arguments.study, ledger)


if __name__ == "__main__":
    main()
