"""YAML from strangers is read as plain values, or refused with file and line."""

import time
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from labkeras.errors import ConfigError
from labkeras.experiment.config.safe_yaml import key_lines, parse_yaml, read_yaml

PLAIN = """
a: 1e-3
b: [1, 2.5, -0.0, .inf, true, null, ~, "1", 'x: y', 0x10, 1_000, 1.e5, 2026-11-21, on]
c: {d: {e: text with spaces}}
1: number as a key
"""


def test_values_are_those_that_hydra_reads() -> None:
    assert parse_yaml(PLAIN) == OmegaConf.to_container(OmegaConf.create(PLAIN))


def test_what_yaml_writes_is_read_back() -> None:
    value = {"lr": 1e-5, "names": ["1", "true", "null", "a: b", "é"], "empty": {}, "none": None, "deep": [[{"x": []}]]}
    assert parse_yaml(yaml.safe_dump(value, allow_unicode=True)) == value


def test_an_alias_is_a_copy_of_its_own() -> None:
    value = parse_yaml("a: &x {k: 1}\nb: *x\n")
    value["a"]["k"] = 2
    assert value["b"] == {"k": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: !!python/object/apply:os.system ['true']", "f.yaml:1: the tag 'tag:yaml.org,2002:python/object/apply"),
        ("a:\n  b: !mine 3", "f.yaml:2: the tag '!mine'"),
        ("a: 1\nb: 2\na: 3", "f.yaml:3: the key 'a' is there twice"),
        ("a: &x {k: 1}\nb:\n  <<: *x", "f.yaml:3: the merge key"),
        ("a: &x [*x]", "f.yaml:1: an alias stands within"),
        ("a: [1, 2\nb: 3", "f.yaml:2: "),
        ("? [1, 2]\n: 3", "a key must be a plain word or number"),
        ("a: !!int x", "f.yaml:1: invalid literal"),
        ("a: 1\n---\nb: 2", "f.yaml:2: "),
        ("[" * 1_000_000, "f.yaml:1: nested more than 100 deep"),
        ("{a: " * 100_000, "f.yaml:1: nested more than 100 deep"),
        ("- " * 100_000, "f.yaml:1: nested more than 100 deep"),
        ("a0: &a0 1\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)), "nested more than 100 deep"),
        ("a: *missing", "f.yaml:1: found undefined alias"),
        ("a: !!binary aGk=", "only plain values are"),
    ],
)
def test_anything_else_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yaml")
    assert words in str(caught.value)


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    start = time.perf_counter()
    with pytest.raises(ConfigError, match="more than 1000000 values"):
        parse_yaml("\n".join(lines))
    assert time.perf_counter() - start < 1


def test_lines_of_keys() -> None:
    assert key_lines("a: 1\nb:\n  c: [x,\n    y]\n") == {"a": 1, "b": 2, "b.c": 3, "b.c.0": 3, "b.c.1": 4}


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(ConfigError, match="not text in UTF-8"):
        read_yaml(path)


def test_a_giant_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    with path.open("wb") as file:
        file.truncate(11_000_000)
    with pytest.raises(ConfigError, match="longer than 10000000 bytes"):
        read_yaml(path)
