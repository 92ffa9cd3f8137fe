"""Files cut short or with changed bytes: refused, or right; never wrong, and never another error."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from labkeras.errors import FileFormatError
from labkeras.saving import load_model
from tests.helpers.hostile import WEIGHTS, harmless, sound_model


def damaged(data: bytes, seed: int) -> bytes:
    """A file cut short, or with a bit, some bytes, or a run of bytes changed."""
    generator = np.random.default_rng(seed)
    changed = bytearray(data)
    place = int(generator.integers(0, len(data)))
    if seed % 4 == 0:
        return data[:place]
    if seed % 4 == 1:
        changed[place] ^= 1 << int(generator.integers(0, 8))
    elif seed % 4 == 2:
        for other in generator.integers(0, len(data), 20):
            changed[other] = int(generator.integers(0, 256))
    else:
        changed[place : place + 64] = bytes(len(changed[place : place + 64]))
    return bytes(changed)


def outcomes(path: Path, attempt: Callable[[], Any], right: list[Any], count: int) -> dict[str, int]:
    data = path.read_bytes()
    found = {"right": 0, "refused": 0, "wrong": 0}
    for seed in range(count):
        path.write_bytes(damaged(data, seed))
        try:
            with harmless():
                weights = attempt()
        except FileFormatError:
            found["refused"] += 1
        else:
            same = all(np.array_equal(one, other) for one, other in zip(right, weights, strict=True))
            found["right" if same else "wrong"] += 1
    return found


def test_damaged_archives_are_refused_or_right(path: Path) -> None:
    model = sound_model()
    model.save(path)
    found = outcomes(path, lambda: load_model(path).get_weights(), model.get_weights(), 200)
    assert found["wrong"] == 0
    assert found["refused"] > 150


def test_damaged_weights_are_refused_or_right(tmp_path: Path) -> None:
    model, other = sound_model(), sound_model()
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    blank = [np.zeros_like(values) for values in model.get_weights()]

    def attempt() -> Any:
        other.set_weights(blank)
        try:
            other.load_weights(path)
        except FileFormatError:
            # Nothing was changed.
            assert all(not values.any() for values in other.get_weights())
            raise
        return other.get_weights()

    found = outcomes(path, attempt, model.get_weights(), 200)
    assert found["wrong"] == 0
    assert found["refused"] > 150


def test_damaged_weights_without_a_checksum_are_one_kind_of_error(members: dict[str, bytes], tmp_path: Path) -> None:
    # Files of Keras's have none: values may be wrong, but nothing else happens.
    path = tmp_path / "m.weights.h5"
    path.write_bytes(members[WEIGHTS])
    model = sound_model()

    def attempt() -> Any:
        model.load_weights(path)
        return model.get_weights()

    found = outcomes(path, attempt, model.get_weights(), 200)
    assert found["refused"] > 100
