"""The files of a sweep's reports."""

import csv
import html
import json
import math
import random
import re
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from labkeras.experiment.reports.importance import importances
from labkeras.experiment.reports.study import study_of
from labkeras.experiment.reports.writer import ReportWriter, write_reports
from labkeras.experiment.sweeps.ledger import read_ledger
from tests.helpers.sweeps_by_hand import LEARNING_RATE, OPTIMIZER, trial, write_sweep

RATE = "optimizer.learning_rate"
HOSTILE = "</script><script>alert(1)</script> | `x` [a](b) & \"q\" 'q' \x1b[31m \x00 \ud800 é\nsecond"


def rows(end: float, epochs: int = 4) -> list[dict[str, Any]]:
    return [{"epoch": e, "accuracy": end * e / epochs, "val_accuracy": end * e / epochs} for e in range(1, epochs + 1)]


def many(count: int, seed: int = 0) -> list[dict[str, Any]]:
    generator = random.Random(seed)
    trials = []
    for _ in range(count):
        rate, optimizer = 10 ** generator.uniform(-4, 0), generator.choice(["adam", "sgd"])
        value = 0.95 - 0.1 * abs(math.log10(rate) + 2) + generator.gauss(0, 0.005)
        trials.append(trial({"optimizer": optimizer, RATE: rate}, value, rows=rows(value)))
    return trials


HALVES: dict[str, dict[str, Any]] = {
    "nothing": {"trials": [], "ended": False},
    "waiting": {"trials": [trial({RATE: 0.1}, state="waiting")], "ended": False},
    "running": {"trials": [trial({RATE: 0.1}, state="running"), trial({RATE: 0.2}, state="waiting")], "ended": False},
    "one": {"trials": [trial({RATE: 0.1}, 0.9, rows=rows(0.9))]},
    "failed": {"trials": [trial({RATE: 0.1 * n}, state="failed") for n in range(3)]},
    "pruned": {"trials": [trial({RATE: 0.1 * n}, state="pruned", rows=rows(0.5)) for n in range(3)]},
    "equal": {"trials": [trial({RATE: 0.1 * n}, 0.9, rows=rows(0.9)) for n in range(3)]},
    "no objective": {"trials": [trial({RATE: 0.1 * n}) for n in range(3)], "objectives": []},
    "not numbers": {"trials": [trial({RATE: 0.1 * n}, None) for n in range(3)]},
    "kinds": {
        "trials": [trial({"x": x, "y": y}, 0.9) for x, y in ((None, [1, 2]), (True, {"a": 1}), (1, "s"), ("", 0))]
    },
    "zeros": {"trials": [trial({"decay": x}, 0.9 + x) for x in (0, 0.001, 0.01, 0.1)]},
    "negative": {"trials": [trial({"x": x}, -1e30 * x) for x in (-3.5, 0.0, 2)]},
    "seeds alone": {"trials": [trial({"seed": n}, 0.9 + 0.01 * n) for n in range(3)]},
    "several": {
        "trials": [trial({RATE: 0.1 * n}, 0.9 + n, 100.0 - n if n else None, n) for n in range(4)],
        "objectives": [{"monitor": name, "mode": "max"} for name in "abc"],
    },
    "500": {"trials": many(500), "space": [OPTIMIZER, LEARNING_RATE]},
}


@pytest.mark.parametrize("name", list(HALVES))
def test_every_sweep_has_reports_that_are_well_formed(tmp_path: Path, name: str) -> None:
    path = write_reports(write_sweep(tmp_path, **HALVES[name]))
    body = path.read_text(encoding="utf-8").removeprefix("<!DOCTYPE html>\n")
    root = ElementTree.fromstring(body)
    for picture in root.iter("svg"):
        assert picture.find(".//title") is not None
    assert "nan" not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", body, flags=re.DOTALL).lower()
    assert (tmp_path / "report.md").read_text(encoding="utf-8").startswith("# digits")
    listed = json.loads((tmp_path / "leaderboard.json").read_text(encoding="utf-8"))["rows"]
    assert sum(len(row["trials"]) for row in listed) == len(HALVES[name]["trials"])


@pytest.mark.parametrize("name", ["one", "several", "500", "running"])
def test_reports_are_the_same_bytes_when_they_are_written_again(tmp_path: Path, name: str) -> None:
    folder = write_sweep(tmp_path / "sweep", **HALVES[name])
    names = ("report.html", "report.md", "leaderboard.csv", "leaderboard.json")
    write_reports(folder)
    before = [(folder / one).read_bytes() for one in names]
    moved = folder.rename(tmp_path / "elsewhere")
    writer = ReportWriter(moved)
    writer.trial_ended()
    writer.close()
    assert [(moved / one).read_bytes() for one in names] == before


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    text = write_reports(write_sweep(tmp_path, **HALVES["500"])).read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|<script[^>]+src|<link|<img|<iframe|@import|url\(", text)
    assert "default-src 'none'" in html.unescape(text)


def test_texts_from_configs_and_errors_are_only_text(tmp_path: Path) -> None:
    hostile = HOSTILE.replace("\ud800", "")
    trials = [trial({hostile: value}, 0.9, rows=[{"epoch": 1, "val_accuracy": 0.5}]) for value in (hostile, "b")]
    trials.append(trial({hostile: "c"}, state="failed", failure={"kind": hostile, "error": hostile}))
    objective = {"monitor": "<b>", "mode": "max"}
    folder = write_sweep(tmp_path, trials, name=hostile, objectives=[objective])
    text = write_reports(folder).read_text(encoding="utf-8")
    root = ElementTree.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    assert len(list(root.iter("script"))) == 1
    assert list(root.iter("b")) == []
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    assert not re.search(r"(?<!\\)<script", markdown.partition("```sh")[0])
    assert "\x1b" not in markdown


def test_a_lone_surrogate_does_not_end_the_sweep(tmp_path: Path) -> None:
    write_reports(write_sweep(tmp_path, [trial({"name": "a\ud800"}, 0.9), trial({"name": "b"}, 0.8)]))


def test_damaged_files_of_a_trial_do_not_end_the_sweep(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, [trial({RATE: 0.1}, 0.9, rows=rows(0.9)), trial({RATE: 0.2}, 0.8)])
    (folder / "0000" / "metrics.jsonl").write_bytes(b"\xff{not json\n[]\n")
    (folder / "0001" / "run.json").write_text("[", encoding="utf-8")
    assert write_reports(folder).exists()


def test_the_leaderboard_as_csv(tmp_path: Path) -> None:
    values = {0.1: (0.90, 0.92), 0.01: (0.95, 0.97)}
    trials = [
        trial({RATE: rate, "seed": s}, v, seconds=4.0) for rate, found in values.items() for s, v in enumerate(found)
    ]
    write_reports(write_sweep(tmp_path, trials))
    first, second = csv.DictReader((tmp_path / "leaderboard.csv").read_text(encoding="utf-8").splitlines())
    assert (first["rank"], first["trials"], first["state"], first["seeds"]) == ("1", "2 3", "done", "2")
    assert float(first["val_accuracy"]) == pytest.approx(0.96)
    assert float(first["val_accuracy_ci95"]) == pytest.approx(12.7062 * 0.01, abs=1e-5)  # t(0.975, 1) · s / √2
    assert (first[RATE], first["seconds"], second["tied_with_best"]) == ("0.01", "4.0", "true")


def test_a_cell_is_never_a_formula(tmp_path: Path) -> None:
    write_reports(write_sweep(tmp_path, [trial({"name": name}, 0.9) for name in ("=1+1", "@x")]))
    found = csv.DictReader((tmp_path / "leaderboard.csv").read_text(encoding="utf-8").splitlines())
    assert [row["name"] for row in found] == ["'=1+1", "'@x"]


def test_the_report_says_what_was_best_and_how_to_make_it_again(tmp_path: Path) -> None:
    write_reports(
        write_sweep(tmp_path, [trial({RATE: 0.1}, 0.9), trial({RATE: 0.2}, 0.95), trial({RATE: 0.3}, state="pruned")])
    )
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "**Best: val\\_accuracy 0.9500** (one seed), [1](0001)" in text
    assert "labkeras train experiment=digits_mlp optimizer.learning_rate=0.2" in text
    assert "3 trials: 2 done, 1 pruned. Ended: all points were tried." in text


def test_importance_names_the_parameter_that_decides(tmp_path: Path) -> None:
    study = study_of(read_ledger(write_sweep(tmp_path, many(40), [OPTIMIZER, LEARNING_RATE])))
    (found,) = importances(study)
    assert list(found.shares) == [RATE, "optimizer"]
    assert sum(found.shares.values()) == pytest.approx(1.0, abs=1e-3)
    assert found.shares[RATE] > 0.6
    assert found.quantile == pytest.approx(5 / 40)


def test_few_trials_say_nothing_of_importance(tmp_path: Path) -> None:
    assert importances(study_of(read_ledger(write_sweep(tmp_path, many(19), [OPTIMIZER, LEARNING_RATE])))) == []


def test_trials_in_quick_succession_are_reported_together(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, many(50), [OPTIMIZER, LEARNING_RATE])
    writer = ReportWriter(folder, read_ledger(folder))
    writer.trial_ended()
    (folder / "report.html").unlink()
    writer._not_before = time.perf_counter() + 60
    start = time.perf_counter()
    for _ in range(1000):
        writer.trial_ended()
    assert time.perf_counter() - start < 0.1
    writer.refresh()
    assert not (folder / "report.html").exists()
    writer._not_before = 0.0
    writer.refresh()
    assert (folder / "report.html").exists()


def test_runs_that_ended_are_read_once(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, many(3), [OPTIMIZER, LEARNING_RATE])
    writer = ReportWriter(folder, read_ledger(folder))
    writer.trial_ended()
    before = (folder / "report.html").read_bytes()
    for path in folder.glob("*/metrics.jsonl"):
        path.unlink()
    writer.close()
    assert (folder / "report.html").read_bytes() == before
