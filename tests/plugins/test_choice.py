"""Plugins that are named and not installed, that are left out, and that are for another version."""

import json
import os
from pathlib import Path
from textwrap import dedent

import pytest

from labkeras.plugins.choice import Choice, chosen_words, split_words
from tests.helpers.processes import install_plugin, run_labkeras

LOCAL = """
    from labkeras import hookimpl

    LABKERAS_API = 1

    @hookimpl
    def labkeras_register_layers():
        return {"zigzag": "zigzags:Zigzag"}
"""
LAYER = """
    from labkeras.layers import Dense

    class Zigzag(Dense):
        "Goes up and down."

        def __init__(self, units: int, times: float = 2.0, **base):
            super().__init__(units, **base)
            self.times = times

        def call(self, inputs):
            return super().call(inputs) * self.times
"""
RUN = ["train", "experiment=digits_mlp", "fit.epochs=1", "logger=none", "model.layers.h1=zigzag"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a module that is a plugin, and another plugin that is installed."""
    monkeypatch.delenv("LABKERAS_PLUGINS", raising=False)
    (tmp_path / "local_plugin.py").write_text(dedent(LOCAL))
    (tmp_path / "zigzags.py").write_text(dedent(LAYER))
    install_plugin(tmp_path, "labkeras-other", LOCAL.replace("zigzag", "zagzig"), name="other")
    return tmp_path


def listed(folder: Path, *arguments: str) -> list[str]:
    outcome = run_labkeras(folder, *arguments, "list", "layers", "--json")
    assert outcome.returncode == 0, outcome.stderr
    rows = json.loads(outcome.stdout)
    return sorted(row["name"] for row in rows if row["provider"] in ("labkeras-other", "local_plugin"))


def test_installed_plugins_are_used_without_being_named(folder: Path) -> None:
    assert listed(folder) == ["zagzig"]


def test_a_module_in_the_current_folder_is_used_when_it_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert listed(folder, "-p", "local_plugin") == ["zagzig", "zigzag"]
    monkeypatch.setenv("LABKERAS_PLUGINS", "local_plugin")
    assert listed(folder) == ["zagzig", "zigzag"]
    assert listed(folder, "-p", "no:local_plugin") == ["zagzig"]


@pytest.mark.parametrize("name", ["other", "labkeras-other", "labkeras_other"])
def test_one_is_left_out_by_any_of_its_names(name: str, folder: Path) -> None:
    assert listed(folder, "-p", f"no:{name}") == []


def test_without_autoload_only_those_that_are_named_are_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKERAS_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert listed(folder) == []
    assert listed(folder, "-p", "other") == ["zagzig"]


def test_an_unknown_name_says_what_left_it_out(folder: Path) -> None:
    outcome = run_labkeras(folder, "-p", "no:other", "info", "layer/zagzig")
    assert outcome.returncode != 0
    assert "'other' of 'labkeras-other' is set aside: it is left out by `-p no:other`" in outcome.stderr


def test_a_module_that_is_named_and_not_there_is_an_error(folder: Path) -> None:
    outcome = run_labkeras(folder, "list", "layers", "-p", "othr")
    assert outcome.returncode == 3
    assert "labkeras: the plugin 'othr', named with -p or in LABKERAS_PLUGINS, cannot be imported" in outcome.stderr
    assert "Did you mean 'other'" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_run_is_gone_on_with_and_repeated_with_the_module_that_it_was_made_with(folder: Path) -> None:
    done = run_labkeras(folder, "-p", "local_plugin", *RUN, "run_dir=run", "fit.verbose=0")
    assert done.returncode == 0, done.stderr
    assert "-p local_plugin train -m" in done.stdout
    record = json.loads((folder / "run" / "run.json").read_text())
    assert {"distribution": "local_plugin", "version": "unknown", "local": True} in record["plugins"]
    assert record["command"][:4] == ["labkeras", "-p", "local_plugin", "train"]
    evaluated = run_labkeras(folder, "evaluate", "run=run")
    assert evaluated.returncode == 0, evaluated.stderr
    again = run_labkeras(folder, "reproduce", "run")
    assert again.returncode == 0, again.stderr
    assert "identical" in again.stdout


@pytest.mark.slow
def test_a_sweep_in_processes_uses_it_and_is_gone_on_with(folder: Path) -> None:
    words = ["-m", "launcher=local", "launcher.workers=1", "sweep_dir=sweep", "seed=0,1", "fit.verbose=0"]
    done = run_labkeras(folder, *RUN[:-1], "model.layers.h1=dense,zigzag", *words, "-p", "local_plugin")
    assert done.returncode == 0, done.stderr
    rows = (folder / "sweep" / "leaderboard.csv").read_text()
    assert rows.count("zigzag") == 1
    assert rows.count(",done,") == 2
    again = run_labkeras(folder, "sweep", "resume", "sweep")
    assert again.returncode == 0, again.stderr
    assert "4 of 4 runs done" in again.stdout


@pytest.mark.parametrize(
    ("needs", "marker", "words"),
    [
        ("labkeras>=99", "1", "it needs labkeras>=99, and this is labkeras"),
        ("labkeras (<0.0.1)", "1", "it needs labkeras<0.0.1, and this is labkeras"),
        (
            "labkeras",
            "99",
            "it was written for version 99 of labkeras's hooks, and this labkeras has version 1: upgrade",
        ),
    ],
)
def test_a_plugin_for_another_version_is_set_aside(folder: Path, needs: str, marker: str, words: str) -> None:
    metadata = folder / "labkeras_other-1.2.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text() + f"Requires-Dist: {needs}\n")
    module = folder / "labkeras_other.py"
    module.write_text(module.read_text().replace("LABKERAS_API = 1", f"LABKERAS_API = {marker}"))
    # A checkout that is not installed has no version to compare with.
    own = folder / "labkeras-0.1.0.dist-info"
    own.mkdir()
    (own / "METADATA").write_text("Metadata-Version: 2.1\nName: labkeras\nVersion: 0.1.0\n")
    outcome = run_labkeras(folder, "plugin", "list")
    assert outcome.returncode == 3
    assert words in " ".join(outcome.stdout.split())


def test_a_plugin_that_fits_is_used(folder: Path) -> None:
    metadata = folder / "labkeras_other-1.2.dist-info" / "METADATA"
    requirements = ["labkeras>=0.0.1", "labkeras-kan>=7", 'labkeras>=99; extra == "future"']
    metadata.write_text(metadata.read_text() + "".join(f"Requires-Dist: {one}\n" for one in requirements))
    assert listed(folder) == ["zagzig"]


# --- words ------------------------------------------------------------------------------------------------------------


def test_the_last_word_about_a_plugin_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABKERAS_PLUGINS", "a, no:b,no:a,b,,c")
    monkeypatch.setitem(os.environ, "LABKERAS_DISABLE_PLUGIN_AUTOLOAD", "0")
    assert Choice.of_environment() == Choice(("b", "c"), frozenset("a"), True)
    assert chosen_words() == ["-p", "a", "-p", "no:b", "-p", "no:a", "-p", "b", "-p", "c"]


@pytest.mark.parametrize(
    ("line", "rest", "named"),
    [
        ("-p a train x=1", "train x=1", ["a"]),
        ("train -p a x=1 -p no:b", "train x=1", ["a", "no:b"]),
        ("train --cfg job -p optimizer", "train --cfg job -p optimizer", []),
        ("-p a train --cfg job -p optimizer", "train --cfg job -p optimizer", ["a"]),
        ("train -- -p a", "train -- -p a", []),
        ("train -p", "train -p", []),
    ],
)
def test_words_that_name_plugins_are_told_from_others(line: str, rest: str, named: list[str]) -> None:
    assert split_words(line.split()) == (rest.split(), named)
