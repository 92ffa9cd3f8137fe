"""What a step of SAM costs beside one of its inner optimizer: `python plugins/labkeras-sam/experiments/speed.py`.

Epochs with and without are run in turns, and each is compared with the one beside it: on a machine that others use too,
that tells more than two long measurements.
"""

import statistics
import time
from typing import Any

import numpy as np
import torch

from labkeras import Input, layers
from labkeras.models import Sequential
from labkeras_sam.sam import SAM

_TURNS, _ROWS = 15, 1024


def _mlp() -> list[Any]:
    return [Input((64,)), layers.Dense(128, activation="relu"), layers.Dense(64, activation="relu"), layers.Dense(10)]


def _cnn() -> list[Any]:
    convolutions = [layers.Conv2D(32, 3, activation="relu"), layers.BatchNormalization(), layers.Conv2D(32, 3)]
    return [Input((16, 16, 3)), *convolutions, layers.Flatten(), layers.Dropout(0.5), layers.Dense(10)]


def _compiled(rho: float, parts: list[Any], **options: Any) -> Sequential:
    model = Sequential(parts)
    model.compile(optimizer=SAM("adam", rho=rho, **options), loss="mse")
    return model


def _milliseconds(model: Sequential, x: Any, y: Any, batch_size: int) -> float:
    start = time.perf_counter()
    model.fit(x, y, batch_size=batch_size, epochs=1, verbose=0)
    return 1000 * (time.perf_counter() - start) / (_ROWS // batch_size)


def main() -> None:
    """Prints milliseconds a step, and the ratio."""
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    y = random.normal(size=(_ROWS, 10)).astype("float32")
    for name, parts, shape in (("MLP", _mlp, (64,)), ("CNN", _cnn, (16, 16, 3))):
        x = random.normal(size=(_ROWS, *shape)).astype("float32")
        for batch_size in (32, 256):
            models = [_compiled(0.0, parts()), _compiled(0.05, parts()), _compiled(0.5, parts(), adaptive=True)]
            for model in models:
                _milliseconds(model, x, y, batch_size)
            turns = [[_milliseconds(model, x, y, batch_size) for model in models] for _ in range(_TURNS)]
            adam, sam, asam = (min(column) for column in zip(*turns, strict=True))
            ratios = [statistics.median(turn[place] / turn[0] for turn in turns) for place in (1, 2)]
            cells = [f"{value:.2f}" for value in (adam, sam, asam, *ratios)]
            print(f"| {name}, batch {batch_size} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
