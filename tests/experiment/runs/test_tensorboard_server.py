"""A run's folder, opened in a real TensorBoard server."""

from collections.abc import Iterator
from typing import Any

import pytest

from labkeras.experiment import compose, run
from tests.helpers.tensorboard_server import answer_to, ask, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    lines = ["experiment=digits_mlp", "fit.epochs=2", "fit.verbose=0", "trainer=cpu", "callbacks=none"]
    folder = tmp_path_factory.mktemp("tensorboard") / "run"
    return run(compose(lines), lines, folder)


@pytest.fixture(scope="module")
def address(result: dict[str, Any]) -> Iterator[str]:
    """The address of a server that shows the run's folder."""
    with serving(result["run_dir"]) as found:
        yield found


def test_training_and_validation_are_two_runs_with_the_same_tags(address: str) -> None:
    runs = answer_to(f"{address}/runs", lambda found: len(found) == 4)
    assert sorted(runs) == ["tb", "tb/test", "tb/train", "tb/validation"]
    tags = answer_to(f"{address}/plugin/scalars/tags", lambda found: len(found) == 3)
    for tag in ("epoch_loss", "epoch_accuracy"):
        assert tag in tags["tb/train"]
        assert tag in tags["tb/validation"]
    points = ask(f"{address}/plugin/scalars/scalars?run=tb/validation&tag=epoch_accuracy")
    assert len(points) == 2


def test_the_run_is_a_session_with_its_choices_and_results(address: str, result: dict[str, Any]) -> None:
    answer_to(f"{address}/runs", lambda found: len(found) == 4)
    url = f"{address}/plugin/hparams"
    experiment = answer_to(f"{url}/experiment", lambda found: found.get("metricInfos"), {})
    assert "optimizer.learning_rate" in [info["name"] for info in experiment["hparamInfos"]]
    metrics = {(info["name"]["group"], info["name"]["tag"]) for info in experiment["metricInfos"]}
    assert {("", "test_accuracy"), ("validation", "epoch_accuracy")} <= metrics
    columns = [{"metric": {"group": "", "tag": "test_accuracy"}}]
    body = {"startIndex": 0, "sliceSize": 10, "allowedStatuses": ["STATUS_SUCCESS"], "colParams": columns}
    groups = ask(f"{url}/session_groups", body)["sessionGroups"]
    assert len(groups) == 1
    assert groups[0]["hparams"]["optimizer.learning_rate"] == 0.001
    found = {value["name"]["tag"]: value["value"] for value in groups[0]["metricValues"]}
    assert found["test_accuracy"] == pytest.approx(result["test_accuracy"], abs=1e-6)
