"""Models built alike in labkeras and in real Keras, to compare configs, files and what comes out of them."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import torch

import labkeras
from labkeras import layers
from labkeras.nest import flatten, map_structure

OURS = SimpleNamespace(
    Input=labkeras.Input, Model=labkeras.Model, Sequential=labkeras.Sequential, layers=layers, name="labkeras"
)
KERAS = SimpleNamespace(
    Input=keras.Input, Model=keras.Model, Sequential=keras.Sequential, layers=keras.layers, name="keras"
)


def arrays(value: Any) -> list[np.ndarray[Any, Any]]:
    """The tensors in a structure, as arrays."""
    return [leaf.detach().cpu().float().numpy() if isinstance(leaf, torch.Tensor) else leaf for leaf in flatten(value)]


def difference(a: Any, b: Any) -> float:
    """The greatest difference between two structures of tensors."""
    pairs = list(zip(arrays(a), arrays(b), strict=True))
    assert all(one.shape == other.shape for one, other in pairs)
    return max(float(np.abs(one.astype("float64") - other.astype("float64")).max()) for one, other in pairs)


def faults(theirs: Any, ours: Any, path: str = "") -> list[str]:
    """Where two JSON values differ, key by key."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = [f"{path}/{key}: only one has it" for key in theirs.keys() ^ ours.keys()]
        shared = [key for key in theirs if key in ours]
        return found + [fault for key in shared for fault in faults(theirs[key], ours[key], f"{path}/{key}")]
    if isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = zip(theirs, ours, strict=True)
        return [fault for index, pair in enumerate(pairs) for fault in faults(*pair, f"{path}[{index}]")]
    return [] if theirs == ours else [f"{path}: {theirs!r} in Keras, {ours!r} here"]


# --- models: each takes the library, and gives the model and the shapes of its inputs ---------------------------------


def sequential_cnn(k: Any) -> Any:
    L = k.layers
    return k.Sequential(
        [
            k.Input((8, 8, 3), name="image"),
            L.Conv2D(4, 3, activation="relu", name="conv"),
            L.BatchNormalization(name="norm"),
            L.MaxPooling2D(2, name="pool"),
            L.Flatten(name="flat"),
            L.Dropout(0.3, name="drop"),
            L.Dense(5, name="hidden"),
            L.Activation("tanh", name="tanh"),
            L.Dense(3, kernel_regularizer="l2", bias_initializer="ones", name="out"),
        ],
        name="cnn",
    )


def embedding(k: Any) -> Any:
    L = k.layers
    x = k.Input((6,), dtype="int32", name="tokens")
    y = L.Embedding(10, 4, name="embed")(x)
    y = L.LayerNormalization(name="norm")(y)
    y = L.Flatten(name="flat")(y)
    return k.Model(x, L.Dense(2, name="out")(y), name="tokens_model")


def shared_and_residual(k: Any) -> Any:
    L = k.layers
    a, b = k.Input((4,), name="a"), k.Input((4,), name="b")
    shared = L.Dense(4, activation="relu", name="shared")
    x, y = shared(a), shared(b)
    z = L.Concatenate(name="both")([x, y])
    w = L.Add(name="sum")([x, shared(y)])
    return k.Model([a, b], {"z": L.Dense(2, name="head_z")(z), "w": L.Dense(3, name="head_w")(w)}, name="residual")


def nested(k: Any) -> Any:
    L = k.layers
    p = k.Input((4,), name="p")
    inner = k.Model(p, L.Dense(4, name="deep")(p), name="inner")
    chain = k.Sequential([k.Input((4,), name="q"), L.Dense(4, name="link"), L.Dropout(0.1, name="d")], name="chain")
    x = k.Input((4,), name="x")
    y = chain(inner(x))
    return k.Model({"x": x}, [inner(y), L.Dense(1, name="out")(y)], name="outer")


def arithmetic(k: Any) -> Any:
    L = k.layers
    x, y = k.Input((4,), name="x"), k.Input((4,), name="y")
    z = (x + y) * 2.0 - y / 4.0
    z = z[:, 1:3] ** 2 + abs(-x[:, :2]) % 3.0
    z = L.Dense(3, name="dense")(z)
    return k.Model([x, y], [z, z > 0.5, 1.0 - z], name="arithmetic")


def rescaled(k: Any) -> Any:
    L = k.layers
    x = k.Input((4, 6), name="x")
    y = L.Rescaling(0.5, offset=1.0, name="scale")(x)
    y = L.Reshape((6, 4), name="reshape")(y)
    return k.Model(x, L.GlobalAveragePooling2D(name="gap")(L.Reshape((6, 4, 1), name="image")(y)), name="rescaled")


BUILDERS: list[Callable[[Any], Any]] = [
    sequential_cnn,
    embedding,
    shared_and_residual,
    nested,
    arithmetic,
    rescaled,
]


def data_for(model: Any, samples: int = 4) -> Any:
    """Values for the inputs of a model of ours, nested as they are."""
    generator = np.random.default_rng(0)

    def values(tensor: Any) -> Any:
        shape = (samples, *tensor.shape[1:])
        if "int" in tensor.dtype:
            return generator.integers(0, 10, shape).astype(tensor.dtype)
        return generator.random(shape).astype("float32")

    return map_structure(values, model.input)
