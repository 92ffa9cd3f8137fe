"""A run's folder, opened in a real TensorBoard server."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labkeras.experiment import compose, run

pytestmark = pytest.mark.slow
_SECONDS = 20  # the server answers after 2 or 3, and shows event files some seconds later


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    lines = ["experiment=digits_mlp", "fit.epochs=2", "fit.verbose=0", "trainer=cpu", "callbacks=none"]
    folder = tmp_path_factory.mktemp("tensorboard") / "run"
    return run(compose(lines), lines, folder)


@pytest.fixture(scope="module")
def address(result: dict[str, Any]) -> Iterator[str]:
    """The address of a server that shows the run's folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", result["run_dir"], "--port", str(port)]
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--load_fast=false"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    yield f"http://127.0.0.1:{port}/data"
    server.terminate()
    server.wait(timeout=10)


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def answer_to(url: str, is_there: Callable[[Any], bool], body: dict[str, Any] | None = None) -> Any:
    """What the server answers as soon as that is what is waited for."""
    end = time.monotonic() + _SECONDS
    answer: Any = None
    while time.monotonic() < end:
        try:
            answer = ask(url, body)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
            continue
        if is_there(answer):
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{url} answers {answer!r}")


def test_training_and_validation_are_two_runs_with_the_same_tags(address: str) -> None:
    runs = answer_to(f"{address}/runs", lambda found: len(found) == 3)
    assert sorted(runs) == ["tb", "tb/train", "tb/validation"]
    tags = answer_to(f"{address}/plugin/scalars/tags", lambda found: len(found) == 3)
    for tag in ("epoch_loss", "epoch_accuracy"):
        assert tag in tags["tb/train"]
        assert tag in tags["tb/validation"]
    points = ask(f"{address}/plugin/scalars/scalars?run=tb/validation&tag=epoch_accuracy")
    assert len(points) == 2


def test_the_run_is_a_session_with_its_choices_and_results(address: str, result: dict[str, Any]) -> None:
    answer_to(f"{address}/runs", lambda found: len(found) == 3)
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
