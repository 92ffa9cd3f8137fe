"""Runs that were made can be listed, compared, made a preset and run again; what is damaged is said in a sentence."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from labkeras.cli.main import main
from labkeras.datasets import digits
from labkeras.errors import ConfigError, RunDirectoryError
from labkeras.experiment import compose, run
from labkeras.experiment.runs.comparing import compare_runs
from labkeras.experiment.runs.directory import RunDirectory, find_run
from labkeras.experiment.runs.evaluating import evaluate_run
from labkeras.experiment.runs.listing import list_runs
from labkeras.experiment.runs.promoting import promote
from labkeras.experiment.runs.reproducing import reproduce

QUICK = ["experiment=digits_mlp", "fit.epochs=2", "fit.verbose=0", "trainer=cpu", "callbacks=none", "logger=none"]
SECOND = [*QUICK, "optimizer=sgd", "optimizer.momentum=0.9", "seed=3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs that ended, one that failed, and one that is damaged."""
    folder = tmp_path_factory.mktemp("made")
    run(compose(QUICK), QUICK, folder / "runs" / "a" / "first")
    run(compose(SECOND), SECOND, folder / "runs" / "a" / "second")
    failing = [*QUICK, "optimizer=sgd", "optimizer.learning_rate=1e30"]
    with pytest.raises(ArithmeticError):
        run(compose(failing), failing, folder / "runs" / "b" / "failed")
    (folder / "runs" / "b" / "damaged").mkdir()
    (folder / "runs" / "b" / "damaged" / "run.json").write_text("{")
    return folder


@pytest.fixture(autouse=True)
def _there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(made)


def names(**arguments: Any) -> list[str]:
    return [summary.directory.path.name for summary in list_runs(**arguments)]


def output(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(list(words)) == 0
    return capsys.readouterr().out


# --- listing ---------------------------------------------------------------------------------------------------------


def test_runs_are_listed_the_newest_first_and_damaged_ones_last() -> None:
    assert names() == ["failed", "second", "first", "damaged"]


@pytest.mark.parametrize(
    ("where", "meant"),
    [
        ("state=done", ["second", "first"]),
        ("state=failed", ["failed"]),
        ("failure=not_finite", ["failed"]),
        ("optimizer=sgd", ["failed", "second"]),
        ("optimizer=sgd and optimizer.learning_rate<1", ["second"]),
        ("seed=3", ["second"]),
        ("test_accuracy>=0", ["second", "first"]),
        ("best>0 and not seed=3", ["first"]),
        ("state=unreadable", ["damaged"]),
        ("model.layers.h1.units=128 and state=done", ["second", "first"]),
    ],
)
def test_conditions_choose_by_record_result_and_config(where: str, meant: list[str]) -> None:
    assert names(where=where) == meant


def test_runs_are_sorted_by_a_value_and_those_without_it_come_last() -> None:
    done = sorted(["first", "second"], key=lambda name: find_run(f"runs/a/{name}").result()["test_loss"])  # type: ignore[index]
    assert names(sort="-test_loss")[:2] == done
    assert names(sort="test_loss")[:2] == done[::-1]
    assert set(names(sort="test_loss")[2:]) == {"failed", "damaged"}
    assert names(sort="-test_loss", limit=1) == done[:1]


def test_a_key_that_no_run_has_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no run has 'optimizer.learning_rat'.*optimizer.learning_rate"):
        list_runs(where="optimizer.learning_rat<1")
    with pytest.raises(ConfigError, match=r"no run has 'test_acuracy'.*test_accuracy"):
        list_runs(sort="test_acuracy")


def test_the_table_names_states_values_and_overrides(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "runs").splitlines()
    assert lines[1].startswith("runs/b/failed")
    assert "failed" in lines[1]
    assert "val_accuracy" in lines[2]
    assert "optimizer.momentum=0.9" in lines[2]


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = json.loads(output(capsys, "runs", "--json", "--where", "seed=3"))
    (row,) = rows
    assert Path(row["run"]).name == "second"
    assert row["best"] == find_run("runs/a/second").result()["best"]["val_accuracy"]  # type: ignore[index]


def test_no_runs_is_no_error(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "no runs in" in output(capsys, "runs", str(tmp_path))


def test_a_thousand_runs_are_listed_in_a_moment(tmp_path: Path) -> None:
    record = {"state": "done", "created": "2026-01-01T00:00:00+00:00", "overrides": []}
    for number in range(1000):
        folder = tmp_path / "many" / f"{number:04d}"
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({**record, "id": str(number)}))
    start = time.perf_counter()
    assert len(list_runs(tmp_path, where="state=done")) == 1000
    assert time.perf_counter() - start < 2


# --- comparing -------------------------------------------------------------------------------------------------------


def test_what_differs_between_two_runs_is_what_was_given() -> None:
    found = compare_runs([find_run("runs/a/first"), find_run("runs/a/second")])
    assert found.config["optimizer.optimizer"] == ["adam", "sgd"]
    assert found.config["optimizer.momentum"] == [None, 0.9]
    assert found.config["seed"] == [0, 3]
    assert "optimizer.learning_rate" in found.config  # adam's default is another than sgd's
    assert not any(key.startswith(("model.", "data.", "fit.")) for key in found.config)
    assert found.environment == {}
    assert found.results["state"] == ["done", "done"]
    results = [find_run(f"runs/a/{name}").result() or {} for name in ("first", "second")]
    assert found.results["test_loss"] == [result["test_loss"] for result in results]


def test_other_code_and_packages_are_named(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree("runs/a/first", other)
    record = json.loads((other / "run.json").read_text())
    record["packages"]["torch"] = "1.0"
    (other / "run.json").write_text(json.dumps(record))
    (other / "code.patch").write_text("+ something")
    found = compare_runs([find_run("runs/a/first"), RunDirectory.open(other)])
    assert found.config == {}
    assert found.environment["packages.torch"][1] == "1.0"
    assert found.environment["code.patch"][1].startswith("sha256:")


def test_comparing_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "compare", "runs/a/first", "runs/a/second")
    assert "optimizer.momentum" in text
    assert "difference" in text
    parsed = json.loads(output(capsys, "compare", "runs/a/first", "runs/a/second", "runs/b/failed", "--json"))
    assert parsed["results"]["state"] == ["done", "done", "failed"]


# --- promoting -------------------------------------------------------------------------------------------------------


def test_a_preset_composes_to_what_the_run_was(capsys: pytest.CaptureFixture[str]) -> None:
    text = output(capsys, "promote", "runs/a/second", "chosen")
    assert "train experiment=chosen" in text
    file = Path("conf/experiment/chosen.yaml").read_text()
    assert file.startswith("# @package _global_\n# From the run a/second: best val_accuracy 0.")
    assert "override /optimizer: sgd" in file
    assert len(file.splitlines()) < 20  # what was said, not all that it means
    config = OmegaConf.to_container(compose(["experiment=chosen"]), resolve=True)
    assert isinstance(config, dict)
    was = find_run("runs/a/second").config()
    assert {key: config[key] for key in was if key != "name"} == {key: was[key] for key in was if key != "name"}


def test_a_preset_says_everything_where_the_command_line_no_longer_says_it(tmp_path: Path) -> None:
    config = compose([*QUICK, "model.layers.h1.units=7"])
    run(config, QUICK, tmp_path / "run")  # the overrides do not tell of the units
    path = promote(find_run(tmp_path / "run"), "whole", folder=tmp_path / "conf")
    again = compose(["experiment=whole"], config_dir=str(tmp_path / "conf"))
    assert again.model.layers.h1.units == 7
    assert "units: 7" in path.read_text()


def test_a_preset_is_not_replaced_unless_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = find_run("runs/a/first")
    promote(folder, "once", folder=tmp_path)
    with pytest.raises(RunDirectoryError, match="--force"):
        promote(folder, "once", folder=tmp_path)
    promote(folder, "once", folder=tmp_path, force=True)
    with pytest.raises(ConfigError, match="expected a name of letters"):
        promote(folder, "../once", folder=tmp_path)


# --- reproducing -----------------------------------------------------------------------------------------------------


def test_a_run_that_is_run_again_is_identical(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = output(capsys, "reproduce", "runs/a/second", "--run-dir", str(tmp_path / "again"))
    assert "identical:" in text
    assert "to the last bit" in text


def test_what_differs_is_named_with_its_epoch_and_the_environment(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree("runs/a/first", other)
    rows = [json.loads(line) for line in (other / "metrics.jsonl").read_text().splitlines()]
    rows[1]["val_loss"] += 0.5
    (other / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    record = json.loads((other / "run.json").read_text())
    record["packages"]["torch"] = "1.0"
    (other / "run.json").write_text(json.dumps(record))
    found = reproduce(RunDirectory.open(other), tmp_path / "again")
    assert not found.is_identical
    assert found.epoch == 2
    assert set(found.differences) == {"val_loss"}
    assert found.environment["packages.torch"][0] == "1.0"
    assert main(["reproduce", str(other), "--run-dir", str(tmp_path / "third")]) == 1
    text = capsys.readouterr().out
    assert "differs from epoch 2" in text
    assert "packages.torch: 1.0 →" in text


# --- evaluating and predicting ----------------------------------------------------------------------------------------


def test_a_run_is_evaluated_as_it_tested_itself(capsys: pytest.CaptureFixture[str]) -> None:
    result = find_run("runs/a/second").result() or {}
    found = json.loads(output(capsys, "evaluate", "run=runs/a/second", "--json"))
    assert found == {name.removeprefix("test_"): value for name, value in result.items() if name.startswith("test_")}
    written = json.loads(Path("runs/a/second/evaluations/test-last.json").read_text())
    assert written["results"] == found
    text = output(capsys, "evaluate", "run=runs/a/second", "on=train", "fit.batch_size=100", "out=results.json")
    assert text.startswith("train accuracy: 0.")
    assert json.loads(Path("results.json").read_text())["overrides"] == ["fit.batch_size=100"]


def test_predictions_are_those_that_the_run_was_tested_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "predict", "run=runs/a/first", "out=predicted") == "predicted/test.npy\n"
    scores = np.load("predicted/test.npy")
    (_, _), (_, y_test) = digits.load_data()
    assert scores.shape == (len(y_test), 10)
    accuracy = (find_run("runs/a/first").result() or {})["test_accuracy"]
    assert (scores.argmax(1) == y_test).mean() == pytest.approx(accuracy, abs=1e-6)


def test_the_best_model_is_another_than_the_last(tmp_path: Path) -> None:
    overrides = ["experiment=digits_mlp", "fit.epochs=2", "fit.verbose=0", "trainer=cpu", "logger=none", "monitor=loss"]
    overrides += ["mode=max"]  # so that the first epoch is the best
    run(compose(overrides), overrides, tmp_path / "run")
    made = find_run(tmp_path / "run")
    best, last = (evaluate_run(made, checkpoint=name) for name in ("best", "last"))
    assert best["loss"] > last["loss"]
    assert evaluate_run(made, checkpoint="checkpoints/best.keras") == best


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate"], "name the run: labkeras evaluate run=latest"),
        (["evaluate", "run=runs/a/first", "on=tset"], "on=tset: expected test or train or validation"),
        (["evaluate", "run=runs/a/first", "on=validation"], "the data has no such part; it has test, train"),
        (["evaluate", "run=runs/a/first", "checkpoint=best"], "the run has no such checkpoint; it has "),
        (["evaluate", "run=runs/a/first", "fit.batchsize=3"], "Did you mean 'fit.batch_size'"),
        (["evaluate", "run=runs/a/first", "fit.batch_size=many"], "fit.batch_size='many'"),
        (["evaluate", "run=runs/a/first", "data=digist"], "Did you mean 'digits'"),
        (["predict", "run=runs/a/first", "seed=1,2"], "several values are a sweep"),
        (["predict", "run=nowhere"], "there is no such run"),
    ],
)
def test_what_cannot_be_evaluated_is_said_in_a_sentence(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors


# --- what is not there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["compare", "runs/a/first", "NAME"], ["promote", "NAME", "x"], ["reproduce", "NAME"]]
)
@pytest.mark.parametrize(
    ("name", "said"), [("nowhere", "there is no such run"), ("runs/b/damaged", "it has no config.yaml")]
)
def test_a_run_that_is_not_there_or_damaged_is_said_in_a_sentence(
    words: list[str], name: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name if word == "NAME" else word for word in words]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors


def test_one_run_is_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "runs/a/first"]) == 2
    assert "name two runs or more" in capsys.readouterr().err


# --- what people do --------------------------------------------------------------------------------------------------


def copied(name: str, to: Path) -> Path:
    """A copy of a run that a test may damage."""
    shutil.copytree(Path("runs/a") / name, to)
    return to


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_part_of_a_name_is_enough_and_a_misspelt_one_gets_the_nearest() -> None:
    assert find_run("secon").path == find_run("a/second").path
    with pytest.raises(RunDirectoryError, match=r"no such run.*Did you mean 'a/second'.*Received: run='a/secnod'"):
        find_run("a/secnod")
    with pytest.raises(RunDirectoryError, match=r"several runs have this name: a/first, .*a/second"):
        find_run("s")
    with pytest.raises(RunDirectoryError, match="no such run"):
        find_run("")


def test_a_run_that_failed_fails_again_in_the_same_way(capsys: pytest.CaptureFixture[str]) -> None:
    assert "identical" in output(capsys, "reproduce", "runs/b/failed")


def test_a_run_that_goes_on_or_has_no_epoch_is_not_run_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run_ = RunDirectory.open(copied("first", tmp_path / "copy"))
    changed(run_.path / "run.json", state="running")
    run_.lock.acquire()
    assert main(["reproduce", str(run_.path)]) == 2
    assert "the run goes on" in capsys.readouterr().err
    run_.lock.release()  # now it was killed
    run_.metrics_path.write_text("")
    assert main(["reproduce", str(run_.path)]) == 2
    assert "killed before its first epoch ended" in capsys.readouterr().err


def test_of_a_run_that_was_killed_the_epochs_that_it_has_are_compared(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    killed = RunDirectory.open(copied("first", tmp_path / "copy"))
    changed(killed.path / "run.json", state="running")
    (killed.path / "result.json").unlink()
    killed.metrics_path.write_text(killed.metrics_path.read_text().splitlines(keepends=True)[0])
    assert "over 1 epochs" in output(capsys, "reproduce", str(killed.path), "--run-dir", str(tmp_path / "again"))


def test_progress_is_not_printed_into_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    overrides = [*QUICK, "fit.epochs=1", "fit.verbose=1"]
    run(compose(overrides), overrides, tmp_path / "run")
    capsys.readouterr()
    found = json.loads(output(capsys, "reproduce", str(tmp_path / "run"), "--run-dir", str(tmp_path / "b"), "--json"))
    assert found["identical"] is True
    assert found["epochs"] == 1


@pytest.mark.parametrize(
    ("overrides", "names"),
    [
        (["metrics=sparse_categorical_accuracy"], {"loss", "sparse_categorical_accuracy"}),
        (["+metrics.top={metric: sparse_categorical_crossentropy}"], {"loss", "accuracy", "top"}),
        (["~metrics.accuracy"], {"loss"}),
        (["metrics=none"], {"loss"}),
    ],
)
def test_a_run_is_evaluated_with_other_metrics_than_those_it_watched(
    overrides: list[str], names: set[str], tmp_path: Path
) -> None:
    assert set(evaluate_run(find_run("runs/a/first"), overrides, out=tmp_path / "found.json")) == names


def test_a_run_on_several_devices_is_evaluated_on_one(tmp_path: Path) -> None:
    folder = copied("first", tmp_path / "copy")
    text = (folder / "config.yaml").read_text()
    assert "devices: auto" in text
    (folder / "config.yaml").write_text(
        text.replace("devices: auto", "devices: 2").replace("strategy: auto", "strategy: ddp")
    )
    assert evaluate_run(find_run(folder)) == evaluate_run(find_run("runs/a/first"), out=tmp_path / "found.json")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "run=runs/a/first", "out=."], "nothing can be written there"),
        (["predict", "run=runs/a/first", "out=/proc/nowhere"], "nothing can be written there"),
        (["evaluate", "run=runs/a/first", "model.layers.h1.units=7"], "of another model"),
        (["evaluate", "run="], "there is no such run"),
        (["runs", "--limit", "-1"], "--limit: expected 0 or more"),
    ],
)
def test_other_things_that_cannot_be_are_said_in_a_sentence_too(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    assert main(words) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert "Traceback" not in errors


def test_a_damaged_checkpoint_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = copied("first", tmp_path / "copy")
    for file in (folder / "checkpoints").glob("*.zip"):
        file.write_bytes(file.read_bytes()[:1000])
    assert main(["evaluate", f"run={folder}"]) == 2
    assert "is damaged" in capsys.readouterr().err


def test_overrides_that_cannot_be_read_are_made_up_for_by_the_config(tmp_path: Path) -> None:
    folder = copied("second", tmp_path / "copy")
    overrides = folder / "hydra" / "overrides.yaml"
    overrides.write_text(overrides.read_text().replace("optimizer.momentum=0.9", "'optimizer.momentum=[0.9'"))
    path = promote(find_run(folder), "whole", folder=tmp_path / "conf")
    assert "momentum: 0.9" in path.read_text()


def test_overrides_with_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = copied("first", tmp_path / "runs" / "copy")
    changed(folder / "run.json", overrides=["callbacks=[red]"])
    assert "callbacks=[red]" in output(capsys, "runs", str(tmp_path / "runs"))
