"""`labkeras tensorboard [RUNS…]`: runs and sweeps in TensorBoard, on this machine alone; or what it has to show."""

import argparse
import json
import signal
import sys
import time
import webbrowser
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from labkeras.cli import outcomes
from labkeras.experiment.boards.faults import faults_of
from labkeras.experiment.boards.seen import Seen, Tab, seen_by
from labkeras.experiment.boards.server import serving
from labkeras.experiment.boards.views import View, viewed

__all__ = ["main"]

_LOOPBACK = "127.0.0.1"
_SECONDS_BETWEEN_LOOKS = 5.0
_MOST_ITEMS = 4
_TERMINATED = 128 + signal.SIGTERM


def main(arguments: Sequence[str]) -> int:
    """Starts TensorBoard for runs, until Ctrl-C; or says what it would show.

    Args:
        arguments: those after the verb.

    Returns:
        The exit code: of `--check` 1 if there is nothing to show, or event files are damaged.
    """
    parser = argparse.ArgumentParser(
        "labkeras tensorboard",
        description="Shows runs and sweeps in TensorBoard, at an address of this machine, until Ctrl-C.",
        epilog="examples: labkeras tensorboard latest; labkeras tensorboard runs/sweeps/digits_mlp/ID --check",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        metavar="RUN",
        help="runs and sweeps: folders, names or ids below runs/, or `latest`; everything below runs/ unless named",
    )
    parser.add_argument("--port", type=_port, metavar="N", help="0: any that is free; default: 6006 or the next free")
    parser.add_argument(
        "--host", default=_LOOPBACK, help=f"where it is found; default: {_LOOPBACK}, this machine alone"
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")
    parser.add_argument("--check", action="store_true", help="say what each tab has to show, and end")
    parser.add_argument("--json", action="store_true", help="that, or the address, as JSON")
    options = parser.parse_args(arguments)
    return outcomes.outcome(lambda: _check(options) if options.check else _serve(options))


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 0xFFFF):
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535. Received: {text!r}")
    return int(text)


def _serve(options: argparse.Namespace) -> int:
    # As Ctrl-C does, so that the folder of links does not stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    with viewed(options.runs) as view, serving(view.folder, options.host, options.port) as address:
        shown = [outcomes.short(str(source)) for source in view.sources]
        if options.json:
            print(json.dumps({"url": address, "shows": shown}), flush=True)
        else:
            print(f"TensorBoard: {address}\nshows {', '.join(shown)}; Ctrl-C ends it", flush=True)
        if options.open:
            webbrowser.open(address)
        try:
            while True:
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                view.refresh()
        except KeyboardInterrupt:
            return 0


def _check(options: argparse.Namespace) -> int:
    with viewed(options.runs) as view:
        faults, notes = faults_of(view.folder)
        with serving(view.folder, options.host, options.port or 0, once=True) as address:
            seen = seen_by(address)
        if options.json:
            found = {"shows": [str(source) for source in view.sources], **seen.as_json()}
            print(json.dumps({**found, "faults": faults, "notes": notes}, indent=2, ensure_ascii=False))
        else:
            _show(view, seen, faults, notes)
    return 1 if faults else 0


def _show(view: View, seen: Seen, faults: Sequence[str], notes: Sequence[str]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, where in (("tab", "left"), ("runs", "right"), ("items", "right"), ("", "left")):
        table.add_column(title, justify=where)  # type: ignore[arg-type]  # the two literals that rich takes
    for tab in seen.tabs:
        count = str(len(tab.items)) if tab.items else "–"
        table.add_row(tab.name, str(tab.runs or "–"), count, escape(_about(tab)), style=None if tab.items else "dim")
    console = Console(highlight=False)
    console.print(f"{', '.join(outcomes.short(str(source)) for source in view.sources)}: {len(seen.runs)} runs\n")
    console.print(table)
    for note in notes:
        console.print(f"\n{note}", markup=False, soft_wrap=True)
    for fault in faults:
        print(f"labkeras: {fault}", file=sys.stderr)


def _about(tab: Tab) -> str:
    if tab.about:
        return tab.about
    more = len(tab.items) - _MOST_ITEMS
    return ", ".join(tab.items[:_MOST_ITEMS]) + (f", and {more} more" if more > 0 else "")
