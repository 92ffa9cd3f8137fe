"""Layer: weights, names, types, configs, and what torch expects of a module; compared with Keras's."""

import copy
import io
import pickle
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from labkeras import Layer, Model, Variable, layers, models
from labkeras.errors import InvalidArgumentError, InvalidTypeError, NotBuiltError, SerializationError

DATA = np.ones((2, 3), "float32")


class Scale(Layer):
    """Stores its setting under the argument's name."""

    def __init__(self, start: float = 1.0, rate: float = 0.1, **base: Any) -> None:
        super().__init__(**base)
        self.start = start

    def build(self, input_shape: Any) -> None:
        self.factor = self.add_weight((input_shape[-1],), "ones", name="factor")

    def call(self, x: Any) -> Any:
        return x * self.factor * self.start


# --- weights ----------------------------------------------------------------------------------------------------------


def test_weights_made_in_init_and_kept_under_any_name_or_in_a_list() -> None:
    class Early(Layer):
        def __init__(self) -> None:
            super().__init__(name="early")
            self.w = self.add_weight((3,), "ones", name="w")
            self.other = self.add_weight((3,), name="zzz")
            self.several = [self.add_weight((1,)) for _ in range(2)]

        def call(self, x: Any) -> Any:
            return x * self.w + self.other

    class Reference(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="early")
            self.w = self.add_weight((3,), "ones", name="w")
            self.other = self.add_weight((3,), name="zzz")
            self.several = [self.add_weight((1,), name="v") for _ in range(2)]

    layer = Early()
    layer(DATA)
    assert list(layer.state_dict()) == ["w", "other", "variable", "variable_1"]
    assert [weight.path for weight in layer.weights[:2]] == [weight.path for weight in Reference().weights[:2]]
    assert len(layer.trainable_weights) == 4


def test_one_variable_may_have_two_names_or_two_layers() -> None:
    class Tied(Layer):
        def build(self, input_shape: Any) -> None:
            self.first = self.add_weight((3, 3), name="first")
            self.second = self.first

        def call(self, x: Any) -> Any:
            return x @ self.first @ self.second.T

    class Borrows(Layer):
        def __init__(self, source: Tied) -> None:
            super().__init__()
            self.source = source

        def build(self, input_shape: Any) -> None:
            self.kernel = self.source.first

        def call(self, x: Any) -> Any:
            return x @ self.kernel

    tied = Tied()
    tied(DATA)
    borrows = Borrows(tied)
    borrows(DATA)
    assert tied.first is tied.second is borrows.kernel
    assert len(tied.weights) == len(borrows.weights) == len(list(borrows.parameters())) == 1


def _same_attributes(ours: Any, theirs: Any, names: tuple[str, ...]) -> None:
    for name in names:
        assert [w.path for w in getattr(ours, name)] == [w.path for w in getattr(theirs, name)], name


ALL_LISTS = (
    "weights",
    "trainable_weights",
    "non_trainable_weights",
    "variables",
    "trainable_variables",
    "non_trainable_variables",
)


def test_lists_of_variables_and_paths_are_keras() -> None:
    def build(package: Any) -> Any:
        return package.Sequential(
            [
                package.layers.Input((3,)),
                package.layers.Dropout(0.5, seed=1),
                package.Sequential([package.layers.Dense(2)], name="inner"),
                package.layers.BatchNormalization(),
                package.layers.Dense(1, trainable=False),
            ],
            name="outer",
        )

    class Ours:
        layers = layers
        Sequential = models.Sequential

    keras.utils.clear_session()
    ours, theirs = build(Ours), build(keras)
    _same_attributes(ours, theirs, ALL_LISTS)
    assert ours.count_params() == theirs.count_params()
    for model in (ours, theirs):
        model.trainable = False
    _same_attributes(ours, theirs, ALL_LISTS)


def test_paths_under_subclassed_models_are_keras() -> None:
    def build(package: Any, model_class: Any) -> Any:
        class Outer(model_class):  # type: ignore[misc]  # the base is an argument
            def __init__(self) -> None:
                super().__init__(name="outer")
                self.first = package.layers.Dense(2, name="first")
                self.rest = package.Sequential([package.layers.Dense(2, name="one")], name="rest")

            def call(self, x: Any) -> Any:
                return self.rest(self.first(x))

        model = Outer()
        model(DATA)
        return model

    class Ours:
        layers = layers
        Sequential = models.Sequential

    _same_attributes(build(Ours, Model), build(keras, keras.Model), ("weights",))


def test_trainable_cascades_and_holds_for_weights_made_later() -> None:
    dense = layers.Dense(2, trainable=False)
    dense(DATA)
    assert not dense.kernel.requires_grad
    assert dense.trainable_weights == []
    dense.trainable = True
    assert dense.kernel.requires_grad
    model = models.Sequential([layers.Dense(2), nn.Linear(2, 2)], trainable=False)
    model(DATA)
    assert not any(parameter.requires_grad for parameter in model.parameters())
    model.trainable = True
    assert len(model.trainable_weights) == 4


def test_state_that_does_not_train_is_a_buffer_and_thawing_leaves_it() -> None:
    layer = layers.BatchNormalization()
    layer(DATA)
    for trainable in (False, True):
        layer.trainable = trainable
        assert [name for name, _ in layer.named_buffers()] == ["moving_mean", "moving_variance"]
        assert len(layer.non_trainable_weights) == (2 if trainable else 4)
        assert not layer.moving_mean.requires_grad


def test_set_weights_checks_before_it_changes() -> None:
    layer = layers.Dense(2)
    with pytest.raises(InvalidArgumentError, match="0 weights before it is built"):
        layer.set_weights([DATA])
    layer(DATA)
    before = layer.get_weights()
    with pytest.raises(InvalidArgumentError, match=r"'dense/bias' .* shape \(2,\). Received: shape=\(3,\)"):
        layer.set_weights([np.zeros((3, 2)), np.zeros(3)])
    with pytest.raises(InvalidArgumentError, match=r"2 weights\. Received: a list of 1"):
        layer.set_weights([np.zeros((3, 2))])
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])
    layer.set_weights([np.ones((3, 2)), np.ones(2)])
    assert_close(layer(DATA), torch.full((2, 2), 4.0))


def test_a_weight_needs_known_sizes_and_an_unbuilt_layer_has_none() -> None:
    with pytest.raises(InvalidArgumentError, match=r"'kernel' .*Received: shape=\(None, 2\)"):
        layers.Dense(2).build((None, None))
    with pytest.raises(NotBuiltError, match=r"'dense_1' .*has no 'kernel', as yet"):
        _ = layers.Dense(2).kernel
    with pytest.raises(InvalidArgumentError, match="cannot be counted before they are made"):
        layers.Dense(2).count_params()


# --- types ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["float32", "float64", "bfloat16", "float16", "mixed_bfloat16", "mixed_float16"])
def test_types_follow_the_policy_as_in_keras(policy: str) -> None:
    ours, theirs = layers.Dense(2, dtype=policy), keras.layers.Dense(2, dtype=policy)
    result, reference = ours(DATA), theirs(DATA)
    assert str(result.dtype).removeprefix("torch.") == keras.backend.standardize_dtype(reference.dtype)
    for name in ("dtype", "compute_dtype", "variable_dtype"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert str(ours.kernel.dtype).removeprefix("torch.") == theirs.kernel.dtype
    model = models.Sequential([layers.Input((3,)), ours])
    assert model(DATA).dtype == result.dtype
    assert model.outputs[0].dtype == str(result.dtype).removeprefix("torch.")


def test_moving_a_layer_to_another_type_moves_its_policy() -> None:
    model = models.Sequential([layers.Input((3,)), layers.Dense(2)])
    for move, dtype in ((model.half, torch.float16), (model.double, torch.float64), (model.float, torch.float32)):
        move()
        assert model(DATA).dtype == dtype
        assert model.layers[0].kernel.dtype == dtype


def test_meta_and_back() -> None:
    layer = layers.Dense(2)
    layer(DATA)
    layer.to("meta")
    assert isinstance(layer.kernel, Variable)
    assert layer(torch.ones(2, 3, device="meta")).shape == (2, 2)
    layer.to_empty(device="cpu")
    assert (layer.kernel.path, layer.kernel.device.type) == ("dense/kernel", "cpu")


# --- config -----------------------------------------------------------------------------------------------------------


def test_a_config_is_read_off_the_signature() -> None:
    layer = Scale(2.0, rate=0.5, name="here")
    assert {name: layer.get_config()[name] for name in ("name", "start", "rate")} == {
        "name": "here",
        "start": 2.0,
        "rate": 0.5,
    }
    twin = Scale.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()


def test_a_class_that_takes_no_name_comes_back_with_its_name_and_state() -> None:
    class Bare(Layer):
        def __init__(self, units: int) -> None:
            super().__init__(name="given")
            self.units = units

    layer = Bare(3)
    layer.trainable = False
    twin = Bare.from_config(layer.get_config())
    assert twin.get_config() == layer.get_config()
    assert not twin.trainable


def test_a_layer_within_a_layer_is_part_of_the_config() -> None:
    class Around(Layer):
        def __init__(self, inner: Layer, **base: Any) -> None:
            super().__init__(**base)
            self.inner = inner

    twin = Around.from_config(Around(layers.Dense(3, activation="relu")).get_config())
    assert isinstance(twin.inner, layers.Dense)
    assert twin.inner.units == 3


@pytest.mark.parametrize("value", [object(), lambda x: x])
def test_what_cannot_be_written_is_named(value: Any) -> None:
    with pytest.raises(SerializationError, match="Received: <"):
        Scale(value).get_config()


# --- faults -----------------------------------------------------------------------------------------------------------


def test_unknown_arguments_are_named_with_the_nearest_right_one() -> None:
    with pytest.raises(
        InvalidArgumentError, match=r"Dense has no argument 'activatoin'.*activation.*Received: activatoin='relu'"
    ):
        layers.Dense(2, activatoin="relu")  # type: ignore[call-arg]  # the test
    with pytest.raises(InvalidArgumentError, match="`name` must be"):
        layers.Dense(2, name="a/b")


def test_a_forgotten_super_init_is_said_plainly() -> None:
    class WithLayer(Layer):
        def __init__(self) -> None:
            self.inner = layers.Dense(2)

    class WithList(Layer):
        def __init__(self) -> None:
            self.sizes = [1, 2]

    class Without(Layer):
        def __init__(self) -> None:
            self.size = 3

        def call(self, x: Any) -> Any:
            return x

    for cls in (WithLayer, WithList):
        with pytest.raises(InvalidTypeError, match=rf"{cls.__name__}.__init__ must call `super\(\).__init__\(\)`"):
            cls()
    with pytest.raises(AttributeError, match=r"Without.__init__ must call `super\(\).__init__\(\)`"):
        Without()(DATA)


def test_a_layer_without_call_says_so() -> None:
    with pytest.raises(NotImplementedError, match="the layer class Layer has no `call"):
        Layer()(DATA)


# --- torch ------------------------------------------------------------------------------------------------------------


class Net(Model):
    """A subclassed model."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = layers.Dense(3, activation="relu")
        self.drop = layers.Dropout(0.5)
        self.out = layers.Dense(2)

    def call(self, x: Any, training: Any = None) -> Any:
        return self.out(self.drop(self.hidden(x), training=training))


def test_copies_and_pickles_are_equal_and_independent() -> None:
    net = Net()
    expected = net(DATA)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert_close(twin(DATA), expected)
        assert [weight.path for weight in twin.weights] == [weight.path for weight in net.weights]
        twin.out.bias.assign([5.0, 5.0])
        assert_close(net(DATA), expected)


def test_state_dicts_load_with_weights_only() -> None:
    net, other = Net(), Net()
    expected = net(DATA)
    other(DATA)
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert_close(other(DATA), expected)


def test_compile_export_functional_call_and_vmap() -> None:
    net = Net()
    data = torch.rand(4, 3)
    expected = net(data)
    torch.compiler.reset()
    assert_close(torch.compile(net, fullgraph=True, backend="eager")(data), expected)
    assert_close(torch.export.export(net, (data,)).module()(data), expected)
    assert_close(torch.func.functional_call(net, dict(net.named_parameters()), (data,)), expected)
    twins = [copy.deepcopy(net) for _ in range(2)]
    stacked = torch.func.stack_module_state(twins)
    outputs = torch.func.vmap(lambda params, buffers: torch.func.functional_call(net, (params, buffers), (data,)))(
        *stacked
    )
    assert_close(outputs, expected.expand(2, 4, 2))


def test_forward_hooks_fire_on_eager_calls() -> None:
    layer = layers.Dense(2)
    seen: list[Any] = []
    layer.register_forward_pre_hook(lambda module, args: seen.append("before"))
    layer.register_forward_hook(lambda module, args, output: seen.append("after"))
    layer(DATA)
    assert seen == ["before", "after"]
