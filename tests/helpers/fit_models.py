"""Small models of every kind, made with labkeras or with Keras, for tests that train them side by side."""

from typing import Any

import numpy as np

from tests.helpers.keras_pairs import CLASSES, FEATURES

__all__ = [
    "adding_loss",
    "convolutional",
    "frozen",
    "inner_scaled",
    "masked_classifier",
    "mlp",
    "nested",
    "normalized",
    "regressor",
    "subclassed",
    "subclassed_dict",
    "tagger",
    "two_heads",
    "two_inputs",
    "with_own_loss",
    "with_own_metrics",
]


def mlp(package: Any, head: str = "softmax", units: int = CLASSES, **dense: Any) -> Any:
    return package.Sequential(
        [
            package.layers.Input((FEATURES,)),
            package.layers.Dense(8, activation="tanh", **dense),
            package.layers.Dense(units, activation=head, name="out"),
        ]
    )


def regressor(package: Any, **dense: Any) -> Any:
    return mlp(package, "linear", 2, **dense)


def two_heads(package: Any, as_dict: bool = False) -> Any:
    x = package.Input((FEATURES,), name="x")
    hidden = package.layers.Dense(6, activation="tanh")(x)
    cls = package.layers.Dense(CLASSES, activation="softmax", name="cls")(hidden)
    reg = package.layers.Dense(2, name="reg")(hidden)
    return package.Model(x, {"cls": cls, "reg": reg} if as_dict else [cls, reg])


def nested(package: Any) -> Any:
    x = package.Input((FEATURES,))
    inner = package.Sequential([package.layers.Input((FEATURES,)), package.layers.Dense(5, activation="tanh")])
    return package.Model(x, package.layers.Dense(CLASSES, activation="softmax")(inner(inner_scaled(package)(x))))


def inner_scaled(package: Any) -> Any:
    return package.layers.Rescaling(0.5)


def frozen(package: Any) -> Any:
    model = mlp(package)
    model.layers[0].trainable = False
    return model


def normalized(package: Any) -> Any:
    return package.Sequential(
        [
            package.layers.Input((FEATURES,)),
            package.layers.Dense(8),
            package.layers.BatchNormalization(momentum=0.7),
            package.layers.Activation("relu"),
            package.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def masked_classifier(package: Any) -> Any:
    class MeanOfWords(package.layers.Layer):  # type: ignore[misc]  # a class of one of two packages
        def call(self, inputs: Any, mask: Any = None) -> Any:
            weights = mask[..., None].to(inputs.dtype)
            return (inputs * weights).sum(1) / weights.sum(1).clamp(min=1)

        def compute_mask(self, inputs: Any, previous_mask: Any = None) -> None:
            return None  # the words are gone

    return package.Sequential(
        [
            package.layers.Input((7,), dtype="int32"),
            package.layers.Embedding(12, 5, mask_zero=True),
            MeanOfWords(),
            package.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def tagger(package: Any, mask_zero: bool = True) -> Any:
    return package.Sequential(
        [
            package.layers.Input((7,), dtype="int32"),
            package.layers.Embedding(12, 5, mask_zero=mask_zero),
            package.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def two_inputs(package: Any) -> Any:
    a, b = package.Input((FEATURES,), name="a"), package.Input((2,), name="b")
    joined = package.layers.Concatenate()([package.layers.Dense(4, activation="tanh")(a), b])
    return package.Model({"a": a, "b": b}, package.layers.Dense(CLASSES, activation="softmax")(joined))


def convolutional(package: Any) -> Any:
    return package.Sequential(
        [
            package.layers.Input((6, 6, 1)),
            package.layers.Rescaling(1 / 255),
            package.layers.Conv2D(3, 3, activation="relu"),
            package.layers.MaxPooling2D(),
            package.layers.Flatten(),
            package.layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def subclassed(package: Any) -> Any:
    class Classifier(package.Model):  # type: ignore[misc]  # a class of one of two packages
        def __init__(self) -> None:
            super().__init__()
            self.first = package.layers.Dense(5, activation="tanh")
            self.last = package.layers.Dense(CLASSES, activation="softmax")

        def call(self, inputs: Any, training: Any = None) -> Any:
            return self.last(self.first(inputs))

    return _built(Classifier())


def subclassed_dict(package: Any) -> Any:
    class Heads(package.Model):  # type: ignore[misc]  # likewise
        def __init__(self) -> None:
            super().__init__()
            self.cls = package.layers.Dense(CLASSES, activation="softmax")
            self.reg = package.layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            return {"cls": self.cls(inputs), "reg": self.reg(inputs)}

    return _built(Heads())


def adding_loss(package: Any) -> Any:
    class Penalised(package.layers.Layer):  # type: ignore[misc]  # likewise
        def call(self, inputs: Any) -> Any:
            self.add_loss(0.01 * (inputs**2).mean())
            return inputs

    x = package.Input((FEATURES,))
    hidden = Penalised()(package.layers.Dense(6, activation="tanh")(x))
    return package.Model(x, package.layers.Dense(CLASSES, activation="softmax")(hidden))


def with_own_loss(package: Any) -> Any:
    class OwnLoss(package.Model):  # type: ignore[misc]  # likewise
        def __init__(self) -> None:
            super().__init__()
            self.last = package.layers.Dense(2)

        def call(self, inputs: Any) -> Any:
            return self.last(inputs)

        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
        ) -> Any:
            return ((y - y_pred) ** 2).mean() + 0.1 * y_pred.abs().mean()

    return _built(OwnLoss())


def with_own_metrics(package: Any) -> Any:
    class OwnMetrics(package.Model):  # type: ignore[misc]  # likewise
        def __init__(self) -> None:
            super().__init__()
            self.last = package.layers.Dense(CLASSES, activation="softmax")

        def call(self, inputs: Any) -> Any:
            return self.last(inputs)

        def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
            logs = super().compute_metrics(x, y, y_pred, sample_weight)
            return {**logs, "largest": y_pred.max()}

    return _built(OwnMetrics())


def _built(model: Any) -> Any:
    model(np.zeros((1, FEATURES), "float32"))
    return model
