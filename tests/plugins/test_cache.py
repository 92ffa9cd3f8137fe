"""What plugins said when they were last asked: shown without importing them, never believed for what is built."""

import json
import os
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from labkeras.plugins.cache import PluginCache, cache_folder, cache_of
from tests.helpers.processes import install_plugin, run_labkeras, run_python

# A plugin that imports torch takes seconds; whether one was imported can be told of any.
SLOW = """
    from labkeras import hookimpl

    class Slow:
        \"\"\"Takes its time.\"\"\"

        def __init__(self, seconds: float = 2.0):
            self.seconds = seconds

    @hookimpl
    def labkeras_register_layers():
        return {"slow": Slow}
"""
ADDS = '"adds": {"folders": [], "subcommands": {}}'
OFFER = f'KEY:{{"offers": [["layers", "slow", "labkeras_slow:Slow"]], {ADDS}'
PRESENT = """
import sys
from labkeras.cli.main import main
code = main(sys.argv[1:])
print(sorted({"labkeras_slow"} & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install_plugin(tmp_path, "labkeras-slow", SLOW)
    return tmp_path


def asked(folder: Path, *arguments: str) -> tuple[str, bool]:
    """What a command prints, and whether it imported the plugin."""
    outcome = run_python(folder, "-c", PRESENT, *arguments)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout, outcome.stderr.splitlines()[-1] != "[]"


def remembered(folder: Path) -> Path:
    (path,) = (folder / ".cache" / "labkeras" / "plugins").glob("labkeras-slow-it-*.json")
    return path


@pytest.mark.parametrize(
    "command", [["list", "layers"], ["info", "layer/slow"], ["info", "slow", "--json"], ["list", "--json"]]
)
def test_the_second_time_the_plugin_is_not_imported(folder: Path, command: list[str]) -> None:
    first, imported = asked(folder, *command)
    assert imported
    assert "Takes its time." in first
    second, imported = asked(folder, *command)
    assert not imported
    assert second == first


def test_configs_are_composed_and_completed_without_importing_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["train", "--cfg", "job", "+layer@model.layers.more=slow", "model.layers.more.seconds=3"]
    first, _ = asked(folder, *command)
    assert "seconds: 3" in first
    second, imported = asked(folder, *command)
    assert not imported
    assert second == first
    line = "labkeras train +layer@model.layers.more=slo"
    monkeypatch.setenv("COMP_LINE", line)
    assert asked(folder, "-sc", "query=bash") == (f"{line.split()[-1].replace('=slo', '=slow')}\n\n", False)


def test_what_is_built_is_asked_of_the_plugin_itself(folder: Path) -> None:
    asked(folder, "info", "slow")
    path = remembered(folder)
    content = json.loads(path.read_text())
    ran = folder / "ran"
    (folder / "evil.py").write_text(f"open({str(ran)!r}, 'w')\nSlow = print\n")
    content["parts"]["offers"] = [["layers", "slow", "evil:Slow"]]
    path.write_text(json.dumps(content))
    program = """
from labkeras.plugins.cache import remembering
from labkeras.registry import layers
remembering()
held = layers.entry("slow")
print(held.location)
print(held.load().__module__, layers.get("slow").__module__, layers.entry("slow").location)
"""
    outcome = run_python(folder, "-c", program)
    assert outcome.stdout.splitlines() == ["evil:Slow", "labkeras_slow labkeras_slow labkeras_slow:Slow"], (
        outcome.stderr
    )
    assert not ran.exists()


def test_a_changed_plugin_is_asked_again(folder: Path) -> None:
    asked(folder, "info", "slow")
    source = folder / "labkeras_slow.py"
    source.write_text(source.read_text().replace("2.0", "5.0"))
    os.utime(source, ns=(time.time_ns(), time.time_ns() + 1_000_000))
    text, imported = asked(folder, "info", "slow")
    assert imported
    assert "= 5.0" in text


def test_another_version_is_asked_again(folder: Path) -> None:
    asked(folder, "list", "layers")
    metadata = folder / "labkeras_slow-1.2.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.2", "1.3"))
    assert asked(folder, "list", "layers")[1]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        "\xff",
        "[" * 100_000,
        '{"key": "other", "parts": {"offers": []}}',
        "KEY:null",
        'KEY:{"offers": {"a": 1}}',
        f'KEY:{{"offers": [["layers", "slow", 3]], {ADDS}}}',
        f'KEY:{{"offers": [["nothing", "slow", "a:b"]], {ADDS}}}',
        'KEY:{"offers": [], "adds": {"folders": [3], "subcommands": {}}}',
        'KEY:{"offers": [], "adds": {"folders": [], "subcommands": {"x": ["y"]}}}',
        f'{OFFER}, "components": 3}}',
        f'{OFFER}, "components": {{"layers": {{"slow": {{"address": 3}}}}}}}}',
        f'{OFFER}, "components": {{"layers": {{"slow": {{"address": "labkeras_slow:Slow", "summary": "", "parameters": '
        '{"a": {"hint": "print(1)"}}}}}}',
    ],
)
def test_a_damaged_file_is_done_without(folder: Path, content: str) -> None:
    first = asked(folder, "info", "slow")[0]
    path = remembered(folder)
    key = json.loads(path.read_text())["key"]
    path.write_text(f'{{"key": "{key}", "parts": {content[4:]}}}' if content.startswith("KEY:") else content, "latin-1")
    assert asked(folder, "info", "slow")[0] == first


def test_where_nothing_can_be_written_nothing_is_remembered(folder: Path) -> None:
    (folder / ".cache").write_text("in the way")
    assert asked(folder, "list", "layers")[1]
    assert asked(folder, "list", "layers")[1]


def test_a_plugin_with_a_fault_is_asked_each_time(folder: Path) -> None:
    install_plugin(folder, "labkeras-broken", "raise RuntimeError('not today')")
    install_plugin(folder, "labkeras-unmarked", "def labkeras_register_layers(): return {}")
    for _ in range(2):
        outcome = run_labkeras(folder, "list", "layers")
        assert outcome.returncode == 0
        assert "not today" in outcome.stderr
        assert "is not marked" in outcome.stderr


def test_a_name_of_the_core_s_is_still_said_to_be_shadowed(tmp_path: Path) -> None:
    install_plugin(tmp_path, "labkeras-slow", SLOW.replace('"slow"', '"dense"'))
    for _ in range(2):
        outcome = run_labkeras(tmp_path, "list", "layers")
        assert "'dense' alone is labkeras's own" in outcome.stderr


def test_python_asks_the_plugin_as_ever(folder: Path) -> None:
    asked(folder, "list", "layers")
    program = "import sys; from labkeras.registry import layers; layers.names(); print('labkeras_slow' in sys.modules)"
    assert run_python(folder, "-c", program).stdout == "True\n"


def test_the_folder_is_the_user_s(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "labkeras"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # which the specification says to ignore
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "labkeras"


def test_the_key_is_made_of_the_distribution_and_the_sources(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def cache() -> PluginCache:
        (found,) = (one for one in distributions(path=[str(folder)]) if one.name == "labkeras-slow")
        cached = cache_of(next(iter(found.entry_points)))
        assert cached is not None
        return cached

    first = cache()
    assert cache() == first
    (folder / "labkeras_slow-1.2.dist-info" / "RECORD").write_text("labkeras_slow.py,sha256=abc,3\n")
    second = cache()
    assert (second.path, second.key != first.key) == (first.path, True)
    (folder / "labkeras_slow.py").write_text("changed")
    assert cache().key != second.key


def test_parts_are_kept_beside_each_other(tmp_path: Path) -> None:
    cache = PluginCache(tmp_path / "deep" / "a.json", "key", "package")
    assert cache.read() == {}
    cache.write(one=1)
    cache.write(two=[2])
    assert cache.read() == {"one": 1, "two": [2]}
    assert PluginCache(cache.path, "other key", "package").read() == {}
    unwritable: Any = object()
    cache.write(three=unwritable)
    assert cache.read() == {"one": 1, "two": [2]}
