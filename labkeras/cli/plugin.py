"""`labkeras plugin list`: the plugins that were loaded, and those that were set aside."""

import argparse
import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict

from labkeras.errors import PluginWarning
from labkeras.plugins.manager import plugins, problems
from labkeras.registry import KINDS, registry_of

__all__ = ["main"]

_PLUGIN_PROBLEM = 3


def main(arguments: Sequence[str]) -> int:
    """Lists plugins; the exit code is 3 if something is wrong with one."""
    parser = argparse.ArgumentParser("labkeras plugin", description="Lists plugins: what they add, what is wrong.")
    parser.add_argument("action", choices=["list"])
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # the same is listed below
        rows = [_row(plugin.distribution, plugin.version, plugin.name) for plugin in plugins()]
    faults = problems()
    if options.json:
        print(
            json.dumps({"plugins": rows, "problems": [asdict(fault) for fault in faults]}, indent=2, ensure_ascii=False)
        )
    else:
        print("\n".join([_line(row) for row in rows] or ["no plugins are installed"]))
        for fault in faults:
            print(f"\n{fault}")
    return _PLUGIN_PROBLEM if faults else 0


def _row(distribution: str, version: str, name: str) -> dict[str, object]:
    offers = {
        kind: [entry.name for entry in registry_of(kind).entries() if entry.provider == distribution] for kind in KINDS
    }
    return {
        "distribution": distribution,
        "version": version,
        "name": name,
        "components": {kind: names for kind, names in offers.items() if names},
    }


def _line(row: dict[str, object]) -> str:
    components = row["components"]
    assert isinstance(components, dict)
    offers = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in components.items()) or "nothing"
    return f"{row['distribution']} {row['version']}  {offers}"
