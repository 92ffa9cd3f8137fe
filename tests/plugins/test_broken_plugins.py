"""Plugins that are wrong in some way: each is named, and everything else goes on working."""

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from tests.helpers.processes import install_plugin, run_labkeras, run_python

GOOD = """
    from labkeras import hookimpl

    class Zigzag:
        "Goes up and down."

    @hookimpl
    def labkeras_register_layers():
        return {"zigzag": Zigzag, "lazy": "good_plugin:Zigzag"}
"""


def plugin_list(folder: Path) -> dict[str, Any]:
    outcome = run_labkeras(folder, "plugin", "list", "--json")
    assert outcome.returncode in (0, 3), outcome.stderr
    return json.loads(outcome.stdout)  # type: ignore[no-any-return]


def problem_with(folder: Path, distribution: str) -> dict[str, Any]:
    """The one thing that is wrong with a distribution; the others must not have suffered."""
    found = [problem for problem in plugin_list(folder)["problems"] if problem["distribution"] == distribution]
    assert len(found) == 1, found
    outcome = run_python(
        folder,
        "-c",
        "from labkeras import registry as r; print(r.layers.entry('dense').location, r.layers.get('zigzag'))",
    )
    assert "Dense" in outcome.stdout, outcome.stderr
    assert "Zigzag" in outcome.stdout, outcome.stderr
    return found[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one plugin that works."""
    install_plugin(tmp_path, "good-plugin", GOOD)
    return tmp_path


def test_a_plugin_is_listed_with_what_it_adds(folder: Path) -> None:
    found = [plugin for plugin in plugin_list(folder)["plugins"] if plugin["distribution"] == "good-plugin"]
    assert found == [
        {
            "distribution": "good-plugin",
            "version": "1.2",
            "name": "it",
            "local": False,
            "components": {"layers": ["lazy", "zigzag"]},
        }
    ]


def test_list_shows_the_distribution_and_the_summary(folder: Path) -> None:
    outcome = run_labkeras(folder, "list", "layers", "--json")
    rows = [row for row in json.loads(outcome.stdout) if row["provider"] == "good-plugin"]
    assert [row["name"] for row in rows] == ["lazy", "zigzag"]
    assert {row["summary"] for row in rows} == {"Goes up and down."}


def test_a_plugin_that_raises_at_import_is_set_aside(folder: Path) -> None:
    install_plugin(folder, "bad-import", "import no_such_module")
    problem = problem_with(folder, "bad-import")
    assert problem["set_aside"]
    assert problem["error"] == "ModuleNotFoundError: No module named 'no_such_module'"


def test_a_plugin_that_leaves_the_process_is_set_aside(folder: Path) -> None:
    install_plugin(folder, "bad-exit", "raise SystemExit(7)")
    assert problem_with(folder, "bad-exit")["error"] == "SystemExit: 7"


def test_a_misspelt_hook_is_named_with_the_right_one(folder: Path) -> None:
    source = """
        from labkeras import hookimpl

        @hookimpl
        def labkeras_register_layer():
            return {}
    """
    install_plugin(folder, "bad-spelling", source)
    problem = problem_with(folder, "bad-spelling")
    assert problem["set_aside"]
    assert "there is no hook 'labkeras_register_layer'. Did you mean 'labkeras_register_layers'" in problem["error"]


def test_a_hook_with_an_argument_too_many_is_named(folder: Path) -> None:
    source = """
        from labkeras import hookimpl

        @hookimpl
        def labkeras_register_layers(surprise):
            return {}
    """
    install_plugin(folder, "bad-argument", source)
    assert "surprise" in problem_with(folder, "bad-argument")["error"]


def test_a_hook_that_raises_is_named(folder: Path) -> None:
    source = """
        from labkeras import hookimpl

        @hookimpl
        def labkeras_register_layers():
            raise KeyError("inside")
    """
    install_plugin(folder, "bad-hook", source)
    assert problem_with(folder, "bad-hook")["error"] == "KeyError: 'inside'"


def test_a_hook_that_returns_no_mapping_is_named(folder: Path) -> None:
    source = """
        from labkeras import hookimpl

        @hookimpl
        def labkeras_register_losses():
            return ["focal"]
    """
    install_plugin(folder, "bad-result", source)
    error = problem_with(folder, "bad-result")["error"]
    assert "labkeras_register_losses() must return a mapping from name to what it adds. Received: ['focal']" in error


def test_a_hook_without_its_mark_is_named(folder: Path) -> None:
    source = """
        def labkeras_register_layers():
            return {"forgotten": "nowhere:Forgotten"}
    """
    install_plugin(folder, "bad-mark", source)
    problem = problem_with(folder, "bad-mark")
    assert not problem["set_aside"]
    assert "labkeras_register_layers() is not marked with `@labkeras.hookimpl`, so it is not called" in problem["error"]


def test_a_wrong_name_files_nothing_of_the_plugin(folder: Path) -> None:
    source = """
        from labkeras import hookimpl

        class Fine:
            pass

        @hookimpl
        def labkeras_register_layers():
            return {"fine": Fine, "not a name": Fine}
    """
    install_plugin(folder, "bad-name", source)
    assert "must be an identifier" in problem_with(folder, "bad-name")["error"]
    assert "fine" not in run_labkeras(folder, "list", "layers").stdout.split()


def test_two_providers_of_one_name_must_be_told_apart(folder: Path) -> None:
    install_plugin(folder, "other-plugin", GOOD.replace("good_plugin", "other_plugin"))
    assert "'other-plugin/zigzag'" in plugin_list(folder)["problems"][0]["error"]
    program = """
        from labkeras.registry import layers
        print(layers.get("other-plugin/zigzag").__module__, layers.get("good-plugin/Zigzag").__module__)
        layers.get("zigzag")
    """
    outcome = run_python(folder, "-c", dedent(program))
    assert outcome.stdout.split() == ["other_plugin", "good_plugin"]
    assert "provided by 2 distributions" in outcome.stderr
    assert "'good-plugin/zigzag' or 'other-plugin/zigzag'" in outcome.stderr


def test_a_name_of_the_core_keeps_its_meaning(folder: Path) -> None:
    source = """
        from labkeras import hookimpl

        class Dense:
            pass

        @hookimpl
        def labkeras_register_layers():
            return {"dense": Dense}
    """
    install_plugin(folder, "own-dense", source)
    assert "labkeras's own" in problem_with(folder, "own-dense")["error"]
    outcome = run_python(
        folder, "-c", "from labkeras.registry import layers; print(layers.get('own-dense/dense').__module__)"
    )
    assert outcome.stdout.strip() == "own_dense"


def test_the_report_is_loud_once_and_names_the_distribution(folder: Path) -> None:
    install_plugin(folder, "bad-import", "raise RuntimeError('at the door')")
    program = "from labkeras.registry import layers; layers.get('zigzag'); layers.get('dense'); print('went on')"
    outcome = run_python(folder, "-c", program)
    assert outcome.stdout.strip() == "went on"
    assert outcome.stderr.count("PluginWarning") == 1
    assert "the plugin 'it' of 'bad-import' is set aside: RuntimeError: at the door" in outcome.stderr


def test_an_unknown_name_mentions_the_plugins_that_are_set_aside(folder: Path) -> None:
    install_plugin(folder, "bad-import", "raise RuntimeError('at the door')")
    outcome = run_python(folder, "-c", "from labkeras.registry import layers; layers.get('wavelet')")
    assert "no layer is named 'wavelet'" in outcome.stderr
    assert "'bad-import' is set aside: RuntimeError: at the door" in outcome.stderr


def test_importing_labkeras_loads_no_plugin(folder: Path) -> None:
    install_plugin(folder, "bad-import", "raise RuntimeError('at the door')")
    outcome = run_python(folder, "-W", "error", "-c", "import labkeras")
    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_where_warnings_are_errors_all_is_loaded_before_one_is_raised(folder: Path) -> None:
    install_plugin(folder, "bad-import", "raise RuntimeError('at the door')")
    program = """
        from labkeras.errors import PluginWarning
        from labkeras.registry import layers
        try:
            layers.get("zigzag")
        except PluginWarning:
            print(layers.get("zigzag"))
    """
    assert "Zigzag" in run_python(folder, "-W", "error::labkeras.errors.PluginWarning", "-c", dedent(program)).stdout
