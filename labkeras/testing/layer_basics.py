"""Properties of layers: shapes, calls, masks, training."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from labkeras.dtypes import to_torch
from labkeras.models import Model
from labkeras.nest import flatten
from labkeras.testing.comparing import assert_same, mixed
from labkeras.testing.component import need
from labkeras.testing.layer_case import LayerCase
from labkeras.testing.properties import expect

__all__ = ["frozen", "functional_model", "masks", "modes", "numpy_inputs", "shapes", "training_step"]


def shapes(case: LayerCase) -> None:
    """Eager, symbolic and computed shapes agree, and sizes that are not known stay unknown.

    Write `compute_output_shape(input_shape)` so that a None in gives a None out, or leave it out: then the layer is run
    without values. Sizes come from the input (`x.shape[0]`), never from a number.
    """
    layer = case.built()
    output = case.run(layer, training=False)
    eager = [tuple(leaf.shape) for leaf in flatten(output)]
    computed = flat_shapes(layer.compute_output_shape(case.input_shape))
    expect(computed == eager, f"compute_output_shape({case.input_shape})", expected=eager, received=computed)
    need(not case.call_arguments, "placeholders are tried without further arguments of the call")
    for partly in with_unknown_axes(case.shapes):
        computed = flat_shapes(layer.compute_output_shape(case.as_input_shape(partly)))
        symbolic = [leaf.shape for leaf in flatten(layer(case.placeholders(partly)))]
        expect(symbolic == computed, f"placeholders of shapes {partly}: shapes", expected=computed, received=symbolic)
        for shape, known in zip(computed, eager, strict=True):
            expect(
                len(shape) == len(known) and all(a in (None, b) for a, b in zip(shape, known, strict=True)),
                f"compute_output_shape({partly})",
                expected=f"{known}, with None where it is not known",
                received=shape,
            )
        if all(shape[:1] == case.shapes[0][:1] for shape in eager):
            batch = [shape[0] for shape in computed]
            expect(set(batch) == {None}, f"compute_output_shape({partly}): batch", expected=None, received=batch)
    for placeholder, tensor in zip(flatten(case.made()(case.placeholders())), flatten(output), strict=True):
        dtype = to_torch(placeholder.dtype)
        expect(dtype is tensor.dtype, "data type of a placeholder", expected=tensor.dtype, received=dtype)


def functional_model(case: LayerCase) -> None:
    """In a functional model it gives what it gives alone.

    Let `call` compute its result from its arguments and weights alone; branch on `training`, not on values.
    """
    need(not case.call_arguments, "placeholders are tried without further arguments of the call")
    layer = case.built()
    placeholders = case.placeholders()
    model = Model(placeholders, layer(placeholders))
    for training in (False, True):
        expected = case.seeded_run(copy.deepcopy(layer), training)
        assert_same(case.seeded_run(model, training), expected, f"output of a model with training={training}")


def numpy_inputs(case: LayerCase) -> None:
    """It takes NumPy arrays as it takes tensors.

    Do not override `__call__`: the base converts, checks and casts what `call` gets.
    """
    layer = case.built()
    assert_same(case.run(layer, False, case.inputs), case.run(layer, False), "output for arrays")


def masks(case: LayerCase) -> None:
    """With `supports_masking`, a mask of the inputs comes out as `compute_mask` says, eagerly and in a model.

    Set `self.supports_masking = True` in `__init__` if a step of the input is a step of the output; where the output
    has other steps, write `compute_mask(inputs, mask)`, which returns their mask or None.
    """
    need(case.made().supports_masking, "the layer does not support masks")
    need(not case.call_arguments, "masks are tried without further arguments of the call")
    need(all(len(shape) > 2 for shape in case.shapes), "the input has no steps: a mask needs (batch, steps, features)")
    layer, inputs = case.built(), case.tensors()
    for leaf in flatten(inputs):
        leaf._keras_mask = some_mask(leaf)
    wanted = layer.compute_mask(inputs, _masks_of(inputs))
    found = _masks_of(case.run(layer, False, inputs))
    for mask, expected in zip(flatten(found), flatten(wanted), strict=True):
        expect((mask is None) == (expected is None), "mask of the output", expected=expected, received=mask)
        if mask is not None:
            assert_same(mask, expected, "mask of the output")


def modes(case: LayerCase) -> None:
    """After `train()` and `eval()` it computes as with `training=True` and `training=False`.

    Take `training` as an argument of `call`, with the default None, or look at `self.training`; keep no other flag.
    """
    layer = case.built()
    for training, in_mode in ((True, copy.deepcopy(layer).train()), (False, copy.deepcopy(layer).eval())):
        expected = case.seeded_run(copy.deepcopy(layer), training)
        assert_same(case.seeded_run(in_mode), expected, f"output after {'train()' if training else 'eval()'}")


def training_step(case: LayerCase) -> None:
    """A training step changes each trainable weight, and no other.

    Use each weight in `call`, without `.detach()` or `.data`; make what is no weight with `add_weight(trainable=False)`
    or as an attribute.
    """
    layer = case.built()
    need(layer.trainable_weights, "the layer has no trainable weights")
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.5)
    torch.autograd.backward(mixed(case.seeded_run(layer, training=True)))
    before = [weight.detach().clone() for weight in layer.weights]
    optimizer.step()
    for weight, old in zip(layer.weights, before, strict=True):
        changed = not torch.equal(weight, old)
        wanted = "a change" if weight.trainable else "no change"
        expect(changed == weight.trainable, f"the weight {weight.path!r}", expected=wanted, received=f"{changed=}")


def frozen(case: LayerCase) -> None:
    """With `trainable = False` it has no trainable weights, and gets them back.

    Make weights with `add_weight`, and layers within as attributes: the base freezes them.
    """
    layer = case.built()
    count = len(layer.trainable_weights)
    need(layer.weights, "the layer has no weights")
    layer.trainable = False
    left = [weight.path for weight in layer.trainable_weights]
    expect(not left, "trainable weights of a frozen layer", expected=[], received=left)
    learning = [name for name, parameter in layer.named_parameters() if parameter.requires_grad]
    expect(not learning, "parameters of a frozen layer that need gradients", expected=[], received=learning)
    case.seeded_run(layer, training=True)
    layer.trainable = True
    found = len(layer.trainable_weights)
    expect(found == count, "trainable weights after `trainable = True`", expected=count, received=found)


def with_unknown_axes(shapes: Sequence[tuple[int, ...]]) -> Iterator[list[tuple[int | None, ...]]]:
    """The shapes with the batch unknown, and with one more axis unknown; the last one, the features, stays known."""
    batchless: list[tuple[int | None, ...]] = [(None, *shape[1:]) for shape in shapes]
    yield batchless
    for axis in range(1, min(map(len, shapes)) - 1):
        yield [(*shape[:axis], None, *shape[axis + 1 :]) for shape in batchless]


def flat_shapes(shape: Any) -> list[tuple[int | None, ...]]:
    """The shapes in a nested structure, in a list."""
    if all(size is None or isinstance(size, int | np.integer) for size in shape):
        return [tuple(None if size is None else int(size) for size in shape)]
    nested = shape.values() if isinstance(shape, dict) else shape
    return [flat for one in nested for flat in flat_shapes(one)]


def some_mask(tensor: torch.Tensor) -> torch.Tensor:
    """A mask of the steps of a tensor (batch, steps, features): two of three count."""
    shape = tensor.shape[:-1]
    return torch.arange(shape.numel()).reshape(shape) % 3 > 0


def _masks_of(tensors: Any) -> Any:
    masks = [getattr(leaf, "_keras_mask", None) for leaf in flatten(tensors)]
    return masks[0] if len(masks) == 1 else masks
