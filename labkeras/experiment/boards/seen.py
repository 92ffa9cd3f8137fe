"""What a TensorBoard server has to show, tab by tab: asked over HTTP, as its page in a browser does."""

import json
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Seen", "Tab", "seen_by"]

_SECONDS = 60  # that an answer may take: the first one imports plugins
_STATUSES = ("STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING")
_MOST_SESSIONS = 100_000
# Tab → where its list of tags is.
_TAGS = {
    "scalars": "scalars",
    "images": "images",
    "distributions": "distributions",
    "histograms": "histograms",
    "pr_curves": "pr_curves",
    "text": "text",
    "audio": "audio",
    "mesh": "mesh",
}


@dataclass(frozen=True)
class Tab:
    """What one tab shows.

    Args:
        name: of the tab, as in its address.
        runs: how many of TensorBoard's runs have something there; a run of ours is several: training, validation, test.
        items: what is there: tags, charts, graphs, columns.
        about: more, in a few words.
    """

    name: str
    runs: int
    items: list[str]
    about: str = ""


@dataclass(frozen=True)
class Seen:
    """What there is to see.

    Args:
        runs: names of TensorBoard's runs.
        tabs: each of them, whether it shows something or not.
        sessions: status → how many sessions the HParams tab has: "success", "failure", "running" or "unknown".
    """

    runs: list[str]
    tabs: list[Tab]
    sessions: Mapping[str, int] = field(default_factory=dict)

    def tab(self, name: str) -> Tab:
        """One of the tabs, by its name."""
        return next(tab for tab in self.tabs if tab.name == name)

    def as_json(self) -> dict[str, Any]:
        """As plain values."""
        tabs = {tab.name: {key: value for key, value in asdict(tab).items() if key != "name"} for tab in self.tabs}
        return {"runs": self.runs, "tabs": tabs, "sessions": dict(self.sessions)}


def seen_by(address: str) -> Seen:
    """Asks a server for all that it shows.

    Args:
        address: of the server: "http://127.0.0.1:6006/".

    Raises:
        OSError: if it does not answer.
    """
    data = f"{address.rstrip('/')}/data"
    tags = {tab: _tags(_answer(f"{data}/plugin/{plugin}/tags")) for tab, plugin in _TAGS.items()}
    hparams, sessions = _hparams(f"{data}/plugin/hparams")
    tabs = [
        _tab_of_tags("scalars", tags["scalars"]),
        _custom_scalars(f"{data}/plugin/custom_scalars", len(tags["scalars"])),
        _tab_of_tags("images", tags["images"]),
        _graphs(f"{data}/plugin/graphs"),
        _tab_of_tags("distributions", tags["distributions"]),
        _tab_of_tags("histograms", tags["histograms"]),
        hparams,
        _tab_of_tags("pr_curves", tags["pr_curves"]),
        _tab_of_tags("text", tags["text"]),
        _projector(f"{data}/plugin/projector"),
        _tab_of_tags("audio", tags["audio"]),
        _tab_of_tags("mesh", tags["mesh"]),
    ]
    return Seen(sorted(_answer(f"{data}/runs")), tabs, sessions)


def _answer(url: str, body: Mapping[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy cannot reach this machine
    with opener.open(request, timeout=_SECONDS) as answer:
        return json.load(answer)


def _tags(answer: Mapping[str, Any]) -> dict[str, list[str]]:
    """Run → its tags, of runs that have any."""
    return {run: sorted(tags) for run, tags in answer.items() if tags}


def _tab_of_tags(name: str, tags: Mapping[str, list[str]]) -> Tab:
    return Tab(name, len(tags), sorted({tag for found in tags.values() for tag in found}))


def _custom_scalars(url: str, runs: int) -> Tab:
    categories = _answer(f"{url}/layout").get("category", [])
    charts = [f"{one['title']}: {chart['title']}" for one in categories for chart in one.get("chart", [])]
    return Tab("custom_scalars", runs if charts else 0, charts)


def _graphs(url: str) -> Tab:
    found = {run: tags for run, one in _answer(f"{url}/info").items() if (tags := _graph_tags(one))}
    layers = [
        _nodes(f"{url}/graph?{urllib.parse.urlencode({'run': run, 'tag': tag, 'conceptual': 'true'})}")
        for run, tags in found.items()
        for tag, is_conceptual in tags.items()
        if is_conceptual
    ]
    about = ""
    if layers:
        least, most = min(layers), max(layers)
        about = f"of {least if least == most else f'{least} to {most}'} layers"
    return Tab("graphs", len(found), sorted({tag for tags in found.values() for tag in tags}), about)


def _graph_tags(run: Mapping[str, Any]) -> dict[str, bool]:
    """Tag → whether it is a graph of layers; of those that have a graph at all, and no profile alone."""
    tags = {tag: one["conceptual_graph"] for tag, one in run["tags"].items() if one["conceptual_graph"]}
    tags |= {tag: False for tag, one in run["tags"].items() if one["op_graph"]}
    return tags | ({"graph": False} if run.get("run_graph") else {})


def _nodes(url: str) -> int:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_SECONDS) as answer:
        return sum(line.startswith(b"node {") for line in answer.read().splitlines())


def _hparams(url: str) -> tuple[Tab, dict[str, int]]:
    experiment = _answer(f"{url}/experiment", {})
    columns = [info["name"] for info in experiment.get("hparamInfos", [])]
    metrics = [_metric(info["name"]) for info in experiment.get("metricInfos", [])]
    body = {"startIndex": 0, "sliceSize": _MOST_SESSIONS, "allowedStatuses": _STATUSES, "colParams": []}
    groups = _answer(f"{url}/session_groups", body).get("sessionGroups", []) if columns or metrics else []
    sessions = [session for group in groups for session in group["sessions"]]
    counts = Counter(str(one.get("status", _STATUSES[0])).removeprefix("STATUS_").lower() for one in sessions)
    states = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    about = f"{len(columns)} parameters, {len(metrics)} metrics; sessions: {states}" if sessions else ""
    return Tab("hparams", len(sessions), [*columns, *metrics] if sessions else [], about), dict(sorted(counts.items()))


def _metric(name: Mapping[str, str]) -> str:
    return "/".join(part for part in (name.get("group"), name.get("tag")) if part)


def _projector(url: str) -> Tab:
    runs = _answer(f"{url}/runs")
    found = {run: _answer(f"{url}/info?{urllib.parse.urlencode({'run': run})}").get("embeddings", []) for run in runs}
    shapes = {one["tensorName"]: one.get("tensorShape", []) for some in found.values() for one in some}
    about = ", ".join(sorted({"×".join(map(str, shape)) for shape in shapes.values() if shape})[:3])
    return Tab("projector", sum(map(bool, found.values())), sorted(shapes), about)
