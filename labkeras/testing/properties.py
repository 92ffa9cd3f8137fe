"""Properties: what every component of a kind has, a small function each, and how they are checked and reported.

A property is a function of a case: a component, how it is made, and what it is tried on. Its name is the property's;
the first paragraph of its docstring says what holds, the others what to do where it does not. It returns where it
holds, raises `NotApplicable` where it means nothing, and any other exception where it does not hold.
"""

import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch

from labkeras.errors import InvalidArgumentError, did_you_mean

__all__ = [
    "FaultError",
    "NotApplicable",
    "Outcome",
    "Properties",
    "PropertyError",
    "advice_of",
    "checked",
    "expect",
    "named",
    "outcomes",
    "statement_of",
]

_MOST_CHARACTERS = 1200

Properties = Mapping[str, Callable[[Any], None]]
"""The properties of a kind by name, in the order in which they are looked at."""


class FaultError(AssertionError):
    """What a property found, in a sentence that ends in what was expected and what came."""


class NotApplicable(Exception):  # noqa: N818  # no error: there is nothing to check
    """A property means nothing for a component; the message is the reason."""


class PropertyError(AssertionError):
    """A component lacks a property that all of its kind have.

    Args:
        component: the component, as it was made.
        name: the property.
        statement: what holds of components that have it.
        reason: what was found, expected and received.
        advice: what to do.
    """

    def __init__(self, component: str, name: str, statement: str, reason: str, advice: str) -> None:
        self.component = component
        self.name = name
        self.reason = reason
        self.advice = advice
        super().__init__(
            f"{component} lacks the property {name!r}: {statement}\n"
            f"  Found: {reason}\n"
            f"  To do: {advice} What cannot have it by its nature is checked with skip=({name!r},)."
        )


@dataclass(frozen=True)
class Outcome:
    """How a component stands to one property.

    Args:
        name: the property.
        state: "passed"; "failed"; "skipped", as the caller wished; or "not applicable".
        reason: why, unless it passed.
        advice: what to do if it failed.
    """

    name: str
    state: Literal["passed", "failed", "skipped", "not applicable"]
    reason: str = ""
    advice: str = ""


def named(*functions: Callable[[Any], None]) -> Properties:
    """The table of a kind's properties, each under its function's name."""
    return {function.__name__: function for function in functions}


def checked(properties: Properties, case: Any, skip: Collection[str] = ()) -> None:
    """Looks at one property after the other.

    Args:
        properties: of the case's kind.
        case: the component; `str(case)` shows how it was made.
        skip: names of properties to leave out.

    Raises:
        PropertyError: for the first one that does not hold.
        InvalidArgumentError: if `skip` names one that there is not.
    """
    for name, function, outcome, error in _looked_at(properties, case, skip):
        if outcome.state == "failed":
            raise PropertyError(str(case), name, statement_of(function), outcome.reason, advice_of(function)) from error


def outcomes(properties: Properties, case: Any, skip: Collection[str] = ()) -> Iterator[Outcome]:
    """How a component stands to each property, one after the other; takes what `checked` takes."""
    for _, _, outcome, _ in _looked_at(properties, case, skip):
        yield outcome


def statement_of(function: Callable[[Any], None]) -> str:
    """What holds of components that have a property."""
    return _paragraphs(function)[0]


def advice_of(function: Callable[[Any], None]) -> str:
    """What to do with a component that lacks a property."""
    return " ".join(_paragraphs(function)[1:])


def expect(holds: Any, what: str, *, expected: Any, received: Any) -> None:
    """Raises a FaultError unless something holds.

    Args:
        holds: whether it does.
        what: what was looked at, as the beginning of a sentence.
        expected: what should have come.
        received: what came.
    """
    if not holds:
        raise FaultError(f"{what}. Expected: {expected}. Received: {received}")


def _looked_at(properties: Properties, case: Any, skip: Collection[str]) -> Iterator[Any]:
    wrong = [name for name in skip if name not in properties]
    if wrong or isinstance(skip, str):
        hint = did_you_mean(wrong[0], properties) if wrong else ""
        raise InvalidArgumentError(
            f"`skip` must hold names of properties.{hint} There are: {', '.join(properties)}. Received: skip={skip!r}"
        )
    for name, function in properties.items():
        if name in skip:
            yield name, function, Outcome(name, "skipped", "as was asked for"), None
            continue
        error: BaseException | None = None
        try:
            # Each property starts from the same random numbers, and leaves the caller's as they were.
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                function(case)
            outcome = Outcome(name, "passed")
        except NotApplicable as reason:
            outcome = Outcome(name, "not applicable", str(reason))
        except Exception as caught:
            error = caught
            outcome = Outcome(name, "failed", _reason(caught), advice_of(function))
        yield name, function, outcome, error


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, FaultError) else f"{type(error).__name__}: {error}"
    # The whole of it, which may be a matrix or a traceback of a compiler, is the cause of the PropertyError.
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _paragraphs(function: Callable[[Any], None]) -> list[str]:
    text = inspect.getdoc(function) or ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
