"""`labkeras evaluate run=RUN [overrides]`: a run's model on test data, the run's own or other."""

import argparse
import json
from collections.abc import Sequence

from labkeras.cli.outcomes import outcome, short
from labkeras.cli.with_run import words_of
from labkeras.experiment.runs.evaluating import evaluate_run

__all__ = ["SETTINGS", "main"]

SETTINGS: dict[str, tuple[str, ...]] = {"on": ("test", "train", "validation"), "checkpoint": (), "out": ()}
"""The words that are no overrides: which part of the data, which weights, where the results go."""


def main(arguments: Sequence[str]) -> int:
    """Evaluates a run's model; returns the exit code."""
    parser = argparse.ArgumentParser(
        "labkeras evaluate",
        description="Evaluates a run's model. The run's config counts, but for what is given here.",
        epilog="example: labkeras evaluate run=latest checkpoint=best on=test fit.batch_size=256",
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="key=value",
        help="run=RUN; on=test|train|validation; checkpoint=last|best|PATH; out=PATH; overrides of the run's config",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_intermixed_args(list(arguments))

    def evaluate() -> int:
        run, given, overrides = words_of(options.words, "evaluate", SETTINGS)
        assert run is not None
        part, checkpoint = given.get("on", "test"), given.get("checkpoint", "last")
        results = evaluate_run(run, overrides, part=part, checkpoint=checkpoint, out=given.get("out"))  # type: ignore[arg-type]  # checked
        if options.json:
            print(json.dumps(results, indent=2))
        else:
            print(", ".join(f"{part} {name}: {value:.4f}" for name, value in results.items()))
            print(f"of {short(str(run.path))}, checkpoint {checkpoint}")
        return 0

    return outcome(evaluate)
