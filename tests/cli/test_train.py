"""`labkeras train`: a Hydra application."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from labkeras.callbacks import Callback
from labkeras.cli.main import main
from labkeras.experiment.runs.lock import FolderLock
from labkeras.registry import callbacks
from tests.helpers.processes import environment, install_example, run_labkeras

QUICK = ["experiment=digits_mlp", "fit.epochs=1", "fit.verbose=0", "trainer=cpu", "callbacks=none", "logger=none"]


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def failing() -> Iterator[None]:
    """A callback that fails at the end of training, if it is told to."""

    class Failing(Callback):
        def __init__(self, fails: bool = True) -> None:
            super().__init__()
            self.fails = fails

        def on_train_end(self, logs: Any = None) -> None:
            if self.fails:
                raise RuntimeError("the disk is full")

    entry = callbacks.add("failing", Failing)
    yield
    callbacks.discard(entry)


def result_in(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "result.json").read_text())  # type: ignore[no-any-return]


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_run_ends_with_its_accuracy_its_folder_and_what_to_try_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*QUICK, "run_dir=here"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("test accuracy: 0.")
    assert lines[1] == "run directory: here"
    assert "labkeras tensorboard here" in lines[-2]
    assert "train -m experiment=digits_mlp" in lines[-1]
    assert "run_dir" not in lines[-1]
    assert yaml.safe_load((tmp_path / "here/hydra/overrides.yaml").read_text()) == [*QUICK, "run_dir=here"]
    assert [path.name for path in tmp_path.iterdir()] == ["here"]  # Hydra leaves nothing of its own


def test_the_verb_is_not_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *QUICK]) == main(QUICK) == 0
    assert len(list(Path("runs/digits_mlp").iterdir())) == 2


def test_a_sweep_has_a_folder_with_a_folder_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-m", *QUICK, "optimizer=sgd,adam", "optimizer.learning_rate=0.1,0.01"]) == 0
    (folder,) = Path("runs/sweeps/digits_mlp").iterdir()
    assert sorted(path.name for path in folder.glob("0*")) == ["0000", "0001", "0002", "0003"]
    configs = [yaml.safe_load((path / "config.yaml").read_text()) for path in sorted(folder.glob("0*"))]
    swept = [(config["optimizer"]["optimizer"], config["optimizer"]["learning_rate"]) for config in configs]
    assert swept == [("sgd", 0.1), ("sgd", 0.01), ("adam", 0.1), ("adam", 0.01)]
    assert {result_in(path)["state"] for path in folder.glob("0*")} == {"done"}
    text = capsys.readouterr().out
    assert "4 of 4 runs done" in text
    results = [result_in(path) for path in sorted(folder.glob("0*"))]
    best = max(results, key=lambda result: result["best"]["val_accuracy"])
    assert f"best: {folder / Path(best['run_dir']).name}, val_accuracy: " in text


def test_flags_may_stand_between_overrides() -> None:
    assert main([*QUICK, "-m", "seed=1,2"]) == 0
    assert len(list(Path("runs/sweeps/digits_mlp").glob("*/0*"))) == 2


@pytest.mark.usefixtures("failing")
def test_a_run_that_fails_ends_with_1_and_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "+callbacks={bad: {callback: failing}}", "run_dir=here"]) == 1
    errors = capsys.readouterr().err
    assert "RuntimeError: the disk is full" in errors
    assert "here" in errors
    assert result_in(Path("here"))["state"] == "failed"


@pytest.mark.usefixtures("failing")
def test_a_sweep_goes_on_after_a_run_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    bad = "+callbacks={bad: {callback: failing, fails: true}}"
    assert main(["-m", *QUICK, bad, "callbacks.bad.fails=true,false"]) == 1
    states = [result_in(path)["state"] for path in sorted(Path("runs/sweeps/digits_mlp").glob("*/0*"))]
    assert states == ["failed", "done"]
    assert "1 of 2 runs done" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["experiment=digits_mpl"], "Did you mean 'digits_mlp'"),
        (["optimizer=admm", "fit.epochs=0"], "2 faults in the configuration"),
        (["-m", "optimizer=adam,admm", "seed=1,x"], "2 faults in the configuration"),
        (["-m", "seed=1,2", "run_dir=here"], "run_dir is of a single run; sweep_dir names that of a sweep"),
        (["--config-dir", "nowhere"], "--config-dir='nowhere': there is no such folder"),
        (["--config-name", "other"], "no folder of the search path has other.yaml"),
        (["--cfg", "job", "seet=1"], "Did you mean 'seed'"),
        (["-m", "seed=1,2", "hydra/launcher=joblib"], "runs and sweeps are labkeras's own; say launcher=local"),
        (["-m", "seed=1,2", "hydra.sweeper.n_trials=3"], "say sweeper.trials=20"),
        (["hydra.run.dir=here"], "say run_dir=PATH"),
        (["--experimental-rerun", "config.pickle"], "say `labkeras reproduce RUN`"),
        (["--config-path", "here"], "say --config-dir"),
    ],
)
def test_what_is_wrong_ends_with_2_and_without_a_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert main(["train", *arguments]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_taken_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "notes.txt").write_text("mine")
    assert main([*QUICK, "run_dir=here"]) == 2
    assert "holds something already" in capsys.readouterr().err


def test_an_unknown_flag_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "--foo"])
    assert caught.value.code == 2
    assert "labkeras train: error: unrecognized arguments: --foo" in capsys.readouterr().err


def test_the_config_is_shown_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--cfg", "job", "experiment=digits_cnn", "optimizer=sgd"]) == 0
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["optimizer"]["momentum"] == 0.0
    assert config["model"]["layers"]["conv1"]["filters"] == 32
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--help"], ["labkeras train -m", "optimizer: adam, adamw", "digits_cnn, digits_mlp", "Powered by Hydra"]),
        (["--hydra-help"], ["Hydra"]),
        (["--info", "searchpath"], ["labkeras://", "lk://"]),
        (["--info", "defaults", "optimizer=sgd"], ["optimizer/sgd"]),
    ],
)
def test_hydra_s_own_flags_work(capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]) -> None:
    try:
        code: Any = main(["train", *arguments])
    except SystemExit as leaving:  # Hydra leaves after its help
        code = leaving.code
    text = capsys.readouterr().out
    assert code == 0
    assert [word for word in words if word not in text] == []


def test_a_user_s_own_experiment_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "own" / "experiment"
    folder.mkdir(parents=True)
    text = "# @package _global_\ndefaults: [override /optimizer: sgd]\nfit: {epochs: 1, verbose: 0}\n"
    (folder / "mine.yaml").write_text(text)
    assert main(["--config-dir", "own", "experiment=mine", "callbacks=none", "logger=none", "run_dir=here"]) == 0
    assert result_in(Path("here"))["name"] == "mine"


def test_a_plugin_s_components_are_options(tmp_path: Path) -> None:
    install_example(tmp_path)
    layer = "+model.layers.gate={layer: gated_dense, units: 8, after: drop}"
    loss = ["loss=generalized_crossentropy", "loss.q=0.5"]
    outcome = run_labkeras(tmp_path, "train", *QUICK, layer, *loss, "run_dir=here")
    assert outcome.returncode == 0, outcome.stderr
    config = yaml.safe_load((tmp_path / "here" / "config.yaml").read_text())
    assert config["loss"] == {
        "loss": "generalized_crossentropy",
        "q": 0.5,
        "reduction": "sum_over_batch_size",
        "dtype": None,
    }
    assert config["model"]["layers"]["gate"]["gate_activation"] == "sigmoid"
    listed = run_labkeras(tmp_path, "list", "layers").stdout.splitlines()
    assert [line.split()[1] for line in listed if line.startswith("gated_dense")] == ["labkeras-example"]


def test_a_plugin_of_hydra_s_that_cannot_be_imported_is_named(tmp_path: Path) -> None:
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "old_sweeper.py").write_text("raise ValueError('mutable default')\n")
    outcome = run_labkeras(tmp_path, *QUICK)
    assert outcome.returncode == 3
    assert "ValueError: mutable default. Uninstall or update the distribution that has" in outcome.stderr
    assert "old_sweeper.py" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_ctrl_c_ends_with_130_and_says_where(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "labkeras", *QUICK, "fit.epochs=100000", "run_dir=here"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for((tmp_path / "here" / "metrics.jsonl").exists)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert f"interrupted; run directory: {tmp_path / 'here'}" in errors
    assert "Traceback" not in errors
    assert result_in(tmp_path / "here")["state"] == "interrupted"


@pytest.mark.slow
def test_runs_that_start_together_share_no_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "labkeras", *QUICK]
    started = [subprocess.Popen(command, cwd=tmp_path, env=environment()) for _ in range(3)]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    folders = list((tmp_path / "runs" / "digits_mlp").iterdir())
    assert len(folders) == 3
    assert {result_in(folder)["state"] for folder in folders} == {"done"}


@pytest.mark.slow
def test_the_second_process_in_a_folder_ends_at_once_and_names_the_first(tmp_path: Path) -> None:
    first = FolderLock(tmp_path / "here" / "run.lock")
    (tmp_path / "here").mkdir()
    words = [sys.executable, "-m", "labkeras", *QUICK, "run_dir=here"]
    with first:
        start = time.monotonic()
        done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
        seconds = time.monotonic() - start
    assert done.returncode == 2
    assert f"process {os.getpid()} on " in done.stderr
    assert seconds < 2


def test_the_plan_of_a_sweep_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "-m", "experiment=digits_mlp", "debug=plan", "seed=0,1,2"]) == 0
    out = capsys.readouterr().out
    assert "a sweep of 3 trials, sampler grid: nothing is wrong with them" in out
    assert "17,226" in out
    assert list(tmp_path.iterdir()) == []
