"""Models of every form, made alike from labkeras and from Keras, for what prints and draws models."""

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["ZOO"]


def _mlp(k: Any) -> Any:
    return k.Sequential(
        [k.Input((4,)), k.layers.Dense(8, activation="relu", name="hidden"), k.layers.Dense(2, name="out")], name="mlp"
    )


def _unbuilt(k: Any) -> Any:
    return k.Sequential([k.layers.Dense(3, name="first"), k.layers.Dense(2, name="second")], name="unbuilt")


def _cnn(k: Any) -> Any:
    return k.Sequential(
        [
            k.Input((16, 16, 3)),
            k.layers.Rescaling(1 / 255, name="scale"),
            k.layers.Conv2D(8, 3, activation="relu", name="conv"),
            k.layers.BatchNormalization(name="norm"),
            k.layers.MaxPooling2D(name="pool"),
            k.layers.Dropout(0.2, name="drop"),
            k.layers.Flatten(name="flat"),
            k.layers.Dense(10, activation="softmax", name="classes"),
        ],
        name="cnn",
    )


def _residual(k: Any) -> Any:
    x = k.Input((8, 8, 4), name="x")
    y = k.layers.Conv2D(4, 3, padding="same", name="conv_1")(x)
    y = k.layers.Activation("relu", name="relu_1")(k.layers.BatchNormalization(name="norm_1")(y))
    y = k.layers.Conv2D(4, 3, padding="same", name="conv_2")(y)
    y = k.layers.Activation("relu", name="relu_2")(k.layers.Add(name="sum")([x, y]))
    return k.Model(x, k.layers.GlobalAveragePooling2D(name="mean")(y), name="residual")


def _chain(k: Any) -> Any:
    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Dense(2, name="out")(k.layers.Dense(3, name="hidden")(x)), name="chain")


def _several(k: Any) -> Any:
    image, words = k.Input((8,), name="image"), k.Input((5,), dtype="int32", name="words")
    encoded = k.layers.LSTM(6, name="lstm")(k.layers.Embedding(20, 4, mask_zero=True, name="embedding")(words))
    both = k.layers.Concatenate(name="both")([k.layers.Dense(6, name="dense")(image), encoded])
    outputs = {
        "kind": k.layers.Dense(3, activation="softmax", name="kind")(both),
        "size": k.layers.Dense(1, name="size")(both),
    }
    return k.Model({"image": image, "words": words}, outputs, name="several")


def _shared(k: Any) -> Any:
    left, right = k.Input((4,), name="left"), k.Input((4,), name="right")
    encoder = k.layers.Dense(3, name="encoder")
    return k.Model([left, right], k.layers.Add(name="difference")([encoder(left), encoder(right)]), name="siamese")


def _one_input_twice(k: Any) -> Any:
    x = k.Input((4,), name="x")
    y = k.layers.Dense(3, name="y")(x)
    return k.Model(x, k.layers.Concatenate(name="square")([y, y]), name="twice")


def _states(k: Any) -> Any:
    x = k.Input((7, 4), name="x")
    sequence, hidden, cell = k.layers.LSTM(3, return_sequences=True, return_state=True, name="lstm")(x)
    mean = k.layers.GlobalAveragePooling1D(name="mean")(sequence)
    return k.Model(x, k.layers.Concatenate(name="joined")([mean, hidden, cell]), name="states")


def _stacked(k: Any) -> Any:
    x = k.Input((7, 4), name="x")
    cells = k.layers.StackedRNNCells([k.layers.LSTMCell(3), k.layers.GRUCell(2)], name="cells")
    y = k.layers.RNN(cells, return_sequences=True, name="rnn")(x)
    return k.Model(x, k.layers.GRU(2, name="gru")(y), name="stacked")


def _attention(k: Any) -> Any:
    x, memory = k.Input((6, 8), name="x"), k.Input((9, 8), name="memory")
    y = k.layers.MultiHeadAttention(2, 4, name="attention")(x, memory)
    return k.Model(
        [x, memory], k.layers.LayerNormalization(name="norm")(k.layers.Add(name="sum")([x, y])), name="block"
    )


def _nested(k: Any) -> Any:
    inner_x = k.Input((4,), name="inner_x")
    inner = k.Model(inner_x, k.layers.Dense(3, name="inner_dense")(inner_x), name="inner")
    head = k.Sequential(
        [k.Input((3,)), k.layers.Dense(5, name="head_1"), k.layers.Dense(2, name="head_2")], name="head"
    )
    x = k.Input((4,), name="x")
    return k.Model(x, head(k.layers.Activation("relu", name="relu")(inner(x))), name="nested")


def _nested_deeply(k: Any) -> Any:
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    deepest = k.Sequential([k.Input((4,)), k.layers.Dense(4, name="deep")], name="deepest")
    middle = k.Model([a, b], [k.layers.Add(name="add")([deepest(a), b]), deepest(b)], name="middle")
    x = k.Input((4,), name="x")
    first, second = middle([x, k.layers.Dense(4, name="y")(x)])
    return k.Model(x, [k.layers.Dense(1, name="out")(second), first], name="outer")


def _nested_in_sequence(k: Any) -> Any:
    block = k.Sequential([k.Input((4,)), k.layers.Dense(4, name="a"), k.layers.Dense(4, name="b")], name="block")
    x = k.Input((4,), name="x")
    graph = k.Model(x, k.layers.Dense(3, name="c")(x), name="graph")
    return k.Sequential([k.Input((4,)), block, graph, k.layers.Dense(1, name="last")], name="sequence")


def _nested_twice(k: Any) -> Any:
    tower = k.Sequential([k.Input((4,)), k.layers.Dense(3, name="t1"), k.layers.Dense(3, name="t2")], name="tower")
    left, right = k.Input((4,), name="left"), k.Input((4,), name="right")
    return k.Model([left, right], k.layers.Add(name="sum")([tower(left), tower(right)]), name="towers")


def _part(k: Any) -> Any:
    whole = _residual(k)
    return k.Model(whole.input, whole.get_layer("sum").output, name="part")


def _frozen(k: Any) -> Any:
    model = _nested(k)
    model.get_layer("head").trainable = False
    return model


def _half(k: Any) -> Any:
    x = k.Input((4,), name="x", dtype="float16")
    return k.Model(x, k.layers.Dense(3, dtype="float16", name="half")(x), name="half_model")


def _mixed(k: Any) -> Any:
    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Dense(3, dtype="mixed_bfloat16", name="mixed")(x), name="mixed_model")


def _compiled(k: Any) -> Any:
    model = _mlp(k)
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 4), "float32"), np.ones((2, 2), "float32"))
    return model


def _subclassed(k: Any) -> Any:
    class Net(k.Model):  # type: ignore[misc]  # of either package
        def __init__(self) -> None:
            super().__init__(name="net")
            self.first = k.layers.Dense(3, name="first")
            self.inner = k.Sequential([k.layers.Dense(4, name="second")], name="inner")

        def call(self, inputs: Any) -> Any:
            return self.inner(self.first(inputs))

    return Net()


def _subclassed_and_called(k: Any) -> Any:
    model = _subclassed(k)
    model(np.ones((2, 5), "float32"))
    return model


def _subclassed_within(k: Any) -> Any:
    net = _subclassed(k)
    x = k.Input((5,), name="x")
    return k.Model(x, k.layers.Dense(1, name="out")(net(x)), name="around")


ZOO: dict[str, Callable[[Any], Any]] = {
    make.__name__.strip("_"): make
    for make in (
        *(_mlp, _unbuilt, _cnn, _residual, _chain, _several, _shared, _one_input_twice, _states, _stacked, _attention),
        *(_nested, _nested_deeply, _nested_in_sequence, _nested_twice, _part, _frozen, _half, _mixed, _compiled),
        *(_subclassed, _subclassed_and_called, _subclassed_within),
    )
}
"""Name → a function that makes the model from `labkeras` or `keras`; all names in it are given, so that they agree."""
