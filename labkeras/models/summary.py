"""The table that `model.summary()` prints."""

import itertools
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text
from torch.nn.parameter import is_lazy

from labkeras.errors import InvalidArgumentError
from labkeras.models.rows import Row, calls_of, rows_of, shape_text

__all__ = ["print_summary", "totals_of"]

_NUMBER, _TYPE, _FROZEN = "green", "cyan", "red"
# Keras's layout: where the columns end, as fractions of the line, and how long the line is if there is room.
_CHAIN_COLUMNS, _CHAIN_LENGTH = (0.45, 0.80, 1.0), 88
_GRAPH_COLUMNS, _GRAPH_LENGTH = (0.30, 0.56, 0.74, 1.0), 108
_TRAINABLE_SHARE, _TRAINABLE_LENGTH = 0.10, 12
_LEAST_COLUMN = 4
# Differs from Keras: in a terminal so narrow that a column would vanish, lines go over its edge rather than fail.
_LEAST_LENGTH = 48


def print_summary(
    model: Any,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Prints a model's layers, with their output shapes and numbers of weights, and the totals.

    A functional model's torch modules and functions are listed too; unless it is a chain, a column tells what each is
    connected to.

    Args:
        model: the model.
        line_length: characters in a line; by default as many as fit into the terminal, up to about a hundred.
        positions: where the columns end: fractions of the line, or numbers of characters.
        print_fn: called once with the whole text, without colours, in place of printing it.
        expand_nested: whether the layers of nested models are listed below them.
        show_trainable: whether a column tells which layers are trained.
        layer_range: names of the first and last layer to list; patterns that match the start of a name will do.

    Raises:
        InvalidArgumentError: if a column is too narrow, or no layer has one of the names.
    """
    calls = calls_of(model)
    connections = not calls.is_chain()
    rows = rows_of(model, calls, expand_nested, layer_range)
    widths = _column_widths(line_length, positions, connections, show_trainable)
    table = _table(rows, widths, connections, show_trainable)
    _print([Text(f'Model: "{model.name}"', style="bold"), table, *map(_total_text, totals_of(model))], print_fn)


def totals_of(model: Any) -> list[tuple[str, str, str]]:
    """Of a model's weights, and of those of its optimizer once it has some: (title, number, memory)."""
    optimizer = getattr(model, "optimizer", None)
    states = list(optimizer.variables) if optimizer is not None and getattr(optimizer, "built", False) else []
    trainable, frozen = _known(model.trainable_weights), _known(model.non_trainable_weights)
    lines = {"Total": [*trainable, *frozen, *states], "Trainable": trainable, "Non-trainable": frozen}
    if states:
        lines["Optimizer"] = states
    return [
        (f"{title} params", f"{sum(math.prod(weight.shape) for weight in weights):,}", _memory(weights))
        for title, weights in lines.items()
    ]


def _column_widths(
    line_length: int | None, positions: Sequence[float] | None, connections: bool, show_trainable: bool
) -> list[int]:
    columns, length = (_GRAPH_COLUMNS, _GRAPH_LENGTH) if connections else (_CHAIN_COLUMNS, _CHAIN_LENGTH)
    ends: list[float] = list(positions or columns)
    if show_trainable:
        length += _TRAINABLE_LENGTH
        ends = [end * (1 - _TRAINABLE_SHARE) for end in ends] + [1.0]
    # A table that ends short of the terminal's edge survives a small change of its size.
    length = line_length or max(min(length, shutil.get_terminal_size().columns - 4), _LEAST_LENGTH)
    scale = length if ends[-1] <= 1 else 1
    stops = [0, *(int(end * scale) for end in ends)]
    widths = [stop - start for start, stop in itertools.pairwise(stops)]
    if min(widths) < _LEAST_COLUMN:
        raise InvalidArgumentError(
            f"each column of the summary needs at least {_LEAST_COLUMN} characters, but they would get {widths}. "
            f"Received: line_length={line_length!r}, positions={positions!r}"
        )
    return widths


def _table(rows: list[Row], widths: list[int], connections: bool, show_trainable: bool) -> Table:
    table = Table(width=sum(widths), show_lines=True)
    headers = [("Layer (type)", "left"), ("Output Shape", "left"), ("Param #", "right")]
    headers += [("Connected to", "left")] * connections + [("Trainable", "center")] * show_trainable
    if len(headers) != len(widths):
        raise InvalidArgumentError(
            f"the summary has {len(headers)} columns: `positions` must have as many. Received: {len(widths)} positions"
        )
    for (header, justify), width in zip(headers, widths, strict=True):
        table.add_column(header, justify=justify, width=width)  # type: ignore[arg-type]  # a str, not a Literal
    for row in rows:
        cells = [_title_text(row), _shape_text(row.shape), _params_text(row.params)]
        table.add_row(
            *cells, *[_places_text(row.connected_to)] * connections, *[_trainable_text(row.trainable)] * show_trainable
        )
    return table


def _title_text(row: Row) -> Text:
    prefix = "   " * row.level + "└ " if row.level else ""
    return Text.assemble(f"{prefix}{row.name} (", (row.kind, _TYPE), ")")


def _params_text(params: str) -> Text:
    number, _, note = params.partition(" ")
    return Text.assemble((number, _NUMBER), f" {note}" if note else "")


def _shape_text(shape: Any) -> Text:
    text = Text(shape_text(shape))
    text.highlight_regex(r"\d+|None", _NUMBER)
    return text


def _places_text(places: Iterable[tuple[str, int, int]]) -> Text:
    texts = [
        Text.assemble(name, "[", (str(call), _NUMBER), "][", (str(output), _NUMBER), "]")
        for name, call, output in places
    ]
    return Text(", ").join(texts) if texts else Text("-")


def _trainable_text(trainable: bool | None) -> Text:
    if trainable is None:
        return Text("-", style="bold")
    return Text("Y", style=f"bold {_NUMBER}") if trainable else Text("N", style=f"bold {_FROZEN}")


def _total_text(total: tuple[str, str, str]) -> Text:
    title, number, memory = total
    return Text.assemble((f" {title}: ", "bold"), (number, _NUMBER), f" ({memory})")


def _known(weights: Iterable[Any]) -> list[Any]:
    return [weight for weight in weights if not is_lazy(weight)]


def _memory(weights: list[Any]) -> str:
    """The memory that weights take, in a unit of a thousand or so: "64.00 B", "423.34 KB"."""
    size = float(sum(math.prod(weight.shape) * weight.dtype.itemsize for weight in weights))
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


def _print(parts: list[Any], print_fn: Callable[[str], Any] | None) -> None:
    widest = max(int(part.width or 0) if isinstance(part, Table) else part.cell_len for part in parts)
    if print_fn is None:
        console = Console(highlight=False)
        if not console.is_terminal and not console.is_jupyter:
            # In a file nothing is too wide.
            console.width = max(console.width, widest)
        # As one: in a notebook each print is an output of its own.
        console.print(Group(*parts))
        return
    plain = Console(highlight=False, force_terminal=False, force_jupyter=False, color_system=None, width=widest)
    with plain.capture() as capture:
        plain.print(Group(*parts))
    print_fn(capture.get())
