import re
import subprocess
from html.parser import HTMLParser
from typing import Any

import pytest
import torch

import labkeras
from labkeras.layers import Dense
from labkeras.models import notebook, plotting
from tests.helpers.model_zoo import ZOO

needs_graphviz = pytest.mark.skipif(
    plotting.shutil.which("dot") is None, reason="Graphviz's program `dot` is not installed"
)


class Page(HTMLParser):
    """The cells of a page's tables, its text and its tags; it fails where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        if tag != "br":
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data


@pytest.mark.parametrize("name", sorted(ZOO))
def test_notebook_shows_the_cells_and_totals_of_the_summary(name: str) -> None:
    model = ZOO[name](labkeras)
    printed: list[str] = []
    model.summary(print_fn=printed.append, line_length=240)
    lines = printed[0].splitlines()
    page = Page(model._repr_html_())
    assert page.rows == [[cell.strip() for cell in re.split("[│┃]", line)[1:-1]] for line in lines if line[0] in "│┃"]
    assert all(line.strip() in page.text for line in lines if "params:" in line)


def test_names_are_no_markup() -> None:
    evil = "<script>alert('&')<br>"
    x = labkeras.Input((4,), name=evil)
    model = labkeras.Model(x, [Dense(2, name=evil + "a")(x), Dense(2, name="]]>-->" + evil)(x)], name=evil + "b")
    page = Page(model._repr_html_())
    assert "script" not in page.tags
    assert page.rows[1][0] == f"{evil} (InputLayer)"


@needs_graphviz
def test_model_that_branches_has_its_graph_within_the_page() -> None:
    pytest.importorskip("pydot", reason="pydot is not installed")
    text = ZOO["residual"](labkeras)._repr_html_()
    assert {"details", "svg"} <= Page(text).tags
    assert "conv_2" in text[text.index("<svg") :]
    # Nothing is loaded: the only addresses are names of XML's.
    assert set(re.findall(r"https?://[^\"' >]*", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    assert not re.search(r"<!|<\?|src=|href=", text)


def test_chain_has_no_graph() -> None:
    assert "svg" not in Page(ZOO["chain"](labkeras)._repr_html_()).tags


@pytest.mark.parametrize("fault", ["no dot", "too slow", "too large"])
def test_table_stands_alone_where_there_is_no_graph(fault: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: Any, **__: Any) -> Any:
        raise subprocess.TimeoutExpired("dot", 3.0)

    if fault == "no dot":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif fault == "too slow":
        monkeypatch.setattr(notebook, "draw", give_up)
    else:
        monkeypatch.setattr(notebook, "_MOST_BOXES", 3)
    page = Page(ZOO["residual"](labkeras)._repr_html_())
    assert "svg" not in page.tags
    assert len(page.rows) == 9


def test_functions_and_modules_of_torch_are_rows() -> None:
    x = labkeras.Input((4,), name="x")
    rows = Page(labkeras.Model(x, torch.relu(torch.nn.Linear(4, 3)(x)))._repr_html_()).rows
    assert rows[2:] == [["linear (Linear)", "(None, 3)", "15"], ["relu (relu)", "(None, 3)", "0"]]
