"""`labkeras plugin list`: the plugins that there are, what they add, their hooks, and what is wrong with them."""

import argparse
import json
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from labkeras.errors import PluginWarning
from labkeras.plugins.cache import remembering
from labkeras.plugins.manager import Plugin, hook_order, known_plugins, left_out, problems
from labkeras.registry import KINDS, registry_of

__all__ = ["main"]

_PLUGIN_PROBLEM = 3


def main(arguments: Sequence[str]) -> int:
    """Lists plugins; the exit code is 3 if something is wrong with one."""
    parser = argparse.ArgumentParser(
        "labkeras plugin list", description="Lists plugins: what they add, the order of their hooks, what is wrong."
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    remembering()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)  # the same is listed below
        found: dict[str, Any] = {
            "plugins": [_row(plugin) for plugin in known_plugins()],
            "hooks": hook_order(),
            "left_out": [asdict(one) for one in left_out()],
            "problems": [asdict(one) for one in problems()],
        }
    if options.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print("\n\n".join(_parts(found)))
    return _PLUGIN_PROBLEM if found["problems"] else 0


def _row(plugin: Plugin) -> dict[str, Any]:
    offers = {
        kind: [entry.name for entry in registry_of(kind).entries() if entry.provider == plugin.distribution]
        for kind in KINDS
    }
    return {
        "distribution": plugin.distribution,
        "version": plugin.version,
        "name": plugin.name,
        "local": plugin.is_local,
        "components": {kind: names for kind, names in offers.items() if names},
    }


def _parts(found: dict[str, Any]) -> list[str]:
    parts = [
        "\n".join(map(_line, found["plugins"])) or "no plugins are installed: `labkeras plugin new NAME` makes one"
    ]
    if found["hooks"]:
        lines = (f"  {hook}: {', '.join(names)}" for hook, names in found["hooks"].items())
        parts.append("\n".join(["hooks, and who is called in which order:", *lines]))
    parts += [
        f"the plugin {one['name']!r} of {one['distribution']!r} is not used: {one['error']}"
        for one in found["left_out"]
    ]
    return parts + [str(problem) for problem in problems()]


def _line(row: dict[str, Any]) -> str:
    offers = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in row["components"].items()) or "no components"
    where = "(local)" if row["local"] else row["version"]
    return f"{row['distribution']} {where}  {offers}"
