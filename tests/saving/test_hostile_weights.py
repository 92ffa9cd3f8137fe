"""Weights made to do harm: stored elsewhere, larger than they are, or of other kinds."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from labkeras.errors import FileFormatError
from labkeras.saving import load_model, load_weights
from tests.helpers.hostile import WEIGHTS, harmless, refused, sound_model, with_weights, write

FIRST = "layers/dense/vars/0"


def external_storage(file: h5py.File, target: Path) -> None:
    del file[FIRST]
    file.create_dataset(FIRST, (4, 3), "f4", external=[(str(target), 0, 48)])


def virtual(file: h5py.File, target: Path) -> None:
    del file[FIRST]
    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource(str(target), "x", (4, 3))
    file.create_virtual_dataset(FIRST, layout)


def replaced(value: Any) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, target: Path) -> None:
        del file[FIRST]
        if callable(value):
            value(file, target)
        else:
            file[FIRST] = value

    return change


def giant(file: h5py.File, target: Path) -> None:
    file.create_dataset(FIRST, (2**20, 2**20), "f4", chunks=(1024, 1024), compression="gzip")


def giant_chunk(file: h5py.File, target: Path) -> None:
    file.create_dataset(FIRST, (4, 3), "f4", chunks=(2**14, 2**14), maxshape=(None, None), compression="gzip")


def linked(link: Callable[[Path], Any], place: str = FIRST) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, target: Path) -> None:
        del file[place]
        file[place] = link(target)

    return change


DATASETS: dict[str, tuple[Callable[[h5py.File, Path], None], str]] = {
    # CVE-2026-1669: other files
    "external_storage": (external_storage, "other files"),
    "virtual": (virtual, "other files"),
    "external_link": (linked(lambda target: h5py.ExternalLink(str(target), "/x")), "ExternalLink"),
    "external_link_of_a_group": (linked(lambda t: h5py.ExternalLink(str(t), "/"), "layers/dense"), "ExternalLink"),
    "external_link_of_all": (linked(lambda t: h5py.ExternalLink(str(t), "/"), "layers"), "ExternalLink"),
    "soft_link": (linked(lambda target: h5py.SoftLink("/layers/dense_1/vars/0")), "SoftLink"),
    "dangling_link": (linked(lambda target: h5py.SoftLink("/nowhere")), "SoftLink"),
    # CVE-2026-0897: sizes
    "giant_shape": (replaced(giant), "stored"),
    "giant_chunk": (replaced(giant_chunk), "stored|grow"),
    "one_value_less": (replaced(np.zeros((4, 2), "f4")), r"the model has the shape \(4, 3\), the file \(4, 2\)"),
    "transposed": (replaced(np.zeros((3, 4), "f4")), r"\(4, 3\)"),
    "flat": (replaced(np.zeros(12, "f4")), r"\(4, 3\)"),
    "scalar": (replaced(np.float32(0)), r"\(4, 3\)"),
    # kinds of values
    "integers": (replaced(np.zeros((4, 3), "i4")), "another kind of values"),
    "truth": (replaced(np.zeros((4, 3), bool)), "another kind of values"),
    "complex": (replaced(np.zeros((4, 3), "c8")), "another kind of values"),
    "text": (replaced(np.full((4, 3), b"x")), "no numbers"),
    "objects": (replaced(lambda f, t: f.create_dataset(FIRST, (4, 3), h5py.string_dtype())), "no numbers"),
    "records": (replaced(np.zeros((4, 3), [("a", "f4")])), "no numbers"),
    "references": (replaced(lambda f, t: f.create_dataset(FIRST, (4, 3), h5py.ref_dtype)), "no numbers"),
    "opaque": (replaced(np.zeros((4, 3), "V2")), "no numbers"),
    "empty": (replaced(h5py.Empty("f4")), "no numbers"),
    "a_group": (replaced(lambda f, t: f.create_group(FIRST)), "no dataset"),
    # structure
    "missing_variable": (lambda f, t: f.__delitem__(FIRST), r"has 2 variable\(s\), the file 1"),
    "missing_layer": (lambda f, t: f.__delitem__("layers/dense_1"), r"layers/dense_1 \(Dense 'second'\) has 2"),
    "extra_variable": (lambda f, t: f.__setitem__("layers/dense/vars/2", np.zeros(3, "f4")), r"the file 3"),
    "misnumbered": (lambda f, t: f.move(FIRST, "layers/dense/vars/7"), r"has 2 variable\(s\)"),
    "group_is_a_dataset": (
        lambda f, t: (f.__delitem__("layers/dense_1"), f.__setitem__("layers/dense_1", 1.0))[1],
        "no group",
    ),
}


@pytest.mark.parametrize("name", DATASETS)
def test_weights_are_compared_before_they_are_read(
    name: str, members: dict[str, bytes], path: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as file:
        file["x"] = np.full((4, 3), 7.0, "f4")
    change, message = DATASETS[name]
    write(path, with_weights(members, lambda file: change(file, secret)))
    text = refused(path, message)
    assert WEIGHTS in text or "does not fit" in text
    model = sound_model()
    before = model.get_weights()
    alone = tmp_path / "alone.weights.h5"
    with zipfile.ZipFile(path) as archive:
        alone.write_bytes(archive.read(WEIGHTS))
    for source in (path, alone):
        with harmless(), pytest.raises(FileFormatError, match=message):
            load_weights(model, source)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_datasets_that_nobody_asked_for_are_not_read(members: dict[str, bytes], tmp_path: Path) -> None:
    def change(file: h5py.File) -> None:
        file.create_dataset("extra/giant", (2**20, 2**20), "f4", chunks=(1024, 1024), compression="gzip")
        file["layers/cycle"] = file["layers"]

    alone = tmp_path / "alone.weights.h5"
    alone.write_bytes(with_weights(members, change)[WEIGHTS])
    with harmless():
        load_weights(sound_model(), alone)


def test_sound_storage_of_other_kinds_is_read(members: dict[str, bytes], path: Path) -> None:
    values = np.arange(12, dtype=">f8").reshape(4, 3)

    def change(file: h5py.File) -> None:
        del file[FIRST]
        file.create_dataset(FIRST, data=values, chunks=(2, 3), compression="gzip", shuffle=True, fletcher32=True)

    model = load_model(write(path, with_weights(members, change)))
    np.testing.assert_array_equal(model.get_weights()[0], values)


def test_a_wrong_checksum_of_a_chunk_is_noticed(members: dict[str, bytes], path: Path) -> None:
    values = np.arange(12, dtype="f4").reshape(4, 3)

    def change(file: h5py.File) -> None:
        del file[FIRST]
        file.create_dataset(FIRST, data=values, chunks=(4, 3), fletcher32=True)

    content = bytearray(with_weights(members, change)[WEIGHTS])
    content[content.index(values.tobytes()) + 5] ^= 1
    refused(write(path, {**members, WEIGHTS: bytes(content)}), FIRST)
