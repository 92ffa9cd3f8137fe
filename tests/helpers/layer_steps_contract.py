"""Steps of check_layer: what every layer can do."""

import copy
import functools
import pickle
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from labkeras.layers import Layer
from labkeras.models import Model
from labkeras.nest import flatten, map_structure
from tests.helpers.layer_case import LayerCase, assert_same, step, torch_dtype, weight_names


@step("shapes: eager, symbolic, computed")
def _shapes(case: LayerCase) -> None:
    layer, theirs = case.pair()
    output = case.run(layer, training=False)
    eager = [tuple(leaf.shape) for leaf in flatten(output)]
    assert _flat_shapes(layer.compute_output_shape(case.input_shape)) == eager, (
        "compute_output_shape is not the output's"
    )
    for shapes in _with_unknown_axes(case.shapes):
        computed = _flat_shapes(layer.compute_output_shape(case.as_input_shape(shapes)))
        expected = _flat_shapes(theirs.compute_output_shape(case.as_input_shape(shapes)))
        assert computed == expected, f"compute_output_shape({shapes}) is {computed}, Keras's {expected}"
        if not case.call_kwargs:
            symbolic = flatten(layer(case.placeholders(shapes)))
            assert [leaf.shape for leaf in symbolic] == computed, f"placeholders of {shapes} give {symbolic}"
    symbolic = flatten(case.ours()(case.placeholders(), **case.call_kwargs)) if not case.call_kwargs else []
    for placeholder, tensor in zip(symbolic, flatten(output), strict=False):
        assert torch_dtype(placeholder.dtype) is tensor.dtype, f"placeholder {placeholder.dtype}, tensor {tensor.dtype}"


def _with_unknown_axes(shapes: Sequence[tuple[int, ...]]) -> Iterator[list[tuple[int | None, ...]]]:
    """The shapes with the batch unknown, and with one more axis unknown; the last one, the features, stays known."""
    batchless: list[tuple[int | None, ...]] = [(None, *shape[1:]) for shape in shapes]
    yield batchless
    for axis in range(1, min(map(len, shapes)) - 1):
        yield [(*shape[:axis], None, *shape[axis + 1 :]) for shape in batchless]


@step("functional model")
def _functional(case: LayerCase) -> None:
    if case.call_kwargs:
        return
    layer = case.built()
    placeholders = case.placeholders()
    model = Model(placeholders, layer(placeholders))
    for training in (False, True):
        expected = case.seeded_run(copy.deepcopy(layer), training)
        assert_same(case.seeded_run(model, training), expected, f"training={training}")


@step("NumPy inputs")
def _numpy(case: LayerCase) -> None:
    layer = case.built()
    assert_same(case.run(layer, False, case.inputs), case.run(layer, False), "output")


@step("weights saved and loaded")
def _saved_weights(case: LayerCase) -> None:
    layer = case.built()
    for load in (_by_set_weights, _by_state_dict):
        other = case.ours()
        case.run(other, training=False)
        load(layer, other)
        assert_same(case.run(other, False), case.run(layer, False), f"output after {load.__name__.strip('_')}")
    names = set(layer.state_dict())
    expected = {name for name, _ in (*layer.named_parameters(), *layer.named_buffers())} - _not_saved(layer)
    assert names == expected, f"state_dict has {sorted(names)}, expected {sorted(expected)}"


def _by_set_weights(source: Layer, target: Layer) -> None:
    target.set_weights(source.get_weights())


def _by_state_dict(source: Layer, target: Layer) -> None:
    target.load_state_dict(source.state_dict(), strict=True)


def _not_saved(layer: Layer) -> set[str]:
    prefixed = ((f"{prefix}." if prefix else "", module) for prefix, module in layer.named_modules())
    return {prefix + name for prefix, module in prefixed for name in module._non_persistent_buffers_set}


@step("one training step")
def _one_step(case: LayerCase) -> None:
    layer = case.built()
    if not layer.trainable_weights:
        return
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    outputs = flatten(case.seeded_run(layer, training=True))
    sum((output * torch.linspace(1, 2, output.numel()).reshape(output.shape)).sum() for output in outputs).backward()
    before = [weight.detach().clone() for weight in layer.weights]
    optimizer.step()
    for weight, old in zip(layer.weights, before, strict=True):
        changed = not torch.equal(weight, old)
        assert changed == weight.trainable, f"{weight.path} {'changed' if changed else 'did not change'}"


@step("train() and eval()")
def _modes(case: LayerCase) -> None:
    layer = case.built()
    for training, layer_in_mode in ((True, copy.deepcopy(layer).train()), (False, copy.deepcopy(layer).eval())):
        expected = case.seeded_run(copy.deepcopy(layer), training)
        assert_same(case.seeded_run(layer_in_mode), expected, f"output after {'train()' if training else 'eval()'}")


@step("copies")
def _copies(case: LayerCase) -> None:
    layer = case.built()
    expected = case.run(layer, False)
    for how, duplicate in (("deepcopy", copy.deepcopy), ("pickle", lambda one: pickle.loads(pickle.dumps(one)))):
        other = duplicate(layer)
        assert_same(case.run(other, False), expected, f"output of a {how}")
        assert weight_names(other) == weight_names(layer), f"{how}: weights {weight_names(other)}"
        shared = {id(tensor) for tensor in other.variables} & {id(tensor) for tensor in layer.variables}
        assert not shared, f"a {how} shares weights with the original"


@step("functional_call")
def _functional_call(case: LayerCase) -> None:
    layer = case.built()
    doubled = {name: tensor.detach() * 2 for name, tensor in layer.named_parameters()}
    # torch's function knows `layer(...)` by the names of the module's tensors, and hands them over for one call.
    found = torch.func.functional_call(layer, doubled, (case.tensors(),), {**case.call_kwargs, "training": False})
    other = copy.deepcopy(layer)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(2)
    assert_same(found, case.run(other, False), "output")


@step("meta device")
def _meta(case: LayerCase) -> None:
    expected = [tuple(leaf.shape) for leaf in flatten(case.run(case.built(), False))]
    moved = case.built().to("meta")
    on_meta = functools.partial(map_structure, lambda value: value.to("meta") if hasattr(value, "to") else value)
    output = flatten(moved(on_meta(case.tensors()), **on_meta(case.call_kwargs), training=False))
    assert [tuple(leaf.shape) for leaf in output] == expected, f"shapes {[leaf.shape for leaf in output]}"
    assert all(leaf.device.type == "meta" for leaf in output), "the output left the meta device"
    with torch.device("meta"):
        made = case.ours()
        made.build(case.input_shape)
    assert all(weight.device.type == "meta" for weight in made.weights), "a weight was made elsewhere"


@step("torch.compile")
def _compiled(case: LayerCase) -> None:
    for training in (False, True):
        layer = case.built()
        expected = case.seeded_run(copy.deepcopy(layer), training)
        torch._dynamo.reset()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # dynamo tells of its own ways
            compiled = torch.compile(layer, fullgraph=True, backend="eager")
            assert_same(case.seeded_run(compiled, training), expected, f"training={training}")


@step("torch.export")
def _exported(case: LayerCase) -> None:
    layer = case.built()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(layer, (case.tensors(),), dict(case.call_kwargs))
    assert_same(program.module()(case.tensors(), **case.call_kwargs), case.run(layer), "output")


def _flat_shapes(shape: Any) -> list[tuple[int | None, ...]]:
    if all(size is None or isinstance(size, int | np.integer) for size in shape):
        return [tuple(None if size is None else int(size) for size in shape)]
    return [flat for one in shape for flat in _flat_shapes(one)]
