"""`labkeras plugin check`: looks at each component of a plugin, property by property."""

import argparse
import contextlib
import json
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from labkeras.cli.plugin_finding import Found, found_plugin
from labkeras.errors import LabkerasError, PluginError
from labkeras.registry import KINDS, Entry, registry_of
from labkeras.testing.kinds import Looked, case_of, declared
from labkeras.testing.properties import Outcome, outcomes

__all__ = ["main"]

_BAD_USAGE, _PLUGIN_PROBLEM = 2, 3
_SIGNS = {"passed": "[green]✓[/]", "failed": "[red]✗[/]", "skipped": "skip", "not applicable": "–"}


@dataclass
class _Checked:
    """A component, and how it stands to each property; or why it could not be looked at."""

    kind: str
    name: str
    fault: str = ""
    looked: Looked | None = None
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def is_faulty(self) -> bool:
        return bool(self.fault) or any(one.state == "failed" for one in self.outcomes)


def main(arguments: Sequence[str]) -> int:
    """Checks a plugin; the exit code is 3 if something is wrong with it, 2 if there is no such plugin."""
    parser = argparse.ArgumentParser(
        "labkeras plugin check",
        description="Looks at each component of a plugin: config, shapes, data types, gradients, files, processes, …",
    )
    parser.add_argument("name", help="of its distribution, entry point or module; or the folder of its package")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    with warnings.catch_warnings(), contextlib.ExitStack() as stack:
        # A fault is a line of the table; what torch and Lightning say of small data is none.
        warnings.simplefilter("ignore")
        try:
            plugin = stack.enter_context(found_plugin(options.name))
        except PluginError as error:
            print(f"labkeras plugin check: {error}", file=sys.stderr)
            return _PLUGIN_PROBLEM
        except LabkerasError as error:
            print(f"labkeras plugin check: {error}", file=sys.stderr)
            return _BAD_USAGE
        checked = list(_all_checked(plugin, Console(stderr=True)))
    if options.json:
        print(json.dumps(_as_json(plugin, checked), indent=2, ensure_ascii=False))
    else:
        _show(plugin, checked)
    return _PLUGIN_PROBLEM if plugin.faults or any(one.is_faulty for one in checked) else 0


def _all_checked(plugin: Found, console: Console) -> Iterator[_Checked]:
    entries = [
        (kind, entry)
        for kind in KINDS
        for entry in registry_of(kind).entries()
        if entry.provider == plugin.distribution
    ]
    try:
        said = declared(plugin.module, [f"{kind}/{entry.name}" for kind, entry in entries])
    except PluginError as error:
        plugin.faults.append(str(error))
        said = {}
    # Before the folder changes: a module may lie in this one.
    started = [_started(kind, entry, said.get(f"{kind}/{entry.name}", {})) for kind, entry in entries]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), console.status("") as status:
        for one in started:
            status.update(f"{one.kind}/{one.name}")
            if one.looked is not None:
                try:
                    one.outcomes = list(outcomes(one.looked.properties, one.looked.case, one.looked.skip))
                except LabkerasError as error:  # `skip` names what there is not
                    one.fault = str(error)
            yield one


def _started(kind: str, entry: Entry, said: Any) -> _Checked:
    try:
        return _Checked(kind, entry.name, looked=case_of(kind, entry.name, entry.load(), said))
    except LabkerasError as error:
        return _Checked(kind, entry.name, fault=str(error))


def _show(plugin: Found, checked: list[_Checked]) -> None:
    console = Console()
    console.print(f"{plugin.distribution} {plugin.version}".rstrip(), highlight=False)
    for kind in dict.fromkeys(one.kind for one in checked if one.outcomes):
        console.print(_table(kind, [one for one in checked if one.kind == kind and one.outcomes]))
    if not checked:
        console.print("it offers no components")
    for fault in plugin.faults:
        console.print(f"\n{fault}", highlight=False, markup=False, soft_wrap=True)
    for one in checked:
        if one.fault:
            console.print(f"\n{one.kind}/{one.name}: {one.fault}", highlight=False, markup=False, soft_wrap=True)
        for outcome in one.outcomes:
            if outcome.state == "failed":
                text = f"\n{one.kind}/{one.name}, {outcome.name}: {outcome.reason}\n  To do: {outcome.advice}"
                console.print(text, highlight=False, markup=False, soft_wrap=True)
    faults = sum(outcome.state == "failed" for one in checked for outcome in one.outcomes)
    faults += len(plugin.faults) + sum(bool(one.fault) for one in checked)
    console.print("\nnothing is wrong" if not faults else f"\n{faults} {'fault' if faults == 1 else 'faults'}")


def _table(kind: str, checked: list[_Checked]) -> Table:
    table = Table(title=kind, title_justify="left")
    table.add_column("property")
    for one in checked:
        table.add_column(one.name, justify="center")
    table.add_column("where not looked at, why")
    for row in zip(*(one.outcomes for one in checked), strict=True):
        reasons = dict.fromkeys(one.reason for one in row if one.state in ("not applicable", "skipped"))
        table.add_row(row[0].name, *(_SIGNS[one.state] for one in row), "; ".join(reasons))
    return table


def _as_json(plugin: Found, checked: list[_Checked]) -> dict[str, Any]:
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "faults": plugin.faults,
        "components": [
            {
                "kind": one.kind,
                "name": one.name,
                "fault": one.fault,
                "properties": [asdict(each) for each in one.outcomes],
            }
            for one in checked
        ],
    }
