"""Files made to do harm, and the watch over what happens when one is read."""

import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from labkeras import Input, Model, layers
from labkeras.errors import FileFormatError
from labkeras.saving import load_model

DATA = np.random.default_rng(0).random((4, 4), dtype="float32")
WEIGHTS = "model.weights.h5"

_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.rename", "os.mkdir", "shutil.")
_FORBIDDEN += (
    "subprocess.Popen",
    "socket.",
    "pickle.find_class",
    "urllib.",
    "ctypes.dlopen",
    "webbrowser.",
)
_events: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _events is None:
        return
    writes = event == "open" and isinstance(arguments[1], str) and any(mode in arguments[1] for mode in "wax+")
    if event.startswith(_FORBIDDEN) or (writes and not isinstance(arguments[0], int)):
        _events.append(f"{event} {arguments!r}"[:200])


sys.addaudithook(_watch)


@contextmanager
def harmless() -> Iterator[None]:
    """Whatever happens within: nothing is run, unpickled, connected to or written."""
    global _events
    _events = []
    try:
        yield
    finally:
        events, _events = _events, None
    assert events == []


def sound_model() -> Any:
    x = Input((4,), name="x")
    y = layers.Dense(3, activation="relu", name="first")(x)
    return Model(x, layers.Dense(2, name="second")(y), name="sound")


def write(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def with_config(members: dict[str, bytes], change: Callable[[Any], Any]) -> dict[str, bytes]:
    config = json.loads(members["config.json"])
    changed = change(config)
    return {**members, "config.json": json.dumps(config if changed is None else changed).encode()}


def with_weights(members: dict[str, bytes], change: Callable[[h5py.File], None]) -> dict[str, bytes]:
    content = io.BytesIO(members[WEIGHTS])
    with h5py.File(content, "a") as file:
        change(file)
    return {**members, WEIGHTS: content.getvalue()}


def refused(path: Path, match: str | None = None, **options: Any) -> str:
    with harmless(), pytest.raises(FileFormatError, match=match or None) as caught:
        load_model(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


# --- changes of a config

FUNCTION = {"module": "builtins", "class_name": "function", "config": "system", "registered_name": "system"}


def layer(config: Any, number: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = config["config"]["layers"][number]
    return found


def replacing(**entry: Any) -> Callable[[Any], None]:
    """The first Dense layer, replaced by something else that takes its place in the graph."""
    return lambda config: layer(config).update(entry)


def setting(key: str, value: Any) -> Callable[[Any], None]:
    return lambda config: layer(config)["config"].update({key: value})


def as_function(**entry: Any) -> dict[str, Any]:
    return {**FUNCTION, **entry}


def core(module: str, class_name: str, **config: Any) -> dict[str, Any]:
    return {"module": f"keras.{module}", "class_name": class_name, "config": config}


def of_torch(what: str, **config: Any) -> dict[str, Any]:
    return {"module": "labkeras.graph", "class_name": f"Torch{what}", "config": config}


def compiled(**arguments: Any) -> Callable[[Any], None]:
    return lambda config: config.update(compile_config={"optimizer": "sgd", **arguments})
