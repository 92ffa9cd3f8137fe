"""Properties of layers: data types, devices, and what torch does with a module."""

import copy
import functools
import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labkeras.dtypes import DTypePolicy, to_torch
from labkeras.initializers import Constant
from labkeras.layers import Dense, Flatten, Layer
from labkeras.models import Model
from labkeras.nest import flatten, map_structure
from labkeras.optimizers import SGD
from labkeras.testing.comparing import assert_same, mixed
from labkeras.testing.component import need
from labkeras.testing.layer_case import LayerCase
from labkeras.testing.processes import run_ranks
from labkeras.testing.properties import expect

__all__ = [
    "autocast",
    "compile",
    "cuda",
    "dtype_policies",
    "export",
    "functional_call",
    "gradients",
    "meta",
    "processes",
    "vmap",
]

# How far a result in a type may be from that in double, beside the largest value of the result.
_POLICIES = {"float64": 1e-5, "float16": 2e-2, "bfloat16": 1e-1, "mixed_float16": 2e-2, "mixed_bfloat16": 1e-1}


def dtype_policies(case: LayerCase) -> None:
    """With each dtype policy its weights have the variable type, its output the compute type and the right values.

    Take `dtype` through `**base`. Make tensors with the type and device of the input (`torch.zeros_like(x)`,
    `x.new_zeros(…)`), and cast to no fixed type.
    """
    need(case.takes("dtype"), "the constructor takes no `dtype`")
    values = case.built().get_weights()
    expected = flatten(case.run(_built_with(case, values, "float64"), training=False))
    for policy, tolerance in _POLICIES.items():
        layer = _built_with(case, values, policy)
        types = DTypePolicy(policy)
        kept = to_torch(types.variable_dtype)
        for weight in layer.trainable_weights:
            right = weight.dtype == kept or not weight.is_floating_point()
            expect(right, f"data type of {weight.path!r} with {policy!r}", expected=kept, received=weight.dtype)
        outputs = flatten(case.run(layer, training=False))
        for output, right_values in zip(outputs, expected, strict=True):
            if right_values.is_floating_point():
                wanted = types.torch_compute_dtype
                expect(output.dtype == wanted, f"data type with {policy!r}", expected=wanted, received=output.dtype)
                _expect_near(output, right_values, tolerance, f"output with {policy!r}")


def autocast(case: LayerCase) -> None:
    """Under `torch.autocast` it computes about the same, and its gradients are finite and of the weights' type.

    Let torch choose the types: no `.float()` on one operand of a product, no buffer of a fixed type in one.
    """
    layer = case.built()
    expected = flatten(case.run(layer, training=False))
    with torch.autocast("cpu", torch.bfloat16):
        outputs = flatten(case.run(layer, training=False))
    for output, wanted in zip(outputs, expected, strict=True):
        if wanted.is_floating_point():
            _expect_near(output, wanted.double(), 1e-1, "output under autocast")
    with torch.autocast("cpu", torch.bfloat16):
        outputs = flatten(case.seeded_run(layer, training=True))
    differentiable = [output.float() for output in outputs if output.requires_grad]
    if differentiable and layer.trainable_weights:
        torch.autograd.backward(mixed(differentiable))
    for weight in layer.trainable_weights:
        gradient = weight.grad
        fine = gradient is None or (gradient.dtype == weight.dtype and bool(gradient.isfinite().all()))
        expect(fine, f"gradient of {weight.path!r} under autocast", expected="finite values", received=gradient)


def meta(case: LayerCase) -> None:
    """On the meta device it is built and called without values, with the right shapes.

    Branch on shapes and settings, not on values; make tensors on the input's device (`x.new_zeros(…)`).
    """
    expected = [tuple(leaf.shape) for leaf in flatten(case.run(case.built(), False))]
    moved = case.built().to("meta")
    on_meta = functools.partial(map_structure, lambda value: value.to("meta") if isinstance(value, Tensor) else value)
    arguments = on_meta(_as_tensors(case.call_arguments))
    outputs = flatten(moved(on_meta(case.tensors()), **arguments, training=False))
    found = [tuple(leaf.shape) for leaf in outputs]
    expect(found == expected, "shapes on the meta device", expected=expected, received=found)
    devices = {leaf.device.type for leaf in outputs}
    expect(devices == {"meta"}, "device of the output", expected="meta", received=devices)
    with torch.device("meta"):
        made = case.made()
        made.build(case.input_shape)
    elsewhere = [weight.path for weight in made.weights if weight.device.type != "meta"]
    expect(not elsewhere, "weights made elsewhere under torch.device('meta')", expected=[], received=elsewhere)


def cuda(case: LayerCase) -> None:
    """On a GPU it computes what it computes on the CPU.

    Make tensors on the input's device (`x.new_zeros(…)`, `torch.arange(n, device=x.device)`), and keep constants in
    weights or buffers, which `to(device)` moves.
    """
    need(torch.cuda.is_available(), "there is no CUDA device")
    layer = case.built()
    expected = flatten(case.run(layer, training=False))
    move = functools.partial(map_structure, lambda value: value.to("cuda") if isinstance(value, Tensor) else value)
    moved = copy.deepcopy(layer).to("cuda")
    outputs = flatten(moved(move(case.tensors()), **move(_as_tensors(case.call_arguments)), training=False))
    for output, wanted in zip(outputs, expected, strict=True):
        expect(output.device.type == "cuda", "device of the output", expected="cuda", received=output.device)
        # A GPU's products may be in TF32.
        _expect_near(output.cpu(), wanted.double(), 5e-3, "output on the GPU")


def gradients(case: LayerCase) -> None:
    """The gradients of inputs and weights are those that small steps show (`torch.autograd.gradcheck`, in double).

    Look for `.detach()`, `.data`, `torch.no_grad()` and steps (`round`, comparisons) on the way; a custom
    `autograd.Function` needs the right `backward`.
    """
    need(case.takes("dtype"), "the constructor takes no `dtype`, so that it cannot compute in double")
    layer = case.built(dtype="float64")
    arrays = map_structure(lambda a: a.astype("float64") if a.dtype.kind == "f" else a, case.inputs)
    leaves = flatten(map_structure(lambda array: torch.tensor(array), arrays))
    floats = [leaf.requires_grad_() for leaf in leaves if leaf.is_floating_point()]
    parameters = {name: one.detach().as_subclass(Tensor) for name, one in layer.named_parameters() if one.requires_grad}
    learned = [one.clone().requires_grad_() for one in parameters.values()]
    need(floats or learned, "nothing in the layer has gradients")

    def run(*values: Tensor) -> Any:
        given = iter(values)
        inputs = [next(given) if leaf.is_floating_point() else leaf for leaf in leaves]
        state = dict(zip(parameters, given, strict=True))
        nested = case.as_input_shape(inputs)
        outputs = torch.func.functional_call(layer, state, (nested,), {**case.call_arguments, "training": False})
        return tuple(output for output in flatten(outputs) if output.requires_grad)

    need(run(*floats, *learned), "no output of the layer has gradients")
    torch.autograd.gradcheck(run, (*floats, *learned), eps=1e-6, atol=1e-5, rtol=1e-3)


def vmap(case: LayerCase) -> None:
    """`torch.func.vmap` over a stack of inputs gives what a loop gives.

    Change no tensor in place that is not made from the input, and branch on no values (`.item()`, `if x.sum() > 0`).
    """
    layer = case.built()
    stacked = map_structure(lambda tensor: torch.stack([tensor, tensor.flip(0)]), case.tensors())
    arguments = _as_tensors(case.call_arguments)
    found = torch.func.vmap(lambda one: layer(one, **arguments, training=False))(stacked)
    for index in range(2):
        expected = case.run(layer, False, map_structure(lambda tensor, i=index: tensor[i], stacked))
        assert_same(map_structure(lambda tensor, i=index: tensor[i], found), expected, "output under vmap")


def functional_call(case: LayerCase) -> None:
    """`torch.func.functional_call` with other weights computes with those.

    Read weights from `self` within `call`; keep no second reference to one.
    """
    layer = case.built()
    need(layer.weights, "the layer has no weights")
    doubled = {name: tensor.detach() * 2 for name, tensor in layer.named_parameters()}
    found = torch.func.functional_call(layer, doubled, (case.tensors(),), {**case.call_arguments, "training": False})
    other = copy.deepcopy(layer)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(2)
    assert_same(found, case.run(other, False), "output with other weights")


def compile(case: LayerCase) -> None:
    """`torch.compile(fullgraph=True)` traces it in one piece, in inference and training.

    Avoid in `call`: branches on values, `.item()`, `.numpy()`, printing, and Python objects that torch cannot follow.
    """
    for training in (False, True):
        layer = case.built()
        expected = case.seeded_run(copy.deepcopy(layer), training)
        torch._dynamo.reset()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # dynamo tells of its own ways
            compiled = torch.compile(layer, fullgraph=True, backend="eager")
            assert_same(case.seeded_run(compiled, training), expected, f"compiled output, training={training}")


def export(case: LayerCase) -> None:
    """`torch.export` writes it down, and the program computes the same.

    What helps with `compile` helps here.
    """
    layer = case.built()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(layer, (case.tensors(),), _as_tensors(case.call_arguments))
    arguments = _as_tensors(case.call_arguments)
    assert_same(program.module()(case.tensors(), **arguments), case.run(layer), "output of the exported program")


def processes(case: LayerCase) -> None:
    """Two processes (DDP) that share a batch train it as one process does with the whole batch.

    A layer that looks at the batch as a whole (its mean, its largest value) must gather it over the processes: see
    `BatchNormalization(synchronized=True)`. Layers that draw random numbers are not compared.
    """
    need(not case.is_random, "in training the layer draws random numbers")
    need(not case.call_arguments, "a model is made without further arguments of the call")
    first = case.run(case.made(), training=False)
    outputs = flatten(first)
    need(len(outputs) == 1 and outputs[0].is_floating_point(), "the output is not one tensor of floats")
    need(all(output.shape[0] == case.shapes[0][0] for output in outputs), "the output has another batch axis")
    layer = case.built()
    alone = _trained(case, layer, batch_size=8)
    for together in run_ranks(_trained, case, layer, 4):
        for path, weight in alone.items():
            assert_same(torch.as_tensor(together[path]), torch.as_tensor(weight), f"{path!r} after two epochs", 1e-4)


def _trained(case: LayerCase, layer: Layer, batch_size: int) -> dict[str, np.ndarray[Any, Any]]:
    """The weights of a model with a copy of the layer after two steps on eight rows."""
    layer, placeholders = copy.deepcopy(layer), case.placeholders()
    rows = map_structure(_eight_rows, case.inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Flatten's, on masks that end here; Lightning's, on small loaders
        outputs = layer(placeholders)
        flat = Flatten()(outputs) if len(outputs.shape) > 2 else outputs
        # A mean, and short steps: rounding must not grow to a difference.
        model = Model(placeholders, Dense(1, kernel_initializer=Constant(1 / flat.shape[-1]), name="head")(flat))
        model.compile(SGD(0.1, global_clipnorm=1.0), "mse")
        arguments: dict[str, Any] = {"batch_size": batch_size, "epochs": 2, "shuffle": False, "verbose": 0}
        # A forked process cannot use a GPU.
        model.fit(rows, np.arange(8.0)[:, None] / 8, trainer={"accelerator": "cpu"}, **arguments)
    return {weight.path: weight.numpy() for weight in model.weights}


def _eight_rows(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Eight rows; of floats, no two alike, so that the halves of a batch differ."""
    rows = np.resize(array, (8, *array.shape[1:]))
    if array.dtype.kind != "f":
        return rows
    factors = np.linspace(0.5, 1.5, 8).reshape(-1, *[1] * (rows.ndim - 1))
    return (rows * factors).astype(array.dtype)


def _built_with(case: LayerCase, weights: list[np.ndarray[Any, Any]], policy: str) -> Layer:
    layer = case.built(dtype=policy)
    layer.set_weights(weights)
    return layer


def _expect_near(found: Tensor, wanted: Tensor, tolerance: float, what: str) -> None:
    found, wanted = found.detach().double(), wanted.detach().double()
    expect(found.shape == wanted.shape, f"{what}: shape", expected=tuple(wanted.shape), received=tuple(found.shape))
    if wanted.numel():
        gap = (found - wanted).abs().max().item()
        limit = tolerance * max(wanted.abs().max().item(), 1.0)
        # "not more", rather than "less": NaN is no value that is near.
        expect(
            gap <= limit, f"{what}: largest gap to the values in double", expected=f"at most {limit:g}", received=gap
        )


def _as_tensors(arguments: Any) -> Any:
    return map_structure(lambda value: torch.as_tensor(value) if isinstance(value, np.ndarray) else value, arguments)
