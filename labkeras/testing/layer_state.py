"""Properties of layers: weights, copies, files."""

import copy
import pickle
import tempfile
from pathlib import Path
from typing import Any

from labkeras.layers import Layer
from labkeras.models import Model
from labkeras.saving import load_model
from labkeras.testing.comparing import assert_same
from labkeras.testing.component import need
from labkeras.testing.layer_case import LayerCase
from labkeras.testing.properties import expect

__all__ = ["copies", "keras_file", "weights", "weights_file"]


def weights(case: LayerCase) -> None:
    """`set_weights` and `load_state_dict` carry all that it learned to another one, which then computes the same.

    Keep what is learned in weights (`add_weight`) or in layers within that are attributes, not in plain tensors.
    """
    layer = _trained(case)
    for load in (_by_set_weights, _by_state_dict):
        other = case.made()
        case.run(other, training=False)
        load(layer, other)
        assert_same(case.run(other, False), case.run(layer, False), f"output after {load.__name__.strip('_')}")
    names = set(layer.state_dict())
    kept = {name for name, _ in (*layer.named_parameters(), *layer.named_buffers())} - _not_saved(layer)
    expect(names == kept, "state_dict()", expected=sorted(kept), received=sorted(names))
    paths = [weight.path for weight in layer.weights]
    expect(len(set(paths)) == len(paths), "paths of the weights", expected="no path twice", received=paths)


def copies(case: LayerCase) -> None:
    """Copies (deepcopy, pickle) compute the same and share no weights.

    Keep no lambdas, locks, open files or other layers' weights in attributes.
    """
    layer = case.built()
    expected = case.run(layer, False)
    for how, other in (("deepcopy", copy.deepcopy(layer)), ("pickle", pickle.loads(pickle.dumps(layer)))):
        assert_same(case.run(other, False), expected, f"output of a {how}")
        paths, wanted = [weight.path for weight in other.weights], [weight.path for weight in layer.weights]
        expect(paths == wanted, f"weights of a {how}", expected=wanted, received=paths)
        shared = [a.path for a in other.variables if any(a is b for b in layer.variables)]
        expect(not shared, f"weights that a {how} shares with the original", expected=[], received=shared)


def weights_file(case: LayerCase) -> None:
    """`save_weights` and `load_weights` (`.weights.h5`) of a model with it bring the weights back.

    Keep weights in attributes; a layer with `save_own_variables` needs a `load_own_variables` that reads the same.
    """
    layer, model = _in_model(case)
    need(layer.variables, "the layer has no weights")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.weights.h5"
        model.save_weights(path)
        _, other = _in_model(case, case.made())
        other.load_weights(path)
    assert_same(case.run(other, False), case.run(model, False), "output after load_weights")


def keras_file(case: LayerCase) -> None:
    """A model with it comes back from a `.keras` file, with its weights.

    See to `config` and `weights_file` first; what `build` learns beside the input's shape belongs in
    `get_build_config`.
    """
    _, model = _in_model(case)
    with tempfile.TemporaryDirectory() as folder, case.scope():
        path = Path(folder) / "model.keras"
        model.save(path)
        other = load_model(path)
    assert_same(case.run(other, False), case.run(model, False), "output of the loaded model")


def _trained(case: LayerCase) -> Layer:
    """A layer that has seen training, so that running means and the like are not at their start."""
    layer = case.built()
    case.seeded_run(layer, training=True)
    return layer


def _in_model(case: LayerCase, layer: Layer | None = None) -> tuple[Layer, Any]:
    need(not case.call_arguments, "a model is made without further arguments of the call")
    layer = _trained(case) if layer is None else layer
    placeholders = case.placeholders()
    return layer, Model(placeholders, layer(placeholders))


def _by_set_weights(source: Layer, target: Layer) -> None:
    target.set_weights(source.get_weights())


def _by_state_dict(source: Layer, target: Layer) -> None:
    target.load_state_dict(source.state_dict(), strict=True)


def _not_saved(layer: Layer) -> set[str]:
    prefixed = ((f"{prefix}." if prefix else "", module) for prefix, module in layer.named_modules())
    return {prefix + name for prefix, module in prefixed for name in module._non_persistent_buffers_set}
