"""Errors by what they are about."""

from pathlib import Path

import pytest
import torch

from labkeras.errors import (
    ConfigError,
    DataError,
    InvalidInputError,
    NonFiniteLossError,
    PluginError,
    RunStoppedError,
)
from labkeras.experiment.runs.failures import failure_of
from tests.helpers.processes import run_python


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "out_of_memory"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "out_of_memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"), "out_of_memory"),
        (NonFiniteLossError("the loss is nan"), "not_finite"),
        (FloatingPointError("overflow"), "not_finite"),
        (RunStoppedError("…", "preempted", "preempted", 75), "preempted"),
        (RunStoppedError("…", "timeout", "failed", 1), "timeout"),
        (RunStoppedError("…", "stopped", "interrupted", 130), "interrupted"),
        (KeyboardInterrupt(), "interrupted"),
        (ConfigError(["seed=x: expected an integer"]), "bad_input"),
        (DataError("empty"), "bad_input"),
        (InvalidInputError("of another shape"), "bad_input"),
        (PluginError("broke a rule"), "plugin"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), "error"),
        (OSError(28, "No space left on device"), "error"),
    ],
)
def test_an_error_has_a_kind(error: BaseException, kind: str) -> None:
    assert failure_of(error)["kind"] == kind


def test_an_error_that_hides_another_has_the_kind_of_that() -> None:
    hiding = ValueError("the layer cannot be built")
    hiding.__cause__ = MemoryError()
    assert failure_of(hiding) == {"kind": "out_of_memory", "error": "ValueError: the layer cannot be built"}


def test_the_cpus_allocator_says_it_in_words() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert failure_of(caught.value)["kind"] == "out_of_memory"


def test_an_error_in_the_code_of_a_plugin_is_the_plugins(tmp_path: Path) -> None:
    (tmp_path / "labkeras_broken.py").write_text("def fails():\n    return {}['key']\n")
    (tmp_path / "check.py").write_text(
        "import labkeras_broken\n"
        "from labkeras.experiment.runs.failures import failure_of\n"
        "from labkeras.plugins.manager import register_plugin\n"
        "register_plugin(labkeras_broken, 'labkeras-broken')\n"
        "try:\n    labkeras_broken.fails()\nexcept KeyError as error:\n    print(failure_of(error))\n"
    )
    outcome = run_python(tmp_path, "check.py")
    assert outcome.stdout.strip() == str({"kind": "plugin", "error": "KeyError: 'key'"}), outcome.stderr
