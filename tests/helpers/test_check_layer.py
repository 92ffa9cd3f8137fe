"""check_layer finds broken layers, and says which step found them."""

from typing import Any

import pytest
import torch
from torch import Tensor

from labkeras.layers import Dense, Dropout, LayerNormalization
from labkeras.testing import LAYER_PROPERTIES, PropertyError
from tests.helpers.check_layer import STEPS, check_layer


def broken(base: Any = Dense, **members: Any) -> Any:
    """A layer class with some members replaced, under its old name, by which the checker finds Keras's."""
    cls = type(base.__name__, (base,), {"__module__": __name__, **members})
    # Where pickle will look for it.
    cls.__qualname__ = f"broken_{len(globals())}"
    globals()[cls.__qualname__] = cls
    return cls


def rebuilt(self: Any, input_shape: Any, **changes: Any) -> None:
    self.kernel = self.add_weight(
        **{"name": "kernel", "shape": (input_shape[-1], self.units), "initializer": "ones", **changes}
    )
    self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")


def renamed_kernel(self: Any, input_shape: Any) -> None:
    rebuilt(self, input_shape, name="weights")


def frozen_kernel(self: Any, input_shape: Any) -> None:
    rebuilt(self, input_shape)
    self.kernel.trainable = False


def bias_first(self: Any, input_shape: Any) -> None:
    self.bias = self.add_weight(name="bias", shape=(self.units,), initializer="zeros")
    self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], self.units), initializer="ones")


def double_in_inference(self: Any, inputs: Tensor) -> Tensor:
    return 2 * (inputs @ self.kernel + self.bias)


def branching_call(self: Any, inputs: Tensor) -> Tensor:
    outputs = inputs @ self.kernel + self.bias
    return outputs if inputs.is_meta or float(outputs.detach().sum()) < 1e9 else -outputs


def constant_call(self: Any, inputs: Tensor) -> Tensor:
    return inputs @ self.kernel.detach() + self.bias


def float_call(self: Any, inputs: Tensor) -> Tensor:
    return (inputs.float() @ self.kernel.float() + self.bias.float()).float()


def noisy_call(self: Any, inputs: Tensor, training: bool | None = None) -> Tensor:
    outputs = inputs @ self.kernel + self.bias
    return outputs + 1 if training else outputs


def lost_argument(self: Any) -> dict[str, Any]:
    config = Dense.get_config(self)
    return {name: value for name, value in config.items() if name != "use_bias"}


def wrong_shape(self: Any, input_shape: Any) -> Any:
    return (*input_shape[:-1], self.units + 1)


def known_batch(self: Any, input_shape: Any) -> Any:
    return (7 if input_shape[0] is None else input_shape[0], *input_shape[1:-1], self.units)


def one_argument_more(self: Any, units: int, slope: float = 1.0, **base: Any) -> None:
    Dense.__init__(self, units, **base)


def all_but(step: str) -> list[str]:
    return [name for name in (*STEPS, *LAYER_PROPERTIES) if name != step]


def check(cls: type[Dense], **more: Any) -> None:
    check_layer(cls, {"units": 3}, input_shape=(2, 5), **{"trainable_weights": 2, "supports_masking": True, **more})


def test_a_sound_layer_passes() -> None:
    check(Dense, output_shape=(2, 3))


@pytest.mark.parametrize(
    ("members", "step"),
    [
        ({"__init__": one_argument_more}, "signature"),
        ({"build": renamed_kernel}, "weights: names, shapes, types, order"),
        ({"build": bias_first}, "weights: names, shapes, types, order"),
        ({"build": frozen_kernel}, "counts and shape"),
        ({"call": double_in_inference}, "output in inference"),
        ({"call": noisy_call}, "output and state in training"),
        ({"call": constant_call}, "gradients as Keras's"),
        ({"call": float_call}, "data type policies"),
        ({"get_config": lost_argument}, "config equals Keras's"),
        ({"compute_output_shape": known_batch}, "shapes as Keras's"),
    ],
)
def test_a_broken_layer_fails_at_its_step(members: dict[str, Any], step: str) -> None:
    with pytest.raises(AssertionError, match=rf"^Dense\(units=3\), step .{step}"):
        check(broken(**members), without=all_but(step))


@pytest.mark.parametrize(
    ("members", "name"),
    [({"call": branching_call}, "compile"), ({"compute_output_shape": wrong_shape}, "shapes")],
)
def test_a_layer_that_lacks_a_property_of_all_layers_is_found(members: dict[str, Any], name: str) -> None:
    with pytest.raises(PropertyError, match=rf"^Dense\(units=3\) lacks the property '{name}'"):
        check(broken(**members), without=all_but(name))


@pytest.mark.parametrize(
    ("members", "step"),
    [({"call": double_in_inference}, "output in inference"), ({"get_config": lost_argument}, "config equals Keras's")],
)
def test_a_broken_layer_fails_among_all_steps(members: dict[str, Any], step: str) -> None:
    with pytest.raises(AssertionError, match=rf"^Dense\(units=3\), step .{step}"):
        check(broken(**members))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"trainable_weights": 1}, "2 trainable weights, expected 1"),
        ({"non_trainable_weights": 1}, "0 non-trainable weights, expected 1"),
        ({"seed_generators": 1}, "0 seed states, expected 1"),
        ({"output_shape": (2, 4)}, r"output shape \[\(2, 3\)\]"),
        ({"supports_masking": False}, "supports_masking is True"),
    ],
)
def test_what_is_expected_is_checked(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(AssertionError, match=rf"step 'counts and shape': {words}"):
        check(Dense, **wrong)


def test_a_layer_without_its_seed_is_found() -> None:
    def without_seed(self: Any, rate: float, noise_shape: Any = None, seed: int | None = None, **base: Any) -> None:
        Dropout.__init__(self, 0.0, **base)
        self.rate = rate

    unseeded = broken(Dropout, __init__=without_seed)
    with pytest.raises(AssertionError, match=r"step 'weights: names.*\(0, 0\) variables.*Keras has \(1, 1\)"):
        check_layer(unseeded, {"rate": 0.5}, input_shape=(2, 3), supports_masking=True, is_random=True)


def test_a_weight_that_is_not_trained_is_found() -> None:
    def call(self: Any, inputs: Tensor) -> Tensor:
        return LayerNormalization.call(self, inputs) - self.beta + self.beta.detach()

    with pytest.raises(AssertionError, match=r"property 'training_step'.*\n.*'checked/beta'.*Expected: a change"):
        check_layer(
            broken(LayerNormalization, call=call),
            input_shape=(2, 3),
            trainable_weights=2,
            supports_masking=True,
            without=all_but("training_step"),
        )


def test_shared_weights_of_copies_are_found() -> None:
    sharing = broken(__deepcopy__=lambda self, memo: self)
    with pytest.raises(AssertionError, match=r"lacks the property 'copies'.*\n.*weights that a deepcopy shares"):
        check(sharing, without=all_but("copies"))


def test_an_unknown_step_cannot_be_left_out() -> None:
    with pytest.raises(ValueError, match="no step is named"):
        check(Dense, without=["spelling"])


def test_the_values_of_a_case_are_the_same_in_each_run() -> None:
    torch.manual_seed(1)
    check(Dense)
    torch.manual_seed(2)
    check(Dense)
