"""What a Trainer is told must be there; GPUs are counted without starting CUDA."""

from typing import Any

import pytest
import torch

from labkeras.experiment.config import device_checks
from labkeras.experiment.config.device_checks import check_devices, visible_gpus


def faults(monkeypatch: pytest.MonkeyPatch, gpus: int, **trainer: Any) -> list[str]:
    monkeypatch.setattr(device_checks, "visible_gpus", lambda: gpus)
    found: list[str] = []
    check_devices(trainer, found)
    return found


RIGHT: list[tuple[int, dict[str, Any]]] = [
    (0, {}),
    (0, {"accelerator": "auto", "devices": "auto", "strategy": "auto", "precision": None}),
    (0, {"accelerator": "cpu", "devices": 2, "strategy": "ddp"}),
    (0, {"accelerator": "auto", "devices": 4, "strategy": "fsdp"}),
    (0, {"precision": "bf16-mixed"}),
    (2, {"accelerator": "gpu", "devices": [0, 1], "strategy": "ddp"}),
    (2, {"accelerator": "gpu", "devices": "0,1"}),
    (2, {"accelerator": "cuda", "devices": -1}),
    (2, {"devices": 2, "strategy": "ddp_find_unused_parameters_true", "precision": "16-mixed"}),
    (1, {"devices": "1", "strategy": "single_device"}),
    (8, {"accelerator": "gpu", "devices": 8, "strategy": "deepspeed_stage_2"}),  # Lightning has it, if asked
]
WRONG: list[tuple[int, dict[str, Any], str]] = [
    (0, {"accelerator": "gpu"}, "trainer.accelerator='gpu': no GPU is visible"),
    (1, {"accelerator": "gpu", "devices": 2}, "trainer.devices=2: there are not as many: 1 GPU is visible"),
    (2, {"devices": [0, 2]}, "trainer.devices=[0, 2]: there is no device 2: 2 GPUs are visible, counted from 0"),
    (2, {"devices": "0,2"}, "trainer.devices='0,2': there is no device 2"),
    (4, {"devices": 5}, "trainer.devices=5: there are not as many: 4 GPUs are visible"),
    (0, {"devices": [0]}, "trainer.devices=[0]: on the CPU expected how many processes"),
    (0, {"accelerator": "cpu", "devices": -1}, "trainer.devices=-1: on the CPU expected how many processes"),
    (0, {"devices": -2}, "trainer.devices=-2: expected at least one device, or -1 for all"),
    (2, {"devices": [0, -1]}, "expected different device numbers"),
    (0, {"devices": "one"}, "trainer.devices='one': expected 'auto', how many"),
    (0, {"accelerator": "gpus"}, "there is no such accelerator. Did you mean 'gpu'"),
    (0, {"strategy": "dpd"}, "trainer.strategy='dpd': there is no such strategy"),
    (2, {"strategy": "single_device", "devices": 2}, "trainer.strategy='single_device': contradicts trainer.devices=2"),
    (0, {"precision": "16-mixed"}, "trainer.precision='16-mixed': mixed precision in float16 needs a GPU"),
]


@pytest.mark.parametrize(("gpus", "trainer"), RIGHT)
def test_what_is_there_is_let_through(monkeypatch: pytest.MonkeyPatch, gpus: int, trainer: dict[str, Any]) -> None:
    assert faults(monkeypatch, gpus, **trainer) == []


@pytest.mark.parametrize(("gpus", "trainer", "words"), WRONG)
def test_what_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, gpus: int, trainer: dict[str, Any], words: str
) -> None:
    found = faults(monkeypatch, gpus, **trainer)
    assert len(found) == 1
    assert words in found[0]


def test_counting_does_not_start_cuda() -> None:
    assert visible_gpus() == torch.cuda.device_count()
    assert not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]  # torch has no types there
