"""check_layer finds each fault under the property that it is one of, and sound layers have all of them."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from labkeras import layers
from labkeras.errors import InvalidArgumentError
from labkeras.layers import Layer
from labkeras.testing import LAYER_PROPERTIES, PropertyError, check_layer


class Scaled(Layer):
    """A linear map, times a number.

    Args:
        units: size of the output's last axis.
        factor: the number.
        base: what every layer takes.
    """

    def __init__(self, units: int = 3, factor: float = 1.5, **base: Any) -> None:
        super().__init__(**base)
        self.units = units
        self.factor = factor
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")

    def call(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = inputs @ self.kernel * self.factor
        return outputs

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "factor": self.factor}


class WithoutDocstring(Scaled):
    pass


class WithoutArgs(Scaled):
    """A linear map."""


class WithoutTypes(Scaled):
    def call(self, inputs):  # type: ignore[no-untyped-def]
        return inputs @ self.kernel


class ForgetsAKey(Scaled):
    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in super().get_config().items() if name != "factor"}


class MixesUpAKey(Scaled):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor + 1}


class WritesAnObject(Scaled):
    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": object()}


class WrongShape(Scaled):
    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], self.units + 1)


class KnownBatch(Scaled):
    def compute_output_shape(self, input_shape: Any) -> Any:
        return (2, *input_shape[1:-1], self.units)


class OtherOutsideOfModels(Scaled):
    def __call__(self, inputs: Any, **more: Any) -> Any:
        outputs = super().__call__(inputs, **more)
        return 2 * outputs if isinstance(outputs, Tensor) else outputs


class OwnCall(Scaled):
    def __call__(self, inputs: Any, **more: Any) -> Any:
        return super().__call__(inputs.clone(), **more)


class MaskWithoutMask(Scaled):
    def compute_mask(self, inputs: Any) -> Any:  # type: ignore[override]
        return inputs[..., 0] > 0


class DeafToTrain(Scaled):
    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        return super().call(inputs) * (2 if training else 1)

    def train(self, mode: bool = True) -> Any:
        return self


class Detached(Scaled):
    def call(self, inputs: Tensor) -> Tensor:
        return inputs @ self.kernel.detach() + 0 * self.kernel.sum()


class CannotBeFrozen(Scaled):
    @property
    def trainable_weights(self) -> list[Any]:
        return [self.kernel]


class HiddenState(Scaled):
    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        object.__setattr__(self, "mean", torch.zeros(input_shape[-1]))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        if training:
            object.__setattr__(self, "mean", inputs.detach().mean(0))
        return super().call(inputs - self.mean)


class WithALambda(Scaled):
    def __init__(self, units: int = 3, factor: float = 1.5, **base: Any) -> None:
        super().__init__(units, factor, **base)
        self.helper = [lambda x: x]


class SharesItsWeights(Scaled):
    def __deepcopy__(self, memo: Any) -> Any:
        return copy.copy(self)


class ForgetsItsFile(Scaled):
    def load_own_variables(self, store: Any) -> None:
        pass


class AlwaysFloat(Scaled):
    def call(self, inputs: Tensor) -> Tensor:
        return super().call(inputs).float()


class FixedTypes(Scaled):
    def call(self, inputs: Tensor) -> Tensor:
        outputs = inputs.new_zeros((*inputs.shape[:-1], self.units))
        outputs[:, torch.arange(self.units, device=inputs.device)] = inputs @ self.kernel
        return outputs * self.factor


class Branching(Scaled):
    def call(self, inputs: Tensor) -> Tensor:
        outputs = super().call(inputs)
        return outputs if float(outputs.detach().sum()) < 1e9 else -outputs


class OnTheCpu(Scaled):
    def call(self, inputs: Tensor) -> Tensor:
        return super().call(inputs) + torch.ones(self.units, device="cpu")


class WrongGradient(Scaled):
    def call(self, inputs: Tensor) -> Tensor:
        return super().call(inputs.detach() * 2 - inputs)


class KeepsAReference(Scaled):
    def build(self, input_shape: Any) -> None:
        super().build(input_shape)
        self.__dict__["_held"] = {"kernel": self.kernel}

    def call(self, inputs: Tensor) -> Tensor:
        return inputs @ self.__dict__["_held"]["kernel"]


class LooksAtTheBatch(Scaled):
    def call(self, inputs: Tensor) -> Tensor:
        return super().call(inputs - inputs.mean(0))


FAULTS = [
    ("docstring", WithoutDocstring, "__doc__=None"),
    ("docstring", WithoutArgs, r"`Args:`.*\['units', 'factor'\] too"),
    ("types", WithoutTypes, r"none for \['inputs', 'return'\]"),
    ("config", ForgetsAKey, r"Expected: the keys \['factor'\] too"),
    ("config", MixesUpAKey, r"get_config\(\)\['factor'\]. Expected: 2.5. Received: factor=3.5"),
    ("serialization", WritesAnObject, "object"),
    ("shapes", WrongShape, r"compute_output_shape\(\(2, 5\)\). Expected: \[\(2, 3\)\]. Received: \[\(2, 4\)\]"),
    ("shapes", KnownBatch, "batch. Expected: None"),
    ("functional_model", OtherOutsideOfModels, "output of a model"),
    ("numpy_inputs", OwnCall, "AttributeError"),
    ("masks", MaskWithoutMask, "TypeError"),
    ("modes", DeafToTrain, "output after eval"),
    ("training_step", Detached, "the weight 'checked/kernel'. Expected: a change"),
    ("frozen", CannotBeFrozen, "trainable weights of a frozen layer"),
    ("weights", HiddenState, "output after by_set_weights"),
    ("copies", WithALambda, "PicklingError|AttributeError"),
    ("copies", SharesItsWeights, "weights that a deepcopy shares"),
    ("weights_file", ForgetsItsFile, "output after load_weights"),
    ("keras_file", ForgetsItsFile, "output of the loaded model"),
    ("dtype_policies", AlwaysFloat, "data type with 'float64'. Expected: torch.float64"),
    ("autocast", FixedTypes, "RuntimeError"),
    ("meta", Branching, "RuntimeError|NotImplementedError"),
    ("gradients", WrongGradient, "GradcheckError"),
    ("vmap", Branching, "RuntimeError"),
    ("functional_call", KeepsAReference, "output with other weights"),
    ("compile", Branching, "Unsupported|Error"),
    ("export", Branching, "Guard|Error"),
    ("processes", LooksAtTheBatch, "after two epochs: the values differ"),
]


def all_but(name: str) -> list[str]:
    return [other for other in LAYER_PROPERTIES if other != name]


@pytest.mark.parametrize(("name", "cls", "words"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_fault_is_found_under_its_property(name: str, cls: type[Layer], words: str) -> None:
    shape = (2, 4, 5) if name == "masks" else (2, 5)
    with pytest.raises(PropertyError, match=words) as caught:
        check_layer(cls, {"factor": 2.5}, input_shape=shape, skip=all_but(name))
    assert caught.value.name == name
    assert str(caught.value).startswith(f"{cls.__name__}(factor=2.5) lacks the property {name!r}: ")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_a_layer_that_works_on_the_cpu_alone_is_found() -> None:
    with pytest.raises(PropertyError, match=r"on device|devices"):
        check_layer(OnTheCpu, skip=all_but("cuda"))


def test_each_property_is_shown_to_fail() -> None:
    assert {name for name, _, _ in FAULTS} | {"lightning", "cuda"} == set(LAYER_PROPERTIES)


@pytest.mark.parametrize("shape", [(2, 5), (2, 4, 5)])
def test_a_sound_layer_has_them_all(shape: tuple[int, ...]) -> None:
    check_layer(Scaled, input_shape=shape)


def test_several_inputs_random_layers_and_integers() -> None:
    others = {"docstring", "types", "lightning", "compile", "export", "processes"}
    check_layer(layers.Concatenate, input_shape=[(2, 4), (2, 3)], skip=others)
    check_layer(layers.Dropout, {"rate": 0.5, "seed": 1}, is_random=True, skip=others)
    check_layer(layers.Embedding, {"input_dim": 4, "output_dim": 3}, input_dtype="int64", skip=others)


def test_a_property_that_there_is_not_cannot_be_left_out() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Did you mean 'vmap'\? There are: docstring, .*skip=\('vmapp',\)"):
        check_layer(Scaled, skip=("vmapp",))


def test_the_callers_random_numbers_stay_as_they_were() -> None:
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    check_layer(Scaled, skip=all_but("modes"))
    assert torch.equal(torch.rand(3), expected)


class Scaled(Layer):
    """Multiplies each feature by a learned factor."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.factors = self.add_weight((input_shape[-1],), "ones", name="factors")

    def call(self, inputs: Tensor) -> Tensor:
        return inputs * self.factors


def test_a_layer_without_arguments_of_its_own_passes() -> None:
    check_layer(Scaled, {}, input_shape=(2, 5))
