"""The columns of a sweep in TensorBoard."""

from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import DATA_TYPE_BOOL, DATA_TYPE_FLOAT64, DATA_TYPE_STRING

from labkeras.experiment.reports.writer import write_reports
from tests.helpers.sweeps_by_hand import LEARNING_RATE, OPTIMIZER, trial, write_sweep


def experiment(folder: Path) -> Any:
    events = EventAccumulator(str(folder / "tb"))
    events.Reload()
    content = events.PluginTagToContent(metadata.PLUGIN_NAME)[metadata.EXPERIMENT_TAG]
    return metadata.parse_experiment_plugin_data(content)


def test_what_differs_has_a_column_with_its_domain(tmp_path: Path) -> None:
    points = [
        {"optimizer": name, "optimizer.learning_rate": rate, "fit.shuffle": shuffle, "units": units}
        for name, rate, shuffle, units in (("adam", 0.1, True, 32), ("sgd", 0.01, False, 64))
    ]
    trials = [trial(point, 0.9, metrics={"test_loss": 0.3, "loss": 0.2}) for point in points]
    write_reports(write_sweep(tmp_path, trials, [OPTIMIZER, LEARNING_RATE]))
    found = experiment(tmp_path)
    infos = {info.name: info for info in found.hparam_infos}
    assert list(infos) == ["optimizer", "optimizer.learning_rate", "fit.shuffle", "units"]
    assert [info.type for info in infos.values()] == [
        DATA_TYPE_STRING,
        DATA_TYPE_FLOAT64,
        DATA_TYPE_BOOL,
        DATA_TYPE_FLOAT64,
    ]
    assert list(infos["optimizer"].domain_discrete) == ["adam", "sgd"]
    assert list(infos["units"].domain_discrete) == [32.0, 64.0]
    interval = infos["optimizer.learning_rate"].domain_interval
    assert (interval.min_value, interval.max_value) == (1e-4, 1.0)
    assert [info.name.tag for info in found.metric_infos] == ["val_accuracy", "test_loss", "epochs"]


def test_they_are_written_over_and_not_added(tmp_path: Path) -> None:
    for count in (2, 3):
        write_reports(write_sweep(tmp_path, [trial({"units": n}, 0.9) for n in range(count)]))
    assert len(list((tmp_path / "tb").iterdir())) == 1
    assert len(experiment(tmp_path).hparam_infos[0].domain_discrete) == 3


def test_a_sweep_in_which_nothing_differs_has_none(tmp_path: Path) -> None:
    write_reports(write_sweep(tmp_path, [trial({"units": 1}, 0.9)]))
    assert not (tmp_path / "tb").exists()
