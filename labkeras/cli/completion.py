"""Tab completion: Hydra's, which knows of no verbs."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from labkeras.cli.main import VERBS

__all__ = ["completing"]

_LINE = "COMP_LINE"  # the shell puts there what has been typed


@contextmanager
def completing() -> Iterator[None]:
    """Within it Hydra sees the line that is completed without its verb; verbs are offered where one can stand."""
    line = os.environ.get(_LINE)
    if line is None:
        yield
        return
    program, _, typed = line.lstrip().partition(" ")
    verb = re.match(r"train\s+(.*)", typed.lstrip(), re.DOTALL)
    if verb is None and not re.search(r"\s", typed.strip()):
        for name in VERBS:
            if name.startswith(typed.strip()):
                print(name)
    try:
        os.environ[_LINE] = f"{program} {verb[1] if verb else typed}"
        yield
    finally:
        os.environ[_LINE] = line
