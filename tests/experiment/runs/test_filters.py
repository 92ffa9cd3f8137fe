"""Conditions on runs: what they mean, and that they are never evaluated as code."""

import pytest

from labkeras.errors import ConfigError
from labkeras.experiment.runs.filters import parse_condition

RUN = {
    "state": "done",
    "optimizer.learning_rate": 1e-3,
    "seed": 1,
    "name": "digits mlp",
    "flag": True,
    "none": None,
    "version": "1",
}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("state=done", True),
        ("state==failed", False),
        ("state!=failed", True),
        ("optimizer.learning_rate<=1e-3", True),
        ("optimizer.learning_rate<1e-3", False),
        ("optimizer.learning_rate > 0.0001 and seed=1", True),
        ("seed=0 or seed=1", True),
        ("seed=0 or seed=1 and state=failed", False),
        ("(seed=0 or seed=1) and state=done", True),
        ("not state=done", False),
        ("not (state=done and seed=2)", True),
        ("name~mlp", True),
        ("name='digits mlp'", True),
        ('name="digits"', False),
        ("flag=true", True),
        ("flag=1", False),
        ("seed=true", False),
        ("none=null", True),
        ("missing=null", True),
        ("missing>3", False),
        ("not missing>3", True),
        ("state<3", False),
        ("version='1'", True),
        ("seed>=1 and seed<2", True),
    ],
)
def test_what_a_condition_means(text: str, meant: bool) -> None:
    assert parse_condition(text)(RUN.get) is meant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a key at the end"),
        ("state", "expected an operator (= != < <= > >= ~) after 'state' at the end"),
        ("state=", "expected a value at the end"),
        ("=done", "expected a key at '='"),
        ("state=done seed=1", "expected `and`, `or` or the end at 'seed'"),
        ("(state=done", "expected `)` at the end"),
        ("state=done)", "expected `and`, `or` or the end at ')'"),
        ("state=done and", "expected a key at the end"),
        ("state='done", "cannot be read from"),
        ("__import__('os')", "expected an operator"),
        ("a=b=c", "expected `and`, `or` or the end at '='"),
    ],
)
def test_what_is_no_condition_is_refused_where_it_ends(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_condition(text)
    assert words in str(caught.value)
