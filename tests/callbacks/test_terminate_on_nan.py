import sys
from typing import Any

import keras
import numpy as np
import pytest
import torch

from labkeras.callbacks import CallbackList, TerminateOnNaN
from labkeras.errors import NonFiniteLossError
from tests.helpers.fake_model import FakeModel
from tests.helpers.keras_pairs import OURS, classifier


def stopped(callback: Any, logs: Any) -> bool:
    callback.set_model(FakeModel())
    callback.on_train_batch_end(7, logs)
    return bool(callback.model.stop_training)


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf"), np.float32("nan"), 0.5, 0, None])
def test_it_stops_for_the_losses_that_keras_stops_for(loss: Any, capsys: pytest.CaptureFixture[str]) -> None:
    logs = {} if loss is None else {"loss": loss}
    assert stopped(TerminateOnNaN(), logs) == stopped(keras.callbacks.TerminateOnNaN(), logs)
    said = capsys.readouterr().out.split("\n")
    assert said[: len(said) // 2] == said[len(said) // 2 : -1]


def test_the_loss_may_be_a_tensor(capsys: pytest.CaptureFixture[str]) -> None:
    assert stopped(TerminateOnNaN(), {"loss": torch.tensor(float("nan"))})
    assert not stopped(TerminateOnNaN(), {"loss": torch.tensor(1.0)})
    assert capsys.readouterr().out == "Batch 7: Invalid loss, terminating training\n"


def test_raise_error_raises_what_keras_raises_and_what_training_raises() -> None:
    for error in (RuntimeError, NonFiniteLossError):
        with pytest.raises(error, match=r"batch 7.*Received: loss=nan"):
            stopped(TerminateOnNaN(raise_error=True), {"loss": float("nan")})


def test_another_process_that_finds_it_ends_training_here_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labkeras.callbacks.terminate_on_nan.in_any_process", lambda finding: True)
    assert stopped(TerminateOnNaN(), {"loss": 1.0})


def test_a_list_says_whether_it_is_in_it() -> None:
    assert CallbackList([TerminateOnNaN()]).handles_nan
    assert not CallbackList([]).handles_nan


@pytest.mark.slow
@pytest.mark.timeout(120)  # processes that do not agree wait for each other
@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
@pytest.mark.filterwarnings("ignore")  # of torch's and Lightning's, on processes
def test_two_processes_end_together(capfd: pytest.CaptureFixture[str]) -> None:
    inputs = np.ones((64, 6), "float32")
    inputs[7] = np.nan  # one row, which one of the processes has
    model = classifier(OURS)
    model.compile("sgd", "sparse_categorical_crossentropy")
    trainer = {"devices": 2, "strategy": "ddp_fork", "accelerator": "cpu"}
    targets = np.zeros(64, int)
    history = model.fit(
        inputs, targets, batch_size=4, epochs=3, verbose=0, shuffle=False, callbacks=[TerminateOnNaN()], trainer=trainer
    )
    assert history.epoch == [0]
    assert capfd.readouterr().out.count("Invalid loss") == 1
