"""`model.json`: the model of a run, as Keras describes it, and its size."""

import json
from typing import Any

from labkeras.errors import LabkerasError
from labkeras.experiment.runs.directory import RunDirectory, json_value
from labkeras.files import atomic_write

__all__ = ["write_model"]


def write_model(folder: RunDirectory, model: Any) -> None:
    """Writes `model.json`: the model's config in Keras's form, None if it has none; parameters; bytes.

    Args:
        folder: of the run.
        model: the model, built or not.
    """
    content: dict[str, Any] = {"class": type(model).__name__, "config": _config(model), "parameters": None}
    if model.built:
        content["parameters"] = {
            "total": model.count_params(),
            "trainable": sum(weight.numel() for weight in model.trainable_weights),
        }
        weights = sum(weight.nbytes for weight in model.weights)
        optimizer = sum(value.nbytes for value in getattr(model.optimizer, "variables", ()))
        content["bytes"] = {"weights": weights, "optimizer": optimizer}
    with atomic_write(folder.path / "model.json", durable=False) as file:
        file.write(json.dumps(json_value(content)) + "\n")


def _config(model: Any) -> dict[str, Any] | None:
    try:
        config: dict[str, Any] = json.loads(model.to_json())
    # A regularizer or initializer of the user without `get_config` raises NotImplementedError.
    except (LabkerasError, NotImplementedError, TypeError):
        return None
    return config
