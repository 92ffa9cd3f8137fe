import html
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import keras
import pytest
import torch

import labkeras
from labkeras.errors import (
    InvalidArgumentError,
    InvalidTypeError,
    MissingDependencyError,
    NotBuiltError,
    UnsupportedArgumentError,
)
from labkeras.layers import Dense
from labkeras.models import plotting
from labkeras.utils import model_to_dot, plot_model
from tests.helpers.model_zoo import ZOO

pydot = pytest.importorskip("pydot", reason="pydot is not installed: pip install 'labkeras[plot]'")
needs_graphviz = pytest.mark.skipif(
    plotting.shutil.which("dot") is None, reason="Graphviz's program `dot` is not installed"
)
EVERYTHING = {
    "show_shapes": True,
    "show_dtype": True,
    "show_trainable": True,
    "show_layer_activations": True,
    "expand_nested": True,
}
# Ours tells how a subclassed model was called; the rest see test_summary.py.
DIFFERENT = {"several", "states", "subclassed_and_called"}
UNBUILT = {"unbuilt", "subclassed"}


def words(label: str) -> tuple[str, ...]:
    """What is written in a node's label, without the markup."""
    return tuple(html.unescape(part).replace("\u00a0", " ") for part in re.split(r"<[^>]*>", label[1:-1]) if part)


def facts(graph: Any, within: tuple[str, ...] = ()) -> tuple[set[Any], set[tuple[str, str]]]:
    """(clusters, *words) of each node; (name, name) of each edge."""
    texts: dict[str, tuple[Any, ...]] = {}
    edges = []

    def collect(graph: Any, within: tuple[str, ...]) -> None:
        for node in graph.get_nodes():
            if node.get("label"):
                texts[node.get_name()] = (within, *words(node.get("label")))
        for cluster in graph.get_subgraphs():
            collect(cluster, (*within, cluster.get_name()))
        edges.extend((edge.get_source(), edge.get_destination()) for edge in graph.get_edges())

    collect(graph, within)
    return set(texts.values()), {(texts[source][1], texts[target][1]) for source, target in edges}


def model_with_odd_names() -> Any:
    x = labkeras.Input((4,), name='<x> & "y"')
    inner = labkeras.Sequential([labkeras.Input((4,)), Dense(3, name="<b>[a|b]{c}\\n")], name='<i> "q\\" -> {x}')
    return labkeras.Model(x, inner(x))


@pytest.fixture(autouse=True)
def _names_from_the_beginning() -> None:
    keras.utils.clear_session(free_memory=False)


@pytest.mark.parametrize("options", [{}, EVERYTHING, {"show_layer_names": False, "show_shapes": True}])
@pytest.mark.parametrize("name", sorted(set(ZOO) - UNBUILT - DIFFERENT))
def test_graph_has_the_nodes_clusters_and_edges_of_keras(name: str, options: dict[str, Any]) -> None:
    ours, theirs = (facts(package.utils.model_to_dot(ZOO[name](package), **options)) for package in (labkeras, keras))
    assert ours == theirs


@pytest.mark.parametrize("name", sorted(DIFFERENT))
def test_rest_of_the_zoo_is_joined_as_by_keras(name: str) -> None:
    ours, theirs = (
        facts(package.utils.model_to_dot(ZOO[name](package), **EVERYTHING)) for package in (labkeras, keras)
    )
    assert ours[1] == theirs[1]
    assert {node[:2] for node in ours[0]} == {node[:2] for node in theirs[0]}


def test_settings_of_the_graph_are_keras() -> None:
    ours, theirs = (
        package.utils.model_to_dot(ZOO["mlp"](package), rankdir="LR", dpi=96, splines="curved")
        for package in (labkeras, keras)
    )
    assert type(ours) is type(theirs)
    for name in ("rankdir", "dpi", "splines", "concentrate"):
        assert str(ours.get(name)).lower() == str(theirs.get(name)).lower()


def test_nodes_are_found_by_the_id_of_their_layer_as_in_keras() -> None:
    for package in (labkeras, keras):
        model = ZOO["chain"](package)
        graph = package.utils.model_to_dot(model)
        assert all(len(graph.get_node(str(id(layer)))) == 1 for layer in model.layers)
        assert len(graph.get_edge(str(id(model.layers[0])), str(id(model.layers[1])))) == 1


def test_subgraph_is_a_cluster_as_in_keras() -> None:
    ours, theirs = (package.utils.model_to_dot(ZOO["mlp"](package), subgraph=True) for package in (labkeras, keras))
    assert isinstance(ours, pydot.Cluster)
    assert ours.get_name() == theirs.get_name() == "cluster_mlp"
    assert ours.get("label").strip('"') == theirs.get("label")


def test_torch_modules_and_functions_are_boxes() -> None:
    x = labkeras.Input((4,), name="x")
    y = torch.relu(torch.nn.Linear(4, 3)(x))
    nodes, edges = facts(model_to_dot(labkeras.Model(x, torch.cat([y, y * 2], -1)), show_shapes=True))
    assert edges == {
        ("x", "linear"),
        ("linear", "relu"),
        ("relu", "multiply"),
        ("relu", "concatenate"),
        ("multiply", "concatenate"),
    }
    assert ((), "linear", " (Linear)", "Input shape: ", "(None, 4)", "Output shape: ", "(None, 3)") in nodes


def test_odd_names_are_written_as_they_are() -> None:
    nodes, _ = facts(model_to_dot(model_with_odd_names(), expand_nested=True))
    assert {node[1] for node in nodes} == {'<x> & "y"', "<b>[a|b]{c}\\n"}


@needs_graphviz
@pytest.mark.parametrize(
    ("suffix", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF"), ("PNG", b"\x89PNG")]
)
def test_suffix_is_the_format(suffix: str, start: bytes, tmp_path: Path) -> None:
    path = tmp_path / f"model.{suffix}"
    plot_model(model_with_odd_names(), path, dpi=50, **EVERYTHING)
    assert path.read_bytes().startswith(start)
    assert [path] == list(tmp_path.iterdir())


@needs_graphviz
def test_svg_shows_names_as_they_are(tmp_path: Path) -> None:
    plot_model(model_with_odd_names(), tmp_path / "m.svg", **EVERYTHING, show_layer_names=True)
    text = html.unescape((tmp_path / "m.svg").read_text())
    assert '<x> & "y"' in text
    assert "<b>[a|b]{c}\\n" in text
    assert '<i> "q\\" -> {x}' in text


@needs_graphviz
def test_without_a_suffix_it_is_a_png(tmp_path: Path) -> None:
    plot_model(ZOO["mlp"](labkeras), tmp_path / "model", dpi=50)
    assert (tmp_path / "model").read_bytes().startswith(b"\x89PNG")


@needs_graphviz
def test_format_that_there_is_none_of_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Use one of: .*svg.*Received: format='xyz'"):
        plot_model(ZOO["mlp"](labkeras), tmp_path / "model.xyz")
    assert list(tmp_path.iterdir()) == []


@needs_graphviz
@pytest.mark.parametrize(("suffix", "kind"), [("png", "Image"), ("svg", "SVG"), ("pdf", None)])
def test_notebook_gets_a_picture(
    suffix: str, kind: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = ModuleType("IPython")
    package.display = SimpleNamespace(  # type: ignore[attr-defined]  # a stand-in
        Image=lambda filename: ("Image", filename), SVG=lambda filename: ("SVG", filename)
    )
    monkeypatch.setitem(sys.modules, "IPython", package)
    path = str(tmp_path / f"model.{suffix}")
    assert plot_model(ZOO["mlp"](labkeras), path) == (None if kind is None else (kind, path))


def test_source_is_written_without_graphviz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert plot_model(ZOO["mlp"](labkeras), tmp_path / "model.dot") is None
    source = (tmp_path / "model.dot").read_text()
    assert source.startswith("digraph")
    assert source.count(" -> ") == 1


def test_without_graphviz_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"`dot` is not on the path.*apt install graphviz"):
        plot_model(ZOO["mlp"](labkeras), tmp_path / "model.png")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("function", [model_to_dot, plot_model])
def test_without_pydot_it_is_said_how_to_get_it(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydot", None)
    with pytest.raises(ImportError, match=r"pydot, which is not installed: pip install 'labkeras\[plot\]'"):
        function(ZOO["mlp"](labkeras))


@pytest.mark.parametrize("name", sorted(UNBUILT))
@pytest.mark.parametrize("function", ["model_to_dot", "plot_model"])
def test_unbuilt_model_is_refused_as_by_keras(function: str, name: str) -> None:
    for package in (keras, labkeras):
        with pytest.raises(ValueError, match=r"built"):
            getattr(package.utils, function)(ZOO[name](package))
    with pytest.raises(NotBuiltError, match=rf"'{'net' if name == 'subclassed' else name}' is not built"):
        model_to_dot(ZOO[name](labkeras))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rankdir": "UP"}, InvalidArgumentError, r"'TB', 'LR', 'BT', 'RL'.*Received: rankdir='UP'"),
        ({"dpi": 0}, InvalidArgumentError, r"positive number. Received: dpi=0"),
        ({"layer_range": ["a", "b"]}, UnsupportedArgumentError, r"Received: layer_range=\['a', 'b'\]"),
        ({"show_names": True}, InvalidArgumentError, r"no argument 'show_names'"),
    ],
)
@pytest.mark.parametrize("function", [model_to_dot, plot_model])
def test_bad_options_are_named(
    function: Any, options: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        function(ZOO["mlp"](labkeras), **options)


@pytest.mark.parametrize("model", [torch.nn.Linear(2, 1), labkeras.Sequential, "model.keras"])
def test_what_is_no_model_is_named(model: Any) -> None:
    with pytest.raises(InvalidTypeError, match=r"a model of labkeras. Received: model="):
        model_to_dot(model)


def test_layer_range_of_none_is_taken_as_by_keras() -> None:
    for package in (keras, labkeras):
        assert package.utils.model_to_dot(ZOO["mlp"](package), layer_range=None).get_edges()
