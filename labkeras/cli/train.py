"""`labkeras train`: a Hydra application that trains what its config describes.

Hydra parses the command line, composes, sweeps, completes and explains as in any of its applications. Before a run
starts, all faults of its config, or of all configs of a sweep, are reported together; runs make their own folders.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import hydra
from hydra._internal.utils import get_args_parser  # no public name has it
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from labkeras import experiment  # its `run` is imported on first use: what only shows a config needs no torch
from labkeras.cli import outcomes as report
from labkeras.cli.completion import completing
from labkeras.errors import ConfigError, PluginError, RunDirectoryError, exit_code_of
from labkeras.experiment.config.composition import CONFIG_NAME, VERSION_BASE, Examination, examine, with_name
from labkeras.experiment.config.refusals import REFUSALS, first_lines
from labkeras.experiment.config.sources import installed
from labkeras.experiment.runs.directory import RUNS, new_folder
from labkeras.plugins.cache import remembering

__all__ = ["main"]

_DONE, _RUN_FAILED, _INTERRUPTED = 0, 1, 130


class _JobFailedError(Exception):
    """A run of a sweep failed, which has been said; Hydra goes on with the next."""


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
    codes: list[int] = []
    folder = None
    try:
        folder = _sweep_folder(options) if _starts_runs(options) else None
        _hand_over(_for_hydra(arguments, options, folder), options.config_dir, _task(codes, list(sys.argv)))
    except KeyboardInterrupt as error:
        report.interrupted(error)
        return _INTERRUPTED
    except _JobFailedError:
        codes.append(_RUN_FAILED)
    except (ConfigError, RunDirectoryError, PluginError) as error:
        return _failed(error)
    except REFUSALS as error:
        # What Hydra only shows, or reads for itself, was not examined before, so it can stumble here.
        return _failed(ConfigError(_examined(options, sweep=False).faults or [first_lines(error)]))
    if folder is not None:
        report.sweep_finished(folder)
    return max(codes, default=_DONE)


def _starts_runs(options: argparse.Namespace) -> bool:
    shows = (options.help, options.hydra_help, options.cfg, options.info, options.shell_completion)
    return not any(shows) and options.experimental_rerun is None


def _sweep_folder(options: argparse.Namespace) -> Path | None:
    """Examines the run, or all runs of the sweep; returns a new folder for a sweep.

    Raises:
        ConfigError: naming all faults.
    """
    sweep = options.multirun or "hydra.mode=MULTIRUN" in options.overrides
    examined = _examined(options, sweep)
    faults = list(examined.faults)
    keys = [line.lstrip("+").partition("=")[0] for line in options.overrides]
    if sweep and "run_dir" in keys:
        faults.append("run_dir: names the folder of one run; hydra.sweep.dir names that of a sweep")
    if faults:
        raise ConfigError(faults)
    if not sweep or "hydra.sweep.dir" in keys:
        return None
    return new_folder(RUNS / "sweeps" / (examined.names[0] if len(examined.names) == 1 else "several")).resolve()


def _examined(options: argparse.Namespace, sweep: bool) -> Examination:
    # Another sweeper than Hydra's own has values that only it can read.
    overrides = [line for line in options.overrides if not line.startswith("hydra")]
    name = options.config_name or CONFIG_NAME
    return examine(overrides, config_name=name, config_dir=options.config_dir, sweep=sweep)


def _for_hydra(arguments: Sequence[str], options: argparse.Namespace, folder: Path | None) -> list[str]:
    """The arguments in the order that Hydra's own parser wants, overrides last."""
    flags = [argument for argument in arguments if argument not in options.overrides]
    added = [] if folder is None else [f"hydra.sweep.dir='{_escaped(str(folder))}'"]
    return [*flags, *options.overrides, *added]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _hand_over(arguments: list[str], config_dir: str | None, task: Callable[[DictConfig], float | None]) -> None:
    """Lets Hydra do what the arguments say; what it refuses is raised, not printed."""
    before = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    try:
        sys.argv = [sys.argv[0], *arguments]
        os.environ["HYDRA_FULL_ERROR"] = "1"
        with installed(config_dir) as conf, completing():
            hydra.main(config_path=conf, config_name=CONFIG_NAME, version_base=VERSION_BASE)(task)()
    finally:
        sys.argv = before[0]
        if before[1] is None:
            del os.environ["HYDRA_FULL_ERROR"]


def _task(codes: list[int], command: list[str]) -> Callable[[DictConfig], float | None]:
    """What Hydra calls for each run.

    Args:
        codes: the exit code of a run that failed is added here.
        command: the command as it was given, for processes that Lightning starts with it.
    """

    def train(config: DictConfig) -> float | None:
        sys.argv = command
        chosen = HydraConfig.get()
        sweep = chosen.mode == RunMode.MULTIRUN
        directory = Path(chosen.sweep.dir, f"{chosen.job.num:04d}") if sweep else None
        overrides = [str(line) for line in chosen.overrides.task]
        try:
            result = experiment.run(with_name(chosen.runtime.choices.get("experiment"), config), overrides, directory)
        except Exception as error:
            codes.append(_failed(error))
            if sweep:
                raise _JobFailedError from error
            return None
        if "run_dir" not in result:  # another process of a distributed run: the first one speaks
            return None
        with suppress(BrokenPipeError):  # whoever reads the output has enough of it; the run is done
            report.finished(result, overrides, sweep)
        best, monitor = result["best"], result["monitor"]
        return float(best[monitor]) if best is not None else None

    return train


def _failed(error: Exception) -> int:
    """Says what went wrong; returns the exit code."""
    report.failure(error)
    return exit_code_of(error)
