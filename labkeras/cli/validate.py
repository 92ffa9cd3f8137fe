"""`labkeras validate`: everything that is checked before a run or a sweep, and nothing run."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from labkeras import experiment  # its forecast imports torch, which faults in a config do without
from labkeras.cli.plan_table import brief
from labkeras.errors import ConfigError, PluginError
from labkeras.experiment.config.composition import examine
from labkeras.experiment.config.hydra_session import CONFIG_NAME
from labkeras.experiment.sweeps.plan import plan_of
from labkeras.experiment.sweeps.request import SweepRequest

__all__ = ["main"]

_BAD_CONFIG, _PLUGIN_PROBLEM = 2, 3


def main(arguments: Sequence[str]) -> int:
    """Checks a run, or with -m the runs of a sweep.

    Args:
        arguments: those after the verb.

    Returns:
        The exit code: 0 if nothing is wrong, 2 if anything is.
    """
    parser = argparse.ArgumentParser(
        prog="labkeras validate",
        description="checks everything about what labkeras train would run, and runs nothing",
        epilog="example: labkeras validate -m experiment=digits_mlp optimizer.learning_rate=0.1,0.01",
    )
    parser.add_argument("overrides", nargs="*", help="as for labkeras train")
    parser.add_argument("--multirun", "-m", action="store_true", help="check the runs of a sweep")
    parser.add_argument("--config-name", "-cn", default=CONFIG_NAME, help="the primary config")
    parser.add_argument("--config-dir", "-cd", help="a folder that is searched before all others")
    parser.add_argument("--json", action="store_true", help="as JSON")
    options = parser.parse_intermixed_args(list(arguments))
    try:
        found = _sweep(options) if options.multirun else _run(options)
    except ConfigError as error:
        if options.json:
            print(json.dumps({"valid": False, "faults": list(error.faults)}, indent=2, ensure_ascii=False))
        else:
            print(f"labkeras: {error}", file=sys.stderr)
        return _BAD_CONFIG
    except PluginError as error:
        print(f"labkeras: {error}", file=sys.stderr)
        return _PLUGIN_PROBLEM
    if options.json:
        print(json.dumps({"valid": True, "faults": [], **found["json"]}, indent=2, ensure_ascii=False, default=str))
    else:
        print("\n".join(found["text"]))
    return 0


def _run(options: argparse.Namespace) -> dict[str, Any]:
    """What is known of a run that nothing is wrong with.

    Raises:
        ConfigError: naming everything that is wrong.
    """
    found = examine(options.overrides, config_name=options.config_name, config_dir=options.config_dir)
    if found.faults or found.config is None:
        raise ConfigError(found.faults)
    will_be = experiment.forecast(found.config)
    return {"text": ["valid: 1 run", *brief(will_be)], "json": {"runs": 1, "forecast": will_be.as_dict()}}


def _sweep(options: argparse.Namespace) -> dict[str, Any]:
    """What is known of a sweep that nothing is wrong with; see `_run`."""
    request = SweepRequest(options.overrides, config_name=options.config_name, config_dir=options.config_dir)
    plan = plan_of(request)
    points, total = plan.space.size(), plan.total()
    size = "a space without end of points" if points is None else f"{points:,} points"
    trials = "as many trials as the limits allow" if total is None else f"{total:,} trials"
    will_be = experiment.forecast(
        {key: value for key, value in plan.config.items() if key not in ("sweep_dir", "run_dir")}
    )
    text = [f"valid: {trials} of {size}, by {plan.options.sampler}", "the first:", *brief(will_be)]
    return {
        "text": text,
        "json": {
            "runs": total,
            "points": points,
            "sampler": plan.options.sampler,
            "axes": plan.space.described(),
            "forecast": will_be.as_dict(),
        },
    }
