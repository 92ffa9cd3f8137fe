"""What a hint says of an argument's bounds is what the constructor enforces."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import pytest

from labkeras.errors import ConfigError
from labkeras.experiment.config.components import KEY_OF_KIND, build, parameters_of
from labkeras.experiment.config.examples import node_of
from labkeras.experiment.config.hints import fits
from labkeras.ranges import Range
from labkeras.registry import CORE, registry_of

# A negative learning rate is a number to the constructors, as in Keras; nobody means it in a config.
NOT_ENFORCED = ("learning_rate",)


def bounds_in(hint: Any) -> Iterator[Range]:
    """The bounds of the numbers that a hint admits, not of those in lists."""
    if get_origin(hint) is Annotated:
        yield from (note for note in get_args(hint) if isinstance(note, Range))
    elif fits(1, hint):
        for member in get_args(hint):
            yield from bounds_in(member)


def just_outside(bounds: Range) -> list[float]:
    """A number beyond each bound."""
    steps = ((bounds.at_least, -1), (bounds.above, 0), (bounds.at_most, 1), (bounds.below, 0))
    return [bound + step for bound, step in steps if bound is not None]


def is_used(kind: str, key: str) -> bool:
    """Whether building looks at an argument; the seed of a data set counts only where something is chosen."""
    return key not in NOT_ENFORCED and (kind, key) != ("datasets", "seed")


def cases() -> Iterator[tuple[str, str, str, float]]:
    for kind in KEY_OF_KIND:
        for entry in registry_of(kind).entries():
            if entry.provider == CORE:
                for key, parameter in parameters_of(kind, entry.name).items():
                    for bounds in bounds_in(parameter.hint):
                        for value in just_outside(bounds):
                            if is_used(kind, key) and not fits(value, parameter.hint):
                                yield kind, entry.name, key, value


@pytest.mark.parametrize(("kind", "name", "key", "value"), list(cases()))
def test_the_constructor_refuses_what_the_hint_excludes(kind: str, name: str, key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=key):
        build(kind, {**node_of(kind, name), key: value}, "here")


def test_there_are_bounds_of_all_sides() -> None:
    found = {(name, key) for _, name, key, _ in cases()}
    assert {("dense", "units"), ("dropout", "rate"), ("adam", "beta_1"), ("cosine_decay", "decay_steps")} <= found
