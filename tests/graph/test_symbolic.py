"""KerasTensor: whatever torch lets one do to a tensor can be done to a placeholder."""

import operator
from typing import Any

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from labkeras import Input, KerasTensor, Model, layers
from labkeras.errors import InvalidArgumentError, InvalidInputError, InvalidTypeError
from labkeras.graph.symbolic import keras_tensors
from tests.helpers.graphs import check_graph

CONSTANT = torch.arange(4.0) + 1
ARITHMETIC = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
COMPARISONS = ["lt", "le", "gt", "ge", "eq", "ne"]


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_forward_and_reflected(name: str) -> None:
    apply = getattr(operator, name)
    check_graph(apply, (4,), (4,))
    for other in (2, 2.5, CONSTANT):
        check_graph(lambda x, other=other: apply(x, other), (4,))
        check_graph(lambda x, other=other: apply(other, x), (4,))
    check_graph(lambda x: apply(x, 2), (4,), dtype="int64")


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic_with_numpy_arrays_and_scalars_keeps_float32(name: str) -> None:
    apply = getattr(operator, name)
    array = CONSTANT.double().numpy()

    def with_numpy(x: Any) -> Any:
        if isinstance(x, KerasTensor):
            return [apply(x, array), apply(array, x), apply(np.float32(2), x), apply(x, np.float64(2))]
        return [apply(x, CONSTANT), apply(CONSTANT, x), apply(2.0, x), apply(x, 2.0)]

    check_graph(with_numpy, (4,))


@pytest.mark.parametrize("name", COMPARISONS)
def test_comparisons(name: str) -> None:
    compare = getattr(operator, name)
    check_graph(compare, (4,), (4,))
    check_graph(lambda x: [compare(x, 0.5), compare(0.5, x), compare(CONSTANT, x)], (4,))


@pytest.mark.parametrize("name", ["and_", "or_", "xor"])
def test_logic_forward_and_reflected(name: str) -> None:
    apply = getattr(operator, name)
    check_graph(lambda x, y: [apply(x > 0.5, y > 0.5), apply(True, x > 0.5)], (4,), (4,))


@pytest.mark.parametrize("name", ["lshift", "rshift"])
def test_shifts_of_integers(name: str) -> None:
    apply = getattr(operator, name)
    check_graph(lambda x: [apply(x, 1), apply(1, x)], (4,), dtype="int64")


def test_unary_operators() -> None:
    check_graph(lambda x: [-x, +x, abs(-x), ~(x > 0.5)], (4,))


def test_matrix_products() -> None:
    check_graph(lambda a, b: a @ b, (2, 3), (3, 5))
    check_graph(lambda a: [a @ torch.ones(4, 2), torch.ones(2, 3) @ a], (3, 4))


FUNCTIONS = {
    "cat": (lambda a, b: torch.cat([a, b], -1), (4,), (3,)),
    "stack": (lambda a, b: torch.stack([a, b], dim=1), (4,), (4,)),
    "where": (lambda a, b: torch.where(a > b, a, 0.0), (4,), (4,)),
    "einsum": (lambda a, b: torch.einsum("bij,bjk->bik", a, b), (2, 4), (4, 3)),
    "attention": (lambda a, b: F.scaled_dot_product_attention(a, b, b), (2, 4), (3, 4)),
    "linear": (lambda a: F.linear(a, torch.ones(2, 4)), (4,)),
    "convolution": (lambda a: F.conv2d(a, torch.ones(2, 3, 3, 3)), (3, 8, 8)),
    "max_pool2d": (lambda a: F.max_pool2d(a, 2), (3, 8, 8)),
    "interpolate": (lambda a: F.interpolate(a, scale_factor=2), (3, 4, 4)),
    "pad": (lambda a: F.pad(a, (1, 1)), (4,)),
    "fft": (lambda a: torch.fft.rfft(a).abs(), (4,)),
    "norm": (lambda a: torch.linalg.norm(a, dim=1), (4,)),
    "erf": (lambda a: torch.special.erf(a), (4,)),
    "cdist": (lambda a, b: torch.cdist(a, b), (2, 3), (4, 3)),
    "split": (lambda a: list(torch.split(a, [1, 3], 1)), (4,)),
    "max by name": (lambda a: torch.max(a, 1).values, (4,)),
    "sort": (lambda a: tuple(torch.sort(a, 1)), (4,)),
    "infinities": (lambda a: a.clamp(max=float("inf")) + float("-inf"), (4,)),
    "complex": (lambda a: torch.view_as_real(torch.complex(a, a) * 1j), (4,)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_torch(name: str) -> None:
    function, *shapes = FUNCTIONS[name]
    check_graph(function, *shapes)


METHODS = {
    "mT": (lambda a: a.mT, (2, 3)),
    "mean": (lambda a: a.mean(dim=(1, 2), keepdim=True), (4, 3)),
    "sum of all": (lambda a: a.sum(), (4,)),
    "permute": (lambda a: a.permute(0, 2, 1), (4, 3)),
    "max": (lambda a: a.max(dim=1)[0], (4,)),
    "topk": (lambda a: a.topk(2).values, (4,)),
    "unbind": (lambda a: list(a.unbind(1)), (4,)),
    "chunk": (lambda a: list(a.chunk(2, dim=1)), (4,)),
    "to": (lambda a: [a.to(torch.float64), a.half(), a.to("cpu", dtype=torch.float64)], (4,)),
    "type_as": (lambda a: a.type_as(torch.ones(1, dtype=torch.float64)), (4,)),
    "expand": (lambda a: a[:, None].expand(-1, 5, -1), (4,)),
    "gather": (lambda a: torch.gather(a, 1, a.argsort(1)), (4,)),
    "masked_fill": (lambda a: a.masked_fill(a > 0.5, -1.0), (4,)),
    "new_zeros": (lambda a: a.new_zeros(a.size(0), 2), (4,)),
    "dim": (lambda a: a.sum(a.dim() - 1), (4, 3)),
}


@pytest.mark.parametrize("name", METHODS)
def test_methods_and_properties_of_tensors(name: str) -> None:
    function, *shapes = METHODS[name]
    check_graph(function, *shapes)


def test_slices() -> None:
    check_graph(
        lambda x: [x[:, 0], x[..., None], x[:, None, 1:], x[:, ::2], x[-1], x[..., -1], x[:, [0, 2]]],
        (4, 3),
    )
    check_graph(lambda x: [x[:, torch.tensor([0, 2])], x[:, np.array([0, 2])]], (4,))


def test_indices_that_are_placeholders() -> None:
    check_graph(lambda x: [x[:, x.size(1) - 1], x[1 : x.size(0)], x[:, x.argmax(1)[0]]], (4,))


def test_a_mask_as_index_gives_an_unknown_size() -> None:
    x = Input((4,))
    assert x[x > 0.5].shape == (None,)
    check_graph(lambda x: [x[x > 0.5].sum(), torch.nonzero(x > 0.5).sum()], (4,))


def test_sizes_take_part_in_the_graph() -> None:
    check_graph(lambda x: [x.reshape(x.size(0), -1), x.reshape(x.size(0) * 2, 3), x * x.numel()], (2, 3))
    check_graph(lambda x: torch.zeros(x.size()) + x, (2, 3))

    def flattened(x: Any) -> Any:
        batch, steps, features = x.size()
        return x.view(batch, steps * features)

    check_graph(flattened, (2, 3))


def test_shape_holds_none_for_the_batch_as_in_keras() -> None:
    assert KerasTensor((None, 4)).shape == keras.KerasTensor((None, 4)).shape == (None, 4)
    assert KerasTensor((None, 4)).ndim == 2
    assert KerasTensor((None, 4), dtype="int32").dtype == "int32"
    assert KerasTensor((None, 4), name="x").name == "x"


def test_none_from_a_shape_is_explained_where_it_does_harm() -> None:
    x = Input((4, 3))
    with pytest.raises(InvalidInputError, match=r"`x.size\(0\)` works"):
        x.reshape(x.shape[0], 12)


@pytest.mark.parametrize("shape", [4, "4", (4, -1), (None, 2.5), (True,)])
def test_a_malformed_shape_is_refused(shape: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"a shape .*Received: shape="):
        KerasTensor(shape)


def test_what_needs_values_is_refused_with_a_way_out() -> None:
    x = Input((4,))
    for attempt in (
        lambda: bool(x > 0),
        lambda: float(x.sum()),
        lambda: np.asarray(x),
        lambda: len(x),
        lambda: list(x),
    ):
        with pytest.raises(InvalidTypeError, match=r"None, 4|shape"):
            attempt()
    with pytest.raises(InvalidTypeError, match="changed in place"):
        x[0] = 1
    for name in ("item", "numpy", "backward", "add_"):
        with pytest.raises(AttributeError, match="placeholder of shape"):
            getattr(x, name)
    with pytest.raises(AttributeError, match="'nonsense'"):
        x.nonsense  # noqa: B018  # the access is the test


def test_an_axis_of_known_size_can_be_iterated_over() -> None:
    x = KerasTensor((2, 4))
    first, second = x
    assert first.shape == second.shape == (4,)
    assert len(x) == 2


def test_sparse_and_ragged_placeholders_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="sparse=True"):
        KerasTensor((2,), sparse=True)


def test_keras_tensors_are_found_once_in_any_structure() -> None:
    x, y = Input((1,)), Input((1,))
    assert [id(t) for t in keras_tensors(([x, {"a": y}], (x,), slice(y, None)))] == [id(x), id(y)]


def test_mismatched_shapes_name_the_function_and_the_shapes() -> None:
    with pytest.raises(InvalidInputError, match=r"'cat' cannot be applied .*\(None, 4\), \(None, 4, 3\)"):
        torch.cat([Input((4,)), Input((4, 3))], 1)
    with pytest.raises(InvalidInputError, match=r"'Linear' cannot be applied .*\(None, 4\)"):
        torch.nn.Linear(3, 2)(Input((4,)))


def test_a_node_knows_its_call() -> None:
    x = Input((4,))
    layer = layers.Dense(2)
    y = layer(x)
    assert y.node is not None
    assert y.node.operation is layer
    assert y.node.input_tensors[0] is x
    assert y.node.output_tensors[0] is y
    assert layer.input is x
    assert layer.output is y


def test_modules_of_torch_called_on_data_work_as_ever_after_placeholders_were_made() -> None:
    Input((4,))
    module = torch.nn.Linear(4, 2)
    assert isinstance(module(torch.ones(1, 4)), torch.Tensor)
    x = Input((4,))
    assert Model(x, module(x)).get_layer("linear") is module
