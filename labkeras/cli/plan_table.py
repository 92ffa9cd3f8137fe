"""What a run will be, as a table: its layers, and about how much memory it takes."""

import math
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from labkeras.experiment.model.forecast import Forecast  # imports torch, which faults in a config do without

__all__ = ["brief", "print_forecast"]

_MEGABYTE = 1_000_000


def brief(forecast: "Forecast") -> list[str]:
    """What a run will be, in two lines."""
    memory = forecast.memory
    parts = [("weights", memory.weights), ("gradients", memory.gradients), ("optimizer", memory.optimizer)]
    parts.append((f"activations of {forecast.batch_size} samples", memory.activations))
    known = ", ".join(f"{name} {_megabytes(size)}" for name, size in parts if size is not None)
    trained = "" if forecast.trainable == forecast.parameters else f", {forecast.trainable:,} of them trained"
    epoch = (
        ""
        if forecast.batches is None
        else f"; {forecast.samples:,} samples to train on, {forecast.batches:,} batches an epoch"
    )
    return [
        f"{forecast.parameters:,} parameters{trained}{epoch}",
        f"about {_megabytes(memory.total)} of memory: {known}",
    ]


def print_forecast(forecast: "Forecast") -> None:
    """Prints the layers with their shapes and weights, and the memory."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title, justify in (("name", "left"), ("layer", "left"), ("output", "left"), ("parameters", "right")):
        table.add_column(title, justify=justify, overflow="fold")  # type: ignore[arg-type]  # one of rich's words
    for row in forecast.rows:
        count = sum(math.prod(weight.shape) for weight in row.weights)
        table.add_row(row.name, row.layer, _shape(row.outputs), f"{count:,}")
    console = Console(highlight=False)
    console.print(table)
    console.print()
    for line in brief(forecast):
        console.print(line, soft_wrap=True)


def _shape(structure: Any) -> str:
    if isinstance(structure, dict):
        return ", ".join(f"{key}: {_shape(value)}" for key, value in structure.items())
    if isinstance(structure, list | tuple):
        return ", ".join(_shape(one) for one in structure)
    return "?" if structure is None else str(structure.shape)


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:,.1f} MB" if size < 1000 * _MEGABYTE else f"{size / 1000 / _MEGABYTE:,.1f} GB"
