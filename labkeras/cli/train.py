"""`labkeras train`: trains what a config describes, or with -m everything that a space of configs holds.

The command line is Hydra's: overrides, sweeps, `--help`, `--cfg`, `--info`, completion. Hydra composes; before anything
runs, all faults of the config, or of the configs of a sweep, are reported together. Runs and sweeps are our own.
"""

import argparse
import logging
import os
import sys
from collections.abc import Sequence

import hydra
from hydra._internal.utils import get_args_parser  # no public name has it
from omegaconf import DictConfig

from labkeras import experiment  # what it offers is imported on first use: what only shows a config needs no torch
from labkeras.cli import outcomes
from labkeras.cli.completion import completing
from labkeras.errors import ConfigError
from labkeras.experiment.config.composition import CONFIG_NAME, VERSION_BASE, examine
from labkeras.experiment.config.preferring import prefer_as_asked
from labkeras.experiment.config.refusals import REFUSALS, first_lines
from labkeras.experiment.config.sources import installed
from labkeras.experiment.runs.busy import refuse_if_busy
from labkeras.experiment.runs.directory import LOCK
from labkeras.experiment.sweeps.request import SweepRequest
from labkeras.plugins.cache import remembering
from labkeras.plugins.choice import chosen_words

__all__ = ["main", "train"]

# How Hydra's settings for running jobs are said here. Those for composing, such as hydra.searchpath, are Hydra's.
_SAID_HERE = {
    "hydra/sweeper": "sweeper=tpe",
    "hydra.sweeper": "sweeper.trials=20",
    "hydra/launcher": "launcher=local",
    "hydra.launcher": "launcher.workers=4",
    "hydra.run": "run_dir=PATH",
    "hydra.sweep": "sweep_dir=PATH",
    "hydra.output_subdir": "run_dir=PATH",
    "hydra.job": "name=NAME",
}


def main(arguments: Sequence[str]) -> int:
    """Trains, sweeps, or shows what Hydra is asked to show.

    Args:
        arguments: those after the verb.

    Returns:
        The exit code.
    """
    parser = get_args_parser()
    parser.prog = "labkeras train"
    options = parser.parse_intermixed_args(list(arguments))
    remembering()  # a run asks the plugins themselves
    if any((options.help, options.hydra_help, options.cfg, options.info, options.shell_completion)):
        return outcomes.outcome(lambda: _show(arguments, options))
    overrides = [line for line in options.overrides if line != "hydra.mode=MULTIRUN"]
    many = options.multirun or len(overrides) < len(options.overrides)

    def start() -> int:
        _check_flags(options)
        return train(
            overrides,
            many=many,
            config_name=options.config_name or CONFIG_NAME,
            config_dir=options.config_dir,
            command=["labkeras", *chosen_words(), "train", *arguments],
        )

    return outcomes.outcome(start)


def train(
    overrides: Sequence[str],
    *,
    many: bool = False,
    config_name: str = CONFIG_NAME,
    config_dir: str | None = None,
    command: Sequence[str] = (),
) -> int:
    """Trains as the command line does, and says how it went.

    Args:
        overrides: as on the command line.
        many: whether overrides with several values mean a run for each: a sweep.
        config_name: the primary config.
        config_dir: a folder of YAML files that is searched before all others.
        command: what was typed, to be written down.

    Returns:
        The exit code.

    Raises:
        ConfigError: naming all faults, before anything runs.
        Exception: whatever a single run raises.
    """
    _configure_logging()
    if many:
        request = SweepRequest(overrides, command, config_name, config_dir)
        if any(line.lstrip("+") == "debug=plan" for line in overrides):
            return _show_plan_of_sweep(request)
        swept = experiment.sweep(request)
        outcomes.sweep_finished(swept)
        return swept.exit_code
    refuse_if_busy(overrides, "run_dir", LOCK, "run directory")
    found = examine(overrides, config_name=config_name, config_dir=config_dir)
    if found.faults or found.config is None:
        raise ConfigError(found.faults)
    config = found.config
    debug = config.get("debug")
    if debug == "plan":
        return _show_plan(config)
    result = experiment.run(config, overrides, resume=bool(config.get("resume")), command=command)
    if "run_dir" not in result:  # another process of a distributed run: the first one speaks
        return 0
    if debug == "overfit":
        return outcomes.overfitted(result)
    if debug == "profile":
        outcomes.profiled(result)
    else:
        outcomes.finished(result, overrides)
    return 0


def _show_plan(config: DictConfig) -> int:
    """What `debug=plan` does in the place of a run."""
    from labkeras.cli.plan_table import print_forecast  # imports torch, which faults in a config do without
    from labkeras.experiment.model.forecast import forecast

    print_forecast(forecast(config))
    return 0


def _show_plan_of_sweep(request: SweepRequest) -> int:
    """The same of a sweep: how many trials, and what the first of them would run."""
    from labkeras.cli.plan_table import print_forecast
    from labkeras.experiment.model.forecast import forecast
    from labkeras.experiment.sweeps.plan import plan_of

    plan = plan_of(request)
    total = plan.total()
    trials = "trials until a limit is reached" if total is None else f"{total} trials"
    print(f"a sweep of {trials}, sampler {plan.options.sampler}: nothing is wrong with them. The first:\n")
    print_forecast(forecast(plan.config))
    return 0


def _check_flags(options: argparse.Namespace) -> None:
    """Refuses what Hydra's parser takes and nothing here reads."""
    faults = [
        f"{line}: runs and sweeps are labkeras's own; say {ours}"
        for line in options.overrides
        for theirs, ours in _SAID_HERE.items()
        if f"{line.lstrip('+~').partition('=')[0]}.".startswith(f"{theirs}.")
    ]
    if options.config_dir is not None and not os.path.isdir(options.config_dir):
        faults.append(f"--config-dir={options.config_dir!r}: there is no such folder")
    if options.experimental_rerun is not None:
        faults.append("--experimental-rerun: say `labkeras reproduce RUN`")
    if options.config_path is not None:
        faults.append(
            f"--config-path={options.config_path}: say --config-dir, a folder that is searched before all others"
        )
    if faults:
        raise ConfigError(faults)


def _configure_logging() -> None:
    """Messages of Python's logging go where Hydra would send them, unless the program has its own ideas."""
    logging.basicConfig(
        level=logging.INFO, format="[%(asctime)s][%(name)s][%(levelname)s] - %(message)s", stream=sys.stdout
    )


def _show(arguments: Sequence[str], options: argparse.Namespace) -> int:
    """Lets Hydra show its help, a config or completions; what it refuses is said in our words."""
    try:
        _hand_over(arguments, options)
    except REFUSALS as error:
        # The lines for Hydra alone are not composed: its own sweepers and launchers are not ours to check.
        lines = [line for line in options.overrides if not line.startswith("hydra")]
        faults = examine(lines, config_name=options.config_name or CONFIG_NAME, config_dir=options.config_dir).faults
        raise ConfigError(faults or [first_lines(error)]) from error
    return 0


def _hand_over(arguments: Sequence[str], options: argparse.Namespace) -> None:
    # Hydra's own parser wants the overrides last.
    flags = [argument for argument in arguments if argument not in options.overrides]
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    try:
        sys.argv = [sys.argv[0], *flags, *options.overrides]
        os.environ["HYDRA_FULL_ERROR"] = "1"  # what it refuses is raised, not printed
        prefer_as_asked(options.overrides, options.config_name or CONFIG_NAME, options.config_dir)
        with installed(options.config_dir) as conf, completing():
            hydra.main(config_path=conf, config_name=CONFIG_NAME, version_base=VERSION_BASE)(_nothing)()
    finally:
        sys.argv = before[0]
        if before[1] is None:
            del os.environ["HYDRA_FULL_ERROR"]


def _nothing(config: DictConfig) -> None:
    """Hydra only shows."""
