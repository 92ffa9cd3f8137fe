"""The six models that training speed is measured on: in Keras's words, and written by hand in torch.

`build` takes a package, labkeras or keras, and makes the model with its layers; `by_hand` makes the module that
somebody who knows torch well would write for the same arithmetic.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CASES", "Case"]

CLASSES = 10


@dataclass(frozen=True)
class Case:
    """A model, its data, and the size of its batches.

    Args:
        title: what it is, for the table.
        batch: samples in a batch.
        batches: batches in an epoch.
        epochs: epochs in a measured run, so that what a run costs once does not count.
        data: makes the inputs for so many samples.
        build: package → the Keras-style model, not compiled.
        by_hand: makes the torch module.
    """

    title: str
    batch: int
    batches: int
    epochs: int
    data: Callable[[int], np.ndarray]
    build: Callable[[Any], Any]
    by_hand: Callable[[], Any]

    def samples(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and class numbers of an epoch."""
        count = self.batch * self.batches
        return self.data(count), np.random.default_rng(1).integers(0, CLASSES, count)


def _vectors(size: int) -> Callable[[int], np.ndarray]:
    return lambda count: np.random.default_rng(0).normal(size=(count, size)).astype("float32")


def _images(height: int, channels: int) -> Callable[[int], np.ndarray]:
    return lambda count: np.random.default_rng(0).random((count, height, height, channels), "float32")


def _tokens(words: int, length: int) -> Callable[[int], np.ndarray]:
    return lambda count: np.random.default_rng(0).integers(0, words, (count, length))


# --- multilayer perceptrons -------------------------------------------------------------------------------------------


def _mlp(inputs: int, *hidden: int) -> Callable[[Any], Any]:
    def build(package: Any) -> Any:
        layers = package.layers
        dense = [layers.Dense(units, activation="relu") for units in hidden]
        return package.Sequential([layers.Input((inputs,)), *dense, layers.Dense(CLASSES)])

    return build


def _mlp_by_hand(inputs: int, *hidden: int) -> Callable[[], Any]:
    def build() -> Any:
        from torch import nn

        parts: list[Any] = []
        for before, units in zip((inputs, *hidden), hidden, strict=False):
            parts += [nn.Linear(before, units), nn.ReLU()]
        return nn.Sequential(*parts, nn.Linear(hidden[-1], CLASSES))

    return build


# --- images -----------------------------------------------------------------------------------------------------------


def _mnist_cnn(package: Any) -> Any:
    layers = package.layers
    return package.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(CLASSES),
        ]
    )


def _mnist_cnn_by_hand() -> Any:
    import torch
    from torch import nn

    class Cnn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)
            )
            self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, CLASSES))
            self.to(memory_format=torch.channels_last)

        def forward(self, images: Any) -> Any:
            return self.head(self.body(images.permute(0, 3, 1, 2)))

    return Cnn()


def _resnet20(package: Any) -> Any:
    layers = package.layers

    def normed(x: Any, filters: int, size: int, strides: int) -> Any:
        x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False)(x)
        return layers.BatchNormalization()(x)

    inputs = layers.Input((32, 32, 3))
    x = layers.Activation("relu")(normed(inputs, 16, 3, 1))
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            strides = 2 if stage and not block else 1
            shortcut = x if strides == 1 else normed(x, filters, 1, strides)
            x = layers.Activation("relu")(normed(x, filters, 3, strides))
            x = layers.Activation("relu")(layers.Add()([normed(x, filters, 3, 1), shortcut]))
    return package.Model(inputs, layers.Dense(CLASSES)(layers.GlobalAveragePooling2D()(x)))


def _resnet20_by_hand() -> Any:
    import torch
    import torch.nn.functional as F
    from torch import nn

    def normed(before: int, filters: int, size: int, strides: int) -> Any:
        # Keras's "same": with steps of 2 the zeros come after the image alone.
        uneven = strides == 2 and size == 3
        conv = nn.Conv2d(before, filters, size, strides, padding=0 if uneven else size // 2, bias=False)
        pad = [nn.ZeroPad2d((0, 1, 0, 1))] if uneven else []
        return nn.Sequential(*pad, conv, nn.BatchNorm2d(filters))

    class Block(nn.Module):
        def __init__(self, before: int, filters: int, strides: int) -> None:
            super().__init__()
            self.first, self.second = normed(before, filters, 3, strides), normed(filters, filters, 3, 1)
            self.shortcut = nn.Identity() if strides == 1 else normed(before, filters, 1, strides)

        def forward(self, x: Any) -> Any:
            return F.relu_(self.second(F.relu_(self.first(x))) + self.shortcut(x))

    class ResNet20(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            blocks = [
                Block(before, filters, strides)
                for (before, filters), strides in zip(
                    ((16, 16), (16, 16), (16, 16), (16, 32), (32, 32), (32, 32), (32, 64), (64, 64), (64, 64)),
                    (1, 1, 1, 2, 1, 1, 2, 1, 1),
                    strict=True,
                )
            ]
            self.body = nn.Sequential(normed(3, 16, 3, 1), nn.ReLU(inplace=True), *blocks)
            self.head = nn.Linear(64, CLASSES)
            self.to(memory_format=torch.channels_last)

        def forward(self, images: Any) -> Any:
            return self.head(self.body(images.permute(0, 3, 1, 2)).mean((2, 3)))

    return ResNet20()


# --- sequences --------------------------------------------------------------------------------------------------------

WORDS, SEQUENCE = 5000, 80


def _lstm(package: Any) -> Any:
    layers = package.layers
    return package.Sequential(
        [layers.Input((SEQUENCE,), dtype="int64"), layers.Embedding(WORDS, 64), layers.LSTM(64), layers.Dense(CLASSES)]
    )


def _lstm_by_hand() -> Any:
    from torch import nn

    class Lstm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, 64)
            self.lstm = nn.LSTM(64, 64, batch_first=True)
            self.head = nn.Linear(64, CLASSES)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.lstm(self.embedding(tokens))[1][0][0])

    return Lstm()


LENGTH, WIDTH, HEADS = 64, 128, 4


def _transformer(package: Any) -> Any:
    layers = package.layers

    class Positions(package.Layer):  # type: ignore[name-defined,misc]
        """Adds a vector that is learnt for each position."""

        def build(self, input_shape: Any) -> None:
            self.positions = self.add_weight(shape=tuple(input_shape[1:]), initializer="uniform", name="positions")

        def call(self, inputs: Any) -> Any:
            return inputs + self.positions

    tokens = layers.Input((LENGTH,), dtype="int64")
    x = Positions()(layers.Embedding(WORDS, WIDTH)(tokens))
    for _ in range(2):
        normed = layers.LayerNormalization(epsilon=1e-5)(x)
        x = layers.Add()([x, layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(normed, normed)])
        hidden = layers.Dense(4 * WIDTH, activation="gelu")(layers.LayerNormalization(epsilon=1e-5)(x))
        x = layers.Add()([x, layers.Dense(WIDTH)(hidden)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization(epsilon=1e-5)(x))
    return package.Model(tokens, layers.Dense(CLASSES)(x))


def _transformer_by_hand() -> Any:
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.before_attention, self.before_hidden = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.projections, self.joined = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.hidden, self.out = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x: Any) -> Any:
            batch, length, width = x.shape
            parts = self.projections(self.before_attention(x)).reshape(batch, length, 3, HEADS, width // HEADS)
            query, key, value = parts.permute(2, 0, 3, 1, 4)
            attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, length, width)
            x = x + self.joined(attended)
            return x + self.out(F.gelu(self.hidden(self.before_hidden(x))))

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(WORDS, WIDTH)
            self.positions = nn.Parameter(torch.rand(LENGTH, WIDTH) * 0.1 - 0.05)
            self.blocks = nn.Sequential(Block(), Block())
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CLASSES)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.norm(self.blocks(self.embedding(tokens) + self.positions)).mean(1))

    return Transformer()


CASES = {
    "tiny": Case("tiny MLP, 32-32-10, batch 32", 32, 400, 5, _vectors(32), _mlp(32, 32), _mlp_by_hand(32, 32)),
    "mlp": Case(
        "MLP, 784-512-512-10, batch 128", 128, 40, 3, _vectors(784), _mlp(784, 512, 512), _mlp_by_hand(784, 512, 512)
    ),
    "cnn": Case("MNIST CNN, batch 128", 128, 8, 2, _images(28, 1), _mnist_cnn, _mnist_cnn_by_hand),
    "resnet20": Case("ResNet-20 on 32×32 images, batch 64", 64, 3, 3, _images(32, 3), _resnet20, _resnet20_by_hand),
    "lstm": Case("Embedding and LSTM, 80 steps, batch 32", 32, 20, 3, _tokens(WORDS, SEQUENCE), _lstm, _lstm_by_hand),
    "transformer": Case(
        "Transformer of 2 blocks, 64 steps, batch 32",
        32,
        10,
        2,
        _tokens(WORDS, LENGTH),
        _transformer,
        _transformer_by_hand,
    ),
}
