from labkeras import layers, models
from labkeras.callbacks.model_parts import named_layers, named_weights


def twins() -> models.Model:
    """Two models within one, whose layers have the same name."""
    inner = [models.Sequential([layers.Dense(2, name="dense")], name=f"inner{number}") for number in (1, 2)]
    return models.Sequential([layers.Input((3,)), *inner, layers.Dense(1, name="dense")], name="outer")


def test_layers_of_models_within_are_named_behind_these() -> None:
    model = twins()
    assert list(named_layers(model)) == ["inner1/dense", "inner2/dense", "dense"]
    assert named_layers(model)["inner2/dense"] is model.layers[1].layers[0]


def test_no_two_weights_share_a_name_and_a_shared_layer_has_one() -> None:
    shared = layers.Dense(3, name="shared")
    inputs = layers.Input((3,))
    outputs = shared(shared(inputs))
    other = layers.Dense(3, name="shared")
    other.build((None, 3))
    for weight, like in zip(other.weights, shared.weights, strict=True):
        weight.path = like.path  # as that of a layer that was built elsewhere may be
    model = models.Model(inputs, models.Sequential([other], name="inner")(outputs))
    names = named_weights(model)
    assert len(names) == len({id(weight) for weight in names.values()}) == 4
    assert [name for name in names if not name.endswith("_1")] == [weight.path for weight in shared.weights]
