"""Function: the graph as code, with modules, constants, masks; copies and pickles of any depth."""

import copy
import enum
import pickle
from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from labkeras import Input, Layer, Model, Variable, layers
from labkeras.errors import DisconnectedGraphError
from labkeras.graph import Function
from tests.helpers.graphs import check_graph


def test_several_outputs_keep_their_structure() -> None:
    a, b, c = Input((4,)), Input((3,)), Input((2,))
    model = Model([a, {"q": b, "p": c}], (a + 1, [b, {"c": c * 2}]))
    first, (second, rest) = model([torch.ones(2, 4), {"q": torch.zeros(2, 3), "p": torch.ones(2, 2)}])
    assert_close(first, torch.full((2, 4), 2.0))
    assert_close(second, torch.zeros(2, 3))
    assert_close(rest["c"], torch.full((2, 2), 2.0))


def test_an_input_can_be_an_output_and_one_output_two() -> None:
    x = Input((4,))
    y = x * 2
    data = torch.rand(2, 4)
    for ours, expected in zip(Model(x, [x, y, y])(data), (data, data * 2, data * 2), strict=True):
        assert_close(ours, expected)


def test_an_unused_input_is_accepted() -> None:
    x, unused = Input((4,)), Input((4,))
    model = copy.deepcopy(Model([x, unused], x * 2))
    assert_close(model([torch.ones(1, 4), torch.zeros(1, 4)]), torch.full((1, 4), 2.0))


def test_lstm_returns_a_tuple_within_a_tuple() -> None:
    lstm = nn.LSTM(3, 4, batch_first=True)

    def states(x: Any) -> Any:
        outputs, (hidden, cell) = lstm(x)
        return [outputs, hidden, cell]

    model = check_graph(states, (5, 3))
    assert len(list(model.parameters())) == 4
    assert model.output_shape == [(None, 5, 4), (1, None, 4), (1, None, 4)]


def test_multihead_attention_takes_keywords() -> None:
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x = Input((5, 8))
    outputs, weights = attention(query=x, key=x, value=x, need_weights=True)
    alone, nothing = attention(x, x, x, need_weights=False)
    assert nothing is None
    model = Model(x, [outputs, weights, alone])
    data = torch.rand(2, 5, 8)
    expected, expected_weights = attention(data, data, data)
    for ours, theirs in zip(model(data), (expected, expected_weights, expected), strict=True):
        assert_close(ours, theirs)


def test_a_module_called_twice_is_shared() -> None:
    linear = nn.Linear(4, 4)
    model = check_graph(lambda x: linear(linear(x)), (4,))
    assert len(list(model.parameters())) == 2
    assert len(model.layers) == 2


def test_a_captured_parameter_belongs_to_the_model_and_trains() -> None:
    weight = nn.Parameter(torch.rand(2, 4))
    x = Input((4,))
    model = Model(x, F.linear(x, weight))
    assert any(parameter is weight for parameter in model.parameters())
    before = weight.detach().clone()
    model.compile("sgd", "mse")
    model.fit(np.ones((8, 4)), np.zeros((8, 2)), verbose=0)
    assert not torch.equal(weight, before)
    twin = pickle.loads(pickle.dumps(model))
    model.set_weights([np.zeros((2, 4))])
    assert not model(torch.ones(1, 4)).any()
    assert twin(torch.ones(1, 4)).any()


def test_a_captured_variable_is_a_parameter_too() -> None:
    scale = Variable([2.0, 3.0], name="scale")
    x = Input((2,))
    model = Model(x, x * scale)
    assert model.trainable_weights[0] is scale
    assert_close(model(torch.ones(1, 2)), torch.tensor([[2.0, 3.0]]))


def test_captured_tensors_move_with_the_model_and_are_not_saved() -> None:
    x = Input((4,))
    model = Model(x, x + torch.ones(4))
    assert list(model.state_dict()) == []
    assert model.double()(torch.ones(1, 4)).dtype == torch.float64
    assert model.to("meta")(torch.ones(1, 4, device="meta")).device.type == "meta"


def test_three_thousand_operations_are_built_run_copied_and_pickled() -> None:
    x = y = Input((1,))
    for _ in range(3000):
        y = y + 1
    model = Model(x, y)
    data = torch.zeros(1, 1)
    for twin in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin(data).item() == 3000


def test_a_thousand_layers_are_built_run_copied_and_pickled() -> None:
    class AddOne(Layer):
        def call(self, x: Any) -> Any:
            return x + 1

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    globals()["AddOne"] = AddOne  # where pickle looks for it
    AddOne.__qualname__ = "AddOne"
    x = y = Input((1,))
    for _ in range(1100):
        y = AddOne()(y)
    model = Model(x, y)
    part = Model(model.layers[500].output, y)
    for twin in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin(torch.zeros(1, 1)).item() == 1100
    for twin in (part, copy.deepcopy(part), pickle.loads(pickle.dumps(part))):
        assert twin(torch.zeros(1, 1)).item() == 600


class Mode(enum.Enum):
    PLAIN = 1


def test_arguments_that_code_cannot_spell_are_passed_as_they_are() -> None:
    marker = object()

    class Takes(Layer):
        def call(self, x: Any, mode: Any = None, marked: Any = None, function: Any = None) -> Any:
            assert mode is Mode.PLAIN
            assert marked == {"here": marker}
            return function(x)

    x = Input((4,))
    model = Model(x, Takes()(x, mode=Mode.PLAIN, marked={"here": marker}, function=lambda t: t * 3))
    assert_close(model(torch.ones(1, 4)), torch.full((1, 4), 3.0))


RESERVED = ["self", "training", "torch", "class", "operator", "inf", "device", "a.b", "a b", "1x", "None"]


@pytest.mark.parametrize("name", RESERVED)
def test_any_name_does_for_an_input(name: str) -> None:
    x = Input((4,), name=name)
    model = Model(x, torch.relu(x) + float("inf"))
    assert torch.isinf(model({name: torch.ones(1, 4)})).all()
    assert model.input_names == [name]


def test_code_is_the_forward_that_runs() -> None:
    x = Input((4,), name="x")
    model = Model(x, torch.relu(layers.Dense(2, name="head")(x)))
    assert "def forward(self, x, training = None):" in model.code
    assert "self.head._run(x)" in model.code
    assert "torch.relu(head)" in model.code


def test_hooks_of_layers_and_modules_fire() -> None:
    x = Input((4,))
    dense, linear = layers.Dense(2), nn.Linear(2, 2)
    model = Model(x, linear(dense(x)))
    seen: list[Any] = []
    for module in (dense, linear):
        module.register_forward_hook(lambda module, args, output: seen.append(module))
    model(torch.ones(1, 4))
    assert seen == [dense, linear]


def test_compile_export_functional_call_and_vmap() -> None:
    x = Input((4,))
    model = Model(x, layers.Dense(2)(torch.relu(nn.Linear(4, 4)(x))))
    data = torch.rand(2, 4)
    expected = model(data)
    torch.compiler.reset()
    assert_close(torch.compile(model, fullgraph=True, backend="eager")(data), expected)
    assert_close(torch.export.export(model, (data,)).module()(data), expected)
    assert_close(torch.func.functional_call(model, dict(model.named_parameters()), (data,)), expected)
    twins = [copy.deepcopy(model) for _ in range(3)]
    state = torch.func.stack_module_state(twins)
    outputs = torch.func.vmap(lambda params, buffers: torch.func.functional_call(model, (params, buffers), (data,)))(
        *state
    )
    assert_close(outputs, expected.expand(3, 2, 2))


def test_a_view_from_the_middle_of_a_graph() -> None:
    x = Input((4,))
    hidden = layers.Dense(3, name="hidden")(x)
    model = Model(x, layers.Dense(2, name="out")(hidden))
    first, last = Model(model.inputs, model.get_layer("hidden").output), Model(hidden, model.output)
    data = torch.rand(2, 4)
    assert_close(last(first(data)), model(data))
    assert first.layers[1] is model.layers[1]


def test_layers_come_in_the_order_of_keras() -> None:
    def build(package: Any) -> Any:
        a, b = package.layers.Input((4,), name="a"), package.layers.Input((4,), name="b")
        shared = package.layers.Dense(4, name="shared")
        left = package.layers.Dense(4, name="left")(shared(a))
        right = package.layers.Dense(4, name="right1")(b)
        right = package.layers.Dense(4, name="right2")(shared(right))
        joined = package.layers.Add(name="add")([right, left])
        return package.Model(
            [a, b], [package.layers.Dense(2, name="o1")(joined), package.layers.Dense(1, name="o2")(left)]
        )

    class Ours:
        layers = layers
        Model = Model

    assert [layer.name for layer in build(Ours).layers] == [layer.name for layer in build(keras).layers]


def test_what_does_not_connect_is_named() -> None:
    x, other = Input((4,), name="x"), Input((4,), name="other")
    with pytest.raises(DisconnectedGraphError, match=r"(?s)need the input 'other'.*Received: inputs=.*from 'x'"):
        Model(x, x + other)
    with pytest.raises(
        DisconnectedGraphError, match=r"(?s)hold a layer, not a tensor.*Received: outputs=.*Perhaps: outputs = Dense"
    ):
        Model(x, layers.Dense(1))
    with pytest.raises(DisconnectedGraphError, match="inputs given to Model hold a"):
        Model(torch.ones(2), x)
    with pytest.raises(DisconnectedGraphError, match=r"at least one of each. Received: outputs=\[\]"):
        Function(x, [])


# --- masks ------------------------------------------------------------------------------------------------------------


class Lookup(Layer):
    """An Embedding with mask_zero, as far as masks go."""

    def build(self, input_shape: Any) -> None:
        self.table = self.add_weight((10, 3), "uniform", name="table")

    def call(self, inputs: Any) -> Any:
        return F.embedding(inputs, self.table)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return inputs != 0


class PassesOn(Layer):
    def __init__(self, **base: Any) -> None:
        super().__init__(**base)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        return inputs * 1.0


class MaskedMean(Layer):
    def call(self, inputs: Any, mask: Any = None) -> Any:
        if mask is None:
            return inputs.mean(1)
        weights = mask[..., None].to(inputs.dtype)
        return (inputs * weights).sum(1) / weights.sum(1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return None


TOKENS = torch.tensor([[1, 2, 0, 0], [3, 4, 5, 0]])


def test_a_mask_is_a_wire_between_layers() -> None:
    x = Input((4,), dtype="int64")
    lookup = Lookup()
    hidden = PassesOn()(lookup(x))
    model = Model(x, MaskedMean()(hidden))
    rows = lookup(TOKENS)
    expected = torch.stack([rows[0, :2].mean(0), rows[1, :3].mean(0)])
    for twin in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert_close(twin(TOKENS), expected)
    assert [layer.name for layer in model.layers] == ["input_layer", "lookup", "passes_on", "masked_mean"]


def test_masks_of_outputs_ride_on_the_results() -> None:
    x = Input((4,), dtype="int64")
    hidden = PassesOn()(Lookup()(x))
    model = Model(x, [hidden, MaskedMean()(hidden)])
    for twin in (model, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        sequence, pooled = twin(TOKENS)
        assert torch.equal(sequence._keras_mask, TOKENS != 0)
        assert getattr(pooled, "_keras_mask", None) is None


def test_a_mask_passes_through_a_nested_model() -> None:
    inner_input = Input((4,), dtype="int64")
    inner = Model(inner_input, PassesOn()(Lookup()(inner_input)))
    x = Input((4,), dtype="int64")
    model = Model(x, MaskedMean()(inner(x)))
    rows = inner(TOKENS)
    assert_close(model(TOKENS), torch.stack([rows[0, :2].mean(0), rows[1, :3].mean(0)]))


def test_a_view_behind_the_origin_of_a_mask_does_without_it() -> None:
    x = Input((4,), dtype="int64")
    hidden = Lookup()(x)
    view = Model(hidden, MaskedMean()(hidden))
    rows = torch.rand(2, 4, 3)
    for twin in (view, copy.deepcopy(view)):
        assert_close(twin(rows), rows.mean(1))
