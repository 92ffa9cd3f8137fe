"""What happens when a layer is called: conversion, building, the training flag, masks, losses."""

import threading
import time
import warnings
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from labkeras import Input, Layer, Model, layers
from labkeras.errors import InvalidInputError, InvalidTypeError

DATA = np.ones((2, 3), "float32")


class Notes(Layer):
    """Notes the flag that it is called with."""

    def __init__(self, seen: list[Any]) -> None:
        super().__init__()
        self.__dict__["seen"] = seen

    def call(self, x: Any, training: Any = None) -> Any:
        self.seen.append(training)
        return x


class Passes(Layer):
    """Has a layer within it, and takes no flag itself."""

    def __init__(self, inner: Layer) -> None:
        super().__init__()
        self.inner = inner

    def call(self, x: Any) -> Any:
        return self.inner(x)


class PassesByDefault(Passes):
    def call(self, x: Any, training: bool = True) -> Any:  # type: ignore[override]  # one argument more
        return self.inner(x)


# --- the training flag ------------------------------------------------------------------------------------------------


def _flags_in_keras(kind: str) -> list[Any]:
    seen: list[Any] = []

    class KerasNotes(keras.layers.Layer):
        def call(self, x: Any, training: Any = None) -> Any:
            seen.append(training)
            return x

    class KerasPasses(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = KerasNotes()

        def call(self, x: Any) -> Any:
            return self.inner(x)

    class KerasPassesByDefault(KerasPasses):
        def call(self, x: Any, training: bool = True) -> Any:
            return self.inner(x)

    layer = {"Notes": KerasNotes, "Passes": KerasPasses, "PassesByDefault": KerasPassesByDefault}[kind]()
    layer(DATA)  # builds, which Keras does with a call of its own
    seen.clear()
    layer(DATA)
    layer(DATA, training=True)
    layer(DATA, training=False)
    return seen


@pytest.mark.parametrize("kind", ["Notes", "Passes", "PassesByDefault"])
def test_the_flag_reaches_inner_layers_as_in_keras(kind: str) -> None:
    seen: list[Any] = []
    layer = Notes(seen)
    if kind != "Notes":
        layer = {"Passes": Passes, "PassesByDefault": PassesByDefault}[kind](layer)  # type: ignore[assignment]
    layer(DATA)
    layer(DATA, training=True)
    layer(DATA, training=False)
    assert seen == _flags_in_keras(kind)


def test_the_flag_may_be_positional() -> None:
    seen: list[Any] = []

    class Scaled(Layer):
        def call(self, x: Any, training: Any, scale: float = 1.0) -> Any:
            seen.append(training)
            return x * scale

    Notes(seen)(DATA, True)
    assert_close(Scaled()(DATA, False, 2.0), torch.full((2, 3), 2.0))
    x = Input((3,))
    assert_close(Model(x, Scaled()(x, True, 3.0))(DATA), torch.full((2, 3), 3.0))
    assert seen[:2] == [True, False]
    assert seen[-1] is True


def test_train_counts_where_no_flag_is_given() -> None:
    seen: list[Any] = []
    layer = Passes(Notes(seen))
    layer.train()
    layer(DATA)
    layer(DATA, training=False)
    layer.eval()
    layer(DATA)
    assert seen == [True, False, None]


@pytest.mark.parametrize("wrap", [lambda inner: inner, Passes])
def test_a_functional_model_passes_the_flag_on(wrap: Any) -> None:
    seen: list[Any] = []
    x = Input((3,))
    model = Model(x, wrap(Notes(seen))(x))
    seen.clear()
    model(DATA)
    model(DATA, training=True)
    model(DATA, training=False)
    model.train()
    model(DATA)
    assert seen == [None, True, False, True]


@pytest.mark.parametrize("wrap", [lambda inner: inner, Passes])
def test_a_flag_given_while_the_graph_was_built_stays(wrap: Any) -> None:
    seen: list[Any] = []
    x = Input((3,))
    model = Model(x, wrap(Notes(seen))(x, training=False))
    seen.clear()
    model(DATA, training=True)
    model.train()
    model(DATA)
    assert seen == [False, False]


@pytest.mark.parametrize("within", ["graph", "layer", "nested model"])
def test_the_flag_sets_the_mode_of_torchs_modules_for_the_call(within: str) -> None:
    norm = nn.BatchNorm1d(3)
    x = Input((3,))
    if within == "graph":
        model = Model(x, norm(x))
    elif within == "layer":
        model = Model(x, Passes(norm)(x))  # type: ignore[arg-type]  # a module will do
    else:
        y = Input((3,))
        model = Model(x, Model(y, norm(y))(x))
    model(DATA)
    assert norm.num_batches_tracked == 0
    model(DATA, training=True)
    assert norm.num_batches_tracked == 1
    assert not norm.training
    model.train()
    model(DATA)
    model(DATA, training=False)
    assert norm.num_batches_tracked == 2
    assert norm.training


def test_threads_have_flags_of_their_own() -> None:
    class Slow(Layer):
        def call(self, x: Any, training: Any = None) -> Any:
            time.sleep(0.005)
            return x * (2 if training else 1)

    layer = Passes(Slow())
    layer(torch.ones(1))
    wrong: list[bool] = []

    def run(training: bool) -> None:
        for _ in range(10):
            if layer(torch.ones(1), training=training).item() != (2 if training else 1):
                wrong.append(training)

    threads = [threading.Thread(target=run, args=(training,)) for training in (True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- arguments --------------------------------------------------------------------------------------------------------


def test_numpy_lists_and_numbers_become_tensors_of_the_compute_type() -> None:
    class Same(Layer):
        def call(self, x: Any) -> Any:
            return x

    assert Same()(np.ones(2)).dtype == torch.float32
    assert Same()([[1.0, 2.0]]).dtype == torch.float32
    assert Same()(np.ones(2, "int64")).dtype == torch.int64
    assert Same()(torch.ones(2, dtype=torch.float64)).dtype == torch.float32
    assert Same(autocast=False)(torch.ones(2, dtype=torch.float64)).dtype == torch.float64
    assert Same(dtype="float16")(torch.ones(2)).dtype == torch.float16
    assert Same(dtype="mixed_bfloat16")(torch.ones(2)).dtype == torch.bfloat16


def test_inputs_may_be_keywords() -> None:
    class Sum(Layer):
        def call(self, x: Any, y: Any = None, *, scale: float = 1.0) -> Any:
            return (x + y) * scale

    expected = torch.full((2, 3), 4.0)
    assert_close(Sum()(x=DATA, y=DATA, scale=2.0), expected)
    a, b = Input((3,)), Input((3,))
    assert_close(Model([a, b], Sum()(x=a, y=b, scale=2.0))([DATA, DATA]), expected)
    dense = layers.Dense(2)
    assert dense(inputs=DATA).shape == (2, 2)
    with pytest.raises(InvalidInputError, match="expected axis -1 of size 3"):
        dense(inputs=np.ones((2, 4)))


def test_any_number_of_inputs() -> None:
    class Sum(Layer):
        def build(self, input_shape: Any) -> None:
            self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

        def call(self, *inputs: Any) -> Any:
            return sum(inputs) * self.factor

    assert_close(Sum()(DATA, DATA, DATA), torch.full((2, 3), 3.0))
    a, b = Input((3,)), Input((3,))
    assert_close(Model([a, b], Sum()(a, b))([DATA, DATA]), torch.full((2, 3), 2.0))


def test_build_gets_the_shapes_of_several_arguments() -> None:
    class Attends(Layer):
        def build(self, query_shape: Any, value_shape: Any, key_shape: Any = None) -> None:
            self.shapes = (query_shape, value_shape, key_shape)

        def call(self, query: Any, value: Any, key: Any = None) -> Any:
            return query

    layer = Attends()
    layer(np.ones((2, 3)), value=np.ones((2, 4)))
    assert layer.shapes == ((2, 3), (2, 4), None)
    layer = Attends()
    layer(Input((3,)), Input((4,)), key=Input((5,)))
    assert layer.shapes == ((None, 3), (None, 4), (None, 5))
    twin = Attends()
    twin.build_from_config(layer.get_build_config() or {})
    assert twin.shapes == layer.shapes


def test_build_gets_a_dict_of_shapes_for_a_dict_of_inputs() -> None:
    class TakesDict(Layer):
        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight((input_shape["a"][-1], 2), name="kernel")

        def call(self, inputs: Any) -> Any:
            return inputs["a"] @ self.kernel + inputs["b"]

    layer = TakesDict()
    assert layer({"a": DATA, "b": np.ones((2, 2))}).shape == (2, 2)
    assert layer.get_build_config() == {"input_shape": {"a": (2, 3), "b": (2, 2)}}
    assert TakesDict()({"a": Input((3,)), "b": Input((2,))}).shape == (None, 2)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array(["a"]), "takes numbers"),
        (np.array([[1], [1, 2]], dtype=object), "rows of unequal length"),
    ],
)
def test_arrays_that_hold_no_numbers_are_refused(value: Any, words: str) -> None:
    with pytest.raises(InvalidTypeError, match=words):
        layers.Dense(2)(value)


def test_what_is_no_tensor_is_refused_by_a_layer_that_needs_one() -> None:
    for value in (None, "x"):
        with pytest.raises(InvalidInputError, match=r"layer 'dense.*' expects a tensor.*Received: "):
            layers.Dense(2)(value)


def test_an_error_of_torch_within_a_layer_says_which_one_it_was() -> None:
    class Wrong(Layer):
        def build(self, input_shape: Any) -> None:
            self.kernel = self.add_weight((7, 2), name="kernel")

        def call(self, x: Any) -> Any:
            return x @ self.kernel

    with pytest.raises(RuntimeError) as caught:
        Passes(Wrong(name="inside"))(DATA)
    assert caught.value.__notes__ == ["In layer 'inside' (Wrong). Received: tensors of the shapes [(2, 3)]"]
    with pytest.raises(InvalidInputError, match=r"'inside2' cannot be applied .*\(None, 3\)"):
        Wrong(name="inside2")(Input((3,)))


# --- losses -----------------------------------------------------------------------------------------------------------


class AddsSum(Layer):
    def call(self, x: Any) -> Any:
        self.add_loss(x.sum())
        return x


def test_losses_are_those_of_the_last_call() -> None:
    layer = Passes(Passes(AddsSum()))
    layer(DATA)
    layer(DATA * 2)
    assert [loss.item() for loss in layer.losses] == [12.0]


def test_a_layer_called_twice_in_one_call_adds_two_losses() -> None:
    class Twice(Passes):
        def call(self, x: Any) -> Any:
            return self.inner(self.inner(x))

    layer = Twice(AddsSum())
    for _ in range(2):
        layer(DATA)
        assert len(layer.losses) == 2


def test_losses_of_a_layers_own_call_do_not_stay_in_the_models() -> None:
    shared = AddsSum()
    x = Input((3,))
    model = Model(x, Passes(shared)(x))
    model(DATA)
    shared(DATA * 5)
    model(DATA)
    assert [loss.item() for loss in model.losses] == [6.0]
    model.compile("sgd")
    shared(torch.ones(1, 3, requires_grad=True))
    assert model.evaluate(DATA, verbose=0) == 6.0


def test_activity_and_weight_regularizers_are_losses_as_in_keras() -> None:
    arguments: dict[str, Any] = {"activity_regularizer": "l2", "kernel_regularizer": "l1"}
    ours, theirs = layers.Dense(2, **arguments), keras.layers.Dense(2, **arguments)
    for layer in (ours, theirs):
        layer(DATA)
    ours.set_weights(theirs.get_weights())
    for layer in (ours, theirs):
        layer(DATA)
    np.testing.assert_allclose(
        [loss.item() for loss in ours.losses], [loss.item() for loss in theirs.losses], rtol=1e-6
    )


# --- masks ------------------------------------------------------------------------------------------------------------


class Masks(Layer):
    def call(self, x: Any) -> Any:
        return x * 1.0

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return inputs[..., 0] != 0


class TakesMask(Layer):
    def call(self, x: Any, mask: Any = None) -> Any:
        return x if mask is None else x * mask[..., None].to(x.dtype)


class LosesMask(TakesMask):
    """Takes a mask, and passes none on."""

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
        return None


ROWS = torch.tensor([[[1.0], [0.0], [3.0]]])


def test_masks_ride_on_tensors_between_layers() -> None:
    masked = Masks()(ROWS)
    assert masked._keras_mask.tolist() == [[True, False, True]]
    masked.data += 5.0
    assert LosesMask()(masked).tolist() == [[[6.0], [0.0], [8.0]]]
    assert LosesMask()(x=masked).tolist() == [[[6.0], [0.0], [8.0]]]
    assert LosesMask()(masked + 0.0).tolist() == [[[6.0], [5.0], [8.0]]]  # an operation of torch's loses the mask


def test_support_for_masking_is_by_compute_mask_or_by_flag_as_in_keras() -> None:
    class Supports(Layer):
        def __init__(self) -> None:
            super().__init__()
            self.supports_masking = True

        def call(self, x: Any) -> Any:
            return x + 1

    assert Masks().supports_masking
    assert not TakesMask().supports_masking
    assert Supports()(Masks()(ROWS))._keras_mask.tolist() == [[True, False, True]]
    silenced = Masks()
    silenced.supports_masking = False
    assert getattr(silenced(ROWS), "_keras_mask", None) is None


def test_a_mask_given_by_keyword_reaches_the_output() -> None:
    class Both(TakesMask):
        def __init__(self) -> None:
            super().__init__()
            self.supports_masking = True

    mask = torch.tensor([[True, True, False]])
    result = Both()(ROWS, mask=mask)
    assert result.tolist() == [[[1.0], [0.0], [0.0]]]
    assert result._keras_mask is mask


def test_a_mask_that_gets_lost_is_warned_of_but_not_one_that_is_used() -> None:
    class Same(Layer):
        def call(self, x: Any) -> Any:
            return x * 2

    masked = Masks()(ROWS)
    for inputs in (masked, Masks()(Input((3, 1)))):
        with pytest.warns(UserWarning, match=r"layer 'same' \(Same\) was given an input with a mask") as caught:
            Same(name="same")(inputs)
        assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        layers.Dense(2)(masked)
