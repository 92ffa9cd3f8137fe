"""The command `labkeras`: picks the verb.

Verbs are imported when they are asked for, so that `labkeras --help` and `labkeras list` answer without torch.
"""

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

from labkeras.errors import LabkerasError, PluginError, did_you_mean, exit_code_of
from labkeras.plugins import manager
from labkeras.plugins.cache import remembering
from labkeras.plugins.choice import split_words

__all__ = ["VERBS", "main"]

VERBS = {
    "train": "train a model, or with -m several: a Hydra application",
    "resume": "go on with a run that was killed, interrupted or failed, from its last checkpoint",
    "evaluate": "evaluate a run's model: labkeras evaluate run=latest checkpoint=best",
    "predict": "write what a run's model predicts: labkeras predict run=latest",
    "find": "a learning rate or a batch size to begin with: labkeras find lr experiment=digits_cnn",
    "reproduce": "run a run again, and say whether it came out the same",
    "sweep": "a sweep that there is: labkeras sweep status|resume|stop|report DIR",
    "runs": "the runs that there are: labkeras runs --where 'optimizer.learning_rate<1e-3' --sort best",
    "compare": "what differs between runs, and what came out",
    "promote": "make a run a preset: labkeras promote latest digits_best, then experiment=digits_best",
    "list": "what can be named in configs: layers, losses, optimizers, …",
    "info": "what a component takes, or what an option's file says: labkeras info optimizer/adam",
    "validate": "check a run, or with -m a sweep, without running anything",
    "explain": "why a key of a config has its value: labkeras explain fit.epochs experiment=digits_mlp",
    "tensorboard": "runs and sweeps in TensorBoard, on this machine: labkeras tensorboard latest",
    "report": "a sweep's leaderboard and report, written again; or those of any runs",
    "plugin": "the plugins that are installed, and what is wrong with them",
}
"""verb → what it does, for `labkeras --help`."""

_BAD_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: those of the command line, unless given.

    Returns:
        The exit code: 0 done, 1 the run failed, 2 something is wrong with the config or the command, 3 with a plugin,
        130 interrupted.
    """
    given, named = split_words(list(sys.argv[1:] if arguments is None else arguments))
    manager.use_plugins(named)
    verb = given[0] if given else "--help"
    if verb in ("--help", "-h", "help"):
        return _guarded(lambda: print(_help()))
    if verb == "--version":
        print(f"labkeras {_version()}")
        return 0
    if verb == "-sc" and "COMP_LINE" in os.environ:
        return _run("completion", given)
    if verb in VERBS:
        return _run(verb, given[1:])
    if verb.startswith(("-", "+", "~")) or "=" in verb:
        return _run("train", given)
    return _guarded(lambda: _of_plugin(verb, given[1:]))


def _run(verb: str, arguments: list[str]) -> int:
    return _guarded(lambda: importlib.import_module(f"labkeras.cli.{verb}").main(arguments))


def _of_plugin(verb: str, arguments: list[str]) -> int:
    """Runs a verb that a plugin adds."""
    remembering()
    known = manager.subcommands()
    if verb not in known:
        near = did_you_mean(verb, [*VERBS, *known])
        print(f"labkeras: there is no verb {verb!r}.{near} See `labkeras --help`.", file=sys.stderr)
        return _BAD_USAGE
    module, _, name = known[verb].function.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise PluginError(f"the verb {verb!r} of a plugin cannot be imported: {error}") from error
    return int(function(arguments) or 0)


def _guarded(run: Callable[[], int | None]) -> int:
    """Runs something; returns its exit code, also if it fails as labkeras's own things do."""
    try:
        code = run() or 0
        sys.stdout.flush()
    except LabkerasError as error:  # a verb's own faults it has told of itself
        print(f"labkeras: {error}", file=sys.stderr)
        return exit_code_of(error)
    except BrokenPipeError:
        # Whoever read the output has enough of it (`labkeras list | head`). Python flushes once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _help() -> str:
    remembering()
    added = {verb: one.summary for verb, one in manager.subcommands().items() if verb not in VERBS}
    width = max(map(len, [*VERBS, *added]))
    verbs = "\n".join(f"  labkeras {verb:{width}}  {summary}" for verb, summary in (VERBS | added).items())
    return f"""labkeras {_version()}: Keras's API on PyTorch

{verbs}

  labkeras train experiment=digits_cnn
  labkeras train experiment=digits_mlp optimizer=sgd optimizer.momentum=0.9 model.layers.h1.units=64
  labkeras train -m experiment=digits_mlp optimizer.learning_rate=0.01,0.001
  labkeras list layers

`labkeras VERB --help` says more. Without a verb, `key=value` means train.
`-p module` uses a plugin that is not installed, `-p no:name` leaves out one that is.
Completion: eval "$(labkeras train -sc install=bash)\""""


def _version() -> str:
    try:
        return version("labkeras")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "(not installed)"
