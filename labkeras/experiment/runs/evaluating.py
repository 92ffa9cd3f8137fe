"""A run's model, evaluated or asked to predict, on the run's own data or on other."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from labkeras.errors import ConfigError
from labkeras.experiment.runs.compiling import compiled_model, given
from labkeras.experiment.runs.data import RunData, load_data
from labkeras.experiment.runs.directory import RunDirectory, json_value, writing_to
from labkeras.experiment.runs.trained import checkpoint_of, config_with, load_trained
from labkeras.files import atomic_write
from labkeras.models.model import Model
from labkeras.random import set_random_seed

__all__ = ["Part", "evaluate_run", "predict_run"]

Part = Literal["test", "train", "validation"]
"""Which part of the data."""


def evaluate_run(
    run: RunDirectory,
    overrides: Sequence[str] = (),
    *,
    part: Part = "test",
    checkpoint: str = "last",
    out: str | Path | None = None,
) -> dict[str, float]:
    """Evaluates a run's model with the run's loss and metrics.

    Args:
        run: the run.
        overrides: what is otherwise than in the run's config: "data=digits", "fit.batch_size=256".
        part: which part of the data: "test", "train" (all of it, what was held out for validation among it), or
            "validation", where the data set gives one.
        checkpoint: "last", "best", or the path of a file.
        out: the file for the results; `evaluations/PART-CHECKPOINT.json` in the run's folder unless given.

    Returns:
        Name → value, losses and metrics.

    Raises:
        ConfigError: for overrides that do not fit, or a part that the data has not.
        RunDirectoryError: if there is no such checkpoint, or `out` cannot be written to.

    Example:
        >>> evaluate_run(find_run("latest"), checkpoint="best")["accuracy"]
        0.98
    """
    config, data, model, file = _trained(run, overrides, checkpoint)
    x, y = _part(data, part)
    size = {"batch_size": config["fit"].get("batch_size")} if data.is_arrays else {}
    trainer = given(config.get("trainer")) or None
    found = model.evaluate(x, y, **size, verbose=0, return_dict=True, trainer=trainer)
    results = {name: float(value) for name, value in found.items()}
    path = Path(out) if out is not None else run.path / "evaluations" / f"{part}-{Path(checkpoint).stem}.json"
    known = {"run": str(run.path), "checkpoint": file.name, "part": part, "overrides": list(overrides)}
    with writing_to(path.parent), atomic_write(path) as text:
        text.write(json.dumps(json_value({**known, "results": results}), indent=2, ensure_ascii=False) + "\n")
    return results


def predict_run(
    run: RunDirectory,
    overrides: Sequence[str] = (),
    *,
    part: Part = "test",
    checkpoint: str = "last",
    out: str | Path | None = None,
) -> list[Path]:
    """Writes what a run's model predicts, as NumPy files.

    Args:
        run, overrides, part, checkpoint: as in `evaluate_run`.
        out: the folder for the files; `predictions` in the run's folder unless given.

    Returns:
        The files: `PART.npy`, or `PART-OUTPUT.npy` for each output of a model with several. A row a sample, in their
        order.

    Raises:
        As `evaluate_run`.

    Example:
        >>> numpy.load(predict_run(find_run("latest"))[0]).shape
        (360, 10)
    """
    config, data, model, _ = _trained(run, overrides, checkpoint)
    x, _ = _part(data, part)
    size = {"batch_size": config["fit"].get("batch_size")} if data.is_arrays else {}
    outputs = model.predict(x, **size, verbose=0, trainer=given(config.get("trainer")) or None)
    folder = Path(out) if out is not None else run.path / "predictions"
    with writing_to(folder):
        return [_write(folder / f"{part}{name}.npy", values) for name, values in _named(outputs)]


def _trained(
    run: RunDirectory, overrides: Sequence[str], checkpoint: str
) -> tuple[dict[str, Any], RunData, Model, Path]:
    file = checkpoint_of(run, checkpoint)
    config = config_with(run, overrides)
    set_random_seed(run.record().get("seed") or 0)
    model = compiled_model(config)
    data = load_data(config["data"])
    load_trained(model, file, data)
    return config, data, model, file


def _part(data: RunData, part: Part) -> tuple[Any, Any]:
    parts = {"test": data.test, "train": (data.x, data.y), "validation": data.validation}
    found = parts.get(part)
    if found is None:
        there = ", ".join(name for name, one in parts.items() if one is not None)
        raise ConfigError([f"on={part}: the data has no such part; it has {there}"])
    return found


def _named(outputs: Any) -> list[tuple[str, Any]]:
    if isinstance(outputs, Mapping):
        return [(f"-{name}", values) for name, values in outputs.items()]
    if isinstance(outputs, list | tuple):
        return [(f"-{number}", values) for number, values in enumerate(outputs)]
    return [("", outputs)]


def _write(path: Path, values: Any) -> Path:
    content = io.BytesIO()
    np.save(content, np.asarray(values), allow_pickle=False)
    with atomic_write(path, "wb") as file:
        file.write(content.getbuffer())
    return path
