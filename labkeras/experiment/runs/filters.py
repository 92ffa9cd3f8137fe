"""Conditions on runs: `optimizer.learning_rate<1e-3 and state=done`.

    condition  := all ("or" all)*
    all        := one ("and" one)*
    one        := "not" one | "(" condition ")" | KEY OPERATOR VALUE
    OPERATOR   := = | == | != | < | <= | > | >= | ~

`~` asks whether the value, as text, contains the other. Nothing is evaluated: keys are looked up, values are words,
numbers, true, false, null, or text in quotes.
"""

import operator
import re
from collections.abc import Callable
from typing import Any

import yaml

from labkeras.errors import ConfigError
from labkeras.experiment.config.safe_yaml import parse_yaml

__all__ = ["Condition", "Lookup", "parse_condition"]

Lookup = Callable[[str], Any]
"""A run's value of a key; None if it has none."""

Condition = Callable[[Lookup], bool]
"""Whether a run is meant."""

_TOKEN = re.compile(r"""\s*(?:(\(|\)|==|!=|<=|>=|=|<|>|~)|("[^"]*"|'[^']*')|([^\s()=!<>~"']+))""")
_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_WORDS = ("and", "or", "not")


def parse_condition(text: str) -> Condition:
    """What a condition asks.

    Args:
        text: the condition.

    Raises:
        ConfigError: naming the place, if it is none.

    Example:
        >>> is_meant = parse_condition("state=done and (test_accuracy>0.9 or not seed=0)")
        >>> is_meant({"state": "done", "seed": 1}.get)
        True
    """
    reader = _Reader(text)
    condition = reader.condition()
    if reader.here is not None:
        raise reader.refused("expected `and`, `or` or the end")
    return condition


class _Reader:
    """Reads a condition from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, int]] = []
        position = 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None:
                raise ConfigError([f"--where: cannot be read from {text[position:].strip()!r} on. Received: {text!r}"])
            self._tokens.append((found[0].strip(), found.end()))
            position = found.end()
        self._at = 0

    @property
    def here(self) -> str | None:
        """The word that comes next; None at the end."""
        return self._tokens[self._at][0] if self._at < len(self._tokens) else None

    def condition(self) -> Condition:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else lambda lookup: any(part(lookup) for part in parts)

    def refused(self, reason: str) -> ConfigError:
        where = f"at {self.here!r}" if self.here is not None else "at the end"
        return ConfigError(
            [f"--where: {reason} {where}, as in 'optimizer.learning_rate<1e-3'. Received: {self._text!r}"]
        )

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else lambda lookup: all(part(lookup) for part in parts)

    def _one(self) -> Condition:
        if self._take("not"):
            inner = self._one()
            return lambda lookup: not inner(lookup)
        if self._take("("):
            inner = self.condition()
            if not self._take(")"):
                raise self.refused("expected `)`")
            return inner
        key = self._next("a key")
        sign = self.here
        if sign not in ("=", "==", "!=", "~", *_OPERATORS):
            raise self.refused(f"expected an operator (= != < <= > >= ~) after {key!r}")
        self._at += 1
        return _comparison(key, sign, _value(self._next("a value")))

    def _take(self, word: str) -> bool:
        if self.here != word:
            return False
        self._at += 1
        return True

    def _next(self, what: str) -> str:
        word = self.here
        if word is None or word in (*_WORDS, "(", ")", "=", "==", "!=", "~", *_OPERATORS):
            raise self.refused(f"expected {what}")
        self._at += 1
        return word


def _value(word: str) -> Any:
    if word[0] in "\"'":
        return word[1:-1]
    try:
        return parse_yaml(word)
    except (ConfigError, yaml.YAMLError):
        return word


def _comparison(key: str, sign: str, wanted: Any) -> Condition:
    def holds(lookup: Lookup) -> bool:
        value = lookup(key)
        if sign in ("=", "=="):
            return _equal(value, wanted)
        if sign == "!=":
            return not _equal(value, wanted)
        if value is None:
            return False
        if sign == "~":
            return str(wanted) in str(value)
        try:
            return _OPERATORS[sign](value, wanted)
        except TypeError:  # a word and a number have no order
            return False

    return holds


def _equal(value: Any, wanted: Any) -> bool:
    # True is no 1 here, and "1" is not 1, but a word that was written without quotes may be text.
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted
    return bool(value == wanted)
