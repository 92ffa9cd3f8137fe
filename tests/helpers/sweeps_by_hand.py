"""Folders of sweeps, written by hand as a sweep would have left them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

OBJECTIVE = {"monitor": "val_accuracy", "mode": "max"}
LEARNING_RATE = {"key": "optimizer.learning_rate", "kind": "interval", "low": 1e-4, "high": 1.0, "log": True}
OPTIMIZER = {"key": "optimizer", "kind": "choice", "values": ["adam", "sgd"]}


def trial(params: Mapping[str, Any], *values: float | None, state: str = "done", **more: Any) -> dict[str, Any]:
    """A trial: `rows` of its metrics, its `record` (run.json), `failure`, `seconds`, `epochs`."""
    return {"params": dict(params), "values": list(values) or None, "state": state, **more}


def write_sweep(
    folder: Path,
    trials: Sequence[Mapping[str, Any]],
    space: Sequence[Mapping[str, Any]] = (),
    objectives: Sequence[Mapping[str, str]] = (OBJECTIVE,),
    name: str = "digits",
    ended: bool = True,
) -> Path:
    """Writes a sweep's folder; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    spec = {"version": 1, "name": name, "space": list(space), "objectives": list(objectives)}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    events: list[dict[str, Any]] = [{"event": "session"}]
    for number, one in enumerate(trials):
        events += _events(number, one)
        _write_run(folder / f"{number:04d}", one)
    if ended:
        events.append({"event": "stop", "reason": "all points were tried"})
    lines = [json.dumps(event | {"time": f"2026-01-31T10:00:{second:09.6f}+00:00"}) for second, event in _timed(events)]
    (folder / "sweep.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return folder


def _timed(events: Sequence[dict[str, Any]]) -> list[tuple[float, dict[str, Any]]]:
    return [(index * 60 / (len(events) + 1), event) for index, event in enumerate(events)]


def _events(number: int, one: Mapping[str, Any]) -> list[dict[str, Any]]:
    overrides = ["experiment=digits_mlp", *(f"{key}={value}" for key, value in one["params"].items())]
    chosen = {
        "event": "trial",
        "trial": number,
        "dir": f"{number:04d}",
        "params": one["params"],
        "overrides": overrides,
    }
    if one["state"] == "waiting":
        return [chosen]
    started = {"event": "attempt", "trial": number, "attempt": 1}
    if one["state"] == "running":
        return [chosen, started]
    end = {"event": "end", "trial": number, "attempt": 1, "state": one["state"], "values": one["values"]}
    end |= {"metrics": one.get("metrics", {}), "seconds": one.get("seconds", 2.0), "epochs": one.get("epochs", 3)}
    return [chosen, started, end | {"parameters": 1000, "failure": one.get("failure")}]


def _write_run(folder: Path, one: Mapping[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    if "rows" in one:
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in one["rows"]), encoding="utf-8")
    if "record" in one:
        record = {"state": one["state"], **one["record"]}
        (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
