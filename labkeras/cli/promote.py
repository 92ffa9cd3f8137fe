"""`labkeras promote RUN NAME`: a run becomes the preset `experiment=NAME`."""

import argparse
import json
from collections.abc import Sequence

from labkeras.cli.outcomes import outcome, program
from labkeras.experiment.runs.directory import find_run
from labkeras.experiment.runs.promoting import promote

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Writes the preset; returns the exit code."""
    parser = argparse.ArgumentParser(
        "labkeras promote", description="Writes conf/experiment/NAME.yaml, which composes to what a run was."
    )
    parser.add_argument("run", help="the run's folder, its name or id below runs/, or `latest`")
    parser.add_argument("name", help="of the preset")
    parser.add_argument("--force", action="store_true", help="replace a preset of this name")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_args(arguments)

    def write() -> int:
        path = promote(find_run(options.run), options.name, force=options.force)
        if options.json:
            print(json.dumps({"preset": str(path), "option": f"experiment={options.name}"}))
        else:
            print(f"{path}\n\nNext:\n  {program('labkeras')} train experiment={options.name}")
        return 0

    return outcome(write)
