"""Failures: of which kind the error is that ended a run, so that sweeps and people can tell them apart."""

from collections.abc import Iterator
from types import TracebackType

import torch

from labkeras.errors import ConfigError, InvalidArgumentError, NonFiniteLossError, PluginError, RunStoppedError
from labkeras.plugins.hooks import observe_first
from labkeras.plugins.manager import plugins
from labkeras.plugins.subjects import Run

__all__ = ["failure_of"]

_KIND_OF_REASON = {"stopped": "interrupted"}
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def failure_of(error: BaseException, run: Run | None = None) -> dict[str, str]:
    """What `run.json` says of an error.

    Args:
        error: what ended the run, with its traceback.
        run: which one, for plugins that tell failures apart.

    Returns:
        "kind": one of out_of_memory, not_finite, preempted, interrupted, timeout, bad_input, plugin, error, or what a
        plugin says; and "error": "Type: message".

    Example:
        >>> failure_of(MemoryError("for the batch"))
        {'kind': 'out_of_memory', 'error': 'MemoryError: for the batch'}
    """
    return {"kind": _kind(error, run), "error": f"{type(error).__name__}: {error}"}


def _kind(error: BaseException, run: Run | None) -> str:
    if isinstance(error, RunStoppedError):
        return _KIND_OF_REASON.get(error.reason, error.reason)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    said = observe_first("labkeras_classify_failure", error=error, run=run)
    if said is not None:
        return str(said)
    if any(_is_out_of_memory(one) for one in _chain(error)):
        return "out_of_memory"
    if isinstance(error, NonFiniteLossError | FloatingPointError):
        return "not_finite"
    if isinstance(error, PluginError) or _is_from_plugin(error.__traceback__):
        return "plugin"
    return "bad_input" if isinstance(error, ConfigError | InvalidArgumentError) else "error"


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # The CPU's allocator and cuBLAS say it in words alone.
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)


def _is_from_plugin(trace: TracebackType | None) -> bool:
    """Whether the error was raised by code of a plugin, not by what that called."""
    module = ""
    while trace is not None:
        module = trace.tb_frame.f_globals.get("__name__", "")
        trace = trace.tb_next
    return module.partition(".")[0] in {plugin.module.__name__.partition(".")[0] for plugin in plugins()}


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
