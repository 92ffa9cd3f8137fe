"""`labkeras list`: what can be named in configs and in Python."""

import argparse
import json
import sys
from collections.abc import Sequence

from labkeras.cli.summaries import summary_of
from labkeras.errors import InvalidArgumentError
from labkeras.experiment.config.manifest import known_summary
from labkeras.plugins.cache import remembering
from labkeras.registry import KINDS, Entry, registry_of

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Lists the components of a kind, or the kinds with how many there are of each."""
    parser = argparse.ArgumentParser("labkeras list", description="Lists what can be named in configs and in Python.")
    parser.add_argument("kind", nargs="?", help=f"one of: {', '.join(KINDS)}")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)
    remembering()
    try:
        kinds = KINDS if options.kind is None else (options.kind,)
        found = {kind: registry_of(kind).entries() for kind in kinds}
    except InvalidArgumentError as error:
        print(f"labkeras list: {error}", file=sys.stderr)
        return 2
    if options.json:
        rows = [_row(entry) for entries in found.values() for entry in entries]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif options.kind is None:
        print("\n".join(f"{len(entries):4} {kind}" for kind, entries in found.items()))
        print("\n`labkeras list KIND` shows them.")
    else:
        print(_table([_row(entry) for entry in found[options.kind]]))
    return 0


def _row(entry: Entry) -> dict[str, str]:
    return {
        "kind": entry.kind,
        "name": entry.name,
        "provider": entry.provider,
        "summary": known_summary(entry) or summary_of(entry.location),
    }


def _table(rows: Sequence[dict[str, str]]) -> str:
    if not rows:
        return "none"
    names, providers = (max(len(row[key]) for row in rows) for key in ("name", "provider"))
    return "\n".join(f"{row['name']:{names}}  {row['provider']:{providers}}  {row['summary']}".rstrip() for row in rows)
