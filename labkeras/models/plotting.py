"""model_to_dot and plot_model: a model drawn by Graphviz."""

import html
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from labkeras.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    MissingDependencyError,
    NotBuiltError,
    UnsupportedArgumentError,
)
from labkeras.files import atomic_write
from labkeras.graph.input import InputLayer
from labkeras.models.diagram import Box, Diagram, diagram_of
from labkeras.models.rows import is_trained, kind_of, output_shape_of, shape_text, shown_name, sources_of
from labkeras.nest import map_structure

__all__ = ["draw", "model_to_dot", "plot_model"]

_DIRECTIONS = ("TB", "LR", "BT", "RL")
_GET_PYDOT = "pip install 'labkeras[plot]'"
_GET_GRAPHVIZ = "apt install graphviz, brew install graphviz, conda install graphviz, or https://graphviz.org/download"
_SOURCE_SUFFIXES = ("dot", "gv")


def model_to_dot(
    model: Any,
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = True,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    subgraph: bool = False,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """A model as a graph of Graphviz's, to be changed and drawn with pydot.

    Layers are boxes, and so are torch's modules and functions; a subclassed model is a single box. The name of a node
    is `str(id(layer))`, as in Keras.

    Args:
        model: a model that is built.
        show_shapes: whether boxes tell the shapes that go in and out.
        show_dtype: whether they tell the data type that comes out.
        show_layer_names: whether they bear the layers' names, or those of the classes alone.
        rankdir: where the graph goes: "TB" (down), "LR" (to the right), "BT" or "RL".
        expand_nested: whether nested models are drawn with the layers within.
        dpi: dots in an inch of a picture.
        subgraph: whether to make a `pydot.Cluster`, to be put into another graph.
        show_layer_activations: whether boxes name the layers' activations.
        show_trainable: whether they tell which layers are trained.
        splines: how arrows run: "ortho", "curved", "polyline", "spline" or "line".

    Returns:
        A `pydot.Dot`, or a `pydot.Cluster` for `subgraph=True`.

    Raises:
        NotBuiltError: if the model is not built.
        MissingDependencyError: if pydot is not installed.
        InvalidArgumentError: for a direction or a resolution that there is none of, or an unknown argument.

    Example:
        >>> model = Sequential([Input((4,)), Dense(3, name="first"), Dense(2, name="second")])
        >>> len(model_to_dot(model).get_edges())
        1
    """
    _refuse(kwargs)
    _check(model, rankdir, dpi)
    pydot = _pydot()
    if subgraph:
        graph = _cluster(pydot, model)
    else:
        graph = pydot.Dot(rankdir=rankdir, concentrate="true", dpi=str(dpi), splines=str(splines))
    shown = {
        "names": show_layer_names,
        "activations": show_layer_activations,
        "shapes": show_shapes,
        "dtype": show_dtype,
        "trainable": show_trainable,
    }
    _fill(pydot, graph, diagram_of(model, expand_nested), {name for name, wanted in shown.items() if wanted})
    return graph


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: float = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Any:
    """Draws a model into a file.

    Args:
        model: a model that is built.
        to_file: the file; its suffix is the format: ".png" (also without any), ".svg", ".pdf" and the others of
            Graphviz's. ".dot" and ".gv" get the graph's source, for which Graphviz need not be installed.
        show_shapes: whether boxes tell the shapes that go in and out.
        show_dtype: whether they tell the data type that comes out.
        show_layer_names: whether they bear the layers' names, or those of the classes alone.
        rankdir: where the graph goes: "TB" (down), "LR" (to the right), "BT" or "RL".
        expand_nested: whether nested models are drawn with the layers within.
        dpi: dots in an inch of the picture.
        show_layer_activations: whether boxes name the layers' activations.
        show_trainable: whether they tell which layers are trained.
        splines: how arrows run: "ortho", "curved", "polyline", "spline" or "line".

    Returns:
        In IPython and notebooks, a picture that shows itself, for formats that it knows; else None.

    Raises:
        NotBuiltError: if the model is not built.
        MissingDependencyError: if pydot, or Graphviz's program `dot`, is not installed.
        InvalidArgumentError: for a format that Graphviz does not know, and as `model_to_dot`.

    Example:
        >>> plot_model(Sequential([Input((4,)), Dense(3)]), "model.svg", show_shapes=True)
    """
    graph = model_to_dot(
        model,
        show_shapes,
        show_dtype,
        show_layer_names,
        rankdir,
        expand_nested,
        dpi,
        show_layer_activations=show_layer_activations,
        show_trainable=show_trainable,
        splines=splines,
        **kwargs,
    )
    path = Path(to_file)
    suffix = path.suffix[1:].lower() or "png"
    source = graph.to_string()
    picture = source.encode() if suffix in _SOURCE_SUFFIXES else draw(source, suffix)
    with atomic_write(path, "wb", durable=False) as file:
        file.write(picture)
    return _displayed(path, suffix)


def draw(source: str, suffix: str, seconds: float | None = None) -> bytes:
    """A graph drawn by Graphviz.

    Args:
        source: the graph, in Graphviz's language.
        suffix: the format: "png", "svg", …
        seconds: after which the drawing is given up.

    Raises:
        MissingDependencyError: if there is no program `dot`.
        InvalidArgumentError: if it does not know the format, or cannot draw the graph.
        subprocess.TimeoutExpired: if it takes too long.
    """
    program = shutil.which("dot")
    if program is None:
        raise MissingDependencyError(
            f"drawing a model needs Graphviz, whose program `dot` is not on the path. Get it: {_GET_GRAPHVIZ}. "
            "A file that ends in .dot is written without it."
        )
    done = subprocess.run([program, f"-T{suffix}"], input=source.encode(), capture_output=True, timeout=seconds)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise InvalidArgumentError(f"Graphviz cannot draw the model: {said}. Received: format={suffix!r}")
    return done.stdout


def _check(model: Any, rankdir: str, dpi: float) -> None:
    if not hasattr(model, "built") or isinstance(model, type):
        raise InvalidTypeError(f"`model` must be a model of labkeras. Received: model={model!r}")
    if not model.built:
        raise NotBuiltError(
            f"model {model.name!r} is not built, so what it consists of is not known. Call it on "
            "data, or its `build` with a shape, before it is drawn. Received: a model with built=False"
        )
    if rankdir not in _DIRECTIONS:
        raise InvalidArgumentError(f"`rankdir` must be one of {_DIRECTIONS}. Received: rankdir={rankdir!r}")
    if isinstance(dpi, bool) or not isinstance(dpi, int | float) or not dpi > 0:
        raise InvalidArgumentError(f"`dpi` must be a positive number. Received: dpi={dpi!r}")


def _refuse(kwargs: dict[str, Any]) -> None:
    layer_range = kwargs.pop("layer_range", None)
    if layer_range is not None:
        raise UnsupportedArgumentError(
            "`layer_range` was dropped by Keras: draw a model of a part instead, `Model(layer.input, other.output)`. "
            f"Received: layer_range={layer_range!r}"
        )
    if kwargs:
        raise InvalidArgumentError(f"there is no argument {next(iter(kwargs))!r}. Received: {kwargs!r}")


def _pydot() -> Any:
    try:
        import pydot  # optional, and needed by nothing else
    except ImportError as error:
        raise MissingDependencyError(
            f"drawing a model needs pydot, which is not installed: {_GET_PYDOT}. It needs Graphviz besides: "
            f"{_GET_GRAPHVIZ}."
        ) from error
    return pydot


def _cluster(pydot: Any, model: Any) -> Any:
    look = {"style": "dashed", "labeljust": "l", "fontname": "Helvetica"}
    cluster = pydot.Cluster(model.name, label=_quoted(model.name), **look)
    if not model.name.isidentifier():  # pydot takes names as they are
        cluster.set_name(_quoted(f"cluster_{model.name}"))
    return cluster


def _fill(pydot: Any, graph: Any, diagram: Diagram, shown: set[str]) -> None:
    for part in diagram.parts:
        if isinstance(part, Diagram):
            inner = _cluster(pydot, part.model)
            _fill(pydot, inner, part, shown)
            graph.add_subgraph(inner)
        else:
            # Differs from Keras: not shape="record", which would read the signs | { } in a name; the label is the box.
            look = {"shape": "plaintext", "fontname": "Helvetica", "margin": "0"}
            graph.add_node(pydot.Node(_key(part.operation), label=_label(part, shown), **look))
    for source, target in diagram.arrows:
        graph.add_edge(pydot.Edge(_key(source), _key(target), penwidth="2"))


def _key(operation: Any) -> str:
    return str(id(operation))


def _quoted(text: str) -> str:
    """A string of Graphviz's language, whatever is in it: `<…>` would be markup."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _label(box: Box, shown: set[str]) -> str:
    """A table in Graphviz's markup: the name on black, below it what else is to be shown."""
    operation = box.operation
    cells = _cells(box, shown)
    rows = [_cell(_title(operation, "names" in shown), background="black", span=len(cells), large=True)]
    activation = getattr(operation, "activation", None)
    if "activations" in shown and activation is not None:
        name = str(getattr(activation, "name", None) or getattr(activation, "__name__", activation))
        rows.append(_cell(f"Activation: {_bold(name)}", span=len(cells)))
    if cells:
        rows.append("".join(cells))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<<table border="0" cellborder="1" cellpadding="10" bgcolor="black">{body}</table>>'


def _title(operation: Any, with_name: bool) -> str:
    kind = kind_of(operation)
    # Browsers leave a space out that a picture's text begins with.
    return f"{_bold(shown_name(operation))}&#160;({html.escape(kind)})" if with_name else _bold(kind)


def _cells(box: Box, shown: set[str]) -> list[str]:
    cells = []
    if "shapes" in shown:
        if not isinstance(box.operation, InputLayer):
            cells.append(_cell(f"Input shape: {_bold(shape_text(_input_shape(box)))}"))
        shape = output_shape_of(box.operation, [] if box.call is None else [box.call])
        cells.append(_cell(f"Output shape: {_bold(shape_text(shape))}"))
    if "dtype" in shown:
        cells.append(_cell(f"Output dtype: {_bold(_dtype(box))}"))
    trained = is_trained(box.operation)
    if "trainable" in shown and trained is not None:
        text, colour = ("Trainable", "forestgreen") if trained else ("Non-trainable", "firebrick")
        cells.append(_cell(_bold(text), background=colour))
    return cells


def _input_shape(box: Box) -> Any:
    if box.call is not None:
        shapes: Any = [tensor.shape for tensor in sources_of(box.call)]
    else:
        shapes = list((getattr(box.operation, "_build_shapes", None) or {}).values())
    return (shapes[0] if len(shapes) == 1 else shapes) if shapes else None


def _dtype(box: Box) -> str:
    if box.call is None:
        return "?"
    dtypes = map_structure(lambda tensor: getattr(tensor, "dtype", "?"), box.call.outputs)
    return dtypes if isinstance(dtypes, str) else str(dtypes).replace("'", "")


def _cell(text: str, background: str = "white", span: int = 1, large: bool = False) -> str:
    colour = "black" if background == "white" else "white"
    size = 16 if large else 14
    return (
        f'<td bgcolor="{background}" colspan="{max(span, 1)}">'
        f'<font point-size="{size}" color="{colour}">{text}</font></td>'
    )


def _bold(text: str) -> str:
    return f"<b>{html.escape(text)}</b>"


def _displayed(path: Path, suffix: str) -> Any:
    # Differs from Keras: a program that does not run in IPython does not import it, nor gets an object of no use to it.
    if "IPython" not in sys.modules:
        return None
    from IPython import display  # loaded already

    if suffix == "svg":
        return display.SVG(filename=str(path))
    return display.Image(filename=str(path)) if suffix in ("png", "jpg", "jpeg", "gif") else None
