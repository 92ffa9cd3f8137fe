"""A sweep's folder, opened in a real TensorBoard server: one experiment, a session for each run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from labkeras.experiment.sweeps.ledger import Ledger
from labkeras.experiment.sweeps.request import SweepRequest
from labkeras.experiment.sweeps.sweep import sweep
from tests.helpers.tensorboard_server import answer_to, ask, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Ledger:
    folder: Path = tmp_path_factory.mktemp("tensorboard") / "sweep"
    lines = ["experiment=digits_mlp", "fit.epochs=1", "trainer=cpu", "callbacks=none", f"sweep_dir={folder}"]
    points = ["optimizer=adam,sgd", "optimizer.learning_rate=0.01,0.001"]
    return sweep(SweepRequest([*lines, *points], quiet=True)).ledger


@pytest.fixture(scope="module")
def address(ledger: Ledger) -> Iterator[str]:
    with serving(ledger.path) as found:
        yield found


def test_the_sweep_is_one_experiment_with_its_parameters_and_its_objective(address: str, ledger: Ledger) -> None:
    answer_to(f"{address}/runs", lambda found: len(found) == 1 + 4 * 4)
    url = f"{address}/plugin/hparams"
    found = answer_to(f"{url}/experiment", lambda found: found.get("metricInfos"), {})
    infos = {info["name"]: info for info in found["hparamInfos"]}
    assert sorted(infos) == ["optimizer", "optimizer.learning_rate"]
    assert infos["optimizer"]["domainDiscrete"] == ["adam", "sgd"]
    assert infos["optimizer.learning_rate"]["domainDiscrete"] == [0.001, 0.01]
    tags = [info["name"]["tag"] for info in found["metricInfos"]]
    assert tags[0] == "val_accuracy"
    assert "test_accuracy" in tags

    body = {
        "startIndex": 0,
        "sliceSize": 10,
        "allowedStatuses": ["STATUS_SUCCESS"],
        "colParams": [{"metric": {"group": "", "tag": tag}} for tag in ("val_accuracy", "test_accuracy")],
    }
    groups = ask(f"{url}/session_groups", body)["sessionGroups"]
    assert len(groups) == 4
    sessions = {
        (group["hparams"]["optimizer"], group["hparams"]["optimizer.learning_rate"]): {
            value["name"]["tag"]: value["value"] for value in group["metricValues"]
        }
        for group in groups
    }
    for trial in ledger.trials:
        values = sessions[trial.params["optimizer"], trial.params["optimizer.learning_rate"]]
        assert values["val_accuracy"] == pytest.approx(trial.values[0], abs=1e-6)
        assert values["test_accuracy"] == pytest.approx(trial.metrics["test_accuracy"], abs=1e-6)
