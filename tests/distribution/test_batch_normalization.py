"""BatchNormalization over several processes: as one process with all their samples."""

import sys
from typing import Any

import pytest
import torch
import torch.distributed as dist

from labkeras.layers import BatchNormalization
from tests.helpers.processes import run_ranks

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there is no fork"),
]
IMAGES = torch.randn(7, 4, 4, 3, generator=torch.Generator().manual_seed(1)) * 2 + 3
FACTORS = torch.randn(7, 4, 4, 3, generator=torch.Generator().manual_seed(2))
MASK = torch.rand(7, 4, 4, generator=torch.Generator().manual_seed(3)) > 0.4
PARTS = [slice(0, 5), slice(5, 7)]


def _run(rows: slice, **arguments: Any) -> dict[str, torch.Tensor]:
    """Outputs, gradients of `sum(outputs * factors)` and moving averages for some of the samples."""
    mask = arguments.pop("mask", None)
    layer = BatchNormalization(synchronized=True, momentum=0.7, **arguments)
    layer.build(IMAGES.shape)
    x = IMAGES[rows].clone().requires_grad_()
    outputs = layer(x, training=True, mask=None if mask is None else mask[rows])
    (outputs * FACTORS[rows]).sum().backward()
    values = {"outputs": outputs, "inputs": x.grad, "gamma": layer.gamma.grad, "beta": layer.beta.grad}
    averages = {weight.name: weight for weight in layer.non_trainable_weights}
    return {name: value.detach().clone() for name, value in (values | averages).items()}


@pytest.mark.parametrize(
    "arguments", [{}, {"mask": MASK}, {"renorm": True}, {"axis": 1}], ids=["plain", "mask", "renorm", "axis"]
)
def test_two_processes_are_as_one_with_all_samples(arguments: dict[str, Any]) -> None:
    def one_rank() -> Any:
        dist.init_process_group("gloo")
        values = _run(PARTS[dist.get_rank()], **arguments)
        return {name: value.numpy() for name, value in values.items()}

    whole = _run(slice(None), **arguments)
    ranks = [{name: torch.tensor(v) for name, v in values.items()} for values in run_ranks(one_rank)]
    for name, expected in whole.items():
        if name in ("outputs", "inputs"):
            found = torch.cat([values[name] for values in ranks])
        elif name in ("gamma", "beta"):
            found = sum(values[name] for values in ranks)  # each has its own samples' part
        else:
            found = ranks[0][name]
            torch.testing.assert_close(ranks[1][name], found, rtol=0, atol=0)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5, msg=name)
