"""`labkeras plugin list|new|check`: the plugins that there are, a new one, and whether one does what it should."""

import importlib
import sys
from collections.abc import Sequence

from labkeras.errors import did_you_mean

__all__ = ["ACTIONS", "main"]

ACTIONS = {
    "list": "the plugins that there are, what they add, in which order their hooks are called, what is wrong",
    "new": "makes a package with a layer, a loss, …, whose tests pass: labkeras plugin new spline --layer --loss",
    "check": "looks at each component of a plugin: labkeras plugin check labkeras-spline",
}
"""action → what it does."""

_BAD_USAGE = 2


def main(arguments: Sequence[str]) -> int:
    """Runs an action.

    Args:
        arguments: the action, and its own.

    Returns:
        The exit code: 0 done, 2 something is wrong with the command, 3 with a plugin.
    """
    action = arguments[0] if arguments else "--help"
    if action in ACTIONS:
        code: int = importlib.import_module(f"labkeras.cli.plugin_{action}").main(arguments[1:])
        return code
    if action in ("--help", "-h"):
        lines = (f"  labkeras plugin {name:5}  {summary}" for name, summary in ACTIONS.items())
        print("\n".join(["usage: labkeras plugin ACTION …\n", *lines, "\n`labkeras plugin ACTION --help` says more."]))
        return 0 if arguments else _BAD_USAGE
    print(
        f"labkeras plugin: there is no action {action!r}.{did_you_mean(action, ACTIONS)} There are: "
        f"{', '.join(ACTIONS)}.",
        file=sys.stderr,
    )
    return _BAD_USAGE
