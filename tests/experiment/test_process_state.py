"""Trials that share a process find it as a new process would be."""

import os

import pytest
import torch

from labkeras.experiment.process_state import process_state_kept
from labkeras.naming import auto_name


def test_switches_of_a_run_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    precision = torch.get_float32_matmul_precision()
    with process_state_kept():
        torch.use_deterministic_algorithms(not before[0])
        torch.backends.cudnn.benchmark = not before[1]
        torch.set_float32_matmul_precision("medium")
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"
    assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark) == before
    assert torch.get_float32_matmul_precision() == precision
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


def test_names_count_from_the_start_within_and_go_on_after() -> None:
    first = auto_name("SomeLayerOfATest")
    with process_state_kept():
        assert auto_name("SomeLayerOfATest") == "some_layer_of_a_test"
    assert auto_name("SomeLayerOfATest") != first
