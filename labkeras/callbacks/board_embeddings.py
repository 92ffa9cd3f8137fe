"""Embeddings: vectors as tables in files, and the list of them that TensorBoard's Projector tab goes by."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labkeras.callbacks.board_summaries import array_of
from labkeras.callbacks.model_parts import named_layers
from labkeras.errors import InvalidArgumentError, did_you_mean
from labkeras.files import atomic_write

__all__ = ["embedding_layers", "label_lines", "write_embedding"]

_CONFIG = "projector_config.pbtxt"
_FOLDER = "embeddings"


def embedding_layers(
    model: Any, metadata: str | Mapping[str, str] | None, log_dir: str
) -> dict[str, tuple[Any, list[str] | None]]:
    """A model's `Embedding` layers by name, each with the lines of its file of labels, if it has one.

    Args:
        model: the model.
        metadata: the path of a file of labels for all of them, or one for each layer that has one, by its name.
        log_dir: where files are looked for first; then in the current folder.

    Raises:
        InvalidArgumentError: if there is no such layer or file, or a file has not a line for each row.
    """
    layers: dict[str, Any] = {name: layer for name, layer in named_layers(model).items() if _is_embedding(layer)}
    files = dict.fromkeys(layers, metadata) if isinstance(metadata, str) else dict(metadata or {})
    for name in files:
        if name not in layers:
            raise InvalidArgumentError(
                "`embeddings_metadata` names an Embedding layer that the model does not have."
                f"{did_you_mean(name, layers)} Its Embedding layers: {list(layers)}. "
                f"Received: embeddings_metadata={metadata!r}"
            )
    found = {}
    for name, layer in layers.items():
        path = files.get(name)
        lines = None if path is None else label_lines(_existing(path, log_dir), layer.input_dim, "embeddings_metadata")
        found[name] = layer, lines
    return found


def write_embedding(folder: str | Path, tag: str, vectors: Any, step: int, lines: Sequence[str] | None = None) -> None:
    """Writes vectors for the Projector tab; those of another step stay beside them.

    Args:
        folder: of the event files of a run: the server looks nowhere else.
        tag: what the vectors are.
        vectors: one a row.
        step: when they were so.
        lines: of the file that names the rows, as `label_lines` returns them.

    Shapes:
        vectors: (rows, size)
    """
    table = array_of(vectors)
    if table.ndim != 2 or 0 in table.shape:
        raise InvalidArgumentError(
            f"`vectors` must have the shape (rows, size). Received: vectors of shape {table.shape}, tag={tag!r}"
        )
    folder = Path(folder)
    (folder / _FOLDER).mkdir(parents=True, exist_ok=True)
    stem = f"{_FOLDER}/{re.sub(r'[^A-Za-z0-9._-]', '_', tag)}-{step:05d}"
    with atomic_write(folder / f"{stem}.tsv") as file:
        np.savetxt(file, table.astype(np.float64), fmt="%.7g", delimiter="\t")
    if lines is not None:
        with atomic_write(folder / f"{stem}-labels.tsv") as file:
            file.writelines(f"{line}\n" for line in lines)
    _enlist(folder, f"{tag}:{step:05d}", stem, table.shape, lines is not None)


def label_lines(labels: Any, rows: int, argument: str) -> list[str]:
    """The lines of a file that names the rows of an embedding.

    Args:
        labels: a name for each row; or the path of a file with a line for each row: with several columns, divided by
            tabs, the first line names them.
        rows: how many there are.
        argument: what `labels` is called where they come from, for the error.

    Raises:
        InvalidArgumentError: if there is no such file, or the number of names is another.
    """
    if isinstance(labels, str | Path):
        path = Path(labels)
        if not path.is_file():
            raise InvalidArgumentError(
                f"`{argument}` must name a file with a line for each row of the embedding, and there is none. "
                f"Received: {argument}={str(labels)!r}"
            )
        lines = path.read_text(encoding="utf-8").splitlines()
    else:
        # A break within a name would be taken for the next row.
        lines = [" ".join(str(label).split()) or "-" for label in array_of(labels).tolist()]
    count = len(lines) - bool(lines and "\t" in lines[0])
    if count != rows:
        raise InvalidArgumentError(
            f"`{argument}` must name each row of the embedding, of which there are {rows}. "
            f"Received: {argument} with {count} {'line' if count == 1 else 'lines'}"
            + (f", in {str(labels)!r}" if isinstance(labels, str | Path) else "")
        )
    return lines


def _is_embedding(layer: Any) -> bool:
    # By name: callbacks know no layers.
    return any(cls.__name__ == "Embedding" for cls in type(layer).__mro__) and hasattr(layer, "embeddings")


def _existing(path: str, log_dir: str) -> str:
    beside = Path(log_dir, path)
    return str(beside) if beside.is_file() else path


def _enlist(folder: Path, name: str, stem: str, shape: tuple[int, ...], is_labelled: bool) -> None:
    """Adds an embedding to the list, in place of one with its name: that of a run before it was broken off."""
    # Here, because they take a while to import.
    from google.protobuf import text_format  # type: ignore[import-untyped]  # ships no types
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    config = ProjectorConfig()
    if (folder / _CONFIG).exists():
        text_format.Parse((folder / _CONFIG).read_text(), config)
    kept = [one for one in config.embeddings if one.tensor_name != name]
    del config.embeddings[:]
    config.embeddings.extend(kept)
    info = config.embeddings.add(tensor_name=name, tensor_path=f"{stem}.tsv", tensor_shape=shape)
    if is_labelled:
        info.metadata_path = f"{stem}-labels.tsv"
    with atomic_write(folder / _CONFIG) as file:
        file.write(text_format.MessageToString(config))
