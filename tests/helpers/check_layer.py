"""check_layer: that a layer keeps the contract of all layers, and does what Keras's layer of the same name does."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from labkeras import naming
from labkeras.layers import Layer
from labkeras.nest import flatten
from tests.helpers import layer_steps_contract, layer_steps_keras  # noqa: F401  # they file their steps in STEPS
from tests.helpers.layer_case import STEPS, LayerCase, sample


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
        without: names of steps to leave out; the caller says why.

    Raises:
        AssertionError: names the layer, its settings and the step that failed.
    """
    unknown = set(without) - set(STEPS)
    if unknown:
        raise ValueError(f"no step is named {sorted(unknown)}; there are {sorted(STEPS)}")
    if inputs is None:
        inputs = _samples(input_shape, input_dtype)
    case = LayerCase(cls, kwargs or {}, inputs, call_kwargs or {}, is_random)
    with _named(case, "counts and shape"):
        _check_counts(case, output_shape, trainable_weights, non_trainable_weights, seed_generators, supports_masking)
    for name, step in STEPS.items():
        if name not in without:
            with _named(case, name):
                step(case)


def _samples(input_shape: Any, dtype: str) -> Any:
    if isinstance(input_shape, list):
        return [sample(shape, dtype, seed) for seed, shape in enumerate(input_shape)]
    return sample(input_shape, dtype)


@contextmanager
def _named(case: LayerCase, step: str) -> Iterator[None]:
    naming.clear_names()
    try:
        yield
    except Exception as error:
        settings = ", ".join(f"{name}={value!r}" for name, value in case.kwargs.items())
        raise AssertionError(f"{case.cls.__name__}({settings}), step {step!r}: {error}") from error


def _check_counts(
    case: LayerCase, output_shape: Any, trainable: int, non_trainable: int, seeds: int, supports_masking: bool
) -> None:
    layer = case.ours()
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
