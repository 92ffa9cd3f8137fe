"""check_layer: that a layer of the core has the properties of all layers, and does what Keras's of that name does.

The properties are those of `labkeras.testing`, which plugins' layers are checked with.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from labkeras import naming
from labkeras.layers import Layer
from labkeras.nest import flatten
from labkeras.testing import LAYER_PROPERTIES
from labkeras.testing.layer_case import inputs_of
from labkeras.testing.properties import checked
from tests.helpers import layer_steps_keras  # noqa: F401  # it files its steps in STEPS
from tests.helpers.layer_case import STEPS, KerasLayerCase

# The core's own tests look at docstrings, annotations and imports; Keras's config decides what is in ours.
_LOOKED_AT_ELSEWHERE = ("docstring", "types", "lightning", "config")


def check_layer(
    cls: type[Layer],
    kwargs: dict[str, Any] | None = None,
    *,
    input_shape: Any = None,
    inputs: Any = None,
    input_dtype: str = "float32",
    output_shape: Any = None,
    trainable_weights: int = 0,
    non_trainable_weights: int = 0,
    seed_generators: int = 0,
    supports_masking: bool = False,
    call_kwargs: dict[str, Any] | None = None,
    is_random: bool = False,
    without: Collection[str] = (),
) -> None:
    """Checks a layer, step by step, against its contract and real Keras.

    Args:
        cls: the layer's class; Keras's is the one of the same name.
        kwargs: constructor arguments.
        input_shape: shape of the input with the batch, or a list of shapes; its values are then made up.
        inputs: arrays to call the layer on, in place of `input_shape`.
        input_dtype: data type of made-up values.
        output_shape: shape that the output must have.
        trainable_weights, non_trainable_weights, seed_generators: how many the layer must have.
        supports_masking: whether the layer must pass masks on.
        call_kwargs: further arguments of the call.
        is_random: whether training draws random numbers: it is then not compared with Keras.
        without: names of steps and properties to leave out; the caller says why.

    Raises:
        AssertionError: names the layer, its settings and the step or property that failed.
    """
    known = {*STEPS, *LAYER_PROPERTIES}
    if set(without) - known:
        raise ValueError(f"no step is named {sorted(set(without) - known)}; there are {sorted(known)}")
    inputs = inputs_of(input_shape, input_dtype) if inputs is None else inputs
    case = KerasLayerCase(cls, kwargs or {}, "layers", inputs, call_kwargs or {}, is_random)
    with _named(case, "counts and shape"):
        _check_counts(case, output_shape, trainable_weights, non_trainable_weights, seed_generators, supports_masking)
    for name, step in STEPS.items():
        if name not in without:
            with _named(case, name):
                step(case)
    naming.clear_names()
    checked(LAYER_PROPERTIES, case, {*_LOOKED_AT_ELSEWHERE, *(name for name in without if name in LAYER_PROPERTIES)})


@contextmanager
def _named(case: KerasLayerCase, step: str) -> Iterator[None]:
    naming.clear_names()
    try:
        yield
    except Exception as error:
        raise AssertionError(f"{case}, step {step!r}: {error}") from error


def _check_counts(
    case: KerasLayerCase, output_shape: Any, trainable: int, non_trainable: int, seeds: int, supports_masking: bool
) -> None:
    layer = case.made()
    output = case.run(layer, training=False)
    if output_shape is not None:
        shapes = [tuple(leaf.shape) for leaf in flatten(output)]
        assert shapes == (output_shape if isinstance(output_shape, list) else [output_shape]), f"output shape {shapes}"
    found = {
        "trainable weights": (len(layer.trainable_weights), trainable),
        "non-trainable weights": (len(layer.non_trainable_weights), non_trainable),
        "seed states": (len(layer.variables) - len(layer.weights), seeds),
    }
    for what, (count, expected) in found.items():
        assert count == expected, f"{count} {what}, expected {expected}"
    assert layer.supports_masking == supports_masking, f"supports_masking is {layer.supports_masking}"
