"""Which plugins are used: those that are installed, but for what the environment and the command line say.

LABKERAS_PLUGINS=my_module,no:kan           modules, or names of plugins; `no:` leaves one out
LABKERAS_DISABLE_PLUGIN_AUTOLOAD=1          none of those that are installed, but for those that are named

`labkeras -p my_module -p no:kan` adds to the variable, so that processes that are started from here do the same.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Choice", "NAMED", "add_to_choice", "chosen_words", "split_words"]

NAMED = "LABKERAS_PLUGINS"
"""The environment variable that names plugins."""

_NO_AUTOLOAD = "LABKERAS_DISABLE_PLUGIN_AUTOLOAD"
_NOT = "no:"


@dataclass(frozen=True)
class Choice:
    """What the environment says.

    Args:
        named: modules, or names of installed plugins, in the order in which they were given.
        left_out: names of plugins that are not used.
        is_automatic: whether installed plugins are used without being named.
    """

    named: tuple[str, ...]
    left_out: frozenset[str]
    is_automatic: bool

    @classmethod
    def of_environment(cls) -> "Choice":
        """What the environment says now; of two words about one plugin, the last counts."""
        named: dict[str, None] = {}
        left_out: dict[str, None] = {}
        for word in os.environ.get(NAMED, "").split(","):
            name = word.strip().removeprefix(_NOT)
            here, there = (left_out, named) if word.strip().startswith(_NOT) else (named, left_out)
            if name:
                here[name] = None
                there.pop(name, None)
        automatic = os.environ.get(_NO_AUTOLOAD, "").lower() in ("", "0", "false", "no")
        return cls(tuple(named), frozenset(left_out), automatic)

    def why_not(self, *names: str) -> str | None:
        """Why a plugin is not used; None if it is.

        Args:
            *names: what it may be called: its entry point, distribution, module.
        """
        found = [name for name in names if name in self.left_out]
        if found:
            return f"it is left out by `-p {_NOT}{found[0]}` or {NAMED}"
        if not self.is_automatic and not set(names) & set(self.named):
            return f"{_NO_AUTOLOAD} is set, and it is not named with -p or in {NAMED}"
        return None


def add_to_choice(words: Iterable[str]) -> None:
    """Adds words to the environment variable."""
    os.environ[NAMED] = ",".join(word for word in [os.environ.get(NAMED, ""), *words] if word)


def chosen_words() -> list[str]:
    """What the variable says, as words of a command: ["-p", "my_module"]."""
    return [word for name in os.environ.get(NAMED, "").split(",") if name.strip() for word in ("-p", name.strip())]


def split_words(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words of a command without `-p NAME`, which may stand anywhere before `--`, and the names.

    Behind the verb, beside Hydra's `--cfg`, it is Hydra's: the package to show.

    Example:
        >>> split_words(["-p", "my_module", "train", "seed=1"])
        (['train', 'seed=1'], ['my_module'])
    """
    rest: list[str] = []
    named: list[str] = []
    words = iter(arguments)
    for_hydra = any(word.startswith(("--cfg", "-c")) for word in arguments)
    for word in words:
        if word == "--" or (for_hydra and word != "-p"):
            return [*rest, word, *words], named
        name = next(words, None) if word == "-p" else None
        if name is None:
            rest.append(word)
        else:
            named.append(name)
    return rest, named
