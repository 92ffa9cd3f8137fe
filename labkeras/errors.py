"""Everything labkeras raises on purpose.

    LabkerasError
    ├── InvalidArgumentError (ValueError)      an argument has a wrong value, shape or combination
    │   ├── UnsupportedArgumentError           Keras has this argument or value, labkeras does not (yet)
    │   ├── InvalidInputError                  a layer was called on inputs that it cannot take
    │   ├── DisconnectedGraphError             the tensors given to Model are not joined by calls
    │   ├── DataError                          the data given to fit, evaluate or predict cannot be used
    │   ├── NotBuiltError (AttributeError)     what `build` makes was asked for before it
    │   └── NotCompiledError                   training was asked for before compile()
    ├── InvalidTypeError (TypeError)           an argument has a wrong type
    ├── UnknownComponentError (LookupError, ValueError)    no component has this name
    │   └── AmbiguousComponentError            two distributions provide this name
    ├── SerializationError (ValueError)        an object cannot be written as, or made from, a config
    │   └── FileFormatError                    a file is damaged, incomplete or not what it should be
    ├── MissingDependencyError (ImportError)   something optional is not installed that was asked for
    ├── ConfigError (ValueError)               faults of a run's configuration, all of them
    ├── RunDirectoryError (OSError)            a run directory cannot be made or belongs to somebody else
    │   └── CheckpointError                    a checkpoint could not be written; the one before it is whole
    ├── RunStoppedError (RuntimeError)         a run was asked to end before it was done
    ├── NonFiniteLossError (ArithmeticError)   the loss became NaN or infinite
    └── PluginError (RuntimeError)             a plugin could not be loaded, or broke a rule

Each also derives from the built-in exception that a caller would expect.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

__all__ = [
    "AmbiguousComponentError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DisconnectedGraphError",
    "FileFormatError",
    "InvalidArgumentError",
    "InvalidInputError",
    "InvalidTypeError",
    "LabkerasError",
    "MissingDependencyError",
    "NonFiniteLossError",
    "NotBuiltError",
    "NotCompiledError",
    "PluginError",
    "PluginWarning",
    "RunDirectoryError",
    "RunStoppedError",
    "SerializationError",
    "UnknownComponentError",
    "UnsupportedArgumentError",
    "did_you_mean",
    "exit_code_of",
]


class LabkerasError(Exception):
    """Base of all errors that labkeras raises on purpose."""


class InvalidArgumentError(LabkerasError, ValueError):
    """An argument has a value, shape or combination that cannot be used."""


class UnsupportedArgumentError(InvalidArgumentError, NotImplementedError):
    """Keras has this argument or value; labkeras does not support it."""


class InvalidInputError(InvalidArgumentError):
    """A layer was called on inputs that it cannot take."""


class DisconnectedGraphError(InvalidArgumentError):
    """The inputs and outputs given to a model are not joined by layer calls."""


class DataError(InvalidArgumentError):
    """The data given to fit, evaluate or predict cannot be used."""


class NotBuiltError(InvalidArgumentError, AttributeError):
    """Something that `build` makes was asked for before it."""


class NotCompiledError(InvalidArgumentError):
    """Training or evaluation was asked for before `compile()`."""


class InvalidTypeError(LabkerasError, TypeError):
    """An argument has a type that cannot be used."""


class UnknownComponentError(LabkerasError, LookupError, ValueError):
    """No component of this kind has the name that was asked for."""


class AmbiguousComponentError(UnknownComponentError):
    """Two distributions provide a component under the name that was asked for."""


class SerializationError(LabkerasError, ValueError):
    """An object cannot be written as a config, or a config cannot be turned into an object."""


class FileFormatError(SerializationError):
    """A file is damaged, incomplete, or not of the format that was expected."""


class MissingDependencyError(LabkerasError, ImportError):
    """A package or program that labkeras can do without is not installed, and what was asked for needs it."""


class ConfigError(LabkerasError, ValueError):
    """The configuration of a run has faults.

    Args:
        faults: a sentence for each fault, naming the key, the value and what would be right.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        count = len(self.faults)
        title = "1 fault in the configuration:" if count == 1 else f"{count} faults in the configuration:"
        super().__init__("\n".join([title, *(f"  - {fault}" for fault in self.faults)]))


class RunDirectoryError(LabkerasError, OSError):
    """A run directory cannot be made, or belongs to another run."""


class CheckpointError(RunDirectoryError):
    """A checkpoint of a run could not be written, as on a full disk; the one before it is there, whole."""


class RunStoppedError(LabkerasError, RuntimeError):
    """A run was asked to end before it was done, and did.

    Args:
        message: why, and how to go on with it.
        reason: "preempted" (SIGTERM), "timeout" or "stopped".
        state: what the run's record says: "preempted", "failed" or "interrupted".
        exit_code: what a process that ends for this reason should end with.
    """

    def __init__(self, message: str, reason: str, state: str, exit_code: int) -> None:
        super().__init__(message)
        self.reason = reason
        self.state = state
        self.exit_code = exit_code


class NonFiniteLossError(LabkerasError, ArithmeticError):
    """The loss became NaN or infinite during training."""


class PluginError(LabkerasError, RuntimeError):
    """A plugin could not be loaded or broke a rule of the plugin interface."""


class PluginWarning(UserWarning):
    """A plugin was set aside, or one of its names is shadowed; everything else goes on working."""


def exit_code_of(error: BaseException) -> int:
    """What a process that ends with an error should end with.

    Returns:
        2 for a faulty config or a folder that cannot be used, 3 for a plugin, 130 for Ctrl-C, 75 or another code of a
        run that was asked to end; 1 for everything else.

    Example:
        >>> exit_code_of(ConfigError(["seed=x: expected an integer"]))
        2
    """
    if isinstance(error, RunStoppedError):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return 130
    if isinstance(error, CheckpointError):
        return 1
    if isinstance(error, ConfigError | RunDirectoryError):
        return 2
    return 3 if isinstance(error, PluginError) else 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A closing sentence with the names nearest to `name`, or an empty string if none is near."""
    originals = {candidate.lower(): candidate for candidate in known}
    matches = get_close_matches(name.lower(), originals, n=3, cutoff=0.6)
    if not matches:
        return ""
    return " Did you mean " + " or ".join(repr(originals[match]) for match in matches) + "?"
