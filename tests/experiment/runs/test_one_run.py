"""One run: trained, tested, written down."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from labkeras.callbacks import Callback
from labkeras.errors import ConfigError, RunDirectoryError
from labkeras.experiment import compose, run
from labkeras.experiment.config.sources import shipped_conf
from labkeras.registry import callbacks, datasets

EXPERIMENTS = sorted(path.stem for path in (shipped_conf() / "experiment").glob("*.yaml"))
QUICK = ["experiment=digits_mlp", "fit.epochs=2", "fit.verbose=0", "trainer=cpu", "callbacks=none"]


@pytest.fixture(autouse=True)
def _in_a_new_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def failing() -> Iterator[None]:
    """A callback that raises what it is told to in the second epoch."""

    class Failing(Callback):
        def __init__(self, interrupt: bool = False) -> None:
            super().__init__()
            self.interrupt = interrupt

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 1:
                raise KeyboardInterrupt if self.interrupt else RuntimeError("the disk is full")

    entry = callbacks.add("failing", Failing)
    yield
    callbacks.discard(entry)


@pytest.fixture
def points() -> Iterator[None]:
    """A data set with two inputs and two targets, without a test part."""

    def load(count: int = 40) -> Any:
        generator = np.random.default_rng(0)
        x = {"left": generator.normal(size=(count, 3)), "right": generator.normal(size=(count, 2))}
        return ((x, {"sum": x["left"].sum(1), "sign": (x["right"].sum(1) > 0).astype(int)}), None)

    entry = datasets.add("points", load)
    yield
    datasets.discard(entry)


def quick_run(*overrides: str) -> tuple[dict[str, Any], Path]:
    lines = [*QUICK, *overrides]
    result = run(compose(lines), lines)
    return result, Path(result["run_dir"])


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def scalars(folder: Path) -> dict[str, Sequence[float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_runs_an_epoch(name: str) -> None:
    lines = [f"experiment={name}", "fit.epochs=1", "fit.verbose=0", "trainer=cpu"]
    result = run(compose(lines), lines)
    assert result["state"] == "done"
    assert result["name"] == name
    assert "test_loss" in result
    assert not name.startswith("digits") or 0.2 < result["test_accuracy"] <= 1
    assert (Path(result["run_dir"]) / "checkpoints" / "best.keras").is_file()


def test_a_run_leaves_its_config_metrics_and_result() -> None:
    result, folder = quick_run("seed=5")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["seed"] == 5
    assert config["model"]["layers"]["h1"]["use_bias"] is True  # arguments that nobody named are written down too
    rows = rows_of(folder)
    assert [row["epoch"] for row in rows] == [1, 2]
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"} <= set(rows[0])
    assert json.loads((folder / "result.json").read_text()) == result
    assert result["epochs"] == 2
    assert result["last"] == rows[1]
    assert result["best"] == max(rows, key=lambda row: row["val_accuracy"])
    assert result["parameters"] == 17226
    assert result["seconds"] > 0


def test_the_written_config_makes_the_same_run() -> None:
    result, folder = quick_run()
    config = yaml.safe_load((folder / "config.yaml").read_text())
    again = run(config)
    assert again["run_dir"] != result["run_dir"]
    assert again["test_loss"] == result["test_loss"]


def test_another_seed_makes_another_run() -> None:
    assert quick_run("seed=1")[0]["test_loss"] != quick_run("seed=2")[0]["test_loss"]


def test_the_best_epoch_goes_by_the_monitor() -> None:
    result, folder = quick_run("monitor=val_loss")
    assert result["best"]["val_loss"] == min(row["val_loss"] for row in rows_of(folder))
    result, folder = quick_run("monitor=val_loss", "mode=max")
    assert result["best"]["val_loss"] == max(row["val_loss"] for row in rows_of(folder))


def test_training_and_validation_share_a_chart() -> None:
    result, folder = quick_run()
    training, validation = scalars(folder / "tb" / "train"), scalars(folder / "tb" / "validation")
    rows = rows_of(folder)
    for tag in ("loss", "accuracy"):
        assert training[f"epoch_{tag}"] == pytest.approx([row[tag] for row in rows])
        assert validation[f"epoch_{tag}"] == pytest.approx([row[f"val_{tag}"] for row in rows])
    assert scalars(folder / "tb")["test_accuracy"] == pytest.approx([result["test_accuracy"]])


def test_event_files_lie_in_four_folders_and_nowhere_else() -> None:
    _, folder = quick_run()
    found = {str(path.parent.relative_to(folder)) for path in folder.rglob("events.out.tfevents.*")}
    assert found == {"tb", "tb/train", "tb/validation", "tb/test"}


def test_without_a_logger_there_are_no_event_files() -> None:
    _, folder = quick_run("logger=none")
    assert not (folder / "tb").exists()
    assert len(rows_of(folder)) == 2


def test_paths_of_callbacks_are_within_the_run() -> None:
    elsewhere = Path("elsewhere.keras").absolute()
    here = "+callbacks.here={callback: model_checkpoint, filepath: a/last.keras}"
    _, folder = quick_run(here, f"+callbacks.there={{callback: model_checkpoint, filepath: '{elsewhere}'}}")
    assert (folder / "a" / "last.keras").is_file()
    assert elsewhere.is_file()


def test_run_dir_names_the_folder(tmp_path: Path) -> None:
    assert quick_run("run_dir=here")[1] == tmp_path / "here"
    with pytest.raises(RunDirectoryError, match="holds something already"):
        quick_run("run_dir=here")


@pytest.mark.parametrize(
    "override",
    [
        "model.layers.h1.units=0",  # the layer refuses it
        "model.layers.h1.units=x",  # the type is wrong
        "loss.reduction=average",  # the loss refuses it
        "+model.layers.conv={layer: conv2d, filters: 3, kernel_size: 3, after: flat}",  # its input does not fit
        "+callbacks={best: {callback: model_checkpoint, filepath: a.txt}}",  # the callback refuses it
    ],
)
def test_a_faulty_config_leaves_nothing_behind(tmp_path: Path, override: str) -> None:
    with pytest.raises(ConfigError):
        quick_run(override)
    assert list(tmp_path.rglob("*.yaml")) == []
    assert list(tmp_path.rglob("result.json")) == []


def test_all_that_optimizers_and_losses_refuse_is_raised_together() -> None:
    with pytest.raises(ConfigError) as caught:
        quick_run("loss.reduction=average", "optimizer.clipnorm=1", "optimizer.clipvalue=1")
    keys = sorted(fault.partition("=")[0] for fault in caught.value.faults)
    assert keys == ["loss.reduction", "optimizer.clipnorm"]


@pytest.mark.usefixtures("failing")
def test_a_run_that_fails_says_so_in_its_folder() -> None:
    with pytest.raises(RuntimeError, match="the disk is full") as caught:
        quick_run("+callbacks={bad: {callback: failing}}", "run_dir=here")
    assert [note for note in caught.value.__notes__ if "here" in note]
    result = json.loads(Path("here/result.json").read_text())
    assert (result["state"], result["error"]) == ("failed", "RuntimeError: the disk is full")
    assert rows_of(Path("here"))[0]["epoch"] == 1
    assert "test_accuracy" not in result


@pytest.mark.usefixtures("failing")
def test_a_run_that_is_interrupted_says_so_in_its_folder() -> None:
    with pytest.raises(KeyboardInterrupt) as caught:
        quick_run("+callbacks={bad: {callback: failing, interrupt: true}}", "run_dir=here")
    assert [note for note in caught.value.__notes__ if "here" in note]
    assert json.loads(Path("here/result.json").read_text())["state"] == "interrupted"


@pytest.mark.usefixtures("points")
def test_several_inputs_and_outputs_go_by_name() -> None:
    config = {
        "data": {"dataset": "points"},
        "model": {
            "kind": "functional",
            "inputs": {"left": {"shape": [3]}, "right": {"shape": [2]}},
            "nodes": {
                "both": {"layer": "concatenate", "from": ["left", "right"]},
                "sum": {"layer": "dense", "units": 1},
                "sign": {"layer": "dense", "units": 1, "activation": "sigmoid", "from": "both"},
            },
            "outputs": {"sum": "sum", "sign": "sign"},
        },
        "optimizer": {"optimizer": "adam"},
        "loss": {"sum": {"loss": "mse"}, "sign": {"loss": "binary_crossentropy"}},
        "metrics": {"sign": {"accuracy": {"metric": "accuracy"}}},
        "fit": {"epochs": 2, "verbose": 0, "validation_split": 0.25},
        "monitor": "val_sign_accuracy",
    }
    result = run(config)
    assert "val_sign_accuracy" in result["last"]
    assert result["best"] is not None
    assert "test_loss" not in result


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("digits_cnn", 0.97), ("digits_mlp", 0.95)])
def test_the_shipped_experiments_reach_their_accuracy(name: str, least: float) -> None:
    result = run(compose([f"experiment={name}", "fit.verbose=0", "trainer=cpu"]))
    assert result["test_accuracy"] >= least
    assert result["seconds"] < 60
