"""`labkeras predict run=RUN [overrides]`: what a run's model predicts, as NumPy files."""

import argparse
import json
from collections.abc import Sequence

from labkeras.cli.evaluate import SETTINGS
from labkeras.cli.outcomes import outcome, short
from labkeras.cli.with_run import words_of
from labkeras.experiment.runs.evaluating import predict_run

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Writes predictions; returns the exit code."""
    parser = argparse.ArgumentParser(
        "labkeras predict",
        description="Writes what a run's model predicts. The run's config counts, but for what is given here.",
        epilog="example: labkeras predict run=latest checkpoint=best on=test out=predictions",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="key=value",
        help="run=RUN; on=test|train|validation; checkpoint=last|best|PATH; out=FOLDER; overrides of the run's config",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_intermixed_args(list(arguments))

    def predict() -> int:
        run, given, overrides = words_of(options.words, "predict", SETTINGS)
        assert run is not None
        part, checkpoint = given.get("on", "test"), given.get("checkpoint", "last")
        files = predict_run(run, overrides, part=part, checkpoint=checkpoint, out=given.get("out"))  # type: ignore[arg-type]  # checked
        names = [short(str(file)) for file in files]
        print(json.dumps({"files": names}, indent=2) if options.json else "\n".join(names))
        return 0

    return outcome(predict)
