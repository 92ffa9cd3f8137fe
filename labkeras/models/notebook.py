"""What a notebook shows for a model: its summary as a table, and its graph where Graphviz is installed."""

import html
import re
import subprocess
from collections.abc import Iterable
from typing import Any

from labkeras.errors import InvalidArgumentError, MissingDependencyError
from labkeras.models.plotting import draw, model_to_dot
from labkeras.models.rows import Row, calls_of, rows_of, shape_text
from labkeras.models.summary import totals_of

__all__ = ["model_html"]

# A cell must not wait for Graphviz, whose time grows fast with a graph.
_MOST_BOXES, _SECONDS_TO_DRAW = 60, 3.0
_DOTS_PER_INCH = 60
_CELL = 'style="text-align:left"'
_NUMBER = 'style="text-align:right"'


def model_html(model: Any) -> str:
    """A model's summary in HTML, which takes the colours of the page and loads nothing.

    The same facts as `model.summary()`. A model that branches has its graph below, folded up, if pydot and Graphviz
    are installed and the graph is small.

    Args:
        model: any model, built or not.
    """
    calls = calls_of(model)
    is_chain = calls.is_chain()
    rows = rows_of(model, calls)
    headers = ["Layer (type)", "Output Shape", "Param #", *["Connected to"] * (not is_chain)]
    head = "".join(f"<th {_NUMBER if title == 'Param #' else _CELL}>{title}</th>" for title in headers)
    body = "".join(f"<tr>{''.join(_cells(row, with_places=not is_chain))}</tr>" for row in rows)
    totals = "<br>".join(f"{title}: <b>{number}</b> ({memory})" for title, number, memory in totals_of(model))
    graph = "" if is_chain or len(rows) > _MOST_BOXES else _graph(model)
    return (
        f'<div><p>Model: <b>{html.escape(model.name)}</b></p><div style="max-height:40em;overflow:auto">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div><p>{totals}</p>{graph}</div>"
    )


def _cells(row: Row, with_places: bool) -> Iterable[str]:
    name, kind = html.escape(row.name), html.escape(row.kind)
    yield f"<td {_CELL}>{name} (<i>{kind}</i>)</td>"
    yield f"<td {_CELL}>{html.escape(shape_text(row.shape))}</td>"
    yield f"<td {_NUMBER}>{row.params}</td>"
    if with_places:
        places = ", ".join(f"{source}[{call}][{output}]" for source, call, output in row.connected_to)
        yield f"<td {_CELL}>{html.escape(places) or '-'}</td>"


def _graph(model: Any) -> str:
    """The graph as a picture within the page; "" where it cannot be drawn."""
    try:
        source = model_to_dot(model, show_shapes=True, dpi=_DOTS_PER_INCH).to_string()
        picture = draw(source, "svg", seconds=_SECONDS_TO_DRAW).decode()
    except (InvalidArgumentError, MissingDependencyError, subprocess.TimeoutExpired):
        return ""
    # Not the header, which names a file elsewhere, nor the titles: addresses of layers, shown as tooltips.
    picture = re.sub(r"<title>.*?</title>|<!--.*?-->", "", picture[picture.index("<svg") :], flags=re.DOTALL)
    return f'<details><summary>Graph</summary><div style="overflow:auto">{picture}</div></details>'
