"""Every hook, tried with its example from docs/hooks.md."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from labkeras import hookimpl
from labkeras.cli.main import main
from labkeras.errors import ConfigError, PluginError, PluginWarning
from labkeras.experiment import compose, run, validate
from labkeras.experiment.config.validation import checked
from labkeras.experiment.runs.compiling import compiled_model
from labkeras.experiment.sweeps.request import SweepRequest
from labkeras.experiment.sweeps.sweep import sweep
from labkeras.models.model import Model
from labkeras.plugins import hooks, manager
from labkeras.plugins.offers import HOOKS
from labkeras.registry import KINDS, registry_of

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^### (labkeras_\w+)\n.*?^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
QUICK = ["experiment=digits_mlp", "fit.epochs=2", "fit.verbose=0", "logger=none"]


def module_of(source: str, name: str = "example") -> ModuleType:
    module = ModuleType(name)
    exec(compile(source, name, "exec"), vars(module))
    return module


@contextmanager
def plugged(*hooks_used: str) -> Iterator[None]:
    """Within it the examples of some hooks are a plugin named "example"."""
    with manager.registered(module_of("\n".join(EXAMPLES[hook] for hook in hooks_used)), "example"):
        yield


@pytest.fixture(autouse=True)
def _nobody_set_aside() -> Iterator[None]:
    yield
    hooks._set_aside.clear()


def trained(folder: Path, *overrides: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The result and the record of a quick run."""
    result = run(compose([*QUICK, *overrides]), directory=folder / "run")
    return result, json.loads((folder / "run" / "run.json").read_text())


# --- all of them ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_has_a_sentence_types_an_example_and_a_test(hook: str) -> None:
    spec = getattr(sys.modules["labkeras.plugins.hookspecs"], hook)
    assert re.fullmatch(r"[A-Z].*\.", spec.__doc__.strip(), re.DOTALL)
    code = spec.__code__
    assert {*code.co_varnames[: code.co_argcount], "return"} == set(spec.__annotations__)
    assert f"def {hook}(" in EXAMPLES[hook]
    assert hook in COMPONENTS or any(name.startswith("test_") and hook in name for name in globals())


def test_examples_take_no_argument_that_their_hook_does_not_have() -> None:
    for hook, source in EXAMPLES.items():
        with manager.registered(module_of(source), f"example-{hook}"):
            assert hook.startswith("labkeras_register_") or f"example-{hook}" in manager.hook_order()[hook]


# --- components -----------------------------------------------------------------------------------------------------

COMPONENTS: dict[str, tuple[str, Any]] = {
    "labkeras_register_activations": ("bent_identity", lambda one: one(torch.zeros(2)).tolist() == [0.0, 0.0]),
    "labkeras_register_callbacks": ("stop_below", lambda one: one(0.5).loss == 0.5),
    "labkeras_register_constraints": ("at_most_one", lambda one: one()(torch.tensor([2.0])).item() == 1.0),
    "labkeras_register_datasets": ("parity", lambda one: one(samples=5)[0][0].shape == (5, 8)),
    "labkeras_register_initializers": ("halves", lambda one: one()((2,)).tolist() == [0.5, 0.5]),
    "labkeras_register_layers": ("scale", lambda one: one()(torch.ones(1, 3)).tolist() == [[1.0, 1.0, 1.0]]),
    "labkeras_register_losses": ("relative_error", lambda one: one()(torch.ones(1, 1) * 2, torch.ones(1, 1)) == 0.5),
    "labkeras_register_metrics": ("within", lambda one: one()(torch.zeros(2), torch.tensor([0.05, 1.0])) == 0.5),
    "labkeras_register_models": ("two_layers", lambda one: one()(torch.ones(1, 3)).shape == (1, 10)),
    "labkeras_register_optimizers": ("sign_descent", lambda one: _step(one(0.5)) == [0.5]),
    "labkeras_register_regularizers": ("smooth", lambda one: one(1.0)(torch.tensor([[0.0], [2.0]])).item() == 4.0),
    "labkeras_register_schedules": ("inverse_root", lambda one: one(1.0)(3) == 0.5),
}


def _step(optimizer: Any) -> list[float]:
    weight = torch.nn.Parameter(torch.tensor([1.0]))
    optimizer.apply([torch.tensor([3.0])], [weight])
    return weight.tolist()


@pytest.mark.parametrize("hook", COMPONENTS)
def test_a_component_is_found_by_its_name_while_the_plugin_is_there(hook: str) -> None:
    name, works = COMPONENTS[hook]
    registry = registry_of(hook.removeprefix("labkeras_register_"))
    with plugged(hook):
        assert registry.entry(name).provider == "example"
        assert works(registry.get(name))
    assert name not in registry


def test_every_kind_has_a_hook() -> None:
    assert [f"labkeras_register_{kind}" for kind in sorted(KINDS)] == list(COMPONENTS)


def test_components_of_a_plugin_are_options_of_a_run(tmp_path: Path) -> None:
    with plugged("labkeras_register_layers", "labkeras_register_optimizers", "labkeras_register_callbacks"):
        result, record = trained(
            tmp_path, "optimizer=sign_descent", "+model.layers.factors={layer: scale}", "callbacks=stop_below"
        )
    assert result["parameters"] == 17226 + 10
    assert "example" in [plugin["distribution"] for plugin in record["plugins"]]


# --- configs and commands -------------------------------------------------------------------------------------------


def test_labkeras_config_searchpath_adds_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 7\n")
    (tmp_path / "experiment" / "digits_mlp.yaml").write_text("# @package _global_\nseed: 8\n")
    with plugged("labkeras_config_searchpath"):
        assert compose(["experiment=mine"]).seed == 7
        assert compose(["experiment=digits_mlp"]).seed == 0  # labkeras's own come first
    with pytest.raises(ConfigError, match="no option 'mine'"):
        compose(["experiment=mine"])


def test_a_config_folder_in_a_package_is_found_by_its_address() -> None:
    source = (
        "from labkeras import hookimpl\n@hookimpl\ndef labkeras_config_searchpath():\n    return ['pkg://labkeras.{}']"
    )
    with manager.registered(module_of(source.format("cli")), "example"):
        assert ROOT / "labkeras" / "cli" in manager.config_folders()
    with pytest.raises(PluginError, match=r"names a folder that does not exist.*Received: 'pkg://labkeras.nowhere'"):
        manager.register_plugin(module_of(source.format("nowhere")), "example")


def test_labkeras_add_subcommands_adds_verbs(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    tree = module_of("def main(arguments):\n    print('tree of', *arguments)\n    return 4", "my_plugin.tree")
    monkeypatch.setitem(sys.modules, "my_plugin", ModuleType("my_plugin"))
    monkeypatch.setitem(sys.modules, "my_plugin.tree", tree)
    with plugged("labkeras_add_subcommands"):
        assert main(["tree", "here"]) == 4
        assert main(["--help"]) == 0
        out = capsys.readouterr().out
        assert "tree of here" in out
        assert "the folders below this one" in out
        assert main(["tre"]) == 2
        assert "Did you mean 'tree'" in capsys.readouterr().err
    assert main(["tree"]) == 2


def test_a_verb_that_cannot_be_imported_is_a_plugin_s_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with plugged("labkeras_add_subcommands"):
        assert main(["tree"]) == 3
    assert "the verb 'tree' of a plugin cannot be imported: No module named 'my_plugin'" in capsys.readouterr().err


# --- what takes part ------------------------------------------------------------------------------------------------


def test_labkeras_validate_refuses_a_config_before_it_runs(tmp_path: Path) -> None:
    config = compose(["experiment=digits_mlp", "fit.batch_size=1024"])
    sentence = "fit.batch_size=1024: our cards take 512 at most (says example)"
    with plugged("labkeras_validate"):
        assert validate(config) == [sentence]
        assert validate(compose(["experiment=digits_mlp"])) == []
        with pytest.raises(ConfigError, match="our cards take 512"):
            sweep(SweepRequest([*QUICK, "fit.batch_size=64,1024", f"sweep_dir={tmp_path / 'sweep'}"], quiet=True))
    assert not (tmp_path / "sweep").exists()
    assert validate(config) == []


def test_labkeras_make_dataset_gives_the_data(tmp_path: Path) -> None:
    with plugged("labkeras_make_dataset"):
        _, record = trained(tmp_path)
    assert record["data"]["rows" if "rows" in record["data"] else "samples"] < 1000


def test_labkeras_model_built_changes_the_model() -> None:
    config = compose(["experiment=digits_mlp", "name=finetune"])
    with plugged("labkeras_model_built"):
        model = compiled_model(checked(config))
    assert [layer.trainable for layer in model.layers] == [*[False] * (len(model.layers) - 1), True]


def test_labkeras_trainer_callbacks_are_called(tmp_path: Path) -> None:
    with plugged("labkeras_trainer_callbacks"):
        trained(tmp_path)
    assert (tmp_path / "run" / "times.txt").read_text() == "0\n1\n"


def test_labkeras_make_logger_gets_numbers_and_the_end(tmp_path: Path) -> None:
    with plugged("labkeras_make_logger"):
        trained(tmp_path)
    lines = (tmp_path / "run" / "csv" / "metrics.csv").read_text().splitlines()
    assert {"epoch", "loss", "val_accuracy", "step"} <= set(lines[0].split(","))
    assert len(lines) == 3
    assert "units: 128" in (tmp_path / "run" / "csv" / "hparams.yaml").read_text()


@pytest.mark.parametrize(
    "hook",
    [
        "labkeras_validate",
        "labkeras_make_dataset",
        "labkeras_model_built",
        "labkeras_trainer_callbacks",
        "labkeras_make_logger",
    ],
)
def test_an_error_of_one_that_takes_part_ends_the_run_and_names_the_plugin(hook: str, tmp_path: Path) -> None:
    config = compose(QUICK)
    with (
        manager.registered(raising(hook), "broken"),
        pytest.raises(PluginError, match=rf"{hook}\(\) of the plugin 'broken' failed: RuntimeError: no good"),
    ):
        run(config, directory=tmp_path / "run")


# --- who looks on ---------------------------------------------------------------------------------------------------


def test_labkeras_provenance_is_in_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    with plugged("labkeras_provenance"):
        _, record = trained(tmp_path)
    assert record["plugins_say"] == {"example": {"slurm_job": "77", "folder": "run"}}


def test_labkeras_run_start_and_labkeras_run_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with plugged("labkeras_run_start", "labkeras_run_end"):
        trained(tmp_path)
    out = capsys.readouterr().out
    assert f"digits_mlp with seed 0 in {tmp_path / 'run'}" in out
    assert "run: done" in out


def test_labkeras_data_ready_adds_facts(tmp_path: Path) -> None:
    with plugged("labkeras_data_ready"):
        _, record = trained(tmp_path)
    assert record["data"]["plugins"] == {"example": {"rows": 1437}}


def test_labkeras_metrics_hears_of_each_epoch(tmp_path: Path) -> None:
    with plugged("labkeras_metrics"):
        trained(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    steps = int(np.ceil(1437 * 0.9 / compose(QUICK).fit.batch_size))
    expected = [f"{steps * (index + 1)} {row['loss']:.4f}" for index, row in enumerate(rows)]
    assert (tmp_path / "run" / "loss.txt").read_text().splitlines() == expected


def test_labkeras_checkpoint_saved_hears_of_the_best(tmp_path: Path) -> None:
    with plugged("labkeras_checkpoint_saved"):
        trained(tmp_path)
    published, best = (tmp_path / "run" / name for name in ("published.keras", "checkpoints/best.keras"))
    assert published.read_bytes() == best.read_bytes()


def test_labkeras_classify_failure_names_the_kind(tmp_path: Path) -> None:
    lost = raising("labkeras_make_dataset", "ConnectionResetError")
    config = compose(QUICK)
    with plugged("labkeras_classify_failure"), manager.registered(lost, "lost"), pytest.raises(PluginError):
        run(config, directory=tmp_path / "first")  # the plugin's error, not the one that it hides
    source = (
        EXAMPLES["labkeras_classify_failure"]
        .replace("ConnectionError", "PluginError")
        .replace(
            "from labkeras import hookimpl", "from labkeras import hookimpl\nfrom labkeras.errors import PluginError"
        )
    )
    with (
        manager.registered(module_of(source), "example"),
        manager.registered(lost, "lost"),
        pytest.raises(PluginError),
    ):
        run(config, directory=tmp_path / "second")
    kinds = [json.loads((tmp_path / name / "run.json").read_text())["failure"]["kind"] for name in ("first", "second")]
    assert kinds == ["plugin", "node_lost"]


def test_labkeras_trial_end_and_labkeras_sweep_end_and_labkeras_report_section(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with plugged("labkeras_trial_end", "labkeras_sweep_end", "labkeras_report_section"):
        folder = swept(tmp_path, "seed=0,1")
    trials = (folder / "trials.txt").read_text().splitlines()
    assert [line.split(" (")[0] for line in trials] == ["0 done", "1 done"]
    assert "digits_mlp: 2 trials done; it ended because every point" in capsys.readouterr().out
    assert re.search(r"^## The slowest\n\ntrial [01] took [\d.]+ s$", (folder / "report.md").read_text(), re.MULTILINE)
    assert re.search(r"<h2>The slowest</h2><div><p>trial [01] took", (folder / "report.html").read_text())


def swept(folder: Path, *overrides: str) -> Path:
    words = [*QUICK, "fit.epochs=1", *overrides, f"sweep_dir={folder / 'sweep'}"]
    return sweep(SweepRequest(words, quiet=True)).directory


OBSERVERS = [
    "labkeras_provenance",
    "labkeras_run_start",
    "labkeras_data_ready",
    "labkeras_metrics",
    "labkeras_checkpoint_saved",
    "labkeras_run_end",
]


def raising(hook: str, error: str = "RuntimeError") -> ModuleType:
    return module_of(
        f"from labkeras import hookimpl\n@hookimpl\ndef {hook}():\n    raise {error}('no good')\n", "broken"
    )


@pytest.mark.parametrize("hook", OBSERVERS)
def test_one_that_looks_on_and_fails_is_set_aside_and_named_in_the_record(hook: str, tmp_path: Path) -> None:
    heard: list[str] = []
    loyal = ModuleType("loyal")
    loyal.labkeras_run_end = hookimpl(lambda run: heard.append(run.name))  # type: ignore[attr-defined]
    loyal.labkeras_run_end.__name__ = "labkeras_run_end"  # type: ignore[attr-defined]
    with (
        manager.registered(raising(hook), "broken"),
        manager.registered(loyal, "loyal"),
        pytest.warns(PluginWarning, match=rf"{hook}\(\) of the plugin 'broken' failed: .*no good. It is set aside"),
    ):
        result, record = trained(tmp_path)
    assert result["state"] == record["state"] == "done"
    assert record["plugins_set_aside"] == [{"plugin": "broken", "hook": hook, "error": "RuntimeError: no good"}]
    assert heard == ["digits_mlp"]


@pytest.mark.parametrize("hook", ["labkeras_trial_end", "labkeras_sweep_end", "labkeras_report_section"])
def test_one_that_looks_on_does_not_end_a_sweep(hook: str, tmp_path: Path) -> None:
    with manager.registered(raising(hook), "broken"), pytest.warns(PluginWarning, match="It is set aside"):
        folder = swept(tmp_path, "seed=0,1")
    assert (folder / "report.html").exists()


def test_a_section_that_is_no_html_is_left_out(tmp_path: Path) -> None:
    source = EXAMPLES["labkeras_report_section"].replace("<p>{escape(text)}</p>", "<p>{escape(text)}")
    with (
        manager.registered(module_of(source), "example"),
        pytest.warns(PluginWarning, match="a section of the plugin 'example' is left out of the report: its HTML"),
    ):
        folder = swept(tmp_path, "seed=0,1")
    assert "The slowest" in (folder / "report.md").read_text()
    assert "The slowest" not in (folder / "report.html").read_text()


# --- order ----------------------------------------------------------------------------------------------------------


def saying(word: str, options: str = "") -> ModuleType:
    return module_of(
        f"from labkeras import hookimpl\n@hookimpl{options}\ndef labkeras_make_dataset():\n    return {word!r}\n", word
    )


def order(plugins: Sequence[ModuleType]) -> list[Any]:
    if not plugins:
        return [answer for _, answer in hooks.ask("labkeras_make_dataset", node={})]
    with manager.registered(plugins[0], plugins[0].__name__):
        return order(plugins[1:])


def test_plugins_are_called_in_turn_but_for_those_that_ask_to_be_first_or_last() -> None:
    plugins = [saying("a", "(trylast=True)"), saying("b"), saying("c"), saying("d", "(tryfirst=True)")]
    assert order(plugins) == ["d", "b", "c", "a"]


def test_a_wrapper_is_refused() -> None:
    source = "from labkeras import hookimpl\n@hookimpl(wrapper=True)\ndef labkeras_run_start(run):\n    yield\n"
    with pytest.raises(PluginError, match=r"labkeras_run_start\(\) is marked as a wrapper"):
        manager.register_plugin(module_of(source), "wrapping")


def test_a_model_stays_a_model_where_no_plugin_has_the_hook() -> None:
    assert isinstance(compiled_model(checked(compose(["experiment=digits_mlp"]))), Model)


def test_an_import_of_labkeras_asks_no_plugin() -> None:
    code = "import sys, labkeras; sys.exit('labkeras.plugins.manager' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
