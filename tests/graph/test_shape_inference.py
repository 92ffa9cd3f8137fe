"""Shapes of calls are found without values, and without touching the state of what is called."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from labkeras import Input, KerasTensor, Layer
from labkeras.errors import InvalidInputError
from labkeras.graph.shape_inference import infer, known_shape


def test_a_size_that_varies_is_unknown_and_one_that_does_not_is_known() -> None:
    x, steps = Input((4, 3)), Input((None, 3))
    assert torch.cat([x, x], 1).shape == (None, 8, 3)
    assert torch.cat([steps, x], 1).shape == (None, None, 3)
    assert steps.mean(1).shape == (None, 3)
    assert x.sum().shape == ()
    assert torch.zeros(5).shape == (5,)


def test_numbers_that_depend_on_unknown_sizes_are_placeholders_and_others_numbers() -> None:
    x = Input((4,))
    assert isinstance(x.size(0), KerasTensor)
    assert x.size(1) == 4
    assert (x.size(0) * 2).dtype == "int64"


def test_functions_that_return_no_tensor_return_their_result() -> None:
    x = Input((4,))
    assert x.is_floating_point() is True
    assert x.dim() == 2


def test_a_module_is_not_changed_by_finding_out_its_shapes() -> None:
    norm = nn.BatchNorm1d(3)
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    norm(Input((3,)))
    assert norm.training
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_random_functions_do_not_draw_while_a_graph_is_built() -> None:
    before = torch.get_rng_state()
    nn.Dropout(0.5)(Input((4,)))
    torch.dropout(Input((4,)), 0.5, True)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_depends_on_values_gets_unknown_sizes() -> None:
    x = Input(batch_shape=(6, 4))
    assert torch.nonzero(x > 0).shape == (None, 2)
    assert torch.unique(x).shape == (None,)
    assert x[x > 0].shape == (None,)


def test_a_failure_names_the_operation_the_shapes_and_torchs_reason_without_stand_ins() -> None:
    with pytest.raises(InvalidInputError, match=r"'matmul' .*\(None, 4\).*\[None, 4\] X \[3, 2\]"):
        Input((4,)) @ torch.ones(3, 2)


def test_infer_returns_the_structure_of_the_result() -> None:
    result = infer(lambda x: {"a": x, "b": [x + 1, None]}, (Input((2,)),), {}, KerasTensor)
    assert result["a"].shape == (None, 2)
    assert result["b"][1] is None


def test_layers_built_within_another_layer_get_real_weights() -> None:
    class Inner(Layer):
        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight((input_shape[-1], 2), name="kernel")

        def call(self, x: Any) -> Any:
            return x @ self.kernel

    class Outer(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Inner()

        def call(self, x: Any) -> Any:
            return self.inner(x.flatten(1))

    outer = Outer()
    assert outer(Input((3, 2))).shape == (None, 2)
    assert outer.inner.kernel.device.type == "cpu"
    assert np.isfinite(outer.inner.kernel.numpy()).all()
    assert outer.inner.get_build_config() == {"input_shape": (None, 6)}


def test_outside_of_inference_all_sizes_are_known() -> None:
    assert known_shape(torch.Size([240, 480])) == (240, 480)


def test_large_placeholders_cost_no_memory() -> None:
    assert (Input((2**20, 2**10)) * 2).shape == (None, 2**20, 2**10)
