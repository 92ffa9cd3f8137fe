"""Steps of check_layer: what Keras's layer of the same name does, ours does."""

import inspect
import json
import math
from typing import Any

import keras
import torch

from labkeras import serialization
from labkeras.dtypes import to_torch
from labkeras.layers import Layer
from labkeras.nest import flatten, map_structure
from labkeras.testing.comparing import assert_same
from labkeras.testing.layer_basics import flat_shapes, with_unknown_axes
from tests.helpers.layer_case import KerasLayerCase, step, weight_names

_POLICIES = ("float16", "bfloat16", "float64", "mixed_float16", "mixed_bfloat16")


@step("signature")
def _signature(case: KerasLayerCase) -> None:
    ours, theirs = _parameters(case.cls), _parameters(case.keras_cls)
    # Keras's classes take further ones by keyword, behind `**kwargs`: so may ours.
    positional = [item for item in ours if item[2]]
    assert positional == [item for item in theirs if item[2]], f"{positional} is not Keras's {theirs}"


def _parameters(cls: Any) -> list[tuple[str, Any, bool]]:
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [(p.name, p.default, p.kind is named[0]) for p in parameters if p.kind in named]


@step("weights: names, shapes, types, order")
def _weights(case: KerasLayerCase) -> None:
    ours, theirs = case.pair()
    assert weight_names(ours) == weight_names(theirs), f"{weight_names(ours)}, Keras's are {weight_names(theirs)}"
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        assert tuple(one.shape) == tuple(other.shape), f"{one.path}: shape {tuple(one.shape)}, Keras's {other.shape}"
        assert one.dtype == to_torch(other.dtype), f"{one.path}: {one.dtype}, Keras's {other.dtype}"
        assert one.trainable == other.trainable, f"{one.path}: trainable={one.trainable}"
        assert one.name == other.name, f"{one.path}: name {one.name}, Keras's {other.name}"
    assert ours.count_params() == theirs.count_params(), f"{ours.count_params()} parameters"
    variables = (len(ours.variables), len(ours.non_trainable_variables))
    expected = (len(theirs.variables), len(theirs.non_trainable_variables))
    assert variables == expected, f"{variables} variables in all and non-trainable, Keras has {expected}"


@step("shapes as Keras's")
def _shapes(case: KerasLayerCase) -> None:
    ours, theirs = case.pair()
    for shapes in with_unknown_axes(case.shapes):
        computed = flat_shapes(ours.compute_output_shape(case.as_input_shape(shapes)))
        expected = flat_shapes(theirs.compute_output_shape(case.as_input_shape(shapes)))
        assert computed == expected, f"compute_output_shape({shapes}) is {computed}, Keras's {expected}"


@step("output in inference")
def _inference(case: KerasLayerCase) -> None:
    ours, theirs = case.pair()
    assert_same(case.run(ours, training=False), case.run(theirs, training=False), "output")


@step("output and state in training")
def _training(case: KerasLayerCase) -> None:
    if case.is_random:
        return
    ours, theirs = case.pair()
    assert_same(case.run(ours, training=True), case.run(theirs, training=True), "output")
    _assert_same_weights(ours, theirs)


@step("frozen layer in training")
def _frozen(case: KerasLayerCase) -> None:
    ours, theirs = case.pair()
    ours.trainable = theirs.trainable = False
    assert ours.trainable_weights == [], "a frozen layer has trainable weights"
    assert len(ours.non_trainable_weights) == len(ours.weights), "weights are missing from non_trainable_weights"
    assert not any(parameter.requires_grad for parameter in ours.parameters()), "parameters still require gradients"
    if not case.is_random:
        assert_same(case.run(ours, training=True), case.run(theirs, training=True), "output")
        _assert_same_weights(ours, theirs)
    ours.trainable = True
    assert len(ours.trainable_weights) == len(case.built().trainable_weights), "thawing did not bring the weights back"


@step("gradients as Keras's")
def _gradients(case: KerasLayerCase) -> None:
    for training in (False, True):
        if training and case.is_random:
            continue
        ours, theirs = case.pair()
        expected = case.gradients(theirs, [weight.value for weight in theirs.trainable_weights], training)
        found = case.gradients(ours, ours.trainable_weights, training)
        assert_same(found, expected, f"gradients of inputs and weights, training={training}")


@step("config equals Keras's")
def _config(case: KerasLayerCase) -> None:
    for which, ours, theirs in (("new", case.made(), case.theirs()), ("built", *case.pair())):
        _assert_equal_configs(ours.get_config(), theirs.get_config(), f"{which} layer")


@step("config is read by Keras, and Keras's here")
def _config_both_ways(case: KerasLayerCase) -> None:
    ours, theirs = case.pair()
    read = keras.saving.deserialize_keras_object(_through_json(serialization.serialize_keras_object(ours)))
    _assert_equal_configs(read.get_config(), theirs.get_config(), "Keras's layer from our config")
    back = serialization.deserialize_keras_object(_through_json(keras.saving.serialize_keras_object(theirs)))
    assert type(back) is case.cls, f"Keras's config became a {type(back).__name__}"
    _assert_equal_configs(back.get_config(), ours.get_config(), "our layer from Keras's config")


@step("losses of regularizers")
def _losses(case: KerasLayerCase) -> None:
    ours, theirs = case.pair(activity_regularizer="l2")
    inputs = map_structure(lambda x: x.float(), case.tensors())
    case.run(ours, False, inputs), case.run(theirs, False, inputs)
    assert_same(sum(ours.losses, torch.zeros(())), sum(theirs.losses, torch.zeros(())), "losses")


@step("data type policies")
def _policies(case: KerasLayerCase) -> None:
    for policy in _POLICIES:
        ours, theirs = case.pair(dtype=policy)
        found = case.run(ours, training=False)
        assert_same(found, _in_double(case.run(theirs, training=False), policy), f"output with {policy}")
        for one, other in zip(ours.weights, theirs.weights, strict=True):
            assert one.dtype == to_torch(other.dtype), f"{one.path} is {one.dtype} with {policy}"
        if not case.is_random:
            expected = _in_double(case.run(theirs, training=True), policy)
            assert_same(case.run(ours, training=True), expected, f"training with {policy}")
        symbolic = ours(case.placeholders(), **case.call_arguments) if not case.call_arguments else found
        types = [to_torch(leaf.dtype) if isinstance(leaf.dtype, str) else leaf.dtype for leaf in flatten(symbolic)]
        assert types == [leaf.dtype for leaf in flatten(found)], f"placeholders are {types} with {policy}"


def _in_double(outputs: Any, policy: str) -> Any:
    # Keras's matmul turns float64 into float32.
    return map_structure(lambda one: one.double(), outputs) if policy == "float64" else outputs


@step("masks as Keras's")
def _masks(case: KerasLayerCase) -> None:
    arrays = flatten(case.inputs)
    if case.call_arguments or any(array.ndim < 3 for array in arrays):
        return
    ours, theirs = case.pair()
    assert ours.supports_masking == theirs.supports_masking, f"Keras's supports_masking is {theirs.supports_masking}"
    if not ours.supports_masking:
        return
    masks = []
    for layer in (ours, theirs):
        inputs = case.tensors()
        for leaf in flatten(inputs):
            shape = leaf.shape[:-1]
            leaf._keras_mask = torch.arange(shape.numel()).reshape(shape) % 3 > 0
        masks.append(getattr(case.run(layer, False, inputs), "_keras_mask", None))
    assert (masks[0] is None) == (masks[1] is None), f"mask {masks[0]}, Keras's {masks[1]}"
    if masks[0] is not None:
        assert_same(masks[0], masks[1], "mask")


def _assert_same_weights(ours: Layer, theirs: Any) -> None:
    for one, other in zip(ours.weights, theirs.weights, strict=True):
        assert_same(one, other.value, f"weight {one.path} afterwards")


def _through_json(config: Any) -> Any:
    return json.loads(json.dumps(config))


def _assert_equal_configs(found: dict[str, Any], expected: dict[str, Any], what: str) -> None:
    # Through JSON, tuples are lists; Keras mixes both.
    found, expected = _through_json(found), _through_json(expected)
    assert found.keys() == expected.keys(), f"{what}: only one has the keys {sorted(found.keys() ^ expected.keys())}"
    differing = {key: (found[key], expected[key]) for key in found if not _is_equal(found[key], expected[key])}
    assert not differing, f"{what}: config differs in {differing}"


def _is_equal(one: Any, other: Any) -> bool:
    """Equal, but for the last digits of floats: Keras rounds some numbers of a config to float32."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_is_equal(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_equal, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-6)
    return bool(one == other) and isinstance(one, type(other))
