"""`.keras`: a whole model in one file, in the layout of Keras 3."""

import contextlib
import importlib.metadata
import json
import os
import shutil
import warnings
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from labkeras import serialization
from labkeras.errors import FileFormatError, InvalidArgumentError, SerializationError, UnsupportedArgumentError
from labkeras.files import atomic_write
from labkeras.saving.archive import CONFIG, METADATA, WEIGHTS, Archive, scratch_file
from labkeras.saving.destination import checked_suffix, may_write
from labkeras.saving.hdf5 import WeightsReader, WeightsWriter
from labkeras.saving.strict_json import read_json
from labkeras.saving.weights import fill_new_model, write_weights
from labkeras.variable import allowance

__all__ = ["load_model", "save_model"]

_LAYOUT = "3.15.1"
_LONGEST_JSON = 64 * 2**20
# Beside weights, seeds and metrics have variables; a file need not hold those.
_SPARE_VALUES = 1_000_000


def save_model(
    model: Any, filepath: str | os.PathLike[str], overwrite: bool = True, zipped: bool | None = None
) -> None:
    """Writes a model to a file, whole or not at all: its config, its weights and, if compiled, its optimizer's state.

    Args:
        model: the model.
        filepath: the file, "….keras".
        overwrite: whether to replace a file that is there without asking.
        zipped: only True and None are supported.

    Raises:
        SerializationError: if something in the model has no config; nothing is written then.
        InvalidArgumentError: for another end of the file's name.
        OSError: if the file cannot be written.
    """
    if zipped is False:
        raise UnsupportedArgumentError("labkeras does not write models as folders yet. Received: zipped=False")
    path = checked_suffix(filepath, ".keras")
    if not getattr(model, "built", True):
        warnings.warn(
            f"the model {model.name!r} is saved before it is built, without weights: call it on data first.",
            stacklevel=3,
        )
    config = _config_json(model)
    if may_write(path, overwrite):
        with atomic_write(path, "wb") as file:
            _write_archive(model, config, file)


def load_model(
    filepath: str | os.PathLike[str],
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,
    safe_mode: bool = True,
) -> Any:
    """Reads a model from a file that labkeras or Keras 3 wrote.

    Nothing that the file names is imported or run: its layers are looked up among those of labkeras, of installed
    plugins, and those that you registered or pass.

    Args:
        filepath: the file, "….keras".
        custom_objects: name → class or function, for those that are not registered.
        compile: whether to compile the model as it was when it was saved.
        safe_mode: must be True: there is no other mode.

    Returns:
        The model.

    Raises:
        FileFormatError: if the file is damaged, or cannot be used; the message names the member and the variable.
        InvalidArgumentError: for another end of the file's name.
        OSError: if the file cannot be opened.
    """
    if safe_mode is not None and safe_mode is not True:
        raise SerializationError(
            "labkeras never runs code from a file, so there is no unsafe mode: register the function that a Lambda "
            f"layer holds, or pass it in `custom_objects`. Received: safe_mode={safe_mode!r}"
        )
    path = _checked_path(filepath)
    with open(path, "rb") as file:
        archive = Archive(file, str(path))
        read_json(archive.read(METADATA, _LONGEST_JSON), f"{str(path)!r}, {METADATA}")
        config = read_json(archive.read(CONFIG, _LONGEST_JSON), f"{str(path)!r}, {CONFIG}")
        if not compile:
            config["compile_config"] = None
        name = f"{str(path)!r}, {WEIGHTS}"
        with archive.open(WEIGHTS) as content, WeightsReader(content, name) as reader:
            with allowance(reader.count_values() + _SPARE_VALUES):
                model = _model_of(config, custom_objects, str(path))
            fill_new_model(model, reader, name)
    return model


def _checked_path(filepath: str | os.PathLike[str]) -> Path:
    if isinstance(filepath, str | os.PathLike) and Path(filepath).is_dir():
        raise UnsupportedArgumentError(
            f"labkeras does not read models saved as folders yet. Received: filepath={os.fspath(filepath)!r}"
        )
    return checked_suffix(filepath, ".keras")


def _model_of(config: dict[str, Any], custom_objects: Mapping[str, Any] | None, path: str) -> Any:
    if "class_name" not in config:
        raise FileFormatError(f"{path!r}, {CONFIG}: it describes no model. Received: the keys {sorted(config)[:10]}")
    try:
        with serialization.sharing():
            return serialization.deserialize_keras_object(config, custom_objects, kind="layers")
    except SerializationError as error:
        raise FileFormatError(f"{path!r}, {CONFIG}: {error}") from error


def _config_json(model: Any) -> bytes:
    """The config as JSON; it is made before a file is opened, so that faults are found in time."""
    config = serialization.serialize_whole(model)
    if not (isinstance(config, dict) and "class_name" in config):
        raise InvalidArgumentError(f"a model or layer can be saved. Received: model={model!r}")
    try:
        text = json.dumps(config).encode("utf-8")
        if b"NaN" in text:
            read_json(text, "the config")
    except (TypeError, ValueError) as error:
        raise SerializationError(f"the config of {model.name!r} cannot be written as JSON: {error}") from error
    return text


def _write_archive(model: Any, config: bytes, file: IO[bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive, scratch_file() as content:
        archive.writestr(METADATA, json.dumps(_metadata()))
        archive.writestr(CONFIG, config)
        with WeightsWriter(content) as writer:
            write_weights(model, writer)
        content.seek(0)
        with archive.open(WEIGHTS, "w", force_zip64=True) as member:
            shutil.copyfileobj(content, member, 2**20)


def _metadata() -> dict[str, str]:
    """`keras_version` says whose layout it is."""
    metadata = {"keras_version": _LAYOUT, "date_saved": datetime.now().strftime("%Y-%m-%d@%H:%M:%S")}
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # a checkout that is not installed
        metadata["labkeras_version"] = importlib.metadata.version("labkeras")
    return metadata
