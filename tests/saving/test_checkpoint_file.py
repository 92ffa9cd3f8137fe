"""load_checkpoint: plain values and tensors, or one clear error."""

import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

import labkeras
from labkeras.callbacks import BackupAndRestore, EarlyStopping, ModelCheckpoint
from labkeras.errors import FileFormatError
from labkeras.experiment.runs.run_checkpoint import write_pointer
from labkeras.saving import load_checkpoint


def trained(folder: Path, **arguments: Any) -> labkeras.Model:
    """A model that was trained for two epochs, with its backup in a folder."""
    model = labkeras.Sequential([labkeras.Input((4,)), labkeras.layers.Dense(3), labkeras.layers.BatchNormalization()])
    model.compile("adam", "mse")
    x, y = np.random.default_rng(0).normal(size=(2, 20, 4)).astype("float32")
    backup = BackupAndRestore(folder / "checkpoints", delete_checkpoint=False)
    stopping = EarlyStopping("loss", restore_best_weights=True)
    best = ModelCheckpoint(folder / "checkpoints" / "best.keras", "loss", save_best_only=True)
    model.fit(x, y[:, :3], epochs=2, verbose=0, callbacks=[stopping, best, backup], **arguments)
    return model


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, labkeras.Model]:
    """The folder of a run, and its model."""
    folder = tmp_path_factory.mktemp("run")
    model = trained(folder)
    checkpoints = folder / "checkpoints"
    write_pointer(checkpoints / "last.json", checkpoints / "latest.zip", 2, 0, {"loss": 0.5})
    write_pointer(checkpoints / "best.json", checkpoints / "best.keras", 2, 0, {"loss": 0.25})
    return folder, model


@pytest.fixture
def checkpoint(run: tuple[Path, labkeras.Model], tmp_path: Path) -> Path:
    """A file to spoil."""
    shutil.copy(run[0] / "checkpoints" / "latest.zip", tmp_path / "latest.zip")
    return tmp_path / "latest.zip"


@pytest.mark.parametrize("name", ["", "checkpoints", "checkpoints/last.json", "checkpoints/latest.zip"])
def test_a_checkpoint_holds_weights_optimizer_and_place(run: tuple[Path, labkeras.Model], name: str) -> None:
    folder, model = run
    found = load_checkpoint(folder / name)
    assert (found.epoch, found.batch) == (2, 0)
    assert found.path == folder / "checkpoints" / "latest.zip"
    assert found.metrics == ({} if name.endswith(".zip") else {"loss": 0.5})
    assert torch.equal(found.weights["layers/dense/vars/0"], model.layers[0].kernel)
    assert torch.equal(found.weights["layers/batch_normalization/vars/2"], model.layers[1].moving_mean)
    assert len(found.weights) == 6
    assert int(found.optimizer["optimizer/vars/0"]) == model.optimizer.iterations
    assert isinstance(found.state["random"][0]["torch"], torch.Tensor)
    assert [name for name, _ in found.state["callbacks"]] == ["EarlyStopping", "ModelCheckpoint", "History"]
    assert isinstance(found.state["callbacks"][0][1]["best"], float)


@pytest.mark.parametrize("name", ["best.json", "best.keras"])
def test_the_best_model_is_read_as_well(run: tuple[Path, labkeras.Model], name: str) -> None:
    found = load_checkpoint(run[0] / "checkpoints" / name)
    assert torch.equal(found.weights["layers/dense/vars/0"], run[1].layers[0].kernel)
    assert (found.epoch, found.batch) == (None, None)
    assert found.metrics == ({"loss": 0.25} if name.endswith(".json") else {})


def test_a_file_of_weights_is_read_as_well(run: tuple[Path, labkeras.Model], tmp_path: Path) -> None:
    run[1].save_weights(tmp_path / "m.weights.h5")
    found = load_checkpoint(tmp_path / "m.weights.h5")
    assert torch.equal(found.weights["layers/dense/vars/1"], run[1].layers[0].bias)


def test_bfloat16_stays_bfloat16(tmp_path: Path) -> None:
    model = labkeras.Sequential([labkeras.Input((4,)), labkeras.layers.Dense(3, dtype="bfloat16")])
    model.save_weights(tmp_path / "m.weights.h5")
    kernel = load_checkpoint(tmp_path / "m.weights.h5").weights["layers/dense/vars/0"]
    assert kernel.dtype is torch.bfloat16
    assert torch.equal(kernel, model.layers[0].kernel)


def test_a_damaged_byte_is_found_wherever_it_is(checkpoint: Path) -> None:
    whole = checkpoint.read_bytes()
    original = load_checkpoint(checkpoint)
    draw = random.Random(0)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        if draw.random() < 0.2:
            data = data[: draw.randrange(len(data))]
        else:
            data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        checkpoint.write_bytes(data)
        try:
            found = load_checkpoint(checkpoint)
        except FileFormatError:
            refused += 1
        else:  # in what says when a member was made, and by which system
            assert found.epoch == original.epoch
            for place, values in original.weights.items():
                assert torch.equal(found.weights[place], values)
    assert refused > 280


def test_a_damaged_byte_is_always_found_behind_a_pointer(run: tuple[Path, labkeras.Model], tmp_path: Path) -> None:
    shutil.copytree(run[0], tmp_path / "run")
    file = tmp_path / "run" / "checkpoints" / "latest.zip"
    whole = file.read_bytes()
    draw = random.Random(1)
    for _ in range(50):
        data = bytearray(whole)
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        file.write_bytes(data)
        with pytest.raises(FileFormatError, match=r"their checksums differ. Received: sha256="):
            load_checkpoint(tmp_path / "run")


def rewritten(path: Path, change: Callable[[dict[str, bytes]], None], compression: int = zipfile.ZIP_STORED) -> None:
    """Writes an archive anew, with sound checksums."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def with_state(edit: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        state = json.loads(members["state.json"])
        edited = edit(state)
        members["state.json"] = json.dumps(state if edited is None else edited).encode()

    return change


def array(**changes: Any) -> dict[str, Any]:
    return {"__array__": 0, "dtype": "<f4", "shape": [1], **changes}


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("evil",)


def linked_weights(members: dict[str, bytes]) -> None:
    with h5py.File("x.h5", "w") as file:
        file["layers/dense/vars/0"] = h5py.ExternalLink("/etc/hostname", "/")
    members["weights.weights.h5"] = Path("x.h5").read_bytes()


def giant_weights(members: dict[str, bytes]) -> None:
    with h5py.File("x.h5", "w") as file:
        file.create_dataset("layers/dense/vars/0", shape=(10**6, 10**6), dtype="f4", chunks=(1000, 1000))
    members["weights.weights.h5"] = Path("x.h5").read_bytes()


HOSTILE: dict[str, Callable[[dict[str, bytes]], None]] = {
    "a pickle for the state": lambda members: members.update({"state.json": pickle.dumps(Evil())}),
    "no state": lambda members: members.pop("state.json") and None,
    "no weights": lambda members: members.pop("weights.weights.h5") and None,
    "a pickle for the weights": lambda members: members.update({"weights.weights.h5": pickle.dumps(Evil())}),
    "a link to another file": linked_weights,
    "weights of a terabyte": giant_weights,
    "state that is a list": with_state(lambda state: [1]),
    "no place": with_state(lambda state: state.pop("epoch") and None),
    "a place that is text": with_state(lambda state: state.update(epoch="2")),
    "objects in an array": with_state(lambda state: state.update(extra=array(dtype="|O"))),
    "an array of structures": with_state(lambda state: state.update(extra=array(dtype="f4,O"))),
    "an array of another length": with_state(lambda state: state.update(extra=array(shape=[10**12]))),
    "an array that is not there": with_state(lambda state: state.update(extra=array(__array__=10**6))),
    "an array by a path": with_state(lambda state: state.update(extra=array(__array__="../../etc/passwd"))),
    "one array a thousand times": with_state(lambda state: state.update(extra=[state["random"]] * 1000)),
    "nested without end": lambda members: members.update({"state.json": b'{"a":' * 10**5 + b"1" + b"}" * 10**5}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused(
    checkpoint: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rewritten(checkpoint, HOSTILE[name])
    with pytest.raises(FileFormatError, match=r"latest\.zip"):
        load_checkpoint(checkpoint)
    assert not (tmp_path / "evil").exists()


def test_a_bomb_is_refused(checkpoint: Path) -> None:
    rewritten(checkpoint, lambda members: members.update(zeros=bytes(10**8)), zipfile.ZIP_DEFLATED)
    with pytest.raises(FileFormatError, match="longer than the file"):
        load_checkpoint(checkpoint)


def test_a_sound_file_that_was_written_anew_is_read(checkpoint: Path) -> None:
    rewritten(checkpoint, lambda members: None)
    assert load_checkpoint(checkpoint).epoch == 2


def test_a_lightning_checkpoint_is_refused_and_not_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "evil": Evil()}, tmp_path / "model.ckpt")
    with pytest.raises(FileFormatError, match="damaged, or no backup"):
        load_checkpoint(tmp_path / "model.ckpt")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("name", ["../latest.zip", "/etc/hostname", "a/b.zip", "..", "", 7, None, "a\\b"])
def test_a_pointer_leads_to_a_file_beside_it(checkpoint: Path, name: Any) -> None:
    pointer = checkpoint.parent / "last.json"
    pointer.write_text(json.dumps({"path": name, "sha256": "0"}))
    with pytest.raises(FileFormatError, match=r"must name a file beside it\. Received: path="):
        load_checkpoint(pointer)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "latest.zip")
    with pytest.raises(FileFormatError, match="is no file"):
        load_checkpoint(tmp_path / "latest.zip")


def test_what_is_not_there_is_missed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"last\.json"):
        load_checkpoint(tmp_path)
